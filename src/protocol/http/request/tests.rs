use proptest::prelude::*;

use super::naive::NaiveRequest;
use super::*;
use crate::protocol::{HEADERS_MAX, HeadScanner};

const LIMITS: HttpLimits = HttpLimits { head_bytes_max: 16384, body_bytes_max: 0 };

/// Copies a request into the form that the naive parser returns.
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

fn parse(head: &[u8]) -> Result<NaiveRequest, HttpError> {
    let mut storage = HeaderStorage::new();
    let parsed = Request::parse(head, &mut storage).map(|request| owned(&request));
    assert_eq!(
        parsed.as_ref().ok(),
        naive::parse(head, HEADERS_MAX).as_ref(),
        "{:?}",
        head.escape_ascii().to_string()
    );
    parsed
}

/// Parses a request as a server does: finds the end of the head, then parses it. Returns `None` if
/// the head is incomplete.
fn receive(bytes: &[u8]) -> Result<Option<NaiveRequest>, HttpError> {
    match HeadScanner::new().find_end(bytes, &LIMITS)? {
        Some(end) => parse(&bytes[..end]).map(Some),
        None => Ok(None),
    }
}

#[test]
fn reads_the_example_of_rfc_9112_section_3_2_1() {
    let request = parse(b"GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n").unwrap();
    assert_eq!(request.method, "GET");
    assert_eq!((request.path.as_str(), request.query.as_deref()), ("/where", Some("q=now")));
    assert_eq!(request.host.as_deref(), Some("www.example.org"));
    assert!(request.http_11 && request.keep_alive && !request.wants_websocket);
}

#[test]
fn reads_what_clients_send() {
    let head = b"\r\nPOST http://Localhost:8080/a%20b HTTP/1.1\r\nhost:localhost:8080\t \r\n\
        Content-Length:\t5\r\nexpect: 100-Continue\r\nConnection: foo ,Close\r\n\
        Upgrade: h2c, WebSocket\r\nX-Empty:\r\nCookie: \xc3\xa4=1\r\n\r\n";
    let request = parse(head).unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a%20b"));
    assert_eq!(request.host.as_deref(), Some("localhost:8080"));
    assert_eq!(request.body_bytes, 5);
    assert!(request.expects_continue && request.wants_websocket && !request.keep_alive);
    let mut storage = HeaderStorage::new();
    let request = Request::parse(head, &mut storage).unwrap();
    assert_eq!(request.header("x-EMPTY"), Some(""));
    assert_eq!(request.header("Cookie"), Some("ä=1"));
    assert_eq!(request.header("X-Absent"), None);
    assert_eq!(request.target(), "http://Localhost:8080/a%20b");
}

#[test]
fn a_connection_stays_open_as_rfc_9112_section_9_3_says() {
    for (version, connection, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: Upgrade\r\nConnection: CLOSE\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
    ] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        assert_eq!(parse(head.as_bytes()).unwrap().keep_alive, keep_alive, "{head:?}");
        let mut storage = HeaderStorage::new();
        let persistence = Request::parse(head.as_bytes(), &mut storage).unwrap().persistence();
        let is_said = persistence == Persistence::Said;
        assert_eq!(is_said, keep_alive && version == "1.0", "{head:?}");
    }
}

