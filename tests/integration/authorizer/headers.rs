//! What the application is told, and what a client cannot make it believe.

use fanfare::PublishKey;

use super::application::Application;
use super::{asking, handshake, start, start_with};
use crate::support::{Peer, request};

const YES: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// Returns the lines of the question about a handshake with these headers.
fn told(target: &str, headers: &str) -> Vec<String> {
    let application = Application::that_says(YES);
    let server = start(asking(&application.url()));
    let answer = Peer::connect(server.address).ask(handshake(target, headers));
    assert_eq!(answer.status, 101, "{answer:?}");
    let mut asked = application.asked();
    assert_eq!(asked.len(), 1);
    asked.remove(0).lines().map(str::to_lowercase).collect()
}

#[test]
fn the_application_is_told_the_handshake_and_who_comes() {
    let lines = told(
        "/chat/caf%C3%A9?a=1&b=%2F",
        "Cookie: session=abc\r\nUser-Agent: robot\r\nAuthorization: Bearer t1\r\n",
    );
    assert_eq!(lines[0], "get /may-connect?site=1 http/1.1");
    for line in [
        "x-original-uri: /chat/caf%c3%a9?a=1&b=%2f",
        "x-original-method: get",
        "x-forwarded-for: 127.0.0.1",
        "cookie: session=abc",
        "user-agent: robot",
        "authorization: bearer t1",
    ] {
        assert!(lines.iter().any(|one| one == line), "{line}: {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("host: ")).count(), 1);
}

#[test]
fn forged_headers_do_not_reach_the_application() {
    let forged: String = [
        "Host: localhost",
        "X-Forwarded-For: 6.6.6.6",
        "x-forwarded-for: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Forwarded-Host: 6.6.6.6",
        "X-Original-URI: /6.6.6.6",
        "X-Original-Method: 6.6.6.6",
        "Fanfare-Subscribe: 6.6.6.6",
        "Keep-Alive: 6.6.6.6",
        "Client-IP: 6.6.6.6",
        "Fastly-Client-IP: 6.6.6.6",
        "X-Cluster-Client-IP: 6.6.6.6",
        "Remote-User: 6.6.6.6",
        "X-Remote-User: 6.6.6.6",
        "X-HTTP-Method-Override: 6.6.6.6",
        "If-None-Match: 6.6.6.6",
    ]
    .map(|line| format!("{line}\r\n"))
    .concat();
    let lines = told("/news", &forged);
    assert!(lines.iter().all(|line| !line.contains("6.6.6.6")), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.starts_with("upgrade")), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.starts_with("sec-websocket-key")), "{lines:#?}");
}

#[test]
fn behind_a_trusted_proxy_the_client_is_told_and_no_other_word_of_a_stranger() {
    let application = Application::that_says(YES);
    let server = start_with(asking(&application.url()), |builder| {
        builder.reactors(2).trusted_proxies(["127.0.0.0/8".parse().unwrap()])
    });
    let headers = "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                   X-Real-IP: 6.6.6.6\r\n";
    let answer = Peer::connect(server.address).ask(handshake("/news", headers));
    assert_eq!(answer.status, 101, "{answer:?}");
    let asked = application.asked().remove(0);
    assert!(asked.contains("\r\nx-forwarded-for: 203.0.113.9\r\n"), "{asked}");
    assert!(asked.contains("\r\nx-forwarded-proto: https\r\n"), "{asked}");
    assert!(!asked.contains("6.6.6.6"), "{asked}");
}

#[test]
fn nobody_is_asked_about_a_peer_that_would_be_refused_anyway() {
    let application = Application::that_says(YES);
    let options = fanfare::BroadcastOptions {
        publish_key: Some(PublishKey::new("open-sesame").unwrap()),
        ..asking(&application.url())
    };
    let server = start(options);
    let status = |bytes| Peer::connect(server.address).ask(bytes).status;
    assert_eq!(status(handshake("/news", "Origin: https://evil.example\r\n")), 403);
    assert_eq!(status(handshake("/news", "Origin: null\r\n")), 403);
    assert_eq!(status(handshake("/-/nothing", "")), 404);
    let foreign = handshake("/news", "").replace("Host: localhost", "Host: evil.example");
    assert!(foreign.contains("evil"));
    assert_eq!(status(foreign), 403);
    // Nor about anything but a handshake.
    let ask = |method, headers: &str| {
        let body = if method == "POST" { "a" } else { "" };
        Peer::connect(server.address).ask(request(method, "/news", headers, body)).status
    };
    assert_eq!((ask("POST", ""), ask("GET", "")), (401, 401));
    let key = "Authorization: Bearer open-sesame\r\n";
    assert_eq!((ask("POST", key), ask("GET", key)), (202, 200));
    assert_eq!(application.asked(), [] as [String; 0]);
}

#[test]
fn without_a_key_nobody_reads_or_publishes_by_plain_requests_not_even_from_this_machine() {
    let application = Application::that_says(YES);
    let server = start(asking(&application.url()));
    let ask = |method, body| {
        let answer = Peer::connect(server.address).ask(request(method, "/news", "", body));
        (answer.status, answer.body)
    };
    for (method, body) in [("POST", "a"), ("GET", "")] {
        let (status, text) = ask(method, body);
        assert_eq!(status, 403, "{method}");
        assert!(text.contains("--publish-key"), "{text}");
    }
}

#[test]
fn a_connection_to_the_application_is_kept_and_one_that_it_has_closed_is_made_anew() {
    let application = Application::that_says(YES);
    let server = start(asking(&application.url()));
    for _ in 0..5 {
        Peer::subscribe(server.address, "/news");
    }
    let closing = Application::start(|_, stream| {
        use std::io::Write;
        stream.write_all(YES.as_bytes()).unwrap();
        false
    });
    let server = start(asking(&closing.url()));
    for _ in 0..20 {
        Peer::subscribe(server.address, "/news");
    }
    assert!(closing.asked().len() >= 20);
}
