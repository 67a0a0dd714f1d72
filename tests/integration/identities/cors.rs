//! The table of what a browser may show to pages of which origin (CORS).

use std::time::Duration;

use fanfare::{BroadcastOptions, PublishKey};
use serde_json::json;

use super::making::{options, token};
use crate::support::{Peer, Response, Running, UPGRADE, request};

const APP: &str = "https://app.example";
const TEAM: &str = "https://a.team.example";
const EVIL: &str = "https://evil.example";
const OWN: &str = "http://localhost";

/// What a browser shows to the page that has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// The answer, if the request had no credentials that the browser adds by itself.
    Answer,
    /// The answer, with such credentials too.
    AnswerToCredentials,
}

/// Returns what a browser shows to a page of this origin (the Fetch standard, "CORS check").
fn seen(response: &Response, origin: &str) -> Seen {
    let credentials = response.header("Access-Control-Allow-Credentials");
    match response.header("Access-Control-Allow-Origin") {
        None => {
            assert_eq!(credentials, None);
            Seen::Nothing
        }
        Some("*") => {
            assert_eq!(credentials, None, "never for everybody");
            Seen::Answer
        }
        Some(named) => {
            assert_eq!((named, credentials), (origin, Some("true")));
            Seen::AnswerToCredentials
        }
    }
}

fn listing(origins: &[&str]) -> BroadcastOptions {
    let allowed_origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    BroadcastOptions { allowed_origins, ..BroadcastOptions::default() }
}

fn start(options: BroadcastOptions) -> Running {
    Running::broadcast_with(options, |builder| builder.reactors(1))
}

fn ask(server: &Running, method: &str, target: &str, headers: &str) -> Response {
    let body = if method == "POST" { "hello" } else { "" };
    Peer::connect(server.address).ask(request(method, target, headers, body))
}

fn of(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

/// The header lines by which a browser asks whether a page may POST with a token.
fn preflight(origin: &str) -> String {
    format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n"
    )
}

#[test]
fn a_page_sees_by_http_what_it_may_ask_for_by_a_websocket() {
    use Seen::{Answer, AnswerToCredentials, Nothing};
    // By row: what pages of the own origin, of two others, and of none that is listed see.
    for (listed, expected) in [
        (&[][..], [AnswerToCredentials, Nothing, Nothing, Nothing]),
        (&[APP], [Nothing, AnswerToCredentials, Nothing, Nothing]),
        (
            &[APP, "https://*.team.example"],
            [Nothing, AnswerToCredentials, AnswerToCredentials, Nothing],
        ),
        (&["*"], [AnswerToCredentials, Answer, Answer, Answer]),
        (&["*", APP], [AnswerToCredentials, AnswerToCredentials, Answer, Answer]),
    ] {
        let server = start(listing(listed));
        let origins = [OWN, APP, TEAM, EVIL].into_iter().zip(expected);
        for (origin, expected) in origins.chain([("null", Nothing), ("", Nothing)]) {
            let what = format!("{origin}, listed {listed:?}");
            let [sent, asked] = if expected == Nothing { [403; 2] } else { [202, 204] };
            for (method, headers, status) in [
                ("GET", of(origin), 200),
                ("POST", of(origin), sent),
                ("OPTIONS", preflight(origin), asked),
                ("OPTIONS", of(origin), 204),
            ] {
                let response = ask(&server, method, "/news", &headers);
                assert_eq!(response.status, status, "{method}: {what}");
                assert_eq!(seen(&response, origin), expected, "{method}: {what}");
                let shown = format!("{response:?}");
                assert!(shown.contains("(\"Vary\", \"Origin\")"), "{method}: {what}: {shown}");
            }
            let connected =
                ask(&server, "GET", "/news", &(UPGRADE.join("\r\n") + "\r\n" + &of(origin)));
            assert_eq!(connected.status == 101, expected != Nothing, "{what}");
            assert_eq!(connected.header("Access-Control-Allow-Origin"), None, "{what}");
        }
    }
}