#[test]
fn each_bad_request_has_its_error_and_status() {
    use HttpError as E;
    let many_headers =
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX));
    let long_target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(LIMITS.head_bytes_max));
    let long_head = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(LIMITS.head_bytes_max));
    for (request, error, status) in [
        // Errors in the request line (RFC 9112 sections 2.2 and 3).
        ("\x16\x03\x01", E::RequestLineMalformed, 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::LineEndMalformed, 400),
        ("GET / HTTP/1.1\nHost: a\n\n", E::LineEndMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", E::LineEndMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", E::LineEndMalformed, 400),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", E::LineEndMalformed, 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", E::VersionUnsupported, 400),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", E::LineEndMalformed, 400),
        ("GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", E::LineEndMalformed, 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET\x01 / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET /\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", E::VersionUnsupported, 400),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", E::VersionUnsupported, 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", E::VersionUnsupported, 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", E::VersionUnsupported, 400),
        // Errors in the target (section 3.2).
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetMalformed, 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetMalformed, 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetMalformed, 400),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetMalformed, 400),
        ("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLineMalformed, 400),
        ("GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetMalformed, 400),
        ("GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n", E::TargetMalformed, 400),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", E::HostConflict, 400),
        // Errors in Host (section 3.2).
        ("GET / HTTP/1.1\r\n\r\n", E::HostMissing, 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", E::HostMissing, 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", E::HostMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", E::HostMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", E::HostMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", E::HostMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", E::HostMalformed, 400),
        ("GET / HTTP/1.0\r\nHost: [a\r\n\r\n", E::HostMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", E::HeaderRepeated, 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", E::HeaderRepeated, 400),
        // Errors in header lines (section 5).
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nÄ: b\r\n\r\n", E::HeaderNameMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", E::HeaderValueMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", E::HeaderValueMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\x7f\r\n\r\n", E::HeaderValueMalformed, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b\r\n\r\n", E::HeaderRepeated, 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nauthorization: b\r\n\r\n",
            E::HeaderRepeated,
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Key: a\r\n\r\n",
            E::HeaderRepeated,
            400,
        ),
        // Errors in the body (section 6).
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            E::HeaderRepeated,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            E::HeaderRepeated,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
            E::ContentLengthMalformed,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n",
            E::ContentLengthMalformed,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
            E::ContentLengthMalformed,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
            E::ContentLengthMalformed,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
            E::ContentLengthMalformed,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n",
            E::ContentLengthMalformed,
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", E::ContentLengthMalformed, 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", E::HeaderNameMalformed, 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", E::HeaderLookalike, 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContentLength: 5\r\n\r\n", E::HeaderLookalike, 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
            E::HeaderLookalike,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            E::TransferEncodingUnsupported,
            501,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
            E::TransferEncodingUnsupported,
            501,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
            E::TransferEncodingUnsupported,
            501,
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", E::FramingAmbiguous, 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            E::FramingAmbiguous,
            400,
        ),
        // Errors in Expect (RFC 9110 section 10.1.1).
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n", E::ExpectationFailed, 417),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n", E::ExpectationFailed, 417),
        // Heads that exceed a limit.
        (&many_headers, E::TooManyHeaders, 431),
        (&long_target, E::TargetTooLong, 414),
        (&long_head, E::HeadTooLarge, 431),
    ] {
        assert_eq!(receive(request.as_bytes()), Err(error), "{request:?}");
        assert_eq!(error.status(), status);
    }
    assert_eq!(
        parse(b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n"),
        Err(HttpError::RequestLineMalformed)
    );
}

#[test]
fn a_body_is_held_against_its_limit() {
    let limits = HttpLimits { body_bytes_max: 5, ..LIMITS };
    for (length, within) in [
        ("5", Ok(5)),
        ("6", Err(HttpError::BodyTooLarge)),
        ("99999999999999999999999", Err(HttpError::BodyTooLarge)),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let mut storage = HeaderStorage::new();
        let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
        assert_eq!(request.body_bytes_within(&limits), within);
    }
}

