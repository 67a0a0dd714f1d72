//! Tests of frames that RFC 6455 forbids, or that exceed a limit.

use super::Watched;
use crate::support::{Running, close_frame, continuation, frame, frame_header};

const PROTOCOL_ERROR: u16 = 1002;
const INVALID_PAYLOAD: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

/// Returns a frame header from its bytes: the first byte, the length byte, the extended length;
/// then a masking key of zeros.
fn header(first_byte: u8, length: u8, extended: &[u8]) -> Vec<u8> {
    [&[first_byte, length][..], extended, &[0; 4]].concat()
}

fn check(rows: Vec<(String, Vec<u8>, u16)>) {
    let mut watched = Watched::new(Running::broadcast());
    for (name, bytes, code) in rows {
        watched.check_close(&name, "/news", code, |peer| peer.send(&bytes));
    }
}

fn rows<const N: usize>(rows: [(&str, Vec<u8>, u16); N]) -> Vec<(String, Vec<u8>, u16)> {
    rows.into_iter().map(|(name, bytes, code)| (name.to_owned(), bytes, code)).collect()
}

#[test]
fn headers_that_break_a_rule_are_protocol_errors() {
    let mut all = rows([
        ("an unmasked frame", b"\x81\x05hello".to_vec(), PROTOCOL_ERROR),
        ("an unmasked close", b"\x88\x00".to_vec(), PROTOCOL_ERROR),
        ("RSV1", frame(0xc1, "a"), PROTOCOL_ERROR),
        ("RSV2", frame(0xa1, "a"), PROTOCOL_ERROR),
        ("RSV3", frame(0x91, "a"), PROTOCOL_ERROR),
        ("RSV1 on a ping", frame(0xc9, ""), PROTOCOL_ERROR),
        ("a fragmented ping", frame(0x09, "a"), PROTOCOL_ERROR),
        ("a fragmented pong", frame(0x0a, "a"), PROTOCOL_ERROR),
        ("a fragmented close", frame(0x08, ""), PROTOCOL_ERROR),
        ("a ping of 126 bytes", frame(0x89, [0; 126]), PROTOCOL_ERROR),
        ("a close of 126 bytes", close_frame(1000, [b'a'; 124]), PROTOCOL_ERROR),
        ("5 bytes in the 16-bit form", header(0x81, 0xfe, &[0, 5]), PROTOCOL_ERROR),
        ("125 bytes in the 16-bit form", header(0x81, 0xfe, &[0, 125]), PROTOCOL_ERROR),
        (
            "5 bytes in the 64-bit form",
            header(0x81, 0xff, &[0, 0, 0, 0, 0, 0, 0, 5]),
            PROTOCOL_ERROR,
        ),
        (
            "65535 bytes in the 64-bit form",
            header(0x81, 0xff, &[0, 0, 0, 0, 0, 0, 0xff, 0xff]),
            PROTOCOL_ERROR,
        ),
        ("2^63 bytes", header(0x82, 0xff, &[0x80, 0, 0, 0, 0, 0, 0, 0]), PROTOCOL_ERROR),
        ("2^64 - 1 bytes", header(0x82, 0xff, &[0xff; 8]), PROTOCOL_ERROR),
        ("a continuation of nothing", frame(0x80, "a"), PROTOCOL_ERROR),
        ("a fragment of nothing", continuation(b"a"), PROTOCOL_ERROR),
        (
            "a message within a message",
            [frame(0x01, "a"), frame(0x81, "b")].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "a fragment within a message",
            [frame(0x01, "a"), frame(0x02, "b")].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "a continuation after the last",
            [frame(0x01, "a"), frame(0x80, "b"), frame(0x80, "c")].concat(),
            PROTOCOL_ERROR,
        ),
    ]);
    // The last row is left out: its first message is complete and is published before the error, so
    // it has a test of its own.
    all.pop();
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        all.push((format!("opcode {opcode}"), frame(0x80 | opcode, "a"), PROTOCOL_ERROR));
    }
    check(all);
}

