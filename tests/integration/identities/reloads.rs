//! Which open connections are closed by which change of the rules, and who may publish then.

use std::sync::Arc;
use std::time::Duration;

use fanfare::{
    BroadcastOptions, ChannelRule, ChannelRules, JwtKey, PublishKey, PublishPolicy, SubscribePolicy,
};
use serde_json::json;

use super::making::{self, ED25519_PUBLIC, OLD_SECRET, P256_PUBLIC, SECRET};
use crate::reloading::Reloading;
use crate::support::{Peer, UPGRADE, frame, request, text};

/// Opens a WebSocket with these header lines. Returns the status if it is refused.
fn try_open(reloading: &Reloading, target: &str, headers: &str) -> Result<Peer, u16> {
    let upgrade: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
    let mut peer = Peer::connect(reloading.server.address);
    match peer.ask(request("GET", target, &format!("{upgrade}{headers}"), "")).status {
        101 => Ok(peer),
        status => Err(status),
    }
}

/// Sends a ping, and waits for the pong.
fn ping(peer: &mut Peer, case: &str) {
    peer.send(frame(0x89, "still there?"));
    let pong = peer.frame();
    assert_eq!((pong.first_byte, &pong.payload[..]), (0x8a, &b"still there?"[..]), "{case}");
}

/// Returns the close code of the next frame, if it is a Close frame.
fn closed(peer: &mut Peer) -> Option<u16> {
    peer.frame().close().map(|(code, _)| code)
}

/// What becomes of a connection: it stays, or is closed with this code.
type Fate = Option<u16>;

/// Opens a connection under the first options, and reloads with the second ones. Checks that it is
/// closed with the code, or stays; and that a connection that comes now in the same way is let in
/// if and only if it stays.
fn check(
    case: &str,
    (before, after): (BroadcastOptions, BroadcastOptions),
    (target, headers): (&str, &str),
    fate: Fate,
) {
    let server = Reloading::start(before);
    let mut peer = try_open(&server, target, headers).unwrap_or_else(|got| panic!("{case}: {got}"));
    server.reload(after);
    match fate {
        Some(code) => {
            assert_eq!(closed(&mut peer), Some(code), "{case}");
        }
        // A reload is heard before anything is read, and the review follows in the same turn. So
        // it is over when the second ping is answered.
        None => {
            for _ in 0..2 {
                ping(&mut peer, case);
            }
        }
    }
    let again = try_open(&server, target, headers).err();
    assert_eq!(again.is_some(), fate.is_some(), "{case}: {again:?}");
    assert_eq!(again.is_some_and(|status| status == 401), fate == Some(4401), "{case}: {again:?}");
}

fn origins(list: &[&str]) -> BroadcastOptions {
    let allowed_origins = list.iter().map(|one| one.parse().unwrap()).collect();
    BroadcastOptions { allowed_origins, ..BroadcastOptions::default() }
}

#[test]
fn an_origin_or_a_host_that_is_no_longer_allowed_is_closed_4403() {
    let page = "Origin: https://a.example\r\n";
    for (before, after, headers, fate) in [
        (&["https://a.example"][..], &["https://a.example", "https://b.example"][..], page, None),
        (&["https://a.example"], &["https://*.example"], page, None),
        (&["https://a.example"], &["*"], page, None),
        (&["https://a.example"], &["https://b.example"], page, Some(4403)),
        (&["https://a.example"], &[], page, Some(4403)),
        (&["*"], &["https://a.example"], page, None),
        (&["*"], &["https://b.example"], page, Some(4403)),
        (&["https://*.example"], &["http://a.example"], page, Some(4403)),
        (&["https://a.example"], &["https://b.example"], "", None),
        (&[], &["https://b.example"], "", None),
        (&[], &["https://b.example"], "Origin: http://localhost\r\n", Some(4403)),
    ] {
        let case = format!("{before:?} {after:?} {headers}");
        check(&case, (origins(before), origins(after)), ("/news", headers), fate);
    }
}

