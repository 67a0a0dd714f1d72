//! Many handshakes that wait for the application: others are not held up, and everything recovers.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::{BroadcastOptions, PublishKey};

use super::application::{Application, Gate};
use super::{asking, asking_for, handshake, start, start_with};
use crate::support::{Peer, Running, Scraper, request, text, wait_for};

const YES: &[u8] = b"HTTP/1.1 200 OK\r\nFanfare-Publish: **\r\nContent-Length: 0\r\n\r\n";
/// As many questions as are asked at the same time about peers of one address.
const THREADS: usize = 24;

/// An application that holds all answers back, except those about `/first`.
fn held() -> (Application, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let application = Application::start(move |head, stream| {
        if !head.contains("/first") {
            held.wait();
        }
        stream.write_all(YES).is_ok()
    });
    (application, gate)
}

fn connect_all(server: &Running, number: usize) -> Vec<Peer> {
    let connect = |_| {
        let mut peer = Peer::connect(server.address);
        peer.send(handshake("/news", ""));
        peer
    };
    (0..number).map(connect).collect()
}

#[test]
fn while_two_hundred_wait_everything_else_goes_on() {
    let (application, gate) = held();
    let key = PublishKey::new("open-sesame").unwrap();
    let options = BroadcastOptions { publish_key: Some(key), ..asking(&application.url()) };
    let server = start(options);
    let mut talker = Peer::subscribe(server.address, "/first");
    let mut waiting = connect_all(&server, 200);
    wait_for("the first questions", || (application.asked().len() > THREADS).then_some(()));
    for round in 0..20 {
        talker.send(text(&format!("round {round}")));
        assert_eq!(talker.text(), format!("round {round}"));
        let ask = |method, target, headers: &str, body| {
            Peer::connect(server.address).ask(request(method, target, headers, body)).status
        };
        assert_eq!(ask("GET", "/-/healthz", "", ""), 200);
        assert_eq!(ask("GET", "/", "", ""), 200);
        let key = "Authorization: Bearer open-sesame\r\n";
        assert_eq!(ask("POST", "/first", key, "posted"), 201);
        assert_eq!(talker.text(), "posted");
    }
    assert_eq!(application.asked().len(), THREADS + 1, "no more are asked at the same time");
    gate.let_pass(200);
    for peer in &mut waiting {
        assert_eq!(peer.response().status, 101);
    }
}

#[test]
fn whoever_leaves_while_it_waits_frees_its_place_and_is_not_asked_about() {
    let (application, gate) = held();
    let limit = 100;
    let server = start_with(asking(&application.url()), |builder| {
        builder.max_connections(limit).reactors(1)
    });
    let waiting = connect_all(&server, limit);
    wait_for("the first questions", || (application.asked().len() == THREADS).then_some(()));
    assert_eq!(Peer::connect(server.address).ask(handshake("/first", "")).status, 503);
    drop(waiting);
    wait_for("a place", || {
        let mut scraper = Scraper::connect(server.address);
        (scraper.scrape().value("fanfare_connections{transport=\"http\"}") <= 2).then_some(())
    });
    gate.let_pass(THREADS);
    Peer::subscribe(server.address, "/first");
    assert_eq!(application.asked().len(), THREADS + 1, "the others had left");
}

#[test]
fn a_guesser_is_behind_itself_and_not_before_others() {
    let (application, gate) = held();
    let server = start_with(asking(&application.url()), |builder| builder.reactors(1));
    let guesser = connect_all(&server, 200);
    wait_for("the first questions", || (application.asked().len() == THREADS).then_some(()));
    let mut other = Peer::connect_from(IpAddr::from([127, 0, 0, 2]), server.address);
    other.send(handshake("/other", ""));
    // The reactor has read the handshake when it answers requests that have come later.
    for _ in 0..3 {
        let healthz = request("GET", "/-/healthz", "", "");
        assert_eq!(Peer::connect(server.address).ask(healthz).status, 200);
    }
    // The application answers nobody, and yet is asked about the other.
    wait_for("the other", || (application.asked().len() == THREADS + 1).then_some(()));
    assert!(application.asked()[THREADS].contains("/other"), "it waits behind nobody");
    gate.let_pass(400);
    assert_eq!(other.response().status, 101);
    drop(guesser);
}

