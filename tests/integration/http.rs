//! Tests of HTTP as programs other than browsers use it: HTTP/1.0, large cookies, OPTIONS.

use fanfare::BroadcastOptions;

use crate::support::{Peer, Running, UPGRADE, request};

/// Returns an HTTP/1.0 request with these header lines.
fn http_1_0(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n")
}

#[test]
fn a_client_of_http_1_0_is_told_whether_the_connection_stays() {
    let server = Running::broadcast();
    let mut peer = Peer::connect(server.address);
    // An answer by the server itself, an answer by the channel's home, and a refusal that keeps the
    // connection open.
    for (target, status) in [("/-/healthz", 200), ("/news", 200), ("/-/echo", 404)] {
        let answer = peer.ask(http_1_0(target, "Connection: keep-alive\r\n"));
        assert_eq!((answer.status, answer.header("Connection")), (status, Some("keep-alive")));
    }
    let answer = peer.ask(http_1_0("/-/healthz", ""));
    assert_eq!(answer.header("Connection"), Some("close"));
    peer.end();
    let mut modern = Peer::connect(server.address);
    assert_eq!(modern.ask(request("GET", "/-/healthz", "", "")).header("Connection"), None);
}

#[test]
fn options_names_the_methods_of_every_path_that_is_served() {
    let options = BroadcastOptions { echo: true, ..BroadcastOptions::default() };
    let server = Running::broadcast_with(options, |builder| builder);
    let mut peer = Peer::connect(server.address);
    for (target, allow) in [
        ("/news", "GET, HEAD, POST, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/-/healthz", "GET, HEAD, OPTIONS"),
        ("/-/readyz", "GET, HEAD, OPTIONS"),
        ("/-/metrics", "GET, HEAD, OPTIONS"),
        ("/-/echo", "GET, HEAD, OPTIONS"),
    ] {
        let answer = peer.ask(request("OPTIONS", target, "", ""));
        assert_eq!((answer.status, answer.header("Allow")), (204, Some(allow)), "{target}");
        assert_eq!(answer.header("Content-Length"), None, "{target}");
    }
    assert_eq!(peer.ask(request("OPTIONS", "/-/other", "", "")).status, 404);
    let foreign = request("OPTIONS", "/news", "Host: evil.example\r\n", "");
    assert_eq!(peer.ask(foreign).status, 403);
}

#[test]
fn a_head_with_the_cookies_of_other_programs_is_served() {
    let server = Running::broadcast();
    let mut cookie = b"Cookie: name=J\xfcrgen".to_vec();
    for number in 0..4 {
        cookie.extend(format!("; session-{number}={}", "x".repeat(3_900)).bytes());
    }
    let upgrade = UPGRADE.join("\r\n");
    for headers in [cookie, "A: b\r\n".repeat(90).trim_end().as_bytes().to_vec()] {
        let get = [&b"GET /news HTTP/1.1\r\nHost: localhost\r\n"[..], &headers, b"\r\n"].concat();
        let mut peer = Peer::connect(server.address);
        assert_eq!(peer.ask([&get[..], b"\r\n"].concat()).status, 200);
        assert_eq!(peer.ask([&get[..], upgrade.as_bytes(), b"\r\n\r\n"].concat()).status, 101);
    }
}

#[test]
fn a_limit_is_told_with_its_size_and_its_flag() {
    let server = Running::broadcast();
    let long = format!("A: {}\r\n", "a".repeat(17_000));
    let many = "A: b\r\n".repeat(101);
    for (bytes, status, told) in [
        (
            request("POST", "/news", "", vec![b'a'; 65_537]),
            413,
            "65536 bytes of --max-message-size",
        ),
        (request("GET", "/news", &long, ""), 431, "16384 bytes"),
        (request("GET", &format!("/{long}"), "", ""), 414, "16384 bytes"),
        (request("GET", "/news", &many, ""), 431, "at most 100"),
    ] {
        let answer = Peer::connect(server.address).ask(bytes);
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
}
