//! Tests of the opening handshake, accepted and declined.

use std::time::Duration;

use super::client::{Answered, Heard};
use super::world::World;
use crate::net::sim::SimCall;

#[test]
fn a_handshake_opens_wherever_it_is_cut() {
    let mut world = World::new();
    let bytes = super::frames::handshake("/news");
    for cut in 0..bytes.len() {
        let mut client = world.connect();
        for part in [&bytes[..cut], &bytes[cut..]] {
            client.peer.send(part);
            world.rest();
        }
        assert_eq!(client.answered().unwrap().status, 101, "cut at {cut}");
        drop(client);
        world.rest();
    }
    assert_eq!(world.reactor().peers.connections.len(), 0);
}

#[test]
fn a_handshake_opens_byte_by_byte() {
    let mut world = World::new();
    let mut client = world.connect();
    for byte in super::frames::handshake("/greet") {
        client.peer.send(&[byte]);
        world.rest();
    }
    assert_eq!(client.messages(), [b"welcome"]);
}

#[test]
fn what_on_open_sends_leaves_with_the_101_in_one_write() {
    let mut world = World::new();
    let mut client = world.open("/greet");
    assert_eq!(client.messages(), [b"welcome"]);
    assert_eq!(world.calls(SimCall::Write), 1);
}

#[test]
fn bytes_before_the_101_are_refused() {
    let mut world = World::new();
    let mut client = world.connect();
    let mut bytes = super::frames::handshake("/news");
    bytes.extend(client.frame(super::frames::Opcode::Text, b"too early"));
    client.peer.send(&bytes);
    world.rest();
    let answered = client.answered().unwrap();
    assert_eq!((answered.status, answered.keep_alive), (400, false));
    assert!(client.peer.is_ended(), "the answer is not lost to a reset");
    assert_eq!(world.log.borrow().closed, []);
}

#[test]
fn a_declined_handshake_has_the_applications_answer() {
    let mut world = World::new();
    let mut client = world.connect();
    client.upgrade("/no");
    world.rest();
    let body = "not here\n".to_owned();
    assert_eq!(client.answered(), Some(Answered { status: 403, body, keep_alive: false }));
    drop(client);
    world.rest();
    world.check_empty();
}

#[test]
fn a_visitor_may_be_let_in_only_to_read_why_he_is_not() {
    let mut world = World::new();
    let mut client = world.open("/turned-away");
    assert_eq!(client.heard(), [Heard::Close(4403, "not here".into())]);
    assert!(client.peer.is_ended());
    assert_eq!(world.counters().opened, 0);
}

#[test]
fn a_handshake_that_does_not_come_in_time_is_answered_408() {
    let mut world = World::new();
    let mut client = world.connect();
    let bytes = super::frames::handshake("/news");
    // The moments below are a little later than whole seconds, because a timeout may be a little
    // late.
    world.turn();
    world.sim.advance(Duration::from_millis(200));
    for byte in &bytes[..9] {
        client.peer.send(&[*byte]);
        world.pass_secs(1);
        let timely = world.sim.now().as_nanos() < 5_000_000_000;
        assert_eq!(
            client.peer.received_bytes() == 0,
            timely,
            "a byte does not restart the timeout"
        );
        if !timely {
            break;
        }
    }
    assert_eq!(client.answered().unwrap().status, 408);
    assert!(client.peer.is_ended());
    world.pass_secs(3);
    world.check_empty();
}
