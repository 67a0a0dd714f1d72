//! Whoever guesses is slowed down, and nobody else.

use fanfare::{BroadcastOptions, PublishKey};
use serde_json::json;

use super::Asker;
use super::making::{options, token};
use crate::support::{Peer, Program, Running, request};

const MAX: u32 = 3;

/// Starts a server behind a trusted proxy on this machine.
fn start(options: BroadcastOptions) -> Running {
    start_with_connections(options, None)
}

/// Starts one where each address may have so many connections.
pub(super) fn start_with_connections(options: BroadcastOptions, per_ip: Option<u32>) -> Running {
    let options = BroadcastOptions { credential_failures_per_ip: Some(MAX), ..options };
    Running::broadcast_with(options, |builder| {
        builder
            .reactors(2)
            .admin_listen("127.0.0.1:0")
            .max_connections_per_ip(per_ip)
            .trusted_proxies(["127.0.0.1".parse().unwrap()])
    })
}

/// Header lines of a client behind the proxy.
fn from(client: &str, credentials: &str) -> String {
    format!("X-Forwarded-For: {client}\r\nAuthorization: Bearer {credentials}\r\n")
}

const GUESSED: (u16, Option<&str>) = (401, Some("bad_credentials"));
const SLOWED: (u16, Option<&str>) = (429, Some("credential_limit"));

#[test]
fn after_some_wrong_keys_an_address_is_not_listened_to_even_with_the_right_one() {
    let key = PublishKey::new("sesame").unwrap();
    let server = start(BroadcastOptions { publish_key: Some(key), ..BroadcastOptions::default() });
    let mut asker = Asker::with_admin(server.address, server.admin.unwrap());
    let mut ask = |line: &str, headers: &str| {
        let (outcome, answer, _) = asker.ask(line, headers, "sesame");
        (outcome, answer)
    };
    for path in ["/news", "/other", "/news"] {
        let line = format!("POST {path}");
        assert_eq!(ask(&line, &from("203.0.113.9", "guess")).0, GUESSED);
    }
    let (outcome, answer) = ask("POST /news", &from("203.0.113.9", "sesame"));
    assert_eq!(outcome, SLOWED);
    let retry = answer.split("\"Retry-After\", \"").nth(1).unwrap();
    let seconds: u32 = retry.split('"').next().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer}");
    for (line, headers, outcome) in [
        // Others behind the same proxy, and whoever shows no credentials.
        ("POST /news", from("203.0.113.10", "sesame"), (202, None)),
        ("POST /news", from("203.0.113.10", "guess"), GUESSED),
        ("POST /news", from("203.0.113.10", "sesame"), (202, None)),
        ("WS /news", "X-Forwarded-For: 203.0.113.9\r\n".to_owned(), (101, None)),
        ("GET /", from("203.0.113.9", "guess"), SLOWED),
        ("GET /", "X-Forwarded-For: 203.0.113.9\r\n".to_owned(), (200, None)),
        ("POST /news", from("2001:db8::1", "guess"), GUESSED),
        ("POST /news", from("2001:db8::2", "guess"), GUESSED),
        ("POST /news", from("2001:db8::3", "guess"), GUESSED),
        ("POST /news", from("2001:db8::4", "sesame"), SLOWED),
        ("POST /news", from("2001:db8:0:1::1", "sesame"), (202, None)),
        // A foreign Host would tell the right key too: with it the request is served.
        ("GET /news", host(&from("203.0.113.11", "guess")), (403, Some("forbidden_host"))),
        ("GET /news", host(&from("203.0.113.11", "guess")), (403, Some("forbidden_host"))),
        ("GET /news", host(&from("203.0.113.11", "guess")), (403, Some("forbidden_host"))),
        ("GET /news", host(&from("203.0.113.11", "sesame")), SLOWED),
        ("GET /news", host(&from("203.0.113.12", "sesame")), (200, None)),
        ("GET /", host(&from("203.0.113.13", "guess")), (403, Some("forbidden_host"))),
        ("GET /", host(&from("203.0.113.13", "guess")), (403, Some("forbidden_host"))),
        ("GET /", host(&from("203.0.113.13", "guess")), (403, Some("forbidden_host"))),
        ("GET /", host(&from("203.0.113.13", "sesame")), SLOWED),
    ] {
        assert_eq!(ask(line, &headers).0, outcome, "{line} {headers}");
    }
}

