use super::naive::NaiveEvent;
use super::*;
use crate::protocol::{
    CloseCode, encode_close, encode_frame, encode_masked_close, encode_masked_compressed_frame,
    encode_masked_frame,
};

mod streams;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const UNLIMITED: DecoderLimits = DecoderLimits::UNLIMITED;

/// A caller of the decoder: keeps the bytes that were not consumed, and passes them again in front
/// of the next bytes.
struct Receiver {
    decoder: Decoder,
    limits: DecoderLimits,
    unconsumed: Vec<u8>,
    assembly: Vec<u8>,
    events: Vec<NaiveEvent>,
    error: Option<ProtocolError>,
}

impl Receiver {
    fn new(role: Role, limits: DecoderLimits) -> Receiver {
        Receiver::of(Decoder::new(role), limits)
    }

    fn of(decoder: Decoder, limits: DecoderLimits) -> Receiver {
        let (unconsumed, assembly, events) = (Vec::new(), Vec::new(), Vec::new());
        Receiver { decoder, limits, unconsumed, assembly, events, error: None }
    }

    fn closed(&self) -> bool {
        matches!(self.events.last(), Some(NaiveEvent::Close(_)))
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.error.is_some() || self.closed() {
            return;
        }
        self.unconsumed.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            let decoded = self.decoder.decode(
                &self.limits,
                &mut self.unconsumed[start..],
                &mut self.assembly,
            );
            match decoded {
                Ok(Decoded { consumed, event: Some(event) }) => {
                    start += consumed;
                    self.events.push(owned(event));
                    if self.closed() {
                        self.unconsumed.clear();
                        return;
                    }
                }
                Ok(Decoded { consumed, event: None }) => {
                    self.unconsumed.drain(..start + consumed);
                    assert!(
                        self.unconsumed.len() <= UNCONSUMED_BYTES_MAX,
                        "more is left than allowed"
                    );
                    return;
                }
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    /// Returns the result in the form in which the naive decoder returns it.
    fn outcome(&self) -> (Vec<NaiveEvent>, Result<Vec<u8>, String>) {
        let end = match self.error {
            Some(error) => Err(format!("{error:?}")),
            None => Ok(self.unconsumed.clone()),
        };
        (self.events.clone(), end)
    }
}

fn owned(event: Event<'_>) -> NaiveEvent {
    match event {
        Event::Message(message) => match message.kind() {
            MessageKind::Text => {
                NaiveEvent::Text(message.as_text().expect("text is UTF-8").as_bytes().to_vec())
            }
            MessageKind::Binary => NaiveEvent::Binary(message.payload().to_vec()),
        },
        Event::Compressed(CompressedMessage { kind, payload }) => {
            NaiveEvent::Compressed(kind == MessageKind::Text, payload.to_vec())
        }
        Event::Ping(payload) => NaiveEvent::Ping(payload.to_vec()),
        Event::Pong(payload) => NaiveEvent::Pong(payload.to_vec()),
        Event::Close(close) => NaiveEvent::Close(
            close.map(|close| (close.code.as_u16(), close.reason.as_bytes().to_vec())),
        ),
    }
}

/// Decodes the bytes whole, byte by byte, and cut in two at every offset. Each way must have the
/// result of the naive decoder.
fn check_against_the_twin(role: Role, limits: DecoderLimits, bytes: &[u8]) {
    check_with(&Decoder::new(role), limits, bytes);
    check_with(&Decoder::new(role).with_compression(true), limits, bytes);
}

fn check_with(decoder: &Decoder, limits: DecoderLimits, bytes: &[u8]) {
    let (events, end) = naive::decode(
        decoder.role == Role::Server,
        limits.message_bytes_max,
        limits.fragments_max,
        decoder.compression,
        bytes,
    );
    let expected = (events, end.map_err(String::from));
    let check = |pieces: &[&[u8]], how: &str| {
        let mut receiver = Receiver::of(decoder.clone(), limits);
        pieces.iter().for_each(|piece| receiver.receive(piece));
        assert_eq!(receiver.outcome(), expected, "{how}: {bytes:02x?}");
    };
    check(&[bytes], "whole");
    check(&bytes.chunks(1).collect::<Vec<_>>(), "single bytes");
    for cut in 1..bytes.len() {
        check(&[&bytes[..cut], &bytes[cut..]], "in two");
    }
}

fn decode_all(
    role: Role,
    limits: DecoderLimits,
    bytes: &[u8],
) -> (Vec<NaiveEvent>, Option<ProtocolError>) {
    check_against_the_twin(role, limits, bytes);
    let mut receiver = Receiver::new(role, limits);
    receiver.receive(bytes);
    (receiver.events, receiver.error)
}

fn fragment(out: &mut Vec<u8>, fin: bool, opcode: Opcode, payload: &[u8]) {
    fragment_of(out, fin, false, opcode, payload);
}

fn fragment_of(out: &mut Vec<u8>, fin: bool, compressed: bool, opcode: Opcode, payload: &[u8]) {
    let header = FrameHeader {
        fin,
        compressed,
        opcode,
        mask: Some(KEY),
        payload_bytes: payload.len() as u64,
    };
    out.extend_from_slice(&header.encode());
    let at = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[at..], KEY);
}

#[test]
fn is_at_most_twenty_four_bytes() {
    assert!(size_of::<Decoder>() <= 24, "{}", size_of::<Decoder>());
}

#[test]
fn decodes_the_examples_of_rfc_6455_section_5_7() {
    let text = |text: &str| NaiveEvent::Text(text.as_bytes().to_vec());
    let mut binary_256 = vec![0x82, 0x7E, 0x01, 0x00];
    binary_256.extend_from_slice(&[7; 256]);
    for (role, bytes, event) in [
        (Role::Client, &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f][..], text("Hello")),
        (
            Role::Server,
            &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
            text("Hello"),
        ),
        (Role::Client, &[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], text("Hello")),
        (
            Role::Client,
            &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
            NaiveEvent::Ping(b"Hello".to_vec()),
        ),
        (
            Role::Server,
            &[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
            NaiveEvent::Pong(b"Hello".to_vec()),
        ),
        (Role::Client, &binary_256, NaiveEvent::Binary(vec![7; 256])),
    ] {
        assert_eq!(decode_all(role, UNLIMITED, bytes), (vec![event], None));
    }
}

#[test]
fn lends_a_whole_message_from_the_input() {
    let mut input = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x99];
    let payload_at = input[6..].as_ptr();
    let mut assembly = Vec::new();
    let decoded = Decoder::new(Role::Server).decode(&UNLIMITED, &mut input, &mut assembly).unwrap();
    assert_eq!(decoded.consumed, 11);
    let Some(Event::Message(message)) = decoded.event else { panic!("{decoded:?}") };
    assert_eq!(message.as_text(), Some("Hello"));
    assert_eq!(message.payload().as_ptr(), payload_at);
    assert_eq!(assembly.capacity(), 0, "nothing was copied");
}