#[test]
fn a_name_in_host_that_is_no_longer_known_is_closed_4403() {
    let hosts = |list: &[&str], key: Option<&str>| BroadcastOptions {
        allowed_hosts: list.iter().map(|one| (*one).to_owned()).collect(),
        publish_key: key.map(|key| PublishKey::new(key).unwrap()),
        ..BroadcastOptions::default()
    };
    let with_key = "Authorization: Bearer one\r\n";
    for (before, after, name, headers, fate) in [
        (hosts(&["a.example"], None), hosts(&["b.example"], None), "a.example", "", Some(4403)),
        (hosts(&["a.example"], None), hosts(&["A.Example."], None), "a.example", "", None),
        (hosts(&["a.example"], None), hosts(&[], None), "localhost", "", None),
        (hosts(&[], Some("one")), hosts(&["x.example"], Some("one")), "a.example", with_key, None),
        (hosts(&[], Some("one")), hosts(&[], Some("two")), "a.example", with_key, Some(4403)),
        (hosts(&[], Some("one")), hosts(&[], None), "a.example", with_key, Some(4403)),
    ] {
        let headers = format!("Host: {name}\r\n{headers}");
        check(&headers, (before, after), ("/news", &headers), fate);
    }
}

/// Options with these keys, and no issuer and audience.
fn keys(keys: Vec<JwtKey>) -> BroadcastOptions {
    BroadcastOptions { jwt_keys: keys, jwt_leeway: Duration::from_secs(3600), ..Default::default() }
}

