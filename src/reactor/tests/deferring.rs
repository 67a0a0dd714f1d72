//! Tests of handshakes on which the application decides later.

use std::time::Duration;

use super::super::{Deferral, STATUSES};
use super::client::Heard;
use super::world::World;

/// Decides on all handshakes that wait.
fn decide(world: &mut World) {
    let deferrals = std::mem::take(&mut world.log.borrow_mut().deferrals);
    // From another thread, as in a program.
    std::thread::spawn(move || drop(deferrals)).join().unwrap();
    world.rest();
}

#[test]
fn a_handshake_waits_for_the_decision_however_long_that_takes() {
    for reactors in [1, 3] {
        let mut world = World::of(reactors, |_, _| {});
        let mut client = world.connect();
        client.upgrade("/later/news");
        world.pass_secs(120);
        assert!(client.answered().is_none());
        decide(&mut world);
        assert_eq!(client.answered().unwrap().status, 101);
        client.text("hello");
        world.rest();
        assert_eq!(client.messages(), [b"hello"]);
        // What the application has said about the end of the credentials counts too.
        world.pass_secs(21);
        assert_eq!(client.close_code(), Some(4401));
    }
}

#[test]
fn the_decision_may_be_any_answer() {
    let mut world = World::new();
    let [mut declined, mut away, mut broken] = ["no", "turned-away", "panic"].map(|path| {
        let client = world.connect();
        client.upgrade(&format!("/later/{path}"));
        client
    });
    world.rest();
    decide(&mut world);
    assert_eq!(declined.answered().unwrap().status, 403);
    let heard = away.heard();
    assert!(matches!(&heard[..], [Heard::Close(4403, _)]), "{heard:?}");
    assert_eq!(broken.answered().unwrap().status, 500);
    assert!(declined.is_gone() && broken.is_gone());
    let place = STATUSES.iter().position(|status| *status == 403).unwrap();
    assert_eq!(world.counters().handshakes[place], 1);
}

#[test]
fn a_peer_that_has_left_meanwhile_is_forgotten_and_its_slot_may_have_another() {
    let mut world = World::new();
    let gone = world.connect();
    gone.upgrade("/later/news");
    world.rest();
    gone.peer.reset();
    world.rest();
    let mut next = world.connect();
    next.upgrade("/later/echo");
    world.rest();
    let second = world.log.borrow_mut().deferrals.pop().unwrap();
    decide(&mut world);
    assert!(next.answered().is_none(), "the first decision was not about this one");
    drop(second);
    world.rest();
    assert_eq!(next.answered().unwrap().status, 101);
}

#[test]
fn whoever_hangs_up_while_it_waits_frees_its_place_at_once_and_the_application_is_told() {
    let mut world = World::new();
    let [ended, reset, stays] = [(); 3].map(|()| world.connect());
    for client in [&ended, &reset, &stays] {
        client.upgrade("/later/news");
        world.rest();
    }
    let tickets: Vec<_> = world.log.borrow().deferrals.iter().map(Deferral::ticket).collect();
    ended.peer.close_write();
    world.rest();
    assert_eq!(world.log.borrow().abandoned, tickets[..1]);
    reset.peer.reset();
    world.rest();
    assert_eq!(world.log.borrow().abandoned, tickets[..2]);
    assert_eq!(world.counters().silent, 2);
    decide(&mut world);
    let log = world.log.borrow();
    assert_eq!((log.open, log.abandoned.len()), (1, 2), "only one is let in, and nobody has left");
}

#[test]
fn a_client_that_closes_its_side_behind_the_handshake_has_left() {
    let mut world = World::new();
    let client = world.connect();
    client.upgrade("/later/news");
    client.peer.close_write();
    world.rest();
    assert_eq!(world.log.borrow().abandoned.len(), 1);
    decide(&mut world);
    assert_eq!(world.log.borrow().open, 0);
}

#[test]
fn a_crowd_that_is_let_in_at_once_is_served_in_portions() {
    let mut world = World::new();
    let mut bystander = world.open("/echo");
    let mut clients: Vec<_> = (0..3_000).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| client.upgrade("/later/echo"));
    world.rest();
    let deferrals = std::mem::take(&mut world.log.borrow_mut().deferrals);
    drop(deferrals);
    bystander.text("and me?");
    world.turn();
    assert_eq!(bystander.messages(), [b"and me?"], "it is served in the same turn");
    let open = world.log.borrow().open;
    assert!((2..1_000).contains(&open), "{open} are open after one turn");
    world.rest();
    assert!(clients.iter_mut().all(|client| client.answered().unwrap().status == 101));
}

#[test]
fn a_drain_waits_for_the_decision_and_answers() {
    let mut world = World::new();
    let mut client = world.connect();
    client.upgrade("/later/news");
    world.rest();
    world.drain();
    world.pass(Duration::from_millis(100));
    decide(&mut world);
    let status = client.answered().map(|answered| answered.status);
    assert!(status.is_some_and(|status| [101, 503].contains(&status)), "{status:?}");
}
