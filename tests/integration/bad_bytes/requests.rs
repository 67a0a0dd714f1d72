//! Tests of bytes that are no valid request, and of requests that are refused.

use fanfare::{BroadcastOptions, PublishKey, Reject};

use super::Counted::{self, Handshake, Refused, Reject as Rejected};
use super::Watched;
use crate::support::{Peer, Running, request, text, upgrade};

const MALFORMED: Counted = Rejected("malformed");
const TOO_LARGE: Counted = Rejected("too_large");
const NO_HANDSHAKE: Counted = Handshake("malformed");
const NOT_FOUND: Counted = Handshake("not_found");
const ORIGIN: Counted = Handshake("forbidden_origin");
const HOST: Counted = Handshake("forbidden_host");

/// A name for the row, its bytes, the status of the answer, headers that the answer must have, and
/// where the refusal is counted.
type Row<'r> = (&'r str, Vec<u8>, u16, &'r [(&'r str, &'r str)], Counted);

/// Sends the bytes of each row and checks the answer, and that the connection ends if the answer
/// has `Connection: close`.
fn check(watched: &mut Watched, rows: Vec<Row<'_>>) {
    for (name, bytes, status, headers, counted) in rows {
        watched.check(name, counted, |peer| {
            peer.send(&bytes);
            let response = peer.response();
            assert_eq!(response.status, status, "{name}: {response:?}");
            assert!(!response.body.is_empty(), "{name}: the answer says what was wrong");
            for (header, value) in headers {
                assert_eq!(response.header(header), Some(*value), "{name}: {response:?}");
            }
            let is_last =
                response.header("Connection").is_some_and(|value| value.ends_with("close"));
            match (is_last, counted) {
                (true, _) => peer.end(),
                (false, Refused(_)) => {
                    assert_eq!(
                        peer.ask(request("GET", "/-/healthz", "", "")).status,
                        200,
                        "{name}"
                    );
                }
                (false, _) => {
                    panic!("{name}: who is refused is told that it is over: {response:?}")
                }
            }
            status
        });
    }
}

/// Returns a request of these lines, exactly as given.
fn raw(head: &str) -> Vec<u8> {
    format!("{head}\r\n\r\n").into_bytes()
}

/// Returns the handshake of [`upgrade`] with one part of it replaced.
fn handshake_with(old: &str, new: &str) -> Vec<u8> {
    let handshake = String::from_utf8(upgrade("/news")).unwrap();
    assert!(handshake.contains(old), "{old:?} is not in the handshake");
    handshake.replace(old, new).into_bytes()
}