#[test]
fn puts_fragments_together_with_control_frames_between_them() {
    let mut bytes = Vec::new();
    fragment(&mut bytes, false, Opcode::Text, "grü".as_bytes());
    encode_masked_frame(&mut bytes, Opcode::Ping, b"1", KEY);
    fragment(&mut bytes, false, Opcode::Continuation, b"");
    encode_masked_frame(&mut bytes, Opcode::Pong, b"2", KEY);
    // The cut between these fragments is in the middle of the letter ß.
    fragment(&mut bytes, false, Opcode::Continuation, &"ß".as_bytes()[..1]);
    fragment(&mut bytes, true, Opcode::Continuation, &"ße".as_bytes()[1..]);
    encode_masked_frame(&mut bytes, Opcode::Binary, b"", KEY);
    encode_masked_close(&mut bytes, CloseCode::NORMAL, "done", KEY);
    bytes.extend_from_slice(b"whatever follows a Close is not looked at");
    let (events, error) = decode_all(Role::Server, UNLIMITED, &bytes);
    assert_eq!(error, None);
    assert_eq!(
        events,
        [
            NaiveEvent::Ping(b"1".to_vec()),
            NaiveEvent::Pong(b"2".to_vec()),
            NaiveEvent::Text("grüße".as_bytes().to_vec()),
            NaiveEvent::Binary(Vec::new()),
            NaiveEvent::Close(Some((1000, b"done".to_vec()))),
        ]
    );
}

