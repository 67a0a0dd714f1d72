//! Fuzz target: compares the decoder with its naive twin. The decoder receives the stream in
//! pieces, the naive decoder receives it whole.
//!
//! Input: one byte for the role, the limits and compression, one for the sizes of the pieces, then
//! the stream.
#![no_main]

use fanfare::protocol::{
    CompressedMessage, Decoded, Decoder, DecoderLimits, Event, MessageKind, ProtocolError, Role,
    UNCONSUMED_BYTES_MAX,
};
use libfuzzer_sys::fuzz_target;

#[path = "../../../src/protocol/decoder/naive.rs"]
mod naive;

use naive::NaiveEvent;

fuzz_target!(|data: &[u8]| {
    let [setup, pieces, stream @ ..] = data else { return };
    let role = if setup & 1 == 0 { Role::Server } else { Role::Client };
    let limits = match setup >> 1 & 3 {
        0 => DecoderLimits { message_bytes_max: 20, fragments_max: 3 },
        1 => DecoderLimits { message_bytes_max: 200, fragments_max: 5 },
        _ => DecoderLimits::UNLIMITED,
    };
    let compression = setup & 8 != 0;
    // Pieces of two sizes alternate, from single bytes up to the whole stream.
    let sizes = [usize::from(pieces & 15) + 1, usize::from(pieces >> 4) * 9 + 1];
    let (events, end) = naive::decode(
        role == Role::Server,
        limits.message_bytes_max,
        limits.fragments_max,
        compression,
        stream,
    );
    let decoder = Decoder::new(role).with_compression(compression);
    assert_eq!(decode(decoder, &limits, stream, sizes), (events, end.map_err(String::from)));
});

fn decode(
    mut decoder: Decoder,
    limits: &DecoderLimits,
    mut stream: &[u8],
    sizes: [usize; 2],
) -> (Vec<NaiveEvent>, Result<Vec<u8>, String>) {
    let (mut input, mut assembly, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for size in sizes.into_iter().cycle() {
        let (piece, rest) = stream.split_at(size.min(stream.len()));
        input.extend_from_slice(piece);
        stream = rest;
        loop {
            match decoder.decode(limits, &mut input, &mut assembly) {
                Ok(Decoded { consumed, event: Some(event) }) => {
                    events.push(owned(event));
                    input.drain(..consumed);
                    if matches!(events.last(), Some(NaiveEvent::Close(_))) {
                        return (events, Ok(Vec::new()));
                    }
                }
                Ok(Decoded { consumed, event: None }) => {
                    input.drain(..consumed);
                    assert!(input.len() <= UNCONSUMED_BYTES_MAX, "more is left than allowed");
                    break;
                }
                Err(error) => return (events, Err(name(error))),
            }
        }
        if stream.is_empty() {
            break;
        }
    }
    (events, Ok(input))
}

fn name(error: ProtocolError) -> String {
    assert!(error.close_code().is_allowed_on_wire());
    format!("{error:?}")
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