const KEY_LINE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn malformed_heads_are_400() {
    let head = |lines: &str| raw(&format!("GET /news HTTP/1.1\r\nHost: localhost\r\n{lines}"));
    let post = |lines: &str| raw(&format!("POST /news HTTP/1.1\r\nHost: localhost\r\n{lines}"));
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("line feeds alone", b"GET /news HTTP/1.1\nHost: localhost\n\n".to_vec()),
        ("one line feed alone", b"GET /news HTTP/1.1\r\nHost: localhost\nA: b\r\n\r\n".to_vec()),
        (
            "a line feed alone as the blank line",
            b"GET /news HTTP/1.1\r\nHost: localhost\r\n\n".to_vec(),
        ),
        ("a carriage return within a line", head("A: b\rc")),
        ("a folded line", head("A: b\r\n c")),
        ("a folded first line", raw("GET /news HTTP/1.1\r\n A: b\r\nHost: localhost")),
        ("a space before the colon", head("A : b")),
        ("a space in a name", head("A b: c")),
        ("no colon", head("A")),
        ("no name", head(": b")),
        ("NUL in a value", head("A: b\0c")),
        ("a control byte in a value", head("A: b\x01c")),
        ("DEL in a value", head("A: b\x7fc")),
        ("a control byte in a name", head("A\x01: b")),
        ("NUL in the target", raw("GET /ne\0ws HTTP/1.1\r\nHost: localhost")),
        ("no Host", raw("GET /news HTTP/1.1\r\nA: b")),
        ("an empty Host", raw("GET /news HTTP/1.1\r\nHost:")),
        ("two Hosts", head("Host: localhost")),
        ("two different Hosts", head("Host: elsewhere")),
        ("a Host that is none", raw("GET /news HTTP/1.1\r\nHost: a/b")),
        ("a Host with a user", raw("GET /news HTTP/1.1\r\nHost: user@localhost")),
        (
            "a Host and a target that differ",
            raw("GET http://elsewhere/news HTTP/1.1\r\nHost: localhost"),
        ),
        ("another scheme", raw("GET ftp://localhost/news HTTP/1.1\r\nHost: localhost")),
        ("a target without a slash", raw("GET news HTTP/1.1\r\nHost: localhost")),
        ("a target in authority form", raw("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost")),
        ("a fragment in the target", raw("GET /news#top HTTP/1.1\r\nHost: localhost")),
        ("two spaces in the request line", raw("GET  /news HTTP/1.1\r\nHost: localhost")),
        ("two lengths", post("Content-Length: 5\r\nContent-Length: 6")),
        ("the same length twice", post("Content-Length: 5\r\nContent-Length: 5")),
        ("a list of lengths", post("Content-Length: 5, 5")),
        ("a signed length", post("Content-Length: +5")),
        ("a negative length", post("Content-Length: -1")),
        ("a hexadecimal length", post("Content-Length: 0x5")),
        ("an empty length", post("Content-Length:")),
        (
            "a length and a transfer encoding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ),
        (
            "a transfer encoding in HTTP/1.0",
            raw("POST /news HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked"),
        ),
        ("a header that some take for a length", post("Content_Length: 5")),
        ("two Origins", head("Origin: http://a\r\nOrigin: http://b")),
        ("HTTP/0.9", raw("GET /news")),
        ("HTTP/2 by its preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/2.0 in the request line", raw("GET /news HTTP/2.0\r\nHost: localhost")),
        ("HTTP/1.2", raw("GET /news HTTP/1.2\r\nHost: localhost")),
        ("a lower-case version", raw("GET /news http/1.1\r\nHost: localhost")),
        ("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("two empty lines in front", raw("\r\n\r\nGET /news HTTP/1.1\r\nHost: localhost")),
        ("a byte that begins no method", b"\xf0\x9f\x8e\x89".to_vec()),
    ];
    let rows =
        rows.into_iter().map(|(name, bytes)| (name, bytes, 400, &[][..], MALFORMED)).collect();
    check(&mut Watched::new(Running::broadcast()), rows);
}

#[test]
fn heads_that_ask_for_too_much_are_told_which_limit_it_is() {
    let long = "a".repeat(17_000);
    let many = "A: b\r\n".repeat(101);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let rows: Vec<Row<'_>> = vec![
        ("a long target", request("GET", &format!("/{long}"), "", ""), 414, &[], TOO_LARGE),
        ("a target without an end", format!("GET /{long}").into_bytes(), 414, &[], TOO_LARGE),
        (
            "a long header",
            request("GET", "/news", &format!("A: {long}\r\n"), ""),
            431,
            &[],
            TOO_LARGE,
        ),
        ("many headers", request("GET", "/news", &many, ""), 431, &[], TOO_LARGE),
        (
            "a body that is announced too large",
            raw("POST /news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537"),
            413,
            &[],
            TOO_LARGE,
        ),
        (
            "a body beyond all numbers",
            raw(
                "POST /news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999",
            ),
            413,
            &[],
            TOO_LARGE,
        ),
        (
            "a body that is too large",
            request("POST", "/news", "", vec![b'a'; 65537]),
            413,
            &[],
            TOO_LARGE,
        ),
        (
            "another expectation",
            request("POST", "/news", "Expect: the-unexpected\r\n", "a"),
            417,
            &[],
            MALFORMED,
        ),
        (
            "a transfer encoding",
            raw(&format!("POST /news HTTP/1.1\r\nHost: localhost\r\n{}", chunked.trim_end())),
            501,
            &[],
            MALFORMED,
        ),
    ];
    let mut watched = Watched::new(Running::broadcast());
    check(&mut watched, rows);
    let chunked = raw("POST /news HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked");
    let answer = Peer::connect(watched.server.address).ask(chunked);
    assert!(answer.body.contains("Content-Length"), "a 501 names what would work: {}", answer.body);
}

