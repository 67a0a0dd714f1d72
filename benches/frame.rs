//! Benchmarks of decoding and encoding frames.
//!
//! Decoding unmasks in place, so each iteration begins with a fresh copy of the bytes that the peer
//! has sent. The benchmark `copy` measures that copy alone, to be subtracted.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::protocol::{
    Decoded, Decoder, DecoderLimits, Event, FrameHeader, Message, Opcode, Role, apply_mask,
    encode_frame, encode_masked_frame,
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const SIZES: [usize; 4] = [16, 125, 1024, 65_536];
/// Frames in one receive buffer.
const BATCH: usize = 64;
/// Payload bytes of each fragment of a fragmented message.
const FRAGMENT_BYTES: usize = 100;

/// Decodes all of `input`. Returns the number of messages, and of their bytes.
fn decode_all(role: Role, input: &mut [u8], assembly: &mut Vec<u8>) -> (usize, usize) {
    let mut decoder = Decoder::new(role);
    let (mut messages, mut bytes, mut start) = (0, 0, 0);
    loop {
        match decoder.decode(&DecoderLimits::UNLIMITED, &mut input[start..], assembly) {
            Ok(Decoded { consumed, event: Some(Event::Message(message)) }) => {
                start += consumed;
                messages += 1;
                bytes += message.payload().len();
            }
            Ok(Decoded { consumed, event: Some(_) }) => start += consumed,
            Ok(Decoded { event: None, .. }) => return (messages, bytes),
            Err(error) => panic!("{error}"),
        }
    }
}

fn fragmented(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let last = payload.len().div_ceil(FRAGMENT_BYTES) - 1;
    for (index, piece) in payload.chunks(FRAGMENT_BYTES).enumerate() {
        let opcode = if index == 0 { Opcode::Text } else { Opcode::Continuation };
        let header = FrameHeader {
            fin: index == last,
            compressed: false,
            opcode,
            mask: Some(KEY),
            payload_bytes: piece.len() as u64,
        };
        out.extend_from_slice(&header.encode());
        let at = out.len();
        out.extend_from_slice(piece);
        apply_mask(&mut out[at..], KEY);
    }
    out
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for size in SIZES {
        let payload = vec![b'a'; size];
        let batch = (1024 * 1024 / size).min(BATCH);
        let repeat = |one: &dyn Fn(&mut Vec<u8>)| {
            let mut stream = Vec::new();
            (0..batch).for_each(|_| one(&mut stream));
            stream
        };
        let cases = [
            (
                "decode_text",
                Role::Server,
                repeat(&|out| encode_masked_frame(out, Opcode::Text, &payload, KEY)),
            ),
            (
                "decode_binary",
                Role::Server,
                repeat(&|out| encode_masked_frame(out, Opcode::Binary, &payload, KEY)),
            ),
            (
                "decode_unmasked",
                Role::Client,
                repeat(&|out| encode_frame(out, Opcode::Binary, &payload)),
            ),
            (
                "decode_fragments",
                Role::Server,
                repeat(&|out| out.extend_from_slice(&fragmented(&payload))),
            ),
        ];
        group.throughput(Throughput::Bytes((batch * size) as u64));
        for (name, role, stream) in &cases {
            let (mut input, mut assembly) = (stream.clone(), Vec::new());
            assert_eq!(decode_all(*role, &mut input, &mut assembly), (batch, batch * size));
            group.bench_with_input(BenchmarkId::new(*name, size), stream, |bencher, stream| {
                bencher.iter(|| {
                    input.copy_from_slice(black_box(stream));
                    decode_all(*role, black_box(&mut input), &mut assembly)
                });
            });
        }
        let stream = &cases[0].2;
        let mut input = stream.clone();
        group.bench_with_input(BenchmarkId::new("copy", size), stream, |bencher, stream| {
            bencher.iter(|| {
                input.copy_from_slice(black_box(stream));
                black_box(&mut input);
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for size in SIZES {
        let payload = vec![b'a'; size];
        let message = Message::binary(&payload);
        let mut out = Vec::new();
        encode_frame(&mut out, message.kind().opcode(), message.payload());
        assert_eq!(
            FrameHeader::parse(&out)
                .ok()
                .flatten()
                .map(|(_, header_bytes)| out.len() - header_bytes),
            Some(size)
        );
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("encode", size), &payload, |bencher, payload| {
            bencher.iter(|| {
                out.clear();
                encode_frame(&mut out, Opcode::Binary, black_box(payload));
            });
        });
        group.bench_with_input(
            BenchmarkId::new("encode_masked", size),
            &payload,
            |bencher, payload| {
                bencher.iter(|| {
                    out.clear();
                    encode_masked_frame(
                        &mut out,
                        Opcode::Binary,
                        black_box(payload),
                        black_box(KEY),
                    );
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
