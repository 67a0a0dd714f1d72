//! Tests of the frame client that other tests use: the examples of RFC 6455, and bytes that no
//! server may send.

use std::panic::catch_unwind;

use crate::support::frames::{FrameClient, Heard, Opcode};

fn hear(bytes: &[u8]) -> Vec<Heard> {
    let mut client = FrameClient::new(1);
    // A frame that arrives byte by byte is returned when it is complete.
    let heard = bytes.iter().flat_map(|byte| {
        client.receive(&[*byte]);
        client.heard()
    });
    heard.collect()
}

#[test]
fn hears_the_examples_of_section_5_7() {
    let hello = || Heard::Message(b"Hello".to_vec());
    assert_eq!(hear(b"\x81\x05Hello"), [hello()]);
    assert_eq!(hear(b"\x01\x03Hel\x89\x05Hello\x80\x02lo"), [Heard::Ping, hello()]);
    assert_eq!(hear(b"\x8a\x05Hello"), [Heard::Pong(b"Hello".to_vec())]);
    let [short, long] = [256_u16.to_be_bytes().to_vec(), 65_536_u64.to_be_bytes().to_vec()];
    for (length, extended, bytes) in [(126, short, 256), (127, long, 65_536)] {
        let frame = [vec![0x82, length], extended, vec![7; bytes]].concat();
        assert_eq!(hear(&frame), [Heard::Message(vec![7; bytes])]);
    }
    assert_eq!(hear(b"\x88\x05\x03\xe8bye"), [Heard::Close(1000, "bye".to_owned())]);
}

#[test]
fn writes_the_masked_example_of_section_5_7_but_for_the_key() {
    let frame = FrameClient::new(1).frame(Opcode::Text, b"Hello");
    assert_eq!(frame[..2], [0x81, 0x85]);
    let payload: Vec<_> = (0..5).map(|place| frame[6 + place] ^ frame[2 + place % 4]).collect();
    assert_eq!(payload, b"Hello");
    let lengths = [125, 126, 65_535, 65_536]
        .map(|bytes| FrameClient::new(1).frame(Opcode::Binary, &vec![0; bytes]).len() - bytes);
    assert_eq!(lengths, [6, 8, 8, 14]);
}

#[test]
fn panics_at_what_a_server_may_not_send() {
    let illegal: [(&str, &[u8]); 14] = [
        ("masked", b"\x81\x80\0\0\0\0"),
        ("a reserved bit", b"\xc1\x00"),
        ("a reserved opcode", b"\x83\x00"),
        ("a long form", b"\x81\x7e\x00\x05Hello"),
        ("a longer form", b"\x81\x7f\0\0\0\0\0\0\0\x05Hello"),
        ("a ping in fragments", b"\x09\x00"),
        ("a long ping", &[&b"\x89\x7e\x00\x7e"[..], &[0; 126]].concat()),
        ("a continuation of nothing", b"\x80\x00"),
        ("a message within a message", b"\x01\x00\x81\x00"),
        ("no UTF-8", b"\x81\x01\xff"),
        ("a Close without a code", b"\x88\x00"),
        ("a Close with a code that is never sent", b"\x88\x02\x03\xee"),
        ("a reason that is no UTF-8", b"\x88\x03\x03\xe8\xff"),
        ("bytes after the Close", b"\x88\x02\x03\xe8\x81"),
    ];
    for (what, bytes) in illegal {
        let mut client = FrameClient::new(1);
        client.receive(bytes);
        assert!(catch_unwind(move || client.heard()).is_err(), "{what}");
    }
    for head in ["HTTP/1.1 200 OK", "HTTP/1.0 204 No Content", "HTTP/1.1 101 Switching Protocols"] {
        let mut client = FrameClient::new(1);
        client.receive(format!("{head}\r\n\r\n").as_bytes());
        assert!(catch_unwind(move || client.response(false)).is_err(), "{head}");
    }
}