#[test]
fn whoever_guesses_is_not_even_asked_about_after_a_while() {
    let application = Application::that_says("HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n\r\n");
    let options =
        BroadcastOptions { credential_failures_per_ip: Some(5), ..asking(&application.url()) };
    let server = start(options);
    let status =
        |headers: &str| Peer::connect(server.address).ask(handshake("/news", headers)).status;
    for number in 0..8 {
        let expected = if number < 5 { 401 } else { 429 };
        assert_eq!(status(&format!("Authorization: Bearer guess{number}\r\n")), expected);
    }
    assert_eq!(status("Sec-WebSocket-Protocol: bearer, guess\r\n"), 429);
    assert_eq!(application.asked().len(), 5);
    assert_eq!(status(""), 401, "without credentials it is no guess");
}

#[test]
fn guesses_that_are_asked_about_together_do_not_tell_which_is_right() {
    let gate = Gate::default();
    let held = gate.clone();
    let application = Application::start(move |head, stream| {
        if head.contains("right") {
            held.wait();
            return stream.write_all(YES).is_ok();
        }
        stream.write_all(b"HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let options =
        BroadcastOptions { credential_failures_per_ip: Some(5), ..asking(&application.url()) };
    let server = start(options);
    let guess = |text: &str| {
        let mut peer = Peer::connect(server.address);
        peer.send(handshake("/news", &format!("Authorization: Bearer {text}\r\n")));
        peer
    };
    let mut right = guess("right");
    wait_for("the question", || (application.asked().len() == 1).then_some(()));
    assert!((0..5).all(|_| guess("wrong").response().status == 401));
    gate.let_pass(1);
    assert_eq!(right.response().status, 429);
}

#[test]
fn beyond_the_bound_a_handshake_is_answered_at_once() {
    let (application, gate) = held();
    let server = start(asking(&application.url()));
    let asked = connect_all(&server, THREADS);
    wait_for("the first questions", || (application.asked().len() == THREADS).then_some(()));
    let waiting = connect_all(&server, 1024 + 5);
    let mut scraper = Scraper::connect(server.address);
    wait_for("those beyond it", || {
        let refused = scraper.scrape().value("fanfare_rejects_total{reason=\"authorizer\"}");
        (refused == 5).then_some(())
    });
    let refused = || {
        let mut peer = Peer::connect(server.address);
        peer.send(handshake("/news", ""));
        peer.response()
    };
    let answer = refused();
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("too many wait"), "{answer:?}");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    // Another address finds a place all the same.
    let mut other = Peer::connect_from(IpAddr::from([127, 0, 0, 2]), server.address);
    other.send(handshake("/other", ""));
    gate.let_pass(3000);
    assert_eq!(other.response().status, 101);
    drop((asked, waiting));
}

#[test]
fn when_the_application_is_well_again_so_is_the_server() {
    let is_well = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&is_well);
    let application = Application::start(move |_, stream| {
        if state.load(Ordering::SeqCst) {
            return stream.write_all(YES).is_ok();
        }
        // It does not answer any more.
        while !state.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    });
    let server = start(asking_for(&application.url(), Duration::from_secs(2)));
    let open = || Peer::connect(server.address).ask(handshake("/news", "")).status;
    assert_eq!(open(), 101);
    is_well.store(false, Ordering::SeqCst);
    let mut waiting = connect_all(&server, 100);
    for peer in &mut waiting {
        assert_eq!(peer.response().status, 503);
    }
    is_well.store(true, Ordering::SeqCst);
    assert_eq!(open(), 101);
    let metrics = Scraper::connect(server.address).scrape();
    assert_eq!(metrics.value("fanfare_rejects_total{reason=\"authorizer\"}"), 100);
    assert_eq!(metrics.value("fanfare_handshakes_total{status=\"503\"}"), 100);
}
