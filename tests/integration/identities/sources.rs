//! Where a token comes from, and what becomes of a connection that has one.

use std::time::Duration;

use fanfare::{BroadcastOptions, PublishPolicy, Reject};
use serde_json::json;

use super::Asker;
use super::making::{now, options, token};
use crate::support::{Peer, Running, Scraper, UPGRADE, request, text};

/// The leeway of the server on which a token ends.
const LEEWAY: Duration = Duration::from_secs(30);

fn start(options: BroadcastOptions) -> Running {
    Running::broadcast_with(options, |builder| builder.reactors(1))
}

/// Connects to `/news` with a token. Returns the peer, whose answer was read.
fn open(server: &Running, token: &str) -> Peer {
    let mut peer = Peer::connect(server.address);
    let upgrade = UPGRADE.join("\r\n");
    let headers = format!("{upgrade}\r\nAuthorization: Bearer {token}\r\n");
    assert_eq!(peer.ask(request("GET", "/news", &headers, "")).status, 101);
    peer
}

#[test]
fn a_token_comes_by_a_header_a_subprotocol_a_cookie_or_the_query() {
    let with_all = BroadcastOptions {
        token_cookie: Some("session".to_owned()),
        token_query: true,
        ..options()
    };
    let (good, missing) = ((101, None), (401, Some("missing_credentials")));
    let token = token(&json!({}));
    for (options, by_cookie, by_query) in [(with_all, good, good), (options(), missing, missing)] {
        let server = start(options);
        let mut asker = Asker::new(server.address);
        let query = format!("WS /news?token={token}");
        for (line, headers, expected, chosen) in [
            ("WS /news", format!("Authorization: Bearer {token}\r\n"), good, false),
            ("WS /news", format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"), good, true),
            ("WS /news", format!("Sec-WebSocket-Protocol: x, bearer, {token}\r\n"), good, true),
            ("WS /news", format!("Sec-WebSocket-Protocol: {token}\r\n"), missing, false),
            ("WS /news", "Sec-WebSocket-Protocol: bearer\r\n".to_owned(), missing, false),
            ("GET /news", format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"), missing, false),
            ("WS /news", format!("Cookie: a=b; session={token}\r\n"), by_cookie, false),
            (&query, String::new(), by_query, false),
        ] {
            let (outcome, answer, _) = asker.ask(line, &headers, &token);
            assert_eq!(outcome, expected, "{headers}");
            let is_chosen = answer.contains("(\"Sec-WebSocket-Protocol\", \"bearer\")");
            assert_eq!(is_chosen, chosen, "{headers}: {answer}");
        }
    }
}

#[test]
fn with_a_key_everything_about_a_channel_takes_a_token_on_this_machine_too() {
    let server = start(BroadcastOptions { echo: true, ..options() });
    let mut asker = Asker::new(server.address);
    let missing = (401, Some("missing_credentials"));
    for (line, headers, expected) in [
        ("WS /news", "", missing),
        ("GET /news", "", missing),
        ("HEAD /quiet", "", missing),
        ("POST /news", "", missing),
        ("WS /-/echo", "", missing),
        ("GET /", "", (200, None)),
        ("GET /news", "Accept: text/html\r\n", (200, None)),
        ("OPTIONS /news", "", (204, None)),
        ("GET /-/healthz", "", (200, None)),
        ("WS /news", "X-Forwarded-For: 192.0.2.1\r\n", missing),
        ("WS /news", "Host: evil.example\r\n", (403, Some("forbidden_host"))),
        ("WS /news", "Origin: https://evil.example\r\n", (403, Some("forbidden_origin"))),
    ] {
        if line.starts_with("HEAD") {
            assert_eq!(Peer::connect(server.address).ask_head("/quiet").status, 401);
            asker = Asker::new(server.address);
        } else {
            assert_eq!(asker.ask(line, headers, "").0, expected, "{line} {headers}");
        }
    }
    let bearer = format!("Authorization: Bearer {}\r\n", token(&json!({})));
    assert_eq!(asker.ask("WS /-/echo", &bearer, "").0, (101, None));
    assert_eq!(asker.ask("WS /%6eews", &bearer, "").0, (101, None));
}

#[test]
fn a_subscriber_publishes_if_its_token_says_so() {
    let reader = token(&json!({ "publish": ["old", "news/*"] }));
    let publisher = token(&json!({}));
    for (publish, may) in [
        (None, [true, false]),
        (Some(PublishPolicy::Token), [true, false]),
        (Some(PublishPolicy::All), [true, true]),
        (Some(PublishPolicy::None), [false, false]),
    ] {
        let server = start(BroadcastOptions { publish, ..options() });
        for (token, may) in [&publisher, &reader].into_iter().zip(may) {
            let mut peer = open(&server, token);
            peer.send(text("hello"));
            if may {
                assert_eq!(peer.text(), "hello");
            } else {
                let frame = peer.frame();
                let (code, reason) = frame.close().unwrap();
                assert_eq!(code, 4403, "{publish:?}");
                assert!(reason.contains("publish"), "{reason}");
            }
        }
    }
}

#[test]
fn a_connection_ends_with_its_token() {
    for reject in [Reject::Http, Reject::Close] {
        let server = start(BroadcastOptions { reject, jwt_leeway: LEEWAY, ..options() });
        let mut lasting = open(&server, &token(&json!({})));
        let exp = now() - LEEWAY.as_secs().cast_signed() + 4;
        let mut peer = open(&server, &token(&json!({ "exp": exp })));
        let frame = peer.frame();
        assert!(now() >= exp + LEEWAY.as_secs().cast_signed(), "not before the leeway has passed");
        assert_eq!(frame.close(), Some((4401, "the credentials have expired")));
        let closed = "fanfare_connections_closed_total{code=\"4401\",initiator=\"server\"}";
        assert_eq!(Scraper::connect(server.address).scrape().value(closed), 1);
        lasting.send(text("still here"));
        assert_eq!(lasting.text(), "still here");
    }
}
