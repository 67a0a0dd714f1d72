//! Tests of peers that read too slowly, or not at all, or send too slowly.

use std::time::Duration;

use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::{Setting, World};
use crate::hub::{DropReason, SlowPolicy};

const POLICIES: [SlowPolicy; 3] = [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest];

/// A world in which a channel's log keeps 64 KiB.
fn world(policy: SlowPolicy) -> World {
    World::with(|_, hub| {
        hub.channel_buffer_bytes = 64 << 10;
        hub.slow_policy = policy;
    })
}

/// Publishes this many numbered messages of 1 KB, and checks that `healthy` receives all of them.
fn publish(
    world: &mut World,
    publisher: &mut Client,
    healthy: &mut Client,
    numbers: std::ops::Range<u32>,
) {
    for number in numbers {
        let payload = numbered(number);
        publisher.binary(&payload);
        world.rest();
        assert_eq!(healthy.messages(), [&payload[..]]);
    }
}

fn numbered(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(250)
}

fn numbers(heard: &[Heard]) -> Vec<u32> {
    let number = |heard: &Heard| match heard {
        Heard::Message(payload) => {
            let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
            assert_eq!(payload, &numbered(number), "the payload is intact");
            Some(number)
        }
        _ => None,
    };
    heard.iter().filter_map(number).collect()
}

/// Returns a world, a healthy and a stalled subscriber, and their publisher, after 300 messages.
fn stalled(policy: SlowPolicy) -> (World, Client, Client, Client) {
    let mut world = world(policy);
    let (mut healthy, slow) = (world.open("/news"), world.open("/news"));
    let mut publisher = world.open("/news");
    slow.stall();
    publish(&mut world, &mut publisher, &mut healthy, 0..300);
    (world, healthy, slow, publisher)
}

#[test]
fn a_stalled_reader_that_wakes_reads_a_gapless_beginning_and_why_it_was_cut() {
    let (mut world, _healthy, mut slow, _publisher) = stalled(SlowPolicy::Disconnect);
    assert_eq!(world.last_end(), ("/news".into(), 4008));
    slow.wake();
    world.rest();
    let heard = slow.heard();
    let numbers = numbers(&heard);
    assert!(numbers.len() >= 16, "the send buffer was full");
    assert_eq!(numbers, (0..numbers.len() as u32).collect::<Vec<_>>());
    assert!(matches!(heard.last(), Some(Heard::Close(4008, _))));
    let ledger = world.ledger();
    // The other two subscribers received 300 messages each. Of those owed to the stalled one until
    // it was closed, the unsent ones were dropped.
    let dropped = ledger.dropped_for(DropReason::SlowConsumer);
    assert!(dropped > 0);
    assert_eq!((ledger.owed, ledger.outstanding()), (600 + numbers.len() as u64 + dropped, 0));
}

#[test]
fn under_skip_and_latest_what_is_missing_is_what_was_counted() {
    for policy in [SlowPolicy::Skip, SlowPolicy::Latest] {
        let (mut world, mut healthy, mut slow, mut publisher) = stalled(policy);
        slow.wake();
        world.rest();
        publish(&mut world, &mut publisher, &mut healthy, 300..310);
        let numbers = numbers(&slow.heard());
        assert!(numbers.is_sorted_by(|one, next| one < next));
        assert_eq!(numbers[numbers.len() - 10..], (300..310).collect::<Vec<_>>());
        let missing = 310 - numbers.len() as u64;
        assert_eq!(world.ledger().dropped_for(DropReason::Skipped), missing, "{policy:?}");
        assert!(missing > 100);
        assert_eq!(world.ledger().outstanding(), 0);
        assert_eq!(world.log.borrow().closed, []);
    }
}

#[test]
fn whoever_takes_nothing_for_too_long_is_closed_under_every_policy() {
    for policy in POLICIES {
        let mut world = world(policy);
        let mut slow = world.open("/news");
        let mut publisher = world.open("/leave/news");
        slow.stall();
        publisher.binary(&[1; 30_000]);
        world.pass_secs(9);
        assert!(world.log.borrow().closed.iter().all(|(path, ..)| path == "/leave/news"));
        world.pass_secs(2);
        assert_eq!(world.last_end(), ("/news".into(), 4008), "{policy:?}");
        assert_eq!(
            world.ledger().dropped_for(DropReason::NoProgress),
            0,
            "the partly sent frame is completed"
        );
        slow.wake();
        world.rest();
        assert!(matches!(slow.heard()[..], [Heard::Message(_), Heard::Close(4008, _)]));
        assert_eq!((world.ledger().delivered, world.ledger().outstanding()), (1, 0));
    }
}