#[test]
fn text_that_is_not_utf_8_fails_at_its_first_bad_byte() {
    check(rows([
        ("a byte that no character begins with", frame(0x81, b"caf\xe9"), INVALID_PAYLOAD),
        ("an overlong slash", frame(0x81, b"\xc0\xaf"), INVALID_PAYLOAD),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), INVALID_PAYLOAD),
        ("beyond the last character", frame(0x81, b"\xf4\x90\x80\x80"), INVALID_PAYLOAD),
        ("half a character at the end", frame(0x81, b"a\xe2\x82"), INVALID_PAYLOAD),
        (
            "half a character at the end of a fragmented message",
            [frame(0x01, b"a\xe2"), frame(0x80, b"\x82")].concat(),
            INVALID_PAYLOAD,
        ),
        ("a bad byte in a first fragment", frame(0x01, b"\xff"), INVALID_PAYLOAD),
        // The rest of this frame is never sent.
        (
            "a bad byte in a frame that is not complete",
            [frame_header(0x81, 100), vec![0xff ^ 0x37]].concat(),
            INVALID_PAYLOAD,
        ),
        ("the reason of a close", close_frame(1000, b"caf\xe9"), INVALID_PAYLOAD),
    ]));
}

#[test]
fn close_frames_that_say_what_cannot_be_said_are_protocol_errors() {
    let mut all = rows([("a body of one byte", frame(0x88, [3]), PROTOCOL_ERROR)]);
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        all.push((format!("code {code}"), close_frame(code, ""), PROTOCOL_ERROR));
    }
    check(all);
}

#[test]
fn what_is_too_big_is_refused_at_its_header() {
    check(rows([
        ("65537 bytes", frame_header(0x82, 65537), TOO_BIG),
        ("2^63 - 1 bytes", frame_header(0x82, (1 << 63) - 1), TOO_BIG),
        (
            "65537 bytes in two fragments",
            [frame(0x02, vec![0; 65536]), frame_header(0x80, 1)].concat(),
            TOO_BIG,
        ),
        ("1025 fragments", [frame(0x02, ""), continuation(b"").repeat(1024)].concat(), POLICY),
    ]));
}

#[test]
fn a_message_that_never_ends_is_closed_for_the_time_it_takes() {
    let server = Running::broadcast_with(fanfare::BroadcastOptions::default(), |builder| {
        builder.message_timeout(Some(std::time::Duration::from_millis(1)))
    });
    let mut watched = Watched::new(server);
    for (name, bytes) in [
        ("half a header", vec![0x81]),
        ("a header without its payload", frame_header(0x81, 5)),
        ("a first fragment", frame(0x01, "a")),
        (
            "a fragmented message with pings in between",
            [frame(0x01, "a"), frame(0x8a, "")].concat(),
        ),
        ("half a ping", frame_header(0x89, 5)),
    ] {
        watched.check_close(name, "/news", POLICY, |peer| peer.send(&bytes));
    }
}

#[test]
fn what_came_whole_before_the_fault_counts() {
    let server = Running::broadcast();
    let mut honest = crate::support::Peer::subscribe(server.address, "/news");
    let mut peer = crate::support::Peer::subscribe(server.address, "/news");
    peer.send(
        [frame(0x81, "first"), frame(0x01, "a"), frame(0x80, "b"), frame(0x80, "c")].concat(),
    );
    assert_eq!([honest.text(), honest.text()], ["first", "ab"]);
    loop {
        let frame = peer.frame();
        if let Some((code, _)) = frame.close() {
            assert_eq!(code, PROTOCOL_ERROR);
            break;
        }
    }
    peer.end();
    honest.close();
}

#[test]
fn a_ping_within_a_message_is_answered_with_its_payload() {
    let server = Running::broadcast();
    let mut peer = crate::support::Peer::subscribe(server.address, "/news");
    peer.send([frame(0x01, "a"), frame(0x89, [7; 125]), frame(0x80, "b")].concat());
    let pong = peer.frame();
    assert_eq!((pong.first_byte, pong.payload), (0x8a, vec![7; 125]));
    assert_eq!(peer.text(), "ab");
    peer.close();
}
