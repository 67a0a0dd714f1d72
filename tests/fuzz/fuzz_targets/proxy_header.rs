//! Fuzz target: reads a header of the PROXY protocol at once and in pieces, and compares the reader
//! with its naive twin.
//!
//! Input: one byte for the size of the pieces, then the bytes that a proxy sends.
#![no_main]

use std::net::IpAddr;

use fanfare::protocol::{ProxyHeader, ProxyHeaderError};
use libfuzzer_sys::fuzz_target;

#[path = "../../../src/protocol/proxy_header/naive.rs"]
mod naive;

const LONGEST: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let [size, bytes @ ..] = data else { return };
    let whole = ProxyHeader::parse(bytes);
    assert_eq!(in_pieces(bytes, usize::from(*size) + 1), whole);
    let found = whole.ok().flatten();
    assert!(found.is_none_or(|header| header.bytes <= bytes.len().min(LONGEST)));
    assert_eq!(found.map(as_naive), naive::parse(bytes, LONGEST));
});

fn in_pieces(bytes: &[u8], size: usize) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    for end in (0..bytes.len()).step_by(size) {
        if let Some(header) = ProxyHeader::parse(&bytes[..end])? {
            return Ok(Some(header));
        }
    }
    ProxyHeader::parse(bytes)
}

fn as_naive(header: ProxyHeader) -> (usize, Option<String>) {
    let client = header.client.map(|address| match address.ip() {
        IpAddr::V4(ip) => format!("{ip} {}", address.port()),
        IpAddr::V6(ip) => {
            let parts: Vec<String> = ip.segments().iter().map(|part| format!("{part:x}")).collect();
            format!("{} {}", parts.join(":"), address.port())
        }
    });
    (header.bytes, client)
}
