//! Tests of the limits on connections and on time: what a client receives when it exceeds one.

use std::net::IpAddr;
use std::time::Duration;

use fanfare::BroadcastOptions;

use super::{Counted, Watched, assert_counted};
use crate::support::{Peer, Running, Scraper, request, upgrade};

fn limited(
    limits: impl FnOnce(fanfare::Builder<fanfare::Closures>) -> fanfare::Builder<fanfare::Closures>,
) -> Running {
    Running::broadcast_with(BroadcastOptions::default(), limits)
}

#[test]
fn one_connection_too_many_is_503_and_may_come_back() {
    let server = limited(|builder| builder.max_connections(2));
    let mut scraper = Scraper::connect(server.address);
    let member = Peer::subscribe(server.address, "/news");
    scraper.until("the member", |metrics| {
        metrics.value("fanfare_connections{transport=\"websocket\"}") == 1
    });
    for (name, bytes, counted) in [
        ("a handshake", upgrade("/news"), Counted::Handshake("connection_limit")),
        ("a request", request("DELETE", "/news", "", ""), Counted::Reject("connection_limit")),
    ] {
        let before = scraper.scrape();
        let mut peer = Peer::connect(server.address);
        let answer = peer.ask(bytes);
        assert_eq!(
            (answer.status, answer.header("Retry-After")),
            (503, Some("1")),
            "{name}: {answer:?}"
        );
        peer.end();
        drop(peer);
        let hits = "fanfare_limit_hits_total{limit=\"max_connections\"}";
        let after = scraper.until(name, |after| {
            after.value(hits) > before.value(hits) && counted.is_in(&before, after)
        });
        assert_counted(name, &before, &after, counted, 503);
        assert_eq!(after.value(hits) - before.value(hits), 1, "{name}");
    }
    let probe = Peer::connect(server.address).ask(request("GET", "/-/healthz", "", ""));
    assert_eq!(
        (probe.status, probe.header("Connection")),
        (200, Some("close")),
        "a full server is not a dead one"
    );
    member.close();
    scraper.until("room", |metrics| metrics.sum("fanfare_connections") == 1);
    Peer::subscribe(server.address, "/news").close();
}

#[test]
fn who_is_one_too_many_is_counted_once_whatever_he_sends() {
    let server =
        limited(|builder| builder.max_connections(1).handshake_timeout(Duration::from_secs(1)));
    let mut scraper = Scraper::connect(server.address);
    for (name, bytes, status) in [
        ("a malformed request", &b"\x16\x03\x01"[..], 400),
        ("nothing", b"", 408),
        ("half a request", b"GET /", 408),
    ] {
        let before = scraper.scrape();
        let mut peer = Peer::connect(server.address);
        peer.send(bytes);
        assert_eq!(peer.response().status, status, "{name}");
        peer.end();
        let rejects = "fanfare_rejects_total";
        let after = scraper.until(name, |after| after.sum(rejects) > before.sum(rejects));
        assert_counted(name, &before, &after, Counted::Reject("connection_limit"), status);
    }
}

#[test]
fn one_connection_too_many_from_an_address_is_429_and_others_are_served() {
    let server = limited(|builder| builder.max_connections_per_ip(Some(1)));
    let [here, there]: [IpAddr; 2] =
        ["127.0.0.2", "127.0.0.3"].map(|address| address.parse().unwrap());
    let mut scraper = Scraper::connect_from(there, server.address);
    let member = Peer::connect_from(here, server.address).open("/news");
    let open = "fanfare_connections{transport=\"websocket\"}";
    let before = scraper.until("the member", |metrics| metrics.value(open) == 1);
    let mut peer = Peer::connect_from(here, server.address);
    let answer = peer.ask(upgrade("/news"));
    assert_eq!((answer.status, answer.header("Retry-After")), (429, Some("1")), "{answer:?}");
    peer.end();
    let hits = "fanfare_limit_hits_total{limit=\"max_connections_per_ip\"}";
    let counted = Counted::Handshake("address_limit");
    let after =
        scraper.until("429", |after| after.value(hits) > 0 && counted.is_in(&before, after));
    assert_counted("429", &before, &after, counted, 429);
    assert_eq!(after.value(hits), 1);
    drop(peer);
    member.close();
    scraper.until("room", |metrics| metrics.sum("fanfare_connections") == 1);
    Peer::connect_from(here, server.address).open("/news").close();
}

#[test]
fn a_request_that_takes_too_long_is_408() {
    let server = limited(|builder| builder.handshake_timeout(Duration::from_secs(1)));
    let mut watched = Watched::new(server);
    let half = upgrade("/news");
    let body = request("POST", "/news", "", "hello");
    for (name, bytes) in [
        ("nothing at all", &b""[..]),
        ("half a handshake", &half[..half.len() / 2]),
        ("all but the last byte", &half[..half.len() - 1]),
        ("half a body", &body[..body.len() - 2]),
    ] {
        watched.check(name, Counted::Reject("slow_request"), |peer| {
            peer.send(bytes);
            let answer = peer.response();
            assert_eq!(
                (answer.status, answer.header("Connection")),
                (408, Some("close")),
                "{name}: {answer:?}"
            );
            peer.end();
            408
        });
    }
}

#[test]
fn more_messages_a_second_than_are_allowed_close_with_4429() {
    let options = BroadcastOptions { message_rate: Some(1), ..BroadcastOptions::default() };
    let server = Running::broadcast_with(options, |builder| builder);
    let mut honest = Peer::subscribe(server.address, "/news");
    let mut peer = Peer::subscribe(server.address, "/news");
    // Both messages are sent in one piece, so the server reads them, and applies the rate, at one
    // moment.
    peer.send(crate::support::text("said").repeat(2));
    assert_eq!(honest.text(), "said");
    let frame =
        std::iter::repeat_with(|| peer.frame()).find(|frame| frame.close().is_some()).unwrap();
    let (code, reason) = frame.close().expect("a close");
    assert_eq!(code, 4429);
    assert!(reason.contains("--message-rate"), "{reason}");
    peer.end();
    assert_eq!(Peer::connect(server.address).ask(request("POST", "/news", "", "next")).status, 201);
    assert_eq!(honest.text(), "next", "one message too many reaches nobody");
}

#[test]
fn publishing_where_it_is_not_allowed_closes_with_4403_and_reaches_nobody() {
    let options = BroadcastOptions {
        publish: Some(fanfare::PublishPolicy::None),
        ..BroadcastOptions::default()
    };
    let server = Running::broadcast_with(options, |builder| builder);
    let mut honest = Peer::subscribe(server.address, "/news");
    let mut peer = Peer::subscribe(server.address, "/news");
    peer.send(crate::support::text("forbidden"));
    let frame = peer.frame();
    let (code, reason) = frame.close().expect("a close");
    assert_eq!(code, 4403);
    assert!(reason.contains("--publish"), "{reason}");
    peer.end();
    assert_eq!(
        Peer::connect(server.address).ask(request("POST", "/news", "", "allowed")).status,
        201
    );
    assert_eq!(honest.text(), "allowed");
    honest.close();
}
