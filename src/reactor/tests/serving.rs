//! Tests of what the application is told of requests that were answered, and of connections that
//! have ended.

use std::time::Duration;

use super::super::RejectReason;
use super::app::Service;
use super::frames::{Opcode, handshake, request};
use super::world::World;

/// Has the application be told of what is served from now on, or no longer.
fn want_served(world: &mut World, wants_served: bool) {
    world.log.borrow_mut().wants_served = wants_served;
    world.handles().iter().for_each(|handle| handle.reload(None));
    world.rest();
}

fn served(world: &World) -> Vec<Service> {
    std::mem::take(&mut world.log.borrow_mut().served)
}

/// Returns what is told of an answered request that was not refused.
fn answered(request: &str, status: u16, bytes: [usize; 2]) -> Service {
    Service {
        request: Some(request.to_owned()),
        status: Some(status),
        rejected: None,
        close: None,
        duration: Duration::ZERO,
        bytes: bytes.map(|bytes| bytes as u64),
    }
}

fn ended(request: &str, code: u16, reason: &str, seconds: u64, bytes: [usize; 2]) -> Service {
    Service {
        close: Some((code, reason.to_owned())),
        duration: Duration::from_secs(seconds),
        ..answered(request, 101, bytes)
    }
}

#[test]
fn each_request_on_a_connection_is_told_of_with_its_bytes() {
    for reactors in [1, 3] {
        let mut world = World::of(reactors, |_, _| {});
        want_served(&mut world, true);
        let client = world.connect();
        // The second one is answered by the channel's home.
        for (method, path, body, status) in
            [("GET", "/a?token=secret", "", 200), ("POST", "/news", "hello", 202)]
        {
            let bytes = request(method, path, &[], body.as_bytes());
            let (head, rest) = bytes.split_at(bytes.len() - 3);
            client.peer.send(head);
            world.pass_secs(2);
            client.peer.send(rest);
            world.rest();
            let answer = client.peer.take_received();
            let path = path.split('?').next().unwrap();
            let expected = Service {
                duration: Duration::from_secs(2),
                ..answered(&format!("{method} {path}"), status, [bytes.len(), answer.len()])
            };
            assert_eq!(served(&world), [expected]);
            world.pass_secs(7);
        }
        drop(client);
        world.rest();
        assert_eq!(served(&world), []);
        world.check_empty();
    }
}

#[test]
fn a_websocket_connection_is_told_of_when_it_has_ended_with_all_its_bytes() {
    let mut world = World::new();
    want_served(&mut world, true);
    let mut client = world.connect();
    let asked = request("GET", "/about/x", &[], b"");
    client.peer.send(&asked);
    world.rest();
    client.answered().unwrap();
    served(&world);
    let opening = handshake("/news");
    client.peer.send(&opening);
    world.rest();
    let mut sent = client.peer.take_received().len();
    let mut received = opening.len();
    for _ in 0..5 {
        let frame = client.frame(Opcode::Text, b"a message");
        received += frame.len();
        client.peer.send(&frame);
        world.pass_secs(1);
        sent += client.peer.take_received().len();
    }
    assert_eq!(served(&world), [], "it is open");
    client.close(1000, "done");
    received += 2 + 4 + 2 + "done".len();
    world.rest();
    assert_eq!(served(&world), [ended("GET /news", 1000, "done", 5, [received, sent])]);
}

#[test]
fn every_kind_of_end_is_told_once() {
    let mut world = World::new();
    want_served(&mut world, true);
    // The peer goes before its body has come.
    let gone = world.connect();
    let whole = request("POST", "/news", &[], b"hello");
    gone.peer.send(&whole[..whole.len() - 1]);
    world.rest();
    gone.peer.reset();
    world.rest();
    let never = Service { status: None, ..answered("POST /news", 0, [whole.len() - 1, 0]) };
    assert_eq!(served(&world), [never]);
    for (path, code, reason) in [("/turned-away", 4403, "not here"), ("/shut", 1013, "not today")] {
        let client = world.connect();
        client.upgrade(path);
        world.rest();
        let told = served(&world);
        let close = Some((code, reason.to_owned()));
        assert_eq!((told.len(), &told[0].close), (1, &close), "{told:?}");
    }
    let lost = world.open("/news");
    lost.peer.reset();
    world.rest();
    assert_eq!(served(&world)[0].close, Some((1006, String::new())));
    for (bytes, status, rejected) in [
        (&b"GET / HTTP/9\r\n\r\n"[..], 400, RejectReason::Malformed),
        (&handshake("/no"), 403, RejectReason::Declined),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            413,
            RejectReason::TooLarge,
        ),
    ] {
        let client = world.connect();
        client.peer.send(bytes);
        world.rest();
        let told = served(&world);
        let got = (told.len(), told[0].status, told[0].rejected);
        assert_eq!(got, (1, Some(status), Some(rejected)), "{told:?}");
    }
    let slow = world.connect();
    slow.peer.send(b"GET / HT");
    world.pass_secs(6);
    let told = served(&world);
    assert_eq!(
        (told[0].status, told[0].request.as_deref(), told[0].bytes[0]),
        (Some(408), None, 8)
    );
    // Nothing was asked, so there is nothing to tell.
    let silent = world.connect();
    world.pass_secs(6);
    drop(silent);
    world.rest();
    assert_eq!(served(&world), []);
}

#[test]
fn it_begins_and_ends_with_a_reload_and_nothing_is_kept_without_it() {
    let mut world = World::new();
    let mut early = world.open("/news");
    let keep_alive = world.connect();
    keep_alive.request("GET", "/a", &[], b"");
    world.rest();
    want_served(&mut world, true);
    keep_alive.request("GET", "/b", &[], b"");
    early.close(1000, "");
    let mut late = world.open("/news");
    world.rest();
    // What was open already has no beginning that is known.
    let told = served(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].request.as_deref(), Some("GET /b"));
    want_served(&mut world, false);
    late.close(1000, "");
    keep_alive.request("GET", "/c", &[], b"");
    world.rest();
    assert_eq!(served(&world), []);
}

#[test]
fn a_panic_while_it_is_told_changes_nothing() {
    let mut world = World::new();
    want_served(&mut world, true);
    let mut client = world.connect();
    client.request("GET", "/panic/served", &[], b"");
    world.rest();
    assert_eq!(client.answered().unwrap().status, 200);
    client.upgrade("/panic/served");
    world.rest();
    assert_eq!(client.answered().unwrap().status, 101);
    client.close(1000, "done");
    world.rest();
    assert_eq!((client.close_code(), world.counters().panics), (Some(1000), 2));
}