#[test]
fn whoever_takes_a_little_now_and_then_makes_progress() {
    let mut world = world(SlowPolicy::Disconnect);
    let mut slow = world.open("/news");
    let mut publisher = world.open("/leave/news");
    slow.stall();
    publisher.binary(&[1; 60_000]);
    world.rest();
    for _ in 0..4 {
        world.pass_secs(9);
        slow.sip(9_000);
    }
    slow.wake();
    world.rest();
    assert_eq!(slow.messages(), [vec![1; 60_000]]);
}

#[test]
fn an_edge_that_brings_no_room_is_no_progress() {
    let mut world = world(SlowPolicy::Disconnect);
    let slow = world.open("/news");
    let mut publisher = world.open("/leave/news");
    slow.stall();
    publisher.binary(&[1; 60_000]);
    world.rest();
    drop(publisher);
    world.rest();
    world.sim.set_faults(crate::net::sim::SimFaults {
        spurious_readiness: 1.0,
        ..crate::net::sim::SimFaults::NONE
    });
    for _ in 0..30 {
        world.sim.advance(Duration::from_millis(500));
        world.turn();
    }
    assert_eq!(world.last_end(), ("/news".into(), 4008));
}

#[test]
fn a_pause_of_ours_is_no_time_in_which_a_peer_has_taken_nothing() {
    let mut world = world(SlowPolicy::Disconnect);
    let mut slow = world.open("/news");
    let mut publisher = world.open("/leave/news");
    slow.stall();
    publisher.binary(&[1; 60_000]);
    world.pass_secs(5);
    world.sim.advance(Duration::from_secs(30));
    world.pass_secs(8);
    assert_eq!(world.log.borrow().open, 1, "it was offered something for a few seconds only");
    world.pass_secs(5);
    assert_eq!(world.last_end(), ("/news".into(), 4008), "and now for ten in a row");
    slow.wake();
    world.rest();
    assert_eq!(slow.close_code(), Some(4008));
}

#[test]
fn a_message_that_drips_is_closed_1008() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    let frame = client.frame(Opcode::Binary, &[3; 1000]);
    let mut bytes = frame.iter();
    for _ in 0..59 {
        client.peer.send(&[*bytes.next().unwrap()]);
        world.pass_secs(1);
        assert!(!client.heard().iter().any(|heard| matches!(heard, Heard::Close(..))));
    }
    world.pass_secs(3);
    assert_eq!(client.close_code(), Some(1008));
}

#[test]
fn a_message_of_which_we_do_not_read_the_rest_does_not_drip() {
    let mut world = World::with(|limits, _| {
        limits.slow_timeout = Duration::from_secs(1000);
        limits.message_timeout = Some(Duration::from_secs(20));
    });
    let mut client = world.open("/echo");
    client.stall();
    client.binary(&[1; 40_000]);
    let frame = client.frame(Opcode::Binary, &[2; 100]);
    client.peer.send(&frame[..50]);
    world.rest();
    client.peer.send(&frame[50..]);
    world.pass_secs(40);
    client.wake();
    world.rest();
    assert_eq!(client.messages(), [vec![1; 40_000], vec![2; 100]]);
}

/// The timeout of a message is not enforced while the server does not read the rest of the message.
/// The next ping must be sent in time all the same.
#[test]
fn a_deadline_that_cannot_be_enforced_does_not_postpone_others() {
    let mut world = World::with(|limits, _| {
        limits.slow_timeout = Duration::from_secs(1000);
        limits.message_timeout = Some(Duration::from_secs(15));
    });
    let mut clients = world.open_many(200, "/echo");
    for client in &mut clients {
        client.stall();
        client.binary(&[1; 40_000]);
        let frame = client.frame(Opcode::Binary, &[2; 100]);
        client.peer.send(&frame[..50]);
        world.turn();
        client.peer.send(&frame[50..]);
    }
    // In the next seconds many pings are due, at different moments.
    world.pass_secs(23);
    for some in clients.chunks(50) {
        world.pass(Duration::from_millis(500));
        some.iter().for_each(Client::wake);
        world.rest();
    }
    for client in &mut clients {
        let mut heard = client.heard();
        heard.retain(|heard| *heard != Heard::Ping);
        assert_eq!(heard, [vec![1; 40_000], vec![2; 100]].map(Heard::Message));
    }
}

/// Only what is due in the present phase of a connection is checked against its deadline.
#[test]
fn nothing_is_due_for_the_message_of_a_connection_that_has_ended() {
    let mut world = World::with(|limits, _| limits.message_timeout = Some(Duration::from_secs(15)));
    let mut client = world.open("/echo");
    let frame = client.frame(Opcode::Binary, &[1; 60_000]);
    client.peer.send(&frame[..59_000]);
    // The timeout grows with the size of the message: here it is three seconds longer.
    world.pass_secs(16);
    assert_eq!(client.heard(), []);
    world.drain();
    world.pass_secs(1);
    assert_eq!(client.close_code(), Some(1012));
    assert!(world.reactor().peers.connections.iter().all(|one| one.message_since.is_none()));
}

