//! What a server believes of the proxies in front of it: whose request it is, and for which URL.

use std::net::IpAddr;

use fanfare::BroadcastOptions;

use crate::support::{Peer, Program, Running, UPGRADE, request};

const PROXY: &str = "127.0.0.1";
/// An address of this machine that is not in the list of proxies.
const NEIGHBOUR: &str = "127.0.0.2";

fn start(options: BroadcastOptions) -> Running {
    Running::broadcast_with(options, |builder| {
        builder.reactors(1).trusted_proxies([PROXY.parse().unwrap()])
    })
}

/// Sends a request from this address, with these header lines. Returns the status.
fn status(server: &Running, from: &str, line: &str, headers: &[&str]) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    let mut lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let method = match method {
        "WS" => {
            lines.extend(UPGRADE.iter().map(|line| format!("{line}\r\n")));
            "GET"
        }
        method => method,
    };
    let from: IpAddr = from.parse().unwrap();
    let body = if method == "POST" { "hello" } else { "" };
    Peer::connect_from(from, server.address).ask(request(method, path, &lines, body)).status
}

#[test]
fn whoever_a_trusted_proxy_tells_is_judged_as_if_he_had_come_himself() {
    let server = start(BroadcastOptions::default());
    for (from, headers, is_local) in [
        (NEIGHBOUR, &[][..], true),
        (NEIGHBOUR, &["X-Forwarded-For: 127.0.0.1"], false),
        (PROXY, &[], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3"], true),
        (PROXY, &["X-Forwarded-For: ::1"], true),
        (PROXY, &["X-Forwarded-For: ::ffff:127.0.0.3"], true),
        (PROXY, &["X-Forwarded-For: 127.0.0.3, 127.0.0.1"], true),
        (PROXY, &["X-Forwarded-For: 127.0.0.3", "Via: 1.1 proxy"], true),
        (PROXY, &["X-Forwarded-For: 127.0.0.3", "Host: evil.example"], false),
        (PROXY, &["X-Forwarded-For: 203.0.113.9"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3, 203.0.113.9"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3", "X-Forwarded-For: 203.0.113.9"], false),
        (PROXY, &["X-Forwarded-For: 203.0.113.9, 127.0.0.1"], false),
        (PROXY, &["X-Forwarded-For: unknown, 127.0.0.1"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3, unknown"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3,"], false),
        (PROXY, &["X-Forwarded-For:"], false),
        (PROXY, &["X-Real-IP: 127.0.0.3"], false),
        (PROXY, &["Forwarded: for=127.0.0.3"], false),
        (PROXY, &["X-Forwarded-Proto: http"], false),
    ] {
        let status = status(&server, from, "POST /news", headers);
        assert_eq!(status == 202, is_local, "{from} {headers:?}: {status}");
        assert!([202, 403].contains(&status), "{from} {headers:?}: {status}");
    }
}

#[test]
fn the_same_origin_is_that_of_the_url_which_the_proxy_was_asked_for() {
    let options = BroadcastOptions {
        allowed_hosts: vec!["chat.example".to_owned()],
        ..BroadcastOptions::default()
    };
    let server = start(options);
    for (from, proto, origin, host, is_same) in [
        (PROXY, "https", "https://chat.example", "chat.example", true),
        (PROXY, "wss", "https://chat.example", "chat.example", true),
        (PROXY, "https", "http://chat.example", "chat.example", false),
        (PROXY, "http", "https://chat.example", "chat.example", false),
        (PROXY, "http", "http://chat.example", "chat.example", true),
        (PROXY, "https", "https://chat.example:8443", "chat.example:8443", true),
        (PROXY, "https", "https://chat.example", "chat.example:443", true),
        (PROXY, "https", "http://chat.example", "chat.example:80", false),
        (PROXY, "http, https", "https://chat.example", "chat.example", true),
        (PROXY, "ftp", "http://chat.example", "chat.example", true),
        (PROXY, "https", "https://[2001:db8::1]", "[2001:db8::1]", true),
        (PROXY, "https", "https://evil.example", "chat.example", false),
        // A stranger's word about the scheme is not taken.
        (NEIGHBOUR, "https", "http://chat.example", "chat.example", true),
    ] {
        let lines = [
            format!("X-Forwarded-Proto: {proto}"),
            format!("Origin: {origin}"),
            format!("Host: {host}"),
        ];
        let status = status(&server, from, "WS /news", &lines.each_ref().map(String::as_str));
        let expected = if is_same { 101 } else { 403 };
        assert_eq!(status, expected, "{from} {proto} {origin} {host}");
    }
}

#[test]
fn the_log_shows_the_true_address() {
    let arguments = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--log-events"];
    let (program, mut log) = Program::start_with_log(&arguments);
    let headers = "X-Forwarded-For: 198.51.100.1, 203.0.113.9:4711, 10.0.0.5\r\n";
    let mut peer = Peer::connect(program.address);
    assert_eq!(peer.ask(request("POST", "/news", headers, "hello")).status, 403);
    let line = log.wait_for("forbidden_publish");
    assert!(line.contains("address=203.0.113.9:4711"), "{line}");
    let upgrade: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
    let headers = format!("X-Forwarded-For: 2001:db8::9\r\n{upgrade}");
    let mut peer = Peer::connect(program.address);
    assert_eq!(peer.ask(request("GET", "/news", &headers, "")).status, 101);
    let line = log.wait_for("open");
    assert!(line.contains("address=[2001:db8::9]:0"), "{line}");
}
