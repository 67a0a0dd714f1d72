//! The table of rules for channels: each with every kind of credentials, by WebSocket, POST and
//! GET.

use std::num::NonZeroU32;

use fanfare::{
    BroadcastOptions, ChannelRule, ChannelRules, MessageRate, PublishKey, PublishPolicy, Reject,
    SubscribePolicy,
};
use serde_json::json;

use super::making::{options, token};
use super::{Asker, Outcome};
use crate::support::{Metrics, Peer, Running, Scraper, request, text};

const MISSING: Outcome = (401, Some("missing_credentials"));
const BAD: Outcome = (401, Some("bad_credentials"));
const EXPIRED: Outcome = (401, Some("expired"));
const NOT_READ: Outcome = (403, Some("forbidden_channel"));
const NOT_PUBLISHED: Outcome = (403, Some("forbidden_publish"));
const OPEN: Outcome = (101, None);
const SENT: Outcome = (202, None);
const READ: Outcome = (200, None);

/// What becomes of a message that a subscriber sends: it comes back, or its connection is closed.
const BACK: u16 = 0;

/// What a rule says of subscribing and of publishing.
type Pair = (Option<SubscribePolicy>, Option<PublishPolicy>);

const SUBSCRIBE: [Option<SubscribePolicy>; 3] =
    [None, Some(SubscribePolicy::Token), Some(SubscribePolicy::All)];
const PUBLISH: [Option<PublishPolicy>; 4] =
    [None, Some(PublishPolicy::Token), Some(PublishPolicy::None), Some(PublishPolicy::All)];

fn rule(pattern: &str, change: impl FnOnce(&mut ChannelRule)) -> ChannelRule {
    let mut rule = ChannelRule::new(pattern.parse().unwrap());
    change(&mut rule);
    rule
}

fn start(options: BroadcastOptions, rules: impl IntoIterator<Item = ChannelRule>) -> Running {
    let options = BroadcastOptions { channel_rules: ChannelRules::new(rules).unwrap(), ..options };
    Running::broadcast_with(options, |builder| builder.reactors(1))
}

fn key() -> Option<PublishKey> {
    Some(PublishKey::new("sesame").unwrap())
}

fn bearer(credentials: &str) -> String {
    format!("Authorization: Bearer {credentials}\r\n")
}

/// Returns what becomes of a message that an open peer sends.
fn fate(peer: &mut Peer) -> u16 {
    peer.send(text("hello"));
    let frame = peer.frame();
    frame.close().map_or(BACK, |(code, reason)| {
        assert!(!reason.is_empty());
        code
    })
}

/// Returns every pair of settings, and the rules that set them for the channels `c0`, `c1` and on.
fn every_rule() -> (Vec<Pair>, Vec<ChannelRule>) {
    let pairs = SUBSCRIBE.into_iter().flat_map(|one| PUBLISH.map(|other| (one, other)));
    let pairs: Vec<_> = pairs.collect();
    let rules = pairs.iter().enumerate().map(|(number, (subscribe, publish))| {
        rule(&format!("c{number}"), |rule| {
            rule.subscribe = *subscribe;
            rule.publish = *publish;
        })
    });
    let rules = rules.collect();
    (pairs, rules)
}

/// By column: no credentials, the publish key, a token to subscribe and publish, one to subscribe,
/// one to publish, one for other channels, and one that has expired.
fn credentials() -> [String; 7] {
    let of = |claims| bearer(&token(&claims));
    [
        String::new(),
        bearer("sesame"),
        of(json!({ "subscribe": ["*"], "publish": ["*"] })),
        of(json!({ "subscribe": ["*"], "publish": [] })),
        of(json!({ "subscribe": [], "publish": ["*"] })),
        of(json!({ "subscribe": ["a/*"], "publish": ["a/*"] })),
        of(json!({ "subscribe": ["*"], "publish": ["*"], "exp": 1 })),
    ]
}

