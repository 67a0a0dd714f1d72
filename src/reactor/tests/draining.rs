//! Tests of draining and stopping the server.

use std::time::Duration;

use super::super::limits::{PUBLISHES_PER_TURN_MAX, RECORDS_PER_TURN_MAX};
use super::app::FAREWELL;
use super::client::Heard;
use super::world::World;
use crate::net::sim::SimCall;
use crate::protocol::MessageKind;

#[test]
fn what_is_pending_goes_out_before_1012_and_then_the_run_ends() {
    let mut world = World::new();
    let mut clients = world.open_many(50, "/news");
    clients[0].binary(&[1; 60_000]);
    world.turn();
    world.drain();
    world.pass_secs(4);
    for client in &mut clients {
        let heard = client.heard();
        assert!(matches!(&heard[..], [Heard::Message(_), Heard::Close(1012, _)]), "{heard:?}");
        assert!(!client.peer.is_reset());
    }
    assert!(world.is_over());
    world.check_empty();
}

#[test]
fn mail_that_was_taken_goes_out_before_1012() {
    let mut world = World::new();
    let mut clients = world.open_many(3, "/news");
    for _ in 0..1000 {
        world.publish("news", MessageKind::Text, b"one of many").unwrap();
    }
    world.drain();
    world.pass_secs(4);
    for client in &mut clients {
        assert_eq!(client.heard().len(), 1001);
    }
    assert!(world.is_over());
}

/// The ring from a channel's home may hold more messages than a reactor takes in one turn.
#[test]
fn mail_of_several_turns_goes_out_before_1012() {
    const COUNT: usize = 2 * RECORDS_PER_TURN_MAX;
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    let mut reader = world.open_at(1, &format!("/{channel}"));
    for _ in 0..COUNT / PUBLISHES_PER_TURN_MAX {
        for _ in 0..PUBLISHES_PER_TURN_MAX {
            world.publish(&channel, MessageKind::Text, b"one of many").unwrap();
        }
        world.turn_of(0);
    }
    assert_eq!(world.accepted[&channel].len(), COUNT);
    assert_eq!(reader.heard(), [], "its reactor has had no turn");
    world.drain();
    world.pass_secs(4);
    let heard = reader.heard();
    assert_eq!(heard.len(), COUNT + 1);
    assert!(matches!(heard.last(), Some(Heard::Close(1012, _))));
}

#[test]
fn what_an_end_in_the_drain_publishes_goes_out_before_the_next_end() {
    let mut world = World::new();
    let mut clients = ["/echo", "/bye/news", "/news"].map(|path| world.open(path));
    world.drain();
    world.turn();
    assert_eq!(clients[0].close_code(), Some(1012));
    // In this time a drain closes several connections.
    world.sim.advance(Duration::from_millis(10));
    world.turn();
    world.pass_secs(4);
    let heard = clients[2].heard();
    let [Heard::Message(payload), Heard::Close(1012, _)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(payload, FAREWELL);
}

#[test]
fn the_backlog_is_answered_503_before_the_listener_is_closed() {
    let mut world = World::new();
    world.turn();
    let mut clients: Vec<_> = (0..40).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| client.upgrade("/news"));
    world.drain();
    world.rest();
    assert_eq!(world.calls(SimCall::Unlisten), 1);
    for client in &mut clients {
        assert_eq!(client.answered().unwrap().status, 503);
        assert!(!client.peer.is_reset());
    }
    assert!(world.connect().peer.is_reset(), "the listener is closed");
    drop(clients);
    world.pass_secs(1);
    assert!(world.is_over());
    world.check_empty();
}

#[test]
fn a_shortage_at_accept_does_not_let_the_backlog_be_reset() {
    let mut world = World::new();
    world.turn();
    let mut client = world.connect();
    client.upgrade("/news");
    world.sim.fail_next_accept(libc::EMFILE);
    world.drain();
    world.pass_secs(1);
    assert_eq!(client.answered().unwrap().status, 503);
}

#[test]
fn requests_under_way_are_answered_and_idle_connections_end() {
    let mut world = World::new();
    let mut half = world.connect();
    half.peer.send(b"GET / HTTP/1.1\r\n");
    let mut idle = world.connect();
    idle.request("GET", "/", &[], b"");
    world.rest();
    assert!(idle.answered().is_some());
    world.drain();
    world.rest();
    assert!(idle.peer.is_ended() && !half.peer.is_ended());
    half.peer.send(b"Host: localhost\r\n\r\n");
    world.rest();
    let answered = half.answered().unwrap();
    assert_eq!((answered.status, answered.keep_alive), (200, false));
    world.pass_secs(3);
    assert!(world.is_over());
}

#[test]
fn closes_are_spread_over_time() {
    let mut world = World::with(|limits, _| limits.drain_timeout = Duration::from_secs(20));
    let clients = world.open_many(3000, "/news");
    world.drain();
    world.pass_secs(1);
    let closed = world.log.borrow().closed.len();
    assert!((900..1200).contains(&closed), "{closed} closed in the first second");
    drop(clients);
    world.pass_secs(3);
    assert!(world.is_over());
}

#[test]
fn whoever_does_not_take_what_is_pending_is_cut_when_the_time_is_over() {
    let mut world = World::with(|limits, _| limits.slow_timeout = Duration::from_secs(100));
    let client = world.open("/news");
    client.stall();
    let mut publisher = world.open("/leave/news");
    publisher.binary(&[1; 60_000]);
    world.rest();
    world.drain();
    world.pass_secs(19);
    assert!(!world.is_over() && !client.is_gone());
    world.pass_secs(2);
    assert!(world.is_over());
    assert_eq!(world.last_end(), ("/news".into(), 1012));
    world.check_empty();
}

#[test]
fn whoever_never_catches_up_is_told_1012_before_the_time_is_over() {
    let mut world = World::new();
    let mut client = world.open("/news");
    client.stall();
    world.drain();
    // The client reads half of what is published, so messages are always pending for it.
    while !world.is_over() {
        let _ = world.publish("news", MessageKind::Binary, &[1; 10_000]);
        client.sip(5_000);
        world.pass(Duration::from_millis(500));
    }
    assert_eq!(client.close_code(), Some(1012));
    assert_eq!(world.last_end(), ("/news".into(), 1012));
    world.check_empty();
}

#[test]
fn a_stop_ends_at_once_and_the_application_is_told_of_everybody() {
    let mut world = World::new();
    let _clients = world.open_many(10, "/bye/news");
    let _readers = world.open_many(10, "/news");
    world.handles()[0].stop();
    world.rest();
    assert!(world.is_over());
    assert_eq!(world.log.borrow().closed.len(), 20);
    world.check_empty();
}