#[test]
fn each_broken_rule_has_its_error_and_close_code() {
    let masked = |first: u8, payload: &[u8]| {
        let mut bytes = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        bytes
    };
    let join = |frames: &[Vec<u8>]| frames.concat();
    for (bytes, error, code) in [
        (vec![0x81, 0x01, b'a'], ProtocolError::MaskRequired, 1002),
        (vec![0x88, 0x00], ProtocolError::MaskRequired, 1002),
        (masked(0xC1, b"a"), ProtocolError::ReservedBits, 1002),
        (masked(0xA9, b""), ProtocolError::ReservedBits, 1002),
        (masked(0x83, b"a"), ProtocolError::UnknownOpcode, 1002),
        (masked(0x8B, b""), ProtocolError::UnknownOpcode, 1002),
        (masked(0x09, b""), ProtocolError::ControlFragmented, 1002),
        (vec![0x89, 0xFE, 0, 126, 0, 0, 0, 0], ProtocolError::ControlTooLong, 1002),
        (vec![0x82, 0xFE, 0, 125, 0, 0, 0, 0], ProtocolError::LengthNotMinimal, 1002),
        (vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], ProtocolError::LengthTooLarge, 1002),
        (
            vec![0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0],
            ProtocolError::MessageTooBig,
            1009,
        ),
        (masked(0x80, b"a"), ProtocolError::ContinuationUnexpected, 1002),
        (masked(0x00, b"a"), ProtocolError::ContinuationUnexpected, 1002),
        (
            join(&[masked(0x01, b"a"), masked(0x81, b"b")]),
            ProtocolError::ContinuationExpected,
            1002,
        ),
        (
            join(&[masked(0x02, b"a"), masked(0x02, b"b")]),
            ProtocolError::ContinuationExpected,
            1002,
        ),
        (
            join(&[masked(0x01, b"a"), masked(0x80, b"b"), masked(0x80, b"c")]),
            ProtocolError::ContinuationUnexpected,
            1002,
        ),
        (masked(0x81, b"\xff"), ProtocolError::InvalidUtf8, 1007),
        (masked(0x81, b"abc\xc3"), ProtocolError::InvalidUtf8, 1007),
        (masked(0x01, b"\xed\xa0\x80"), ProtocolError::InvalidUtf8, 1007),
        (join(&[masked(0x01, b"\xc3"), masked(0x80, b"a")]), ProtocolError::InvalidUtf8, 1007),
        (join(&[masked(0x01, b"\xc3"), masked(0x80, b"")]), ProtocolError::InvalidUtf8, 1007),
        (masked(0x88, b"\x03"), ProtocolError::CloseBodyTooShort, 1002),
        (masked(0x88, b"\x03\xed"), ProtocolError::CloseCodeInvalid, 1002),
        (masked(0x88, b"\x00\x00"), ProtocolError::CloseCodeInvalid, 1002),
        (masked(0x88, b"\x03\xe8\xff"), ProtocolError::InvalidUtf8, 1007),
        (masked(0x82, &[0; 101]), ProtocolError::MessageTooBig, 1009),
        (
            join(&[masked(0x02, &[0; 60]), masked(0x80, &[0; 41])]),
            ProtocolError::MessageTooBig,
            1009,
        ),
        (
            join(&[masked(0x02, b""), masked(0x00, b""), masked(0x00, b""), masked(0x80, b"")]),
            ProtocolError::TooManyFragments,
            1008,
        ),
    ] {
        let limits = DecoderLimits { message_bytes_max: 100, fragments_max: 3 };
        assert_eq!(decode_all(Role::Server, limits, &bytes).1, Some(error), "{bytes:02x?}");
        assert_eq!(error.close_code().as_u16(), code);
        assert!(error.reason().len() <= crate::protocol::CLOSE_REASON_BYTES_MAX);
    }
    let masked_to_a_client = masked(0x82, b"a");
    assert_eq!(
        decode_all(Role::Client, UNLIMITED, &masked_to_a_client).1,
        Some(ProtocolError::MaskForbidden)
    );
}