#[test]
fn each_rule_does_what_it_says_where_there_are_keys_for_tokens() {
    let (pairs, rules) = every_rule();
    let server = start(BroadcastOptions { publish_key: key(), ..options() }, rules);
    let mut asker = Asker::new(server.address);
    let credentials = credentials();
    for (number, (subscribe, publish)) in pairs.into_iter().enumerate() {
        let what = format!("subscribe {subscribe:?}, publish {publish:?}");
        let is_open = subscribe == Some(SubscribePolicy::All);
        let posts = match publish {
            Some(PublishPolicy::All) => [SENT; 7],
            Some(PublishPolicy::None) => {
                let [no, yes] = [NOT_PUBLISHED, SENT];
                [MISSING, yes, no, no, no, no, EXPIRED]
            }
            Some(PublishPolicy::Token) | None => {
                [MISSING, SENT, SENT, NOT_PUBLISHED, SENT, NOT_PUBLISHED, EXPIRED]
            }
        };
        let gets = match is_open {
            true => [READ; 7],
            false => [MISSING, BAD, READ, READ, NOT_READ, NOT_READ, EXPIRED],
        };
        let by_token = matches!(publish, Some(PublishPolicy::Token) | None);
        let opens = match (is_open, by_token) {
            (false, _) => [MISSING, BAD, OPEN, OPEN, NOT_READ, NOT_READ, EXPIRED],
            (true, true) => [OPEN, BAD, OPEN, OPEN, OPEN, OPEN, EXPIRED],
            (true, false) => [OPEN; 7],
        };
        let fates = match publish {
            Some(PublishPolicy::All) => [BACK; 7],
            Some(PublishPolicy::None) => [4403; 7],
            Some(PublishPolicy::Token) | None => [4401, 0, BACK, 4403, BACK, 4403, 0],
        };
        for (method, expected) in [("POST", posts), ("GET", gets)] {
            for (headers, expected) in credentials.iter().zip(expected) {
                let (outcome, answer, _) = asker.ask(&format!("{method} /c{number}"), headers, "");
                assert_eq!(outcome, expected, "{what}: {method} {headers}: {answer}");
            }
        }
        for ((headers, expected), after) in credentials.iter().zip(opens).zip(fates) {
            let (outcome, answer, mut peer) = asker.ask(&format!("WS /c{number}"), headers, "");
            assert_eq!(outcome, expected, "{what}: WS {headers}: {answer}");
            if outcome == OPEN {
                assert_eq!(fate(&mut peer), after, "{what}: WS {headers}");
            }
        }
    }
    let closed = |metrics: &Metrics, code: u16| {
        let series = format!("fanfare_connections_closed_total{{code=\"{code}\",");
        metrics.value(&format!("{series}initiator=\"server\"}}"))
    };
    let metrics = Scraper::connect(server.address).scrape();
    // With `all` to subscribe: twice none at 4401. At 4403 twice two tokens, and seven under
    // `none`; with a token to subscribe, four times one token, and twice two under `none`.
    assert_eq!((closed(&metrics, 4401), closed(&metrics, 4403)), (2, 4 + 7 + 4 + 4));
}

#[test]
fn each_rule_does_what_it_says_where_there_are_no_tokens() {
    let elsewhere = "X-Forwarded-For: 192.0.2.1\r\n".to_owned();
    let credentials = [String::new(), elsewhere, bearer("sesame")];
    for publish_key in [None, key()] {
        let (pairs, rules) = every_rule();
        let has_key = publish_key.is_some();
        let options = BroadcastOptions { publish_key, ..BroadcastOptions::default() };
        let server = start(options, rules);
        let mut asker = Asker::new(server.address);
        for (number, (subscribe, publish)) in pairs.into_iter().enumerate() {
            let what = format!("subscribe {subscribe:?}, publish {publish:?}, key {has_key}");
            let posts = match (publish, has_key) {
                (Some(PublishPolicy::All), _) => [SENT; 3],
                (_, true) => [MISSING, MISSING, SENT],
                (None, false) => [SENT, NOT_PUBLISHED, SENT],
                (Some(_), false) => [NOT_PUBLISHED; 3],
            };
            let may_read = subscribe != Some(SubscribePolicy::Token);
            // Without a key there is no good token.
            let none_is_good = [MISSING, MISSING, BAD];
            let gets = if may_read { [READ; 3] } else { none_is_good };
            let opens = if may_read { [OPEN; 3] } else { none_is_good };
            let fates = match publish {
                Some(PublishPolicy::All) => [BACK; 3],
                Some(PublishPolicy::None | PublishPolicy::Token) => [4403; 3],
                None => [BACK, 4403, BACK],
            };
            for (method, expected) in [("POST", posts), ("GET", gets)] {
                for (headers, expected) in credentials.iter().zip(expected) {
                    let line = format!("{method} /c{number}");
                    let (outcome, answer, _) = asker.ask(&line, headers, "");
                    assert_eq!(outcome, expected, "{what}: {method} {headers}: {answer}");
                }
            }
            for ((headers, expected), after) in credentials.iter().zip(opens).zip(fates) {
                let (outcome, answer, mut peer) = asker.ask(&format!("WS /c{number}"), headers, "");
                assert_eq!(outcome, expected, "{what}: WS {headers}: {answer}");
                if outcome == OPEN {
                    assert_eq!(fate(&mut peer), after, "{what}: WS {headers}");
                }
            }
        }
    }
}

