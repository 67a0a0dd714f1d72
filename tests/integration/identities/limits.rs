//! The limits of one address, each with its exact status and metric: whoever is over one is told
//! after how long to come again, and nobody else behind the same proxy is refused.

use fanfare::{BroadcastOptions, PublishKey, Reject};

use super::Asker;
use super::guessing::start_with_connections;
use crate::support::Running;

/// How many connections, openings and failures one address may have.
const CONNECTIONS: u32 = 2;
const OPENINGS: u32 = 5;

fn start(reject: Reject) -> Running {
    let options = BroadcastOptions {
        publish_key: Some(PublishKey::new("sesame").unwrap()),
        openings_per_ip: Some(OPENINGS),
        reject,
        ..BroadcastOptions::default()
    };
    start_with_connections(options, Some(CONNECTIONS))
}

/// Header lines of a request that a proxy passes on, with a key if one is given.
fn from(client: &str, key: &str) -> String {
    let bearer = match key {
        "" => String::new(),
        key => format!("Authorization: Bearer {key}\r\n"),
    };
    format!("X-Forwarded-For: {client}\r\n{bearer}")
}

#[test]
fn whoever_is_over_a_limit_is_told_when_to_come_again_and_nobody_else_is_refused() {
    let server = start(Reject::Http);
    let mut asker = Asker::with_admin(server.address, server.admin.unwrap());
    let (one, other, third) = ("203.0.113.1", "203.0.113.2", "2001:db8::1");
    let (opened, served, over) = ((101, None), (202, None), (429, Some("opening_limit")));
    let (guessed, slowed) = ((401, Some("bad_credentials")), (429, Some("credential_limit")));
    for (number, (line, client, key, outcome)) in [
        // Openings: every handshake counts, and nothing else.
        ("WS /news", one, "", opened),
        ("WS /news", one, "", opened),
        ("POST /nobody", one, "sesame", served),
        ("WS /news", one, "", opened),
        ("GET /nobody", one, "", (200, None)),
        ("WS /-/echo", one, "", (404, Some("not_found"))),
        ("WS /news", one, "", opened),
        ("WS /news", one, "", over),
        ("WS /news", one, "sesame", over),
        ("WS /-/echo", one, "", over),
        ("WS /news", one, "guess", over),
        ("POST /nobody", one, "sesame", served),
        ("GET /nobody", one, "", (200, None)),
        ("WS /news", other, "", opened),
        ("WS /news", third, "", opened),
        // Failures of credentials: those of an address that opens nothing.
        ("POST /nobody", other, "guess", guessed),
        ("POST /nobody", other, "guess", guessed),
        ("POST /nobody", other, "guess", guessed),
        ("POST /nobody", other, "sesame", slowed),
        ("WS /news", other, "sesame", slowed),
        ("WS /news", other, "", opened),
        ("GET /-/metrics", other, "sesame", (404, Some("not_found"))),
        ("POST /nobody", third, "sesame", served),
        ("POST /nobody", one, "sesame", served),
    ]
    .into_iter()
    .enumerate()
    {
        let (found, answer, _) = asker.ask(line, &from(client, key), "sesame");
        assert_eq!(found, outcome, "{number}: {line} from {client}");
        assert_eq!(retry_after(&answer).is_some(), found.0 == 429, "{number}: {answer}");
    }
}

#[test]
fn connections_of_one_address_are_limited_until_one_of_them_ends() {
    let server = start(Reject::Http);
    let mut asker = Asker::with_admin(server.address, server.admin.unwrap());
    let (one, other) = ("203.0.113.1", "203.0.113.2");
    let over = (429, Some("address_limit"));
    let mut held: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (outcome, _, peer) = asker.ask("WS /news", &from(one, ""), "");
            assert_eq!(outcome, (101, None));
            peer
        })
        .collect();
    for (line, client, key, outcome) in [
        ("WS /news", one, "", over),
        ("GET /news", one, "", over),
        ("POST /news", one, "", over),
        ("POST /news", one, "guess", over),
        ("POST /news", one, "sesame", (201, None)),
        ("GET /-/metrics", one, "sesame", (404, Some("not_found"))),
        ("GET /news", other, "", (200, None)),
        ("WS /news", other, "", (101, None)),
    ] {
        let (found, answer, _) = asker.ask(line, &from(client, key), "sesame");
        assert_eq!(found, outcome, "{line} from {client} {key}");
        assert_eq!(retry_after(&answer).is_some(), found.0 == 429, "{answer}");
    }
    // What the key has published was received, and then a place is free.
    let mut ended = held.pop().unwrap();
    assert_eq!(ended.text(), "hello");
    ended.close();
    asker.scraper.until("its end", |metrics| metrics.sum("fanfare_connections") == 2);
    let (found, ..) = asker.ask("GET /news", &from(one, ""), "");
    assert_eq!(found, (200, None), "one has ended");
}

#[test]
fn where_refusals_are_close_codes_too_many_openings_are_4429() {
    let server = start(Reject::Close);
    let mut asker = Asker::with_admin(server.address, server.admin.unwrap());
    let client = from("203.0.113.1", "");
    for _ in 0..OPENINGS {
        asker.ask("WS /news", &client, "").2.close();
    }
    let (found, _, mut peer) = asker.ask("WS /news", &client, "");
    assert_eq!(found, (101, Some("opening_limit")));
    let frame = peer.frame();
    let (code, reason) = frame.close().unwrap();
    assert!(code == 4429 && reason.contains("too many WebSockets"), "{code} {reason}");
}

/// Returns the seconds of Retry-After.
fn retry_after(answer: &str) -> Option<u32> {
    let value = answer.split("\"Retry-After\", \"").nth(1)?.split('"').next()?;
    let seconds = value.parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer}");
    Some(seconds)
}