fn secret(text: &str) -> JwtKey {
    JwtKey::secret(text.as_bytes()).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A token with these changes that is for nobody in particular.
fn token(changes: &serde_json::Value) -> String {
    let mut all = json!({ "aud": null });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    making::token(&all)
}

#[test]
fn a_token_whose_key_is_gone_is_closed_4401_and_during_a_rotation_nobody_is() {
    let (new, old) = (|| secret(SECRET), || secret(OLD_SECRET));
    let public = |text: &str| JwtKey::public(text).unwrap();
    let set = || public(&making::key_set());
    let by_set = making::by(&making::p256(), jsonwebtoken::Algorithm::ES256, Some("ec-1"));
    let by_set = bearer(&by_set);
    let by_secret = bearer(&token(&json!({})));
    let for_aud = |keys: Vec<JwtKey>| {
        let jwt_audience = Some("fanfare".to_owned());
        BroadcastOptions { jwt_audience, ..self::keys(keys) }
    };
    for (case, before, after, headers, fate) in [
        ("one more", keys(vec![new()]), keys(vec![old(), new()]), &by_secret, None),
        ("the other left", keys(vec![old(), new()]), keys(vec![new()]), &by_secret, None),
        ("gone", keys(vec![old(), new()]), keys(vec![old()]), &by_secret, Some(4401)),
        ("none needed", keys(vec![new()]), keys(vec![]), &by_secret, None),
        ("set", for_aud(set()), for_aud([set(), public(ED25519_PUBLIC)].concat()), &by_set, None),
        ("without id", for_aud(set()), for_aud(public(P256_PUBLIC)), &by_set, None),
        ("set gone", for_aud(set()), for_aud(public(ED25519_PUBLIC)), &by_set, Some(4401)),
        ("needed now", keys(vec![]), keys(vec![new()]), &String::new(), Some(4401)),
    ] {
        check(case, (before, after), ("/news", headers), fate);
    }
}

#[test]
fn a_token_is_judged_by_the_new_issuer_audience_leeway_and_place() {
    let base = || keys(vec![secret(SECRET)]);
    let issuer = |text: &str| BroadcastOptions { jwt_issuer: Some(text.to_owned()), ..base() };
    let audience = |text: &str| BroadcastOptions { jwt_audience: Some(text.to_owned()), ..base() };
    let leeway = |seconds| BroadcastOptions { jwt_leeway: Duration::from_secs(seconds), ..base() };
    let query = |token_query| BroadcastOptions { token_query, ..base() };
    let cookie = |name: Option<&str>, origin: &str| BroadcastOptions {
        token_cookie: name.map(str::to_owned),
        allowed_origins: vec![origin.parse().unwrap()],
        ..base()
    };
    let plain = bearer(&token(&json!({})));
    let two = bearer(&making::token(&json!({ "aud": ["one", "two"] })));
    let late = bearer(&token(&json!({ "exp": making::now() - 100 })));
    let in_cookie =
        format!("Origin: https://a.example\r\nCookie: session={}\r\n", token(&json!({})));
    let in_query = format!("/news?token={}", token(&json!({})));
    let page = "https://a.example";
    for (case, before, after, target, headers, fate) in [
        ("same issuer", base(), issuer("https://auth.example"), "/news", &plain, None),
        ("other issuer", base(), issuer("https://other.example"), "/news", &plain, Some(4401)),
        ("any issuer", issuer("https://auth.example"), base(), "/news", &plain, None),
        ("other audience", audience("one"), audience("two"), "/news", &two, None),
        ("wrong audience", audience("one"), audience("three"), "/news", &two, Some(4401)),
        ("no audience", audience("one"), base(), "/news", &two, Some(4401)),
        ("audience", base(), audience("one"), "/news", &plain, Some(4401)),
        ("shorter leeway", leeway(3600), leeway(0), "/news", &late, Some(4401)),
        ("longer leeway", leeway(3600), leeway(7200), "/news", &late, None),
        ("query", query(true), query(true), &in_query, &String::new(), None),
        ("query off", query(true), query(false), &in_query, &String::new(), Some(4401)),
        (
            "cookie",
            cookie(Some("session"), page),
            cookie(Some("session"), "https://*.example"),
            "/news",
            &in_cookie,
            None,
        ),
        (
            "cookie of another name",
            cookie(Some("session"), page),
            cookie(Some("other"), page),
            "/news",
            &in_cookie,
            Some(4401),
        ),
        (
            "no cookie",
            cookie(Some("session"), page),
            cookie(None, page),
            "/news",
            &in_cookie,
            Some(4401),
        ),
        (
            "cookie of strangers",
            cookie(Some("session"), page),
            cookie(Some("session"), "*"),
            "/news",
            &in_cookie,
            Some(4401),
        ),
    ] {
        check(case, (before, after), (target, headers), fate);
    }
}

#[test]
fn a_longer_leeway_lets_a_live_socket_stay_longer_and_a_shorter_one_ends_it_earlier() {
    let leeway = |seconds| BroadcastOptions {
        jwt_leeway: Duration::from_secs(seconds),
        ..keys(vec![secret(SECRET)])
    };
    let server = Reloading::start(leeway(3600));
    let headers = bearer(&token(&json!({ "exp": making::now() })));
    let mut peer = try_open(&server, "/news", &headers).unwrap();
    // Back and forth: the end is counted from the token's, and not from the last one.
    for seconds in [7200, 10, 3600, 2] {
        server.reload(leeway(seconds));
        ping(&mut peer, "it stays");
    }
    assert_eq!(closed(&mut peer), Some(4401));
}

#[test]
fn who_may_publish_changes_for_sockets_that_are_open() {
    let publish = |publish, keys| BroadcastOptions { publish, ..self::keys(keys) };
    let key = || vec![secret(SECRET)];
    let reader = bearer(&token(&json!({ "publish": [] })));
    let writer = bearer(&token(&json!({})));
    let none = String::new();
    let (all, by_token, nobody) =
        (Some(PublishPolicy::All), Some(PublishPolicy::Token), Some(PublishPolicy::None));
    for (before, after, headers, code) in [
        (publish(None, vec![]), publish(nobody, vec![]), &none, Some(4403)),
        (publish(nobody, vec![]), publish(None, vec![]), &none, None),
        (publish(nobody, vec![]), publish(all, vec![]), &none, None),
        (publish(None, key()), publish(all, key()), &reader, None),
        (publish(all, key()), publish(by_token, key()), &reader, Some(4403)),
        (publish(all, key()), publish(by_token, key()), &writer, None),
        (publish(None, key()), publish(nobody, key()), &writer, Some(4403)),
        (publish(None, key()), publish(nobody, vec![]), &writer, Some(4403)),
    ] {
        let case = format!("{before:?} {after:?}");
        let server = Reloading::start(before);
        let mut peer = try_open(&server, "/news", headers).unwrap();
        server.reload(after);
        ping(&mut peer, &case);
        peer.send(text("hello"));
        match code {
            None => assert_eq!(peer.text(), "hello", "{case}"),
            code => assert_eq!(closed(&mut peer), code, "{case}"),
        }
    }
}

/// Credentials that were not needed at first are not kept. Whoever brought some is not told that
/// they are missing or bad when they are needed, but to connect again with them.
#[test]
fn who_has_brought_credentials_that_were_not_needed_is_asked_for_them_again() {
    let open_to_all = || {
        let mut rule = ChannelRule::new("news".parse().unwrap());
        rule.subscribe = Some(SubscribePolicy::All);
        rule.publish = Some(PublishPolicy::All);
        let channel_rules = ChannelRules::new([rule]).unwrap();
        BroadcastOptions { channel_rules, ..keys(vec![secret(SECRET)]) }
    };
    let hosts = |list: &[&str]| BroadcastOptions {
        allowed_hosts: list.iter().map(|one| (*one).to_owned()).collect(),
        publish_key: Some(PublishKey::new("one").unwrap()),
        ..BroadcastOptions::default()
    };
    let with_token = bearer(&token(&json!({})));
    let (foreign, with_key) = ("Host: a.example\r\n", "Authorization: Bearer one\r\n");
    let needed = || keys(vec![secret(SECRET)]);
    for (case, before, after, headers, code, again) in [
        ("a token", open_to_all(), needed(), with_token, 1012, 101),
        ("no token", open_to_all(), needed(), String::new(), 4401, 401),
        ("a key", hosts(&["a.example"]), hosts(&[]), format!("{foreign}{with_key}"), 1012, 101),
        ("no key", hosts(&["a.example"]), hosts(&[]), foreign.to_owned(), 4403, 403),
    ] {
        let server = Reloading::start(before);
        let mut peer = try_open(&server, "/news", &headers).unwrap();
        server.reload(after);
        assert_eq!(closed(&mut peer), Some(code), "{case}");
        assert_eq!(try_open(&server, "/news", &headers).err().unwrap_or(101), again, "{case}");
    }
}

#[test]
fn the_echo_service_ends_when_it_is_switched_off() {
    let echo = |echo| BroadcastOptions { echo, ..BroadcastOptions::default() };
    check("on", (echo(true), echo(true)), ("/-/echo", ""), None);
    check("off", (echo(true), echo(false)), ("/-/echo", ""), Some(4403));
}

#[test]
fn a_message_rate_is_in_force_at_once_and_a_post_is_judged_by_the_new_rules() {
    let server = Reloading::start(BroadcastOptions::default());
    let mut peer = try_open(&server, "/news", "").unwrap();
    let key = PublishKey::new("sesame").unwrap();
    server.reload(BroadcastOptions {
        message_rate: Some(1),
        publish_key: Some(key),
        ..BroadcastOptions::default()
    });
    ping(&mut peer, "the first one");
    peer.send(frame(0x89, "too soon"));
    assert_eq!(closed(&mut peer), Some(4429));
    let post = |headers: &str| {
        Peer::connect(server.server.address).ask(request("POST", "/news", headers, "a")).status
    };
    assert_eq!((post(""), post("Authorization: Bearer sesame\r\n")), (401, 202));
    assert_eq!(Arc::strong_count(&server.options.current()), 4, "one for each reactor");
}