#[test]
fn the_first_rule_that_covers_the_decoded_name_counts() {
    let rules = [
        rule("chat/staff", |rule| rule.publish = Some(PublishPolicy::None)),
        rule("chat/*", |rule| {
            rule.publish = Some(PublishPolicy::All);
            rule.subscribe = Some(SubscribePolicy::All);
        }),
    ];
    let server = start(options(), rules);
    let mut asker = Asker::new(server.address);
    for (line, expected) in [
        ("POST /chat/42", SENT),
        ("POST /chat%2F42", SENT),
        ("POST /%63hat/42", SENT),
        ("POST /chat/staff", NOT_PUBLISHED),
        ("POST /chat%2fst%61ff", NOT_PUBLISHED),
        ("POST /chat", MISSING),
        ("POST /chat/42/43", MISSING),
        ("POST //chat/42", MISSING),
        ("GET /chat/42", READ),
        ("GET /chat/staff", MISSING),
        ("GET /chat", MISSING),
        ("WS /chat/42", OPEN),
        ("WS /chat/staff", MISSING),
        // Rules say nothing of pages of other origins, nor of names in Host.
        ("OPTIONS /chat/staff", (204, None)),
    ] {
        assert_eq!(asker.ask(line, "", "").0, expected, "{line}");
    }
    for (headers, reason) in [
        ("Origin: https://evil.example\r\n", "forbidden_origin"),
        ("Host: evil.example\r\n", "forbidden_host"),
    ] {
        for line in ["POST /chat/42", "WS /chat/42"] {
            assert_eq!(asker.ask(line, headers, "").0, (403, Some(reason)), "{line} {headers}");
        }
    }
}

#[test]
fn a_rule_has_a_message_rate_of_its_own() {
    let rate = |number| Some(MessageRate::PerSecond(NonZeroU32::new(number).unwrap()));
    let rules = [
        rule("slow", |rule| rule.message_rate = rate(2)),
        rule("fast", |rule| rule.message_rate = Some(MessageRate::Off)),
        rule("other", |rule| rule.publish = Some(PublishPolicy::All)),
    ];
    let options = BroadcastOptions { message_rate: Some(5), ..BroadcastOptions::default() };
    let server = start(options, rules);
    for (channel, expected) in [("slow", Some(2)), ("fast", None), ("other", Some(5))] {
        let (_, _, mut peer) = Asker::new(server.address).ask(&format!("WS /{channel}"), "", "");
        // Sent at once, so that the bucket gains nothing meanwhile.
        peer.send(text("x").repeat(30));
        let frames = (0..30).map(|_| peer.frame().close().map(|(code, _)| code));
        let closed = frames.into_iter().find_map(|code| code);
        assert_eq!(closed, expected.map(|_| 4429), "{channel}");
        let about =
            Peer::connect(server.address).ask(request("GET", &format!("/{channel}"), "", ""));
        let messages = format!("\"messages\":{}", expected.unwrap_or(30));
        assert!(about.body.contains(&messages), "{channel}: {}", about.body);
    }
}

#[test]
fn a_subprotocol_is_chosen_whether_the_peer_is_let_in_or_turned_away() {
    let rules = [rule("open", |rule| rule.subscribe = Some(SubscribePolicy::All))];
    let subprotocols = vec!["chat.v2".to_owned()];
    let options = BroadcastOptions { reject: Reject::Close, subprotocols, ..options() };
    let server = start(options, rules);
    let good = token(&json!({}));
    let mut asker = Asker::new(server.address);
    for (channel, offered, chosen, is_let_in) in [
        ("open", "chat.v2".to_owned(), "chat.v2", true),
        ("open", "chat.v1, chat.v2".to_owned(), "chat.v2", true),
        ("open", format!("bearer, {good}, chat.v2"), "chat.v2", true),
        ("open", format!("bearer, {good}"), "bearer", true),
        ("news", format!("bearer, {good}, chat.v2"), "chat.v2", true),
        ("news", format!("chat.v2, bearer, {good}"), "chat.v2", true),
        ("news", "chat.v2".to_owned(), "chat.v2", false),
        ("news", "bearer, chat.v2".to_owned(), "bearer", false),
    ] {
        let headers = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        let (outcome, answer, mut peer) = asker.ask(&format!("WS /{channel}"), &headers, &good);
        assert_eq!(outcome.0, 101);
        let shown = format!("(\"Sec-WebSocket-Protocol\", \"{chosen}\")");
        assert!(answer.contains(&shown), "{offered}: {answer}");
        match is_let_in {
            true => assert_eq!(outcome.1, None, "{offered}"),
            false => assert_eq!(peer.frame().close().unwrap().0, 4401, "{offered}"),
        }
    }
}
