//! Benchmark of the opening handshake (RFC 6455 section 4.2): finding the end of the head, parsing
//! it, checking it, and encoding the answer.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::protocol::{
    ClientHandshake, HeadScanner, HeaderStorage, HttpLimits, Request, accept_key, check_upgrade,
    encode_switching_protocols,
};

/// The headers that a browser sends besides those of the handshake.
const BROWSER_HEADERS: [(&str, &str); 8] = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "*/*"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Origin", "http://localhost:8080"),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
    ("Cache-Control", "no-cache"),
];

fn answer(bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let end = HeadScanner::new().find_end(bytes, &HttpLimits::default()).ok()??;
    let mut storage = HeaderStorage::new();
    let request = Request::parse(&bytes[..end], &mut storage).ok()?;
    let upgrade = check_upgrade(&request).ok()?;
    encode_switching_protocols(out, upgrade.key, None, None);
    Some(request.path().len())
}

fn opening_handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("opening_handshake");
    for (name, headers) in [("small", &[][..]), ("browser", &BROWSER_HEADERS)] {
        let mut head = Vec::new();
        ClientHandshake::new(*b"the sample nonce").write_request(
            &mut head,
            "localhost:8080",
            "/news",
            headers,
        );
        let mut out = Vec::new();
        assert_eq!(answer(&head, &mut out), Some("/news".len()));
        assert!(out.windows(28).any(|window| window == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_with_input(BenchmarkId::new(name, head.len()), &head, |bencher, head| {
            bencher.iter(|| {
                out.clear();
                answer(black_box(head), &mut out)
            });
        });
        group.bench_with_input(
            BenchmarkId::new(format!("{name}_parse"), head.len()),
            &head,
            |bencher, head| {
                bencher.iter(|| {
                    let mut storage = HeaderStorage::new();
                    Request::parse(black_box(head), &mut storage)
                        .map(|request| request.body_bytes())
                });
            },
        );
    }
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(&accept_key(key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    group.throughput(Throughput::Bytes(key.len() as u64));
    group.bench_function(BenchmarkId::new("accept_key", key.len()), |bencher| {
        bencher.iter(|| accept_key(black_box(key)));
    });
    group.finish();
}

criterion_group!(benches, opening_handshake);
criterion_main!(benches);
