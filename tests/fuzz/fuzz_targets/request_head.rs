//! Fuzz target: finds the end of a request head in pieces and at once, and compares the parser with
//! its naive twin. A request that is accepted as an upgrade must not be ambiguous.
//!
//! Input: one byte for the size of the pieces, then the bytes that a client sends.
#![no_main]

use fanfare::protocol::{
    HEADERS_MAX, HeadScanner, HeaderStorage, HttpError, HttpLimits, Request, check_upgrade,
    encode_switching_protocols,
};
use libfuzzer_sys::fuzz_target;

#[path = "../../../src/protocol/http/request/naive.rs"]
mod naive;

use naive::NaiveRequest;

const LIMITS: HttpLimits = HttpLimits { head_bytes_max: 1024, body_bytes_max: 0 };

fuzz_target!(|data: &[u8]| {
    let [size, bytes @ ..] = data else { return };
    let whole = HeadScanner::new().find_end(bytes, &LIMITS);
    assert_eq!(find_end_in_pieces(bytes, usize::from(*size) + 1), whole);
    let blank = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    match whole {
        Ok(Some(end)) => assert_eq!(Some(end), blank),
        Ok(None) => assert!(blank.is_none() && bytes.len() < LIMITS.head_bytes_max),
        Err(_) => {}
    }

    // The parser must not rely on the scanner, so it also gets bytes that the scanner has refused.
    check_parse(bytes);
    if let Ok(Some(end)) = whole {
        check_parse(&bytes[..end]);
    }
});

fn find_end_in_pieces(bytes: &[u8], size: usize) -> Result<Option<usize>, HttpError> {
    let mut scanner = HeadScanner::new();
    for end in (0..bytes.len()).step_by(size) {
        if let Some(head) = scanner.find_end(&bytes[..end], &LIMITS)? {
            return Ok(Some(head));
        }
    }
    scanner.find_end(bytes, &LIMITS)
}

fn check_parse(head: &[u8]) {
    let mut storage = HeaderStorage::new();
    let parsed = Request::parse(head, &mut storage);
    let expected = naive::parse(head, HEADERS_MAX);
    assert_eq!(parsed.as_ref().ok().map(owned), expected, "{:?}", parsed.as_ref().err());
    match parsed {
        Ok(request) => check_accepted(&request),
        Err(error) => assert!(matches!(error.status(), 400 | 413 | 414 | 417 | 431 | 501)),
    }
}

fn check_accepted(request: &Request<'_>) {
    assert!(request.path().starts_with('/'));
    for (name, _) in request.headers() {
        assert!(request.header(name).is_some());
    }
    match check_upgrade(request) {
        Ok(upgrade) => {
            assert!(request.is_http_11() && request.host().is_some() && request.body_bytes() == 0);
            assert_eq!(upgrade.key.len(), 24);
            let mut out = Vec::new();
            let subprotocol = upgrade.subprotocols().next();
            let compression = upgrade.accept_compression(12);
            encode_switching_protocols(&mut out, upgrade.key, subprotocol, compression);
            assert!(out.windows(4).position(|four| four == b"\r\n\r\n") == Some(out.len() - 4));
        }
        Err(error) => assert!(matches!(error.response().status(), 400 | 405 | 426)),
    }
}

fn owned(request: &Request<'_>) -> NaiveRequest {
    NaiveRequest {
        method: request.method().to_owned(),
        path: request.path().to_owned(),
        query: request.query().map(str::to_owned),
        host: request.host().map(str::to_owned),
        http_11: request.is_http_11(),
        keep_alive: request.keep_alive(),
        body_bytes: request.body_bytes(),
        expects_continue: request.expects_continue(),
        wants_websocket: request.wants_websocket(),
        headers: request.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
    }
}
