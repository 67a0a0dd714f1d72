//! Benchmarks of checking that text is UTF-8 (RFC 6455 section 8.1), in pieces as they arrive.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::protocol::{Message, MessageKind, Utf8Validator};

const SIZES: [usize; 5] = [16, 125, 1024, 16 * 1024, 1024 * 1024];
/// The size of one piece of a long message. It is no multiple of a character's length, so that
/// pieces end inside characters.
const PIECE_BYTES: usize = 1000;

/// Returns text of at most `size` bytes, cut between characters.
fn text(alphabet: &str, size: usize) -> String {
    let mut text = alphabet.repeat(size / alphabet.len() + 1);
    text.truncate(text.floor_char_boundary(size));
    text
}

fn is_text_in_pieces(text: &[u8]) -> bool {
    let mut validator = Utf8Validator::new();
    text.chunks(PIECE_BYTES).all(|piece| validator.push(piece).is_ok())
        && validator.finish().is_ok()
}

fn utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for (name, alphabet) in [
        ("ascii", "the quick brown fox "),
        ("latin", "größere Übung "),
        ("cjk", "広播伺服器の試験"),
    ] {
        for size in SIZES {
            let text = text(alphabet, size);
            let bytes = text.as_bytes();
            assert!(Message::new(MessageKind::Text, bytes).is_some() && is_text_in_pieces(bytes));
            assert!(!is_text_in_pieces(&[bytes, b"\xff"].concat()));
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_with_input(
                BenchmarkId::new(format!("{name}_whole"), size),
                bytes,
                |bencher, bytes| {
                    bencher.iter(|| Message::new(MessageKind::Text, black_box(bytes)).is_some());
                },
            );
            group.bench_with_input(
                BenchmarkId::new(format!("{name}_pieces"), size),
                bytes,
                |bencher, bytes| {
                    bencher.iter(|| is_text_in_pieces(black_box(bytes)));
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, utf8);
criterion_main!(benches);
