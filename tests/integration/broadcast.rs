//! Tests of the broadcast server over real sockets: every path, the access rules, and the answers.

use fanfare::{BroadcastOptions, PublishKey, PublishPolicy, Reject};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Client, Peer, Response, Running, ask_once, connect, try_connect, wait_for};

/// Starts a server with a limit of 1,024 bytes for a message.
fn start(options: BroadcastOptions) -> Running {
    Running::broadcast_with(options, |builder| builder.max_message_size(1024))
}

fn ask(server: &Running, line: &str, headers: &[&str], body: &[u8]) -> Response {
    ask_once(server.address, line, headers, body)
}

fn status_of(server: &Running, line: &str, headers: &[&str]) -> u16 {
    let body: &[u8] = if line.starts_with("POST") { b"hello" } else { b"" };
    ask(server, line, headers, body).status
}

/// Returns the status with which an opening handshake is refused; `None` if it is accepted.
fn refusal(server: &Running, path: &str, headers: &[(&'static str, &str)]) -> Option<u16> {
    try_connect(server.address, path, headers).err().map(|answer| answer.status().as_u16())
}

/// Reads the Close frame that must come next. Returns its code and reason.
fn close(peer: &mut Client) -> (CloseCode, String) {
    match peer.read().unwrap() {
        Message::Close(Some(frame)) => (frame.code, frame.reason.to_string()),
        message => panic!("{message}"),
    }
}

fn with_key() -> BroadcastOptions {
    BroadcastOptions {
        publish_key: Some(PublishKey::new("sesame").unwrap()),
        ..BroadcastOptions::default()
    }
}

#[test]
fn a_post_reaches_the_subscribers_of_its_channel() {
    let server = start(BroadcastOptions::default());
    let mut here = connect(server.address, "/caf%C3%A9/1");
    let mut there = connect(server.address, "/other");
    let answer = ask(&server, "POST /caf%c3%a9%2f1", &[], "grüße".as_bytes());
    assert_eq!(answer.status, 201);
    let id = answer
        .body
        .strip_prefix("{\"id\":\"")
        .unwrap()
        .strip_suffix("-1\",\"subscribers\":1}\n")
        .unwrap();
    assert_eq!(here.read().unwrap(), Message::text("grüße"));
    let answer = ask(
        &server,
        "POST /caf%C3%A9/1",
        &["Content-Type: Application/Octet-Stream; x=y"],
        b"\xff\0",
    );
    assert_eq!(
        (answer.status, answer.body),
        (201, format!("{{\"id\":\"{id}-2\",\"subscribers\":1}}\n"))
    );
    assert_eq!(here.read().unwrap(), Message::binary(&b"\xff\0"[..]));
    let answer = ask(&server, "GET /caf%C3%A9/1", &[], b"");
    assert!(answer.header("Content-Type") == Some("application/json"));
    assert!(
        answer.body.starts_with("{\"channel\":\"café/1\",\"subscribers\":1,\"messages\":2,"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains(&format!("\"last_id\":\"{id}-2\"")), "{}", answer.body);
    ask(&server, "POST /other", &[], b"last");
    assert_eq!(there.read().unwrap(), Message::text("last"));
}

#[test]
fn a_subscriber_publishes_to_all_on_its_channel_itself_included() {
    let server = start(BroadcastOptions::default());
    let mut one = connect(server.address, "/news");
    let mut two = connect(server.address, "/news?anything");
    one.send(Message::text("hello, all")).unwrap();
    one.send(Message::binary(&b"\0\xff"[..])).unwrap();
    for peer in [&mut one, &mut two] {
        assert_eq!(peer.read().unwrap(), Message::text("hello, all"));
        assert_eq!(peer.read().unwrap(), Message::binary(&b"\0\xff"[..]));
    }
}

#[test]
fn a_channel_that_nobody_uses_is_empty_and_takes_messages() {
    let server = start(BroadcastOptions::default());
    let answer = ask(&server, "GET /quiet", &[], b"");
    let empty = concat!(
        "{\"channel\":\"quiet\",\"subscribers\":0,\"messages\":0,",
        "\"first_id\":null,\"last_id\":null}\n"
    );
    assert_eq!((answer.status, &*answer.body), (200, empty));
    assert_eq!(ask(&server, "POST /quiet", &[], b"hello").status, 202);
    assert_eq!(ask(&server, "POST /quiet", &[], b"").status, 202);
    let without_length = "POST /quiet HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(Peer::connect(server.address).ask(without_length).status, 202);
}

#[test]
fn every_path_has_its_statuses() {
    let server = start(BroadcastOptions::default());
    for (line, headers, status) in [
        ("GET /-/healthz", "", 200),
        ("HEAD /-/readyz", "", 200),
        ("POST /-/healthz", "", 405),
        ("GET /-/metrics", "", 200),
        ("GET /-/echo", "", 404),
        ("GET /-/other", "", 404),
        ("GET /", "", 200),
        ("POST /", "", 405),
        ("DELETE /news", "", 405),
        ("GET /a%zz", "", 400),
        ("GET /%ff", "", 400),
        ("POST /a%00", "", 400),
        ("GET /news", "Accept: text/event-stream", 501),
    ] {
        let headers: &[&str] = if headers.is_empty() { &[] } else { &[headers] };
        assert_eq!(status_of(&server, line, headers), status, "{line}");
    }
    let answer = ask(&server, "PUT /news", &[], b"");
    assert_eq!(answer.header("Allow"), Some("GET, HEAD, POST, OPTIONS"));
    assert_eq!(ask(&server, "POST /news", &[], b"\xff").status, 400);
    assert_eq!(ask(&server, "POST /news", &[], &[b'x'; 1025]).status, 413);
    let browser = ["Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"];
    let page = ask(&server, "GET /news", &browser, b"");
    assert!(page.body.starts_with("<!doctype html>"));
    assert!(page.header("Content-Security-Policy").is_some());
}

#[test]
fn a_websocket_is_served_on_channels_only_and_an_echo_where_it_is_switched_on() {
    let server = start(BroadcastOptions::default());
    for (path, status) in
        [("/", 404), ("/-/other", 404), ("/-/echo", 404), ("/-/metrics", 404), ("/%ff", 400)]
    {
        assert_eq!(refusal(&server, path, &[]), Some(status), "{path}");
    }
    let server = start(BroadcastOptions { echo: true, ..BroadcastOptions::default() });
    let mut peer = connect(server.address, "/-/echo");
    peer.send(Message::text("hello")).unwrap();
    assert_eq!(peer.read().unwrap(), Message::text("hello"));
    assert_eq!(status_of(&server, "GET /-/echo", &[]), 426);
}

#[test]
fn without_a_key_only_this_machine_itself_may_post_and_read_the_metrics() {
    let server = start(BroadcastOptions::default());
    for line in ["POST /news", "GET /-/metrics"] {
        for header in [
            "Forwarded: for=192.0.2.1",
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Proto: https",
            "Via: 1.1 a",
        ] {
            let answer = ask(&server, line, &[header], b"hello");
            assert_eq!(answer.status, 403, "{line} with {header}");
            assert!(answer.body.contains("--publish-key"));
        }
    }
}

#[test]
fn with_a_key_whoever_has_it_may_post_and_read_the_metrics_and_nobody_else_may_post() {
    let server = start(with_key());
    for (header, status) in [
        ("Accept: */*", 401),
        ("Authorization: Basic sesame", 401),
        ("Authorization: Bearer sesam", 401),
        ("Authorization: Bearer sesame", 201),
    ] {
        let mut peer = connect(server.address, "/news");
        let answer = ask(&server, "POST /news", &[header], b"hello");
        assert_eq!(answer.status, status, "{header}");
        let challenge = answer.header("WWW-Authenticate");
        assert_eq!(challenge.is_some_and(|value| value.starts_with("Bearer")), status == 401);
        peer.close(None).unwrap();
        while peer.read().is_ok() {}
    }
    assert_eq!(status_of(&server, "GET /-/metrics", &["X-Forwarded-For: 192.0.2.1"]), 401);
    let both = ["X-Forwarded-For: 192.0.2.1", "Authorization: Bearer sesame"];
    assert_eq!(status_of(&server, "GET /-/metrics", &both), 200);
}

/// Returns the statuses of requests with the Host `live.example.com`: a `GET`; a `POST` with the
/// key; and handshakes without an Origin, with that name as the Origin, and with the Origin
/// `https://app.example`.
fn statuses_under_a_name(options: BroadcastOptions) -> [u16; 5] {
    let server = start(options);
    let host = "Host: live.example.com";
    let key = "Authorization: Bearer sesame";
    let handshake = |origin: &[(&'static str, &str)]| {
        let headers = [&[("Host", "live.example.com")], origin].concat();
        refusal(&server, "/news", &headers).unwrap_or(101)
    };
    [
        status_of(&server, "GET /news", &[host]),
        status_of(&server, "POST /quiet", &[host, key]),
        handshake(&[]),
        handshake(&[("Origin", "http://live.example.com")]),
        handshake(&[("Origin", "https://app.example")]),
    ]
}

#[test]
fn with_a_key_too_a_foreign_name_is_refused_where_the_rule_of_the_same_origin_would_let_it_in() {
    assert_eq!(statuses_under_a_name(with_key()), [403, 202, 403, 403, 403]);
    let allowed_hosts = vec!["live.example.com".to_owned()];
    let options = BroadcastOptions { allowed_hosts, ..with_key() };
    assert_eq!(statuses_under_a_name(options), [200, 202, 101, 101, 403]);
    // With a list of origins, that list decides about pages. A `GET` has no Origin, so it is
    // refused.
    let origins = |text: &str| vec![text.parse().unwrap()];
    let allowed_origins = origins("https://app.example");
    let options = BroadcastOptions { allowed_origins, ..with_key() };
    assert_eq!(statuses_under_a_name(options), [403, 202, 101, 403, 101]);
    let allowed_origins = origins("http://live.example.com");
    let options = BroadcastOptions { allowed_origins, ..with_key() };
    assert_eq!(statuses_under_a_name(options), [200, 202, 101, 101, 403]);
}

#[test]
fn every_name_of_loopback_is_this_machine() {
    let server = start(BroadcastOptions::default());
    for host in ["app.localhost:8080", "localhost.:8080", "LOCALHOST"] {
        let origin = format!("http://{host}");
        assert_eq!(status_of(&server, "POST /quiet", &[&format!("Host: {host}")]), 202, "{host}");
        let page = [("Host", host), ("Origin", &*origin)];
        assert_eq!(refusal(&server, "/news", &page), None, "{host}");
    }
}

#[test]
fn no_body_is_read_of_who_may_not_send_one() {
    let server = start(with_key());
    let mut peer = Peer::connect(server.address);
    peer.send("POST /news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    assert_eq!(peer.response().status, 401);
    peer.end();
}

#[test]
fn a_page_of_another_origin_may_neither_subscribe_nor_publish() {
    let server = start(BroadcastOptions::default());
    for (origin, allowed) in [
        ("http://localhost", true),
        ("https://localhost", true),
        ("http://localhost:3000", false),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let headers = [("Host", "localhost"), ("Origin", origin)];
        assert_eq!(refusal(&server, "/news", &headers), (!allowed).then_some(403), "{origin}");
        let status = status_of(&server, "POST /quiet", &[&format!("Origin: {origin}")]);
        assert_eq!(status, if allowed { 202 } else { 403 }, "{origin}");
    }
    let allowed_origins = vec!["https://*.example.com".parse().unwrap()];
    let server = start(BroadcastOptions { allowed_origins, ..BroadcastOptions::default() });
    assert_eq!(refusal(&server, "/news", &[("Origin", "https://app.example.com")]), None);
    assert_eq!(refusal(&server, "/news", &[("Origin", "https://example.com")]), Some(403));
}

#[test]
fn a_foreign_name_that_points_to_this_machine_is_refused() {
    let server = start(BroadcastOptions::default());
    for line in ["GET /", "GET /news", "POST /news", "GET /-/metrics"] {
        let answer = ask(&server, line, &["Host: evil.example"], b"");
        assert_eq!(answer.status, 403, "{line}");
        assert!(answer.body.contains("--allowed-hosts"));
    }
    let rebound = [("Host", "evil.example"), ("Origin", "http://evil.example")];
    assert_eq!(refusal(&server, "/news", &rebound), Some(403));
    assert_eq!(status_of(&server, "GET /-/healthz", &["Host: evil.example"]), 200);
    let allowed_hosts = vec!["dev.example".to_owned()];
    let server = start(BroadcastOptions { allowed_hosts, ..BroadcastOptions::default() });
    assert_eq!(status_of(&server, "POST /news", &["Host: dev.example:8080"]), 202);
}

#[test]
fn a_refusal_can_be_said_by_a_close_code_that_scripts_can_see() {
    let server = start(BroadcastOptions { reject: Reject::Close, ..BroadcastOptions::default() });
    let evil = [("Origin", "https://evil.example")];
    let (mut peer, _) = try_connect(server.address, "/news", &evil).expect("it is let in");
    let (code, reason) = close(&mut peer);
    assert_eq!(u16::from(code), 4403);
    assert!(reason.contains("--allowed-origins"), "{reason}");
    // A refusal that does not concern rights is still a status.
    assert_eq!(refusal(&server, "/", &[]), Some(404));
}

#[test]
fn who_may_not_publish_is_told_so() {
    let refused = |options: BroadcastOptions, headers: &[(&'static str, &str)]| {
        let server = start(options);
        let (mut peer, _) = try_connect(server.address, "/news", headers).expect("it is let in");
        peer.send(Message::text("hello")).unwrap();
        match peer.read().unwrap() {
            Message::Close(Some(frame)) => {
                Some((u16::from(frame.code), frame.reason.contains("--publish")))
            }
            _ => None,
        }
    };
    let publish =
        |policy| BroadcastOptions { publish: Some(policy), ..BroadcastOptions::default() };
    let forwarded = [("X-Forwarded-For", "192.0.2.1")];
    assert_eq!(refused(publish(PublishPolicy::None), &[]), Some((4403, true)));
    assert_eq!(refused(publish(PublishPolicy::Token), &[]), Some((4403, true)));
    assert_eq!(refused(BroadcastOptions::default(), &forwarded), Some((4403, true)));
    assert_eq!(refused(publish(PublishPolicy::All), &forwarded), None);
    assert_eq!(refused(BroadcastOptions::default(), &[]), None);
}

#[test]
fn more_messages_than_the_rate_close_the_connection() {
    let server = start(BroadcastOptions { message_rate: Some(1), ..BroadcastOptions::default() });
    let mut peer = connect(server.address, "/news");
    // Two messages at once, but the token bucket holds one token.
    peer.write(Message::text("one")).unwrap();
    peer.write(Message::text("two")).unwrap();
    peer.flush().unwrap();
    let mut codes = Vec::new();
    while let Ok(message) = peer.read() {
        if let Message::Close(Some(frame)) = message {
            codes.push(u16::from(frame.code));
        }
    }
    assert_eq!(codes, [4429]);
}

#[test]
fn the_metrics_say_what_has_been_done() {
    let server = start(BroadcastOptions::default());
    let mut peer = connect(server.address, "/news");
    peer.send(Message::text("hello")).unwrap();
    peer.read().unwrap();
    assert_eq!(status_of(&server, "POST /news", &[]), 201);
    peer.read().unwrap();
    assert_eq!(refusal(&server, "/", &[]), Some(404));
    let lines = [
        concat!("fanfare_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "fanfare_connections{transport=\"websocket\"} 1",
        "fanfare_connections_opened_total 1",
        "fanfare_handshakes_total{status=\"101\"} 1",
        "fanfare_handshakes_total{status=\"404\"} 1",
        "fanfare_rejects_total{reason=\"not_found\"} 1",
        "fanfare_channels 1",
        "fanfare_subscriptions 1",
        "fanfare_messages_published_total{source=\"websocket\"} 1",
        "fanfare_messages_published_total{source=\"http\"} 1",
        "fanfare_messages_delivered_total 2",
        "fanfare_messages_pending 0",
        "fanfare_draining 0",
        "# EOF",
    ];
    // Each reactor updates its figures at the end of its turn.
    wait_for(&format!("{lines:#?}"), || {
        let answer = ask(&server, "GET /-/metrics", &[], b"");
        let kind = answer.header("Content-Type").unwrap_or_default();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        lines.iter().all(|line| answer.body.lines().any(|found| found == *line)).then_some(())
    });
}