#[test]
fn handshakes_that_are_none_are_refused_with_what_would_be_one() {
    let version_13 = &[("Sec-WebSocket-Version", "13")];
    let early = |bytes: &[u8]| [&upgrade("/news")[..], bytes].concat();
    let rows: Vec<Row<'_>> = vec![
        ("a frame before the 101", early(&text("early")), 400, &[], NO_HANDSHAKE),
        (
            "a request before the 101",
            early(&request("GET", "/-/healthz", "", "")),
            400,
            &[],
            NO_HANDSHAKE,
        ),
        ("no key", handshake_with(KEY_LINE, ""), 400, &[], NO_HANDSHAKE),
        (
            "a short key",
            handshake_with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="),
            400,
            &[],
            NO_HANDSHAKE,
        ),
        (
            "a key that is no Base64",
            handshake_with("dGhlIHNhbXBs", "dGhl!HNhbXBs"),
            400,
            &[],
            NO_HANDSHAKE,
        ),
        ("a key without its padding", handshake_with("ZQ==", "ZQ"), 400, &[], NO_HANDSHAKE),
        ("two keys", handshake_with(KEY_LINE, &KEY_LINE.repeat(2)), 400, &[], MALFORMED),
        ("no Connection", handshake_with("Connection: Upgrade\r\n", ""), 400, &[], NO_HANDSHAKE),
        (
            "another Connection",
            handshake_with("Connection: Upgrade", "Connection: keep-alive"),
            400,
            &[],
            NO_HANDSHAKE,
        ),
        (
            "a body",
            [&handshake_with("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n")[..]].concat(),
            400,
            &[],
            NO_HANDSHAKE,
        ),
        (
            "a subprotocol that is none",
            handshake_with(KEY_LINE, &format!("{KEY_LINE}Sec-WebSocket-Protocol: a b\r\n")),
            400,
            &[],
            NO_HANDSHAKE,
        ),
        ("a POST", handshake_with("GET", "POST"), 405, &[("Allow", "GET")], Handshake("method")),
        ("version 8", handshake_with("Version: 13", "Version: 8"), 426, version_13, NO_HANDSHAKE),
        (
            "version 13 in a list",
            handshake_with("Version: 13", "Version: 13, 8"),
            426,
            version_13,
            NO_HANDSHAKE,
        ),
        (
            "no version",
            handshake_with("Sec-WebSocket-Version: 13\r\n", ""),
            426,
            version_13,
            NO_HANDSHAKE,
        ),
        ("the console page", upgrade("/"), 404, &[], NOT_FOUND),
        ("the metrics", upgrade("/-/metrics"), 404, &[], NOT_FOUND),
        ("a reserved path", upgrade("/-/other"), 404, &[], NOT_FOUND),
        ("a reserved path, escaped", upgrade("/%2d/other"), 404, &[], NOT_FOUND),
        ("the echo, escaped", upgrade("/-%2Fecho"), 404, &[], NOT_FOUND),
        ("the echo, which is off", upgrade("/-/echo"), 404, &[], NOT_FOUND),
        ("a bad escape", upgrade("/100%"), 400, &[], NO_HANDSHAKE),
        ("a name that is not UTF-8", upgrade("/%ff"), 400, &[], NO_HANDSHAKE),
        ("a control character in the name", upgrade("/a%0ab"), 400, &[], NO_HANDSHAKE),
        ("a name of 256 bytes", upgrade(&format!("/{}", "a".repeat(256))), 400, &[], NO_HANDSHAKE),
        (
            "the origin null",
            handshake_with(KEY_LINE, &format!("{KEY_LINE}Origin: null\r\n")),
            403,
            &[],
            ORIGIN,
        ),
        (
            "a foreign origin",
            handshake_with(KEY_LINE, &format!("{KEY_LINE}Origin: https://evil.example\r\n")),
            403,
            &[],
            ORIGIN,
        ),
        ("a foreign host", handshake_with("Host: localhost", "Host: evil.example"), 403, &[], HOST),
    ];
    check(&mut Watched::new(Running::broadcast()), rows);
}

