//! Benchmarks of masking (RFC 6455 section 5.3): every payload byte of a client is unmasked.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::protocol::{apply_mask, apply_mask_at};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const SIZES: [usize; 6] = [5, 64, 125, 1024, 16 * 1024, 1024 * 1024];

fn mask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for size in SIZES {
        let mut payload = vec![b'a'; size];
        apply_mask(&mut payload, KEY);
        assert!(payload.iter().enumerate().all(|(index, byte)| byte ^ KEY[index % 4] == b'a'));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("whole", size), &size, |bencher, _| {
            bencher.iter(|| apply_mask(black_box(&mut payload), black_box(KEY)));
        });
        // A piece from the middle of a payload, not aligned to a word.
        let mut piece = vec![b'a'; size + 1];
        apply_mask_at(&mut piece[1..], KEY, 3);
        assert_eq!(piece[1], b'a' ^ KEY[3]);
        group.bench_with_input(BenchmarkId::new("piece", size), &size, |bencher, _| {
            bencher
                .iter(|| apply_mask_at(black_box(&mut piece[1..]), black_box(KEY), black_box(3)));
        });
    }
    group.finish();
}

criterion_group!(benches, mask);
criterion_main!(benches);
