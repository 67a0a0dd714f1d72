//! Tests of pings and pongs, and of when a peer counts as dead.

use std::time::Duration;

use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::{Setting, World};
use crate::net::sim::SimLimits;

/// Returns a subscriber that has stopped reading, and to which a large message was published, so
/// that its output is blocked.
fn blocked(world: &mut World) -> Client {
    let reader = world.open("/news");
    reader.stall();
    let mut publisher = world.open("/leave/news");
    publisher.binary(&vec![7; 40_000]);
    world.rest();
    reader
}

#[test]
fn a_ping_is_answered_by_a_pong_with_its_payload() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    client.say(Opcode::Ping, b"are you there");
    world.rest();
    assert_eq!(client.heard(), [Heard::Pong(b"are you there".to_vec())]);
}

#[test]
fn whoever_answers_its_pings_stays() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    let mut pings = 0;
    for _ in 0..300 {
        world.pass_secs(1);
        for heard in client.heard() {
            assert_eq!(heard, Heard::Ping);
            pings += 1;
            client.say(Opcode::Pong, b"");
        }
    }
    assert!((9..=15).contains(&pings), "{pings} pings in five minutes");
}

#[test]
fn whoever_does_not_answer_a_ping_is_closed_4408() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    let pinged = (0..31).any(|_| {
        world.pass_secs(1);
        client.heard() == [Heard::Ping]
    });
    assert!(pinged);
    world.pass_secs(8);
    assert_eq!(client.heard(), []);
    world.pass_secs(3);
    assert_eq!(client.close_code(), Some(4408));
    assert_eq!(world.last_end(), ("/echo".into(), 4408));
}

#[test]
fn anything_a_peer_sends_is_a_sign_of_life() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    for _ in 0..120 {
        world.pass_secs(1);
        client.text("still here");
    }
    world.rest();
    assert!(!client.heard().iter().any(|heard| matches!(heard, Heard::Close(..))));
}

#[test]
fn no_pong_is_expected_while_output_is_blocked() {
    let mut world = World::with(|limits, _| limits.slow_timeout = Duration::from_secs(1000));
    let reader = blocked(&mut world);
    world.pass_secs(200);
    assert_eq!(world.counters().pings_sent, 0, "a ping would wait behind the frame");
    assert!(!reader.is_gone());
}

#[test]
fn the_time_for_a_pong_begins_when_the_ping_has_left() {
    let mut world = World::with(|limits, _| limits.slow_timeout = Duration::from_secs(1000));
    let mut client = world.open("/echo");
    client.stall();
    // The echoed message fills the send buffer to its last byte, so there is no room for a ping.
    client.binary(&vec![1; 16 * 1024 - 4]);
    world.rest();
    while world.counters().pings_sent == 0 {
        world.pass(Duration::from_millis(500));
    }
    // While the ping cannot be sent, its deadline is postponed by ten seconds at a time. The loop
    // ends shortly before the next postponement.
    for quarters in 0..60 {
        let _ = quarters;
        world.pass(Duration::from_millis(500));
        assert!(!client.is_gone());
    }
    for _ in 0..19 {
        client.wake();
        world.pass(Duration::from_millis(500));
        client.stall();
        assert_eq!(world.log.borrow().closed, [], "the ping has only just been sent");
    }
    client.wake();
    world.pass_secs(2);
    assert_eq!(world.last_end(), ("/echo".into(), 4408));
    assert!(matches!(client.heard()[..], [Heard::Message(_), Heard::Ping, Heard::Close(4408, _)]));
}

#[test]
fn pings_of_a_peer_that_does_not_read_cost_little_memory() {
    let mut world = World::new();
    let mut reader = blocked(&mut world);
    for _ in 0..5_000 {
        reader.say(Opcode::Ping, &[9; 125]);
    }
    world.rest();
    let held = world.reactor().peers.core.pool.held_bytes();
    assert!(held <= 66 << 10, "{held} bytes: one receive buffer, and one pong");
    reader.wake();
    world.rest();
    assert!(matches!(reader.heard().pop(), Some(Heard::Pong(_))));
    assert_eq!(world.reactor().peers.core.pool.held_bytes(), 0);
}

#[test]
fn a_pause_of_the_whole_process_cuts_nobody() {
    let mut world = World::new();
    let mut clients = world.open_many(20, "/news");
    world.pass_secs(19);
    // Each ping either is due during a pause, or was sent before the pause and answered during it.
    for _ in 0..10 {
        world.sim.advance(Duration::from_secs(17));
        for client in &mut clients {
            for heard in client.heard() {
                assert_eq!(heard, Heard::Ping);
                client.say(Opcode::Pong, b"");
            }
        }
        world.rest();
    }
    assert_eq!(world.log.borrow().closed, []);
}

#[test]
fn a_short_pause_behind_a_long_one_does_not_either() {
    // A wait returns only one readiness event, so reading from all clients takes as many turns as
    // there are clients.
    let sim = SimLimits { events_per_wait_max: 1, ..SimLimits::default() };
    let mut world = World::still(Setting { sim, ..Setting::default() });
    let mut clients = world.open_many(20, "/news");
    while world.counters().pings_sent < 20 {
        world.pass_secs(1);
    }
    for client in &mut clients {
        assert_eq!(client.heard(), [Heard::Ping]);
        client.say(Opcode::Pong, b"");
    }
    for pause in [17_000, 1_500] {
        world.sim.advance(Duration::from_millis(pause));
        world.turn();
    }
    world.rest();
    assert_eq!(world.log.borrow().closed, []);
}