#[test]
fn an_expectation_in_http_1_0_is_ignored() {
    assert!(!parse(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap().expects_continue);
    assert!(!parse(b"POST / HTTP/1.0\r\nExpect: miracles\r\n\r\n").unwrap().expects_continue);
}

#[test]
fn an_upgrade_in_http_1_0_is_ignored() {
    let head = |version| format!("GET / HTTP/{version}\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    assert!(!parse(head("1.0").as_bytes()).unwrap().wants_websocket);
    assert!(parse(head("1.1").as_bytes()).unwrap().wants_websocket);
}

#[test]
fn bytes_above_127_in_a_value_are_opaque_as_rfc_9110_section_5_5_says() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: name=J\xfcrgen; b=1\r\nA: \xc3\xa4\r\n\r\n";
    assert_eq!(parse(head).unwrap().headers[1].1, b"name=J\xfcrgen; b=1");
    let mut storage = HeaderStorage::new();
    let request = Request::parse(head, &mut storage).unwrap();
    assert_eq!(request.header_bytes("cookie"), Some(&b"name=J\xfcrgen; b=1"[..]));
    assert_eq!(request.header("cookie"), Some("\u{fffd}"), "it is there, and is no text");
    assert_eq!((request.header("a"), request.header_bytes("b")), (Some("\u{e4}"), None));
}

#[test]
fn a_header_that_decides_something_does_not_vanish_by_being_no_text() {
    for (line, error) in [
        (&b"Host: \xff"[..], HttpError::HostMalformed),
        (b"Host: a\r\nContent-Length: \xff", HttpError::ContentLengthMalformed),
        (b"Host: a\r\nExpect: \xff", HttpError::ExpectationFailed),
        (b"Host: a\r\nTransfer-Encoding: \xff", HttpError::TransferEncodingUnsupported),
    ] {
        let head = [b"GET / HTTP/1.1\r\n", line, b"\r\n\r\n"].concat();
        assert_eq!(parse(&head), Err(error), "{}", line.escape_ascii());
    }
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://\xe4\r\n\r\n";
    let mut storage = HeaderStorage::new();
    assert!(Request::parse(head, &mut storage).unwrap().header("Origin").is_some());
}

#[test]
fn a_head_is_parsed_whole_or_not_at_all() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    for end in 0..head.len() {
        assert!(parse(&head[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(
        parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nA: b\r\n\r\n"),
        Err(HttpError::LineEndMalformed)
    );
}

type Pieces = &'static [&'static str];

fn piece(good: Pieces, bad: Pieces) -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => prop::sample::select(good), 1 => prop::sample::select(bad)]
}

/// Generates random heads of valid pieces, among them sometimes an invalid one.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        piece(&["", "", "", "\r\n"], &["\n", "\r\n\r\n", " "]),
        piece(&["GET ", "POST ", "x!y "], &["", " ", "GET  ", "G@T "]),
        piece(
            &["/", "/a?b=c", "/a%20b", "/ä", "http://a/b", "https://h:1?q"],
            &["*", "a", "/#", "/ ", "http://"],
        ),
        piece(
            &[" HTTP/1.1\r\n", " HTTP/1.1\r\n", " HTTP/1.0\r\n"],
            &["", "\r\n", " HTTP/1.1\n", " HTTP/1.3\r\n"],
        ),
    );
    let header = (
        piece(
            &[
                "A",
                "Host",
                "host",
                "Connection",
                "Upgrade",
                "Content-Length",
                "Expect",
                "Origin",
                "X_y",
                "Sec-WebSocket-Key",
            ],
            &["", " A", "A ", "Transfer-Encoding", "content_length", "Ä", "A\0"],
        ),
        piece(&[":", ": ", ":\t"], &["", " :", "\r"]),
        piece(
            &[
                "a",
                "a:80",
                "close",
                "keep-alive",
                "websocket",
                "5",
                "100-continue",
                "",
                "a, b",
                "[::1]",
                "ü",
                "a\tb",
            ],
            &["\0", "a\rb", "a\nb", "5 5", "\x7f", "\u{85}"],
        ),
        piece(&["\r\n", " \r\n"], &["\n", "\r", "", "\r\n x\r\n"]),
    );
    let host = piece(&["Host: a\r\n", "Host: h:1\r\n"], &["", "Host: a b\r\n"]);
    (line, host, prop::collection::vec(header, 0..5), piece(&["\r\n"], &["\n", "\r\r\n"])).prop_map(
        |((empty, method, target, version), host, headers, end)| {
            let mut head = [empty, method, target, version, host].concat();
            for (name, colon, value, line_end) in headers {
                head.extend([name, colon, value, line_end]);
            }
            head.push_str(end);
            head.into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn agrees_with_the_twin(head in heads()) {
        let _ = parse(&head);
    }

    #[test]
    fn agrees_with_the_twin_on_a_good_head_with_one_byte_changed(
        position: prop::sample::Index, byte: u8,
    ) {
        let mut head = b"GET /chat?a=b HTTP/1.1\r\nHost: server.example.com:80\r\n\
            Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n".to_vec();
        let position = position.index(head.len());
        head[position] = byte;
        let _ = parse(&head);
    }
}