#[test]
fn what_is_just_within_the_limits_passes() {
    let limits = DecoderLimits { message_bytes_max: 100, fragments_max: 3 };
    let mut bytes = Vec::new();
    encode_masked_frame(&mut bytes, Opcode::Binary, &[1; 100], KEY);
    fragment(&mut bytes, false, Opcode::Binary, &[1; 50]);
    fragment(&mut bytes, false, Opcode::Continuation, &[1; 50]);
    fragment(&mut bytes, true, Opcode::Continuation, &[]);
    let whole = NaiveEvent::Binary(vec![1; 100]);
    assert_eq!(decode_all(Role::Server, limits, &bytes), (vec![whole.clone(), whole], None));
}

#[test]
fn a_message_too_big_is_refused_at_its_header_and_nothing_is_allocated_for_it() {
    let mut header = [0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
    let mut assembly = Vec::new();
    let limits = DecoderLimits { message_bytes_max: 1 << 29, fragments_max: 1 };
    let refused = Decoder::new(Role::Server).decode(&limits, &mut header, &mut assembly);
    assert_eq!(refused, Err(ProtocolError::MessageTooBig));
    let limits = DecoderLimits { message_bytes_max: 1 << 30, fragments_max: 1 };
    let begun = Decoder::new(Role::Server).decode(&limits, &mut header, &mut assembly);
    assert_eq!(begun, Ok(Decoded { consumed: 14, event: None }));
    assert_eq!(assembly.capacity(), 0);
}

#[test]
fn invalid_text_fails_at_its_first_bad_byte_in_the_middle_of_a_frame() {
    // As in case 6.4 of the Autobahn test suite: valid letters, then a character above U+10FFFF.
    // The rest of the frame is never sent.
    let text = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let mut bytes = Vec::new();
    encode_masked_frame(&mut bytes, Opcode::Text, text, KEY);
    let mut receiver = Receiver::new(Role::Server, UNLIMITED);
    for (index, byte) in bytes.iter().enumerate() {
        receiver.receive(&[*byte]);
        let bad = 6 + 12;
        assert_eq!(
            receiver.error,
            (index >= bad).then_some(ProtocolError::InvalidUtf8),
            "at byte {index}"
        );
    }
}

#[test]
fn mid_message_lasts_from_the_first_fragment_to_the_last_byte() {
    let mut receiver = Receiver::new(Role::Server, UNLIMITED);
    let mut bytes = Vec::new();
    fragment(&mut bytes, false, Opcode::Binary, b"");
    receiver.receive(&bytes);
    assert!(receiver.decoder.is_mid_message());
    bytes.clear();
    encode_masked_frame(&mut bytes, Opcode::Ping, b"", KEY);
    fragment(&mut bytes, true, Opcode::Continuation, b"ab");
    receiver.receive(&bytes[..bytes.len() - 1]);
    assert!(receiver.decoder.is_mid_message());
    receiver.receive(&bytes[bytes.len() - 1..]);
    assert!(!receiver.decoder.is_mid_message());
    assert_eq!(receiver.events, [NaiveEvent::Ping(Vec::new()), NaiveEvent::Binary(b"ab".to_vec())]);
}

#[test]
fn an_old_assembly_does_not_leak_into_the_next_message() {
    let mut bytes = Vec::new();
    for payload in [&b"first"[..], b"2"] {
        fragment(&mut bytes, false, Opcode::Text, payload);
        fragment(&mut bytes, true, Opcode::Continuation, b"!");
    }
    let mut receiver = Receiver::new(Role::Server, UNLIMITED);
    receiver.assembly.extend_from_slice(b"left by another connection");
    receiver.receive(&bytes);
    assert_eq!(
        receiver.events,
        [NaiveEvent::Text(b"first!".to_vec()), NaiveEvent::Text(b"2!".to_vec())]
    );
}

#[test]
fn takes_sixteen_mebibytes_and_sixty_five_thousand_fragments() {
    let payload: Vec<u8> = b"0123456789abcdef".repeat(1 << 20);
    let mut bytes = Vec::new();
    encode_masked_frame(&mut bytes, Opcode::Text, &payload, KEY);
    let mut receiver = Receiver::new(Role::Server, UNLIMITED);
    bytes.chunks(65_536).for_each(|piece| receiver.receive(piece));
    assert_eq!(receiver.events, [NaiveEvent::Text(payload)]);

    bytes.clear();
    fragment(&mut bytes, false, Opcode::Binary, b"x");
    (0..65_534).for_each(|_| fragment(&mut bytes, false, Opcode::Continuation, b"x"));
    fragment(&mut bytes, true, Opcode::Continuation, b"x");
    let mut receiver =
        Receiver::new(Role::Server, DecoderLimits { fragments_max: 65_536, ..UNLIMITED });
    receiver.receive(&bytes);
    assert_eq!(receiver.events, [NaiveEvent::Binary(vec![b'x'; 65_536])]);
}

#[test]
fn a_compressed_message_is_passed_on_as_it_came() {
    let mut bytes = Vec::new();
    // Not UTF-8, which is checked when it has been inflated.
    encode_masked_compressed_frame(&mut bytes, MessageKind::Text, b"\xff", KEY);
    fragment_of(&mut bytes, false, true, Opcode::Binary, b"\xff");
    encode_masked_frame(&mut bytes, Opcode::Ping, b"1", KEY);
    fragment(&mut bytes, true, Opcode::Continuation, b"\xc3");
    encode_masked_frame(&mut bytes, Opcode::Text, b"plain", KEY);
    fragment(&mut bytes, false, Opcode::Text, b"\xc3");
    fragment(&mut bytes, true, Opcode::Continuation, b"\xff");
    check_against_the_twin(Role::Server, UNLIMITED, &bytes);
    let decoder = Decoder::new(Role::Server).with_compression(true);
    let mut receiver = Receiver::of(decoder, UNLIMITED);
    receiver.receive(&bytes);
    assert_eq!(
        receiver.events,
        [
            NaiveEvent::Compressed(true, b"\xff".to_vec()),
            NaiveEvent::Ping(b"1".to_vec()),
            NaiveEvent::Compressed(false, b"\xff\xc3".to_vec()),
            NaiveEvent::Text(b"plain".to_vec()),
        ]
    );
    assert_eq!(receiver.error, Some(ProtocolError::InvalidUtf8), "plain text is checked as ever");
}

#[test]
fn rsv1_is_a_fault_on_control_frames_and_continuations_and_where_it_was_not_agreed() {
    let refused = |decoder: &Decoder, bytes: &[u8]| {
        check_against_the_twin(Role::Server, UNLIMITED, bytes);
        let mut receiver = Receiver::of(decoder.clone(), UNLIMITED);
        receiver.receive(bytes);
        receiver.error
    };
    let agreed = Decoder::new(Role::Server).with_compression(true);
    for first in [0xC8, 0xC9, 0xCA] {
        let bytes = [first, 0x80, 0, 0, 0, 0];
        assert_eq!(refused(&agreed, &bytes), Some(ProtocolError::ReservedBits));
    }
    for compressed in [false, true] {
        let mut bytes = Vec::new();
        fragment_of(&mut bytes, false, compressed, Opcode::Text, b"");
        bytes.extend_from_slice(&[0xC0, 0x80, 0, 0, 0, 0]);
        assert_eq!(refused(&agreed, &bytes), Some(ProtocolError::ReservedBits));
    }
    let message = [0xC1, 0x80, 0, 0, 0, 0];
    assert_eq!(refused(&agreed, &message), None);
    assert_eq!(refused(&Decoder::new(Role::Server), &message), Some(ProtocolError::ReservedBits));
}

#[test]
fn a_compressed_message_may_be_longer_by_what_compressing_adds() {
    let limits = DecoderLimits { message_bytes_max: 1000, fragments_max: 2 };
    let most = deflated_bytes_max(1000, 1) as usize;
    for (bytes, error) in [(most, None), (most + 1, Some(ProtocolError::MessageTooBig))] {
        let mut frame = Vec::new();
        encode_masked_compressed_frame(&mut frame, MessageKind::Binary, &vec![0; bytes], KEY);
        let decoder = Decoder::new(Role::Server).with_compression(true);
        let mut receiver = Receiver::of(decoder, limits);
        receiver.receive(&frame);
        assert_eq!(receiver.error, error);
    }
}

#[test]
fn reads_what_a_server_writes() {
    let mut bytes = Vec::new();
    encode_frame(&mut bytes, Opcode::Text, b"a");
    encode_close(&mut bytes, CloseCode::SERVICE_RESTART, "restarting");
    assert_eq!(
        decode_all(Role::Client, UNLIMITED, &bytes).0,
        [NaiveEvent::Text(b"a".to_vec()), NaiveEvent::Close(Some((1012, b"restarting".to_vec())))]
    );
}