#[test]
fn requests_that_may_not_be_served_are_answered_and_the_connection_goes_on() {
    let post = |headers: &str| request("POST", "/news", headers, "hello");
    let allow = &[("Allow", "GET, HEAD, POST, OPTIONS")];
    let rows: Vec<Row<'_>> = vec![
        (
            "publishing through a proxy",
            post("X-Forwarded-For: 10.1.2.3\r\n"),
            403,
            &[],
            Refused("forbidden_publish"),
        ),
        (
            "publishing through another proxy",
            post("Via: 1.1 proxy\r\n"),
            403,
            &[],
            Refused("forbidden_publish"),
        ),
        (
            "publishing from the origin null",
            post("Origin: null\r\n"),
            403,
            &[],
            Refused("forbidden_origin"),
        ),
        (
            "publishing from a foreign page",
            post("Origin: https://evil.example\r\n"),
            403,
            &[],
            Refused("forbidden_origin"),
        ),
        (
            "a foreign Host",
            raw("GET /news HTTP/1.1\r\nHost: evil.example"),
            403,
            &[],
            Refused("forbidden_host"),
        ),
        (
            "the metrics through a proxy",
            request("GET", "/-/metrics", "Forwarded: for=10.1.2.3\r\n", ""),
            403,
            &[],
            Refused("forbidden_metrics"),
        ),
        ("a reserved path", request("GET", "/-/other", "", ""), 404, &[], Refused("not_found")),
        (
            "a reserved path, escaped",
            request("GET", "/%2d/other", "", ""),
            404,
            &[],
            Refused("not_found"),
        ),
        (
            "the metrics, escaped",
            request("GET", "/%2D/metrics", "", ""),
            404,
            &[],
            Refused("not_found"),
        ),
        (
            "publishing to an escaped page",
            request("POST", "/-%2fnews", "", "a"),
            404,
            &[],
            Refused("not_found"),
        ),
        (
            "the echo, which is off",
            request("GET", "/-/echo", "", ""),
            404,
            &[],
            Refused("not_found"),
        ),
        ("DELETE", request("DELETE", "/news", "", ""), 405, allow, Refused("method")),
        (
            "a method that nobody knows",
            request("BREW", "/news", "", ""),
            405,
            allow,
            Refused("method"),
        ),
        ("get in lower case", request("get", "/news", "", ""), 405, allow, Refused("method")),
        (
            "a POST to a page",
            request("POST", "/-/healthz", "", "a"),
            405,
            &[("Allow", "GET, HEAD, OPTIONS")],
            Refused("method"),
        ),
        (
            "a POST to the console",
            request("POST", "/", "", "a"),
            405,
            &[("Allow", "GET, HEAD, OPTIONS")],
            Refused("method"),
        ),
        ("a bad escape", request("POST", "/100%", "", "a"), 400, &[], Refused("malformed")),
        (
            "text that is not UTF-8",
            request("POST", "/news", "", b"caf\xe9"),
            400,
            &[],
            Refused("malformed"),
        ),
        (
            "server-sent events",
            request("GET", "/news", "Accept: text/event-stream\r\n", ""),
            501,
            &[],
            Refused("not_found"),
        ),
    ];
    check(&mut Watched::new(Running::broadcast()), rows);
}

#[test]
fn the_echo_over_plain_http_names_the_version_that_is_spoken() {
    let options = BroadcastOptions { echo: true, ..BroadcastOptions::default() };
    let mut watched = Watched::new(Running::broadcast_with(options, |builder| builder));
    let headers = &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")];
    check(
        &mut watched,
        vec![("echo", request("GET", "/-/echo", "", ""), 426, headers, Refused("malformed"))],
    );
}

#[test]
fn without_the_key_a_publish_is_401_and_says_how_to_bear_it() {
    let options = BroadcastOptions {
        publish_key: Some(PublishKey::new("sesame").unwrap()),
        ..BroadcastOptions::default()
    };
    let server = Running::broadcast_with(options, |builder| builder);
    let post = |header: &str| request("POST", "/news", header, "hello");
    // An error code stands only where there were credentials of this kind (RFC 6750 section 3.1).
    for (header, challenge) in [
        ("", "Bearer"),
        ("Authorization: Bearer wrong\r\n", "Bearer error=\"invalid_token\""),
        ("Authorization: Basic sesame\r\n", "Bearer"),
        ("Authorization: sesame\r\n", "Bearer"),
    ] {
        let answer = Peer::connect(server.address).ask(post(header));
        assert_eq!(
            (answer.status, answer.header("WWW-Authenticate")),
            (401, Some(challenge)),
            "{header}"
        );
    }
    let channel = Peer::connect(server.address).ask(request("GET", "/news", "", ""));
    assert!(
        channel.body.contains("\"messages\":0"),
        "a refused publish is not numbered: {}",
        channel.body
    );
    let answer = Peer::connect(server.address).ask(post("Authorization: Bearer sesame\r\n"));
    assert_eq!(answer.status, 202);
}

#[test]
fn with_reject_close_a_script_can_read_why_it_was_refused() {
    let options = BroadcastOptions { reject: Reject::Close, ..BroadcastOptions::default() };
    let mut watched = Watched::new(Running::broadcast_with(options, |builder| builder));
    let foreign = handshake_with(KEY_LINE, &format!("{KEY_LINE}Origin: https://evil.example\r\n"));
    watched.check("a foreign origin", ORIGIN, |peer| {
        assert_eq!(peer.ask(&foreign).status, 101);
        let frame = peer.frame();
        let (code, reason) = frame.close().expect("a close");
        assert_eq!(code, 4403);
        assert!(reason.contains("--allowed-origins"), "{reason}");
        peer.end();
        101
    });
}