#[test]
fn replies_that_are_not_taken_hold_up_the_messages_behind_them() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    client.stall();
    for number in 0..1000 {
        client.binary(&numbered(number));
    }
    world.rest();
    let held = world.reactor().peers.core.pool.held_bytes();
    assert!(held <= 300 << 10, "{held} bytes are held for one connection");
    assert!(client.peer.unread_bytes() > 500_000);
    client.wake();
    world.rest();
    assert_eq!(numbers(&client.heard()), (0..1000).collect::<Vec<_>>());
    assert_eq!(world.reactor().peers.core.pool.held_bytes(), 0);
}

#[test]
fn patience_ends_after_30_seconds_with_a_reset() {
    let (mut world, _healthy, slow, _publisher) = stalled(SlowPolicy::Disconnect);
    let before = world.ledger();
    world.pass_secs(20);
    assert!(!slow.is_gone());
    world.pass_secs(12);
    assert!(slow.peer.is_reset());
    assert_eq!(world.counters().impatient_resets, 1);
    let after = world.ledger();
    assert_eq!(after.outstanding(), 0, "the rest of the frame is no longer owed");
    assert_eq!(after.dropped_for(DropReason::Closed), before.outstanding());
}

#[test]
fn without_a_budget_for_rests_a_torn_frame_ends_in_a_reset() {
    let mut world = World::with(|_, hub| {
        hub.channel_buffer_bytes = 64 << 10;
        hub.private_bytes_max = 0;
    });
    let (mut healthy, slow) = (world.open("/news"), world.open("/news"));
    let mut publisher = world.open("/news");
    slow.stall();
    publish(&mut world, &mut publisher, &mut healthy, 0..300);
    assert!(slow.peer.is_reset());
    assert_eq!(world.last_end(), ("/news".into(), 4008));
    assert_eq!(world.ledger().outstanding(), 0);
}

#[test]
fn a_publisher_that_overruns_itself_where_memory_is_spent_is_told_4008() {
    let mut world = World::with(|_, hub| {
        hub.memory_bytes = 128 << 10;
        hub.private_bytes_max = 16 << 10;
        hub.channel_buffer_bytes = 8 << 10;
    });
    let mut client = world.open("/news");
    client.stall();
    // The send buffer takes sixteen of these messages.
    for _ in 0..17 {
        client.binary(&[0; 1_000]);
        world.rest();
    }
    // About the fifth message of these overruns the subscriber. The messages behind it are more
    // than the memory set aside for connections may hold.
    let frames: Vec<u8> = (0..30).flat_map(|_| client.frame(Opcode::Binary, &[1; 1_900])).collect();
    client.peer.send(&frames);
    world.rest();
    let fell_behind = "too slow: fell behind by more than the channel keeps";
    let told = ("/news".to_owned(), 4008, fell_behind.to_owned());
    assert_eq!(world.log.borrow().closed, [told]);
    client.wake();
    world.rest();
    assert_eq!(client.close_code(), Some(4008));
}

/// One slow subscriber is at the channel's home, and one at a member.
#[test]
fn a_channel_may_have_a_policy_of_its_own_on_every_reactor() {
    for (own, server) in [
        (SlowPolicy::Skip, SlowPolicy::Disconnect),
        (SlowPolicy::Latest, SlowPolicy::Disconnect),
        (SlowPolicy::Disconnect, SlowPolicy::Skip),
    ] {
        let mut setting = Setting { reactors: 2, ..Setting::default() };
        setting.own_policy = Some(("news", own));
        setting.hub.channel_buffer_bytes = 64 << 10;
        setting.hub.slow_policy = server;
        let mut world = World::still(setting);
        for channel in ["news", "sport"] {
            let mut healthy = world.open(&format!("/{channel}"));
            let slow = [0, 1].map(|reactor| world.open_at(reactor, &format!("/{channel}")));
            slow.iter().for_each(Client::stall);
            let mut publisher = world.open(&format!("/{channel}"));
            publish(&mut world, &mut publisher, &mut healthy, 0..300);
            slow.iter().for_each(Client::wake);
            world.rest();
            let policy = if channel == "news" { own } else { server };
            for mut slow in slow {
                let numbers = numbers(&slow.heard());
                let has_last = numbers.last() == Some(&299);
                assert_eq!(has_last, policy != SlowPolicy::Disconnect, "{channel}: {own:?}");
                assert!(numbers.len() < 300, "it was overrun");
            }
        }
    }
}