fn host(headers: &str) -> String {
    format!("Host: foreign.example\r\n{headers}")
}

#[test]
fn forged_tokens_count_and_expired_ones_do_not() {
    let server = start(options());
    let mut asker = Asker::with_admin(server.address, server.admin.unwrap());
    let mut ask = |line: &str, headers: &str| asker.ask(line, headers, "").0;
    let good = token(&json!({}));
    let expired = token(&json!({ "exp": 1_000_000_000 }));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let client = "203.0.113.9";
    for _ in 0..2 * MAX {
        assert_eq!(ask("WS /news", &from(client, &expired)), (401, Some("expired")));
    }
    for _ in 0..MAX {
        assert_eq!(ask("WS /news", &from(client, &forged)), GUESSED);
    }
    assert_eq!(ask("WS /news", &from(client, &good)), SLOWED);
    assert_eq!(ask("GET /news", &from(client, &good)), SLOWED);
    let missing = (401, Some("missing_credentials"));
    assert_eq!(ask("WS /news", &format!("X-Forwarded-For: {client}\r\n")), missing);
    assert_eq!(ask("WS /news", &from("203.0.113.10", &good)), (101, None));
}

#[test]
fn the_key_cannot_be_guessed_where_a_refusal_has_another_reason() {
    let key = || Some(PublishKey::new("sesame").unwrap());
    let by_key = BroadcastOptions { publish_key: key(), ..BroadcastOptions::default() };
    let by_both = BroadcastOptions { publish_key: key(), ..options() };
    for options in [by_key, by_both] {
        let takes_tokens = !options.jwt_keys.is_empty();
        let server = start_with_connections(options, Some(1));
        let mut asker = Asker::with_admin(server.address, server.admin.unwrap());
        let mut ask = |line: &str, headers: &str| asker.ask(line, headers, "sesame");
        let good = token(&json!({}));

        // Under a foreign name, where the key would have helped.
        let (one, foreign) = ("203.0.113.1", (403, Some("forbidden_host")));
        for _ in 0..2 * MAX * u32::from(takes_tokens) {
            assert_eq!(ask("GET /news", &host(&from(one, &good))).0, foreign, "no guess");
        }
        for _ in 0..MAX {
            assert_eq!(ask("GET /news", &host(&from(one, "guess"))).0, foreign);
        }
        assert_eq!(ask("GET /news", &host(&from(one, "sesame"))).0, SLOWED);

        // Over the limit of connections, from which the key exempts.
        let (other, over) = ("203.0.113.2", (429, Some("address_limit")));
        let (entered, _, _held) = ask("WS /news", &from(other, &good));
        assert_eq!(entered, (101, None));
        assert_eq!(ask("POST /news", &from(other, "sesame")).0, (201, None));
        for _ in 0..MAX {
            assert_eq!(ask("POST /news", &from(other, "guess")).0, over);
        }
        assert_eq!(ask("POST /news", &from(other, "sesame")).0, over, "not listened to");
    }
}

#[test]
fn the_command_slows_guessers_unless_it_listens_on_loopback_alone() {
    for (arguments, is_slowed) in [
        (&["--publish-key", "sesame"][..], false),
        (&["--publish-key", "sesame", "--trusted-proxies", "127.0.0.1"], true),
    ] {
        let program = Program::start(arguments);
        let ask = |credentials: &str| {
            let headers = from("203.0.113.9", credentials);
            Peer::connect(program.address).ask(request("POST", "/news", &headers, "hello")).status
        };
        let statuses: Vec<u16> = (0..20).map(|_| ask("guess")).collect();
        assert_eq!(statuses, [401; 20]);
        assert_eq!(ask("sesame"), if is_slowed { 429 } else { 202 });
    }
}