#[test]
fn a_browser_is_told_what_a_page_may_send() {
    let server = start(listing(&[APP]));
    let response = ask(&server, "OPTIONS", "/news", &preflight(APP));
    for (name, value) in [
        ("Allow", "GET, HEAD, POST, OPTIONS"),
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
        ("Access-Control-Max-Age", "7200"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_eq!(response.header("Access-Control-Expose-Headers"), None);
    // What is not about a channel, or no page has sent, is answered as ever.
    for (method, target, headers, status) in [
        ("OPTIONS", "/news", String::new(), 204),
        ("OPTIONS", "/-/healthz", preflight(APP), 204),
        ("GET", "/-/healthz", of(APP), 200),
        ("GET", "/-/metrics", of(APP), 200),
        ("GET", "/", of(APP), 200),
        ("GET", "/news", String::new(), 200),
        ("POST", "/news", String::new(), 202),
    ] {
        let response = ask(&server, method, target, &headers);
        assert_eq!(response.status, status, "{method} {target}");
        assert_eq!(seen(&response, APP), Seen::Nothing, "{method} {target}");
        for name in ["Access-Control-Allow-Methods", "Access-Control-Expose-Headers"] {
            assert_eq!(response.header(name), None, "{method} {target}");
        }
        assert_ne!(response.header("Vary"), Some("Origin"), "{method} {target}");
    }
}

#[test]
fn a_page_can_read_why_it_is_refused() {
    let listed = listing(&[APP]).allowed_origins;
    let publish_key = Some(PublishKey::new("sesame").unwrap());
    let options = BroadcastOptions { allowed_origins: listed, publish_key, ..options() };
    let server = Running::broadcast_with(options, |builder| {
        let builder = builder.reactors(1).max_message_size(1_000);
        builder.max_connections_per_ip(Some(2)).handshake_timeout(Duration::from_millis(300))
    });
    let bearer = |claims| format!("{}Authorization: Bearer {}\r\n", of(APP), token(&claims));
    let other = bearer(json!({ "subscribe": ["other"], "publish": ["other"] }));
    let is_shown = |response: &Response, status: u16| {
        assert_eq!(response.status, status);
        assert_eq!(seen(response, APP), Seen::AnswerToCredentials, "{status}");
        let exposed = response.header("Access-Control-Expose-Headers");
        assert_eq!(exposed, Some("Retry-After, WWW-Authenticate"), "{status}");
    };
    for (method, target, headers, status) in [
        ("GET", "/news", of(APP), 401),
        ("POST", "/news", of(APP), 401),
        ("GET", "/news", other.clone(), 403),
        ("POST", "/news", other, 403),
        ("PUT", "/news", of(APP), 405),
        ("GET", "/%zz", of(APP), 400),
        ("GET", "/news", of(APP) + "Accept: text/event-stream\r\n", 501),
        ("GET", "/news", of(APP) + "Content-Length: 1001\r\n", 413),
        ("GET", "/news", bearer(json!({})), 200),
        ("POST", "/news", bearer(json!({})), 202),
        ("POST", "/news", of(APP) + "Authorization: Bearer sesame\r\n", 202),
    ] {
        is_shown(&ask(&server, method, target, &headers), status);
    }
    // A body that does not come, and one that is not UTF-8.
    let begun = format!(
        "POST /news HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: 5\r\n\r\n",
        of(APP) + "Authorization: Bearer sesame\r\n"
    );
    is_shown(&Peer::connect(server.address).ask(&begun), 408);
    is_shown(
        &Peer::connect(server.address).ask([begun.as_bytes(), b"\xff\xff\xff\xff\xff"].concat()),
        400,
    );
    // Headers are those of each request, not of the one before it.
    let mut peer = Peer::connect(server.address);
    let lines = [of(APP), String::new(), of(EVIL), of(APP)];
    peer.send(
        lines.iter().flat_map(|lines| request("GET", "/news", lines, "")).collect::<Vec<_>>(),
    );
    let seen = lines.map(|_| seen(&peer.response(), APP) != Seen::Nothing);
    assert_eq!(seen, [true, false, false, true]);
    // The reactor itself refuses the third connection of an address.
    let _second = ask_and_stay(&server);
    is_shown(&ask(&server, "GET", "/news", &of(APP)), 429);
    drop(peer);
}

/// Returns a connection that has been answered.
fn ask_and_stay(server: &Running) -> Peer {
    let mut peer = Peer::connect(server.address);
    peer.ask(request("GET", "/-/healthz", "", ""));
    peer
}
