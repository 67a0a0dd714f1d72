//! Tests of connections with many subscriptions whose socket accepts no more bytes.

use super::super::limits::SENDS_PER_TURN_MAX;
use super::client::Client;
use super::frames::Opcode;
use super::world::World;
use crate::hub::{ChannelName, DropReason, SlowPolicy};
use crate::protocol::{Message, MessageKind};
use crate::work::{self, Work};

/// A message that is larger than the free buffers of a stalled client.
static LARGE: [u8; 40_000] = [1; 40_000];

fn channel(number: usize) -> String {
    format!("channel-{number}")
}

/// Makes a client that subscribes to this many channels, `channel-0` and so on, and then reads
/// nothing.
fn stalled(world: &mut World, channels: usize) -> Client {
    let mut client = world.open("/join");
    (0..channels).for_each(|number| client.text(&channel(number)));
    world.rest();
    client.stall();
    client
}

fn publish(world: &mut World, channel: &str, payload: &[u8]) {
    world.publish(channel, MessageKind::Binary, payload).expect("room for one publish");
}

/// Runs some turns. Returns how many connections, channels, subscribers and subscriptions they have
/// visited.
fn looked_at(world: &mut World) -> u64 {
    work::take();
    for _ in 0..4 {
        // The turn is run without the checks of the test world, which visit everything.
        assert!(world.reactors[0].turn().unwrap());
    }
    let done = work::take();
    let kinds = [Work::Connection, Work::Channel, Work::Subscriber, Work::Subscription];
    kinds.iter().map(|kind| done[*kind as usize]).sum()
}

#[test]
fn a_socket_that_blocks_and_wakes_costs_a_thousand_subscriptions_no_more_than_one() {
    let [few, many] = [2, 1_000].map(|channels| {
        let mut world = World::new();
        let mut client = stalled(&mut world, channels);
        publish(&mut world, &channel(1), &LARGE);
        let blocking = looked_at(&mut world);
        assert!(world.is_anybody_blocked());
        client.wake();
        let unblocking = looked_at(&mut world);
        world.rest();
        assert_eq!(client.messages(), [LARGE]);
        (blocking, unblocking)
    });
    assert!(few.0 > 0 && few.1 > 0);
    assert_eq!(few, many);
}

#[test]
fn what_came_on_each_channel_while_the_socket_was_blocked_is_sent_once_it_is_writable() {
    let mut world = World::new();
    let mut client = stalled(&mut world, 100);
    publish(&mut world, &channel(50), &LARGE);
    world.rest();
    for round in 0..2 {
        for number in 0..100 {
            publish(&mut world, &channel(number), &[round, number as u8]);
        }
        world.rest();
    }
    client.wake();
    world.rest();
    let mut messages = client.messages();
    assert_eq!(messages.remove(0), LARGE);
    for number in 0..100 {
        let of_channel = messages.iter().filter(|message| message[1] == number);
        assert_eq!(of_channel.collect::<Vec<_>>(), [&[0, number], &[1, number]]);
    }
    assert_eq!(messages.len(), 200);
}

#[test]
fn a_visit_of_a_blocked_connection_counts_towards_the_budget_of_a_turn() {
    let mut world = World::new();
    let mut client = stalled(&mut world, 1_000);
    publish(&mut world, &channel(0), &LARGE);
    world.rest();
    let hub = &mut world.reactors[0].peers.core.exchange.hub;
    for number in 1..1_000 {
        let channel = channel(number);
        let name = ChannelName::parse(&channel).unwrap();
        hub.publish(name, Message::binary(&[2]), &mut ()).unwrap();
    }
    let turns = [(); 6].map(|()| {
        work::take();
        assert!(world.reactors[0].turn().unwrap());
        work::take()[Work::Connection as usize]
    });
    let visits = SENDS_PER_TURN_MAX as u64;
    assert_eq!(turns, [visits, visits, visits, 999 - 3 * visits, 0, 0]);
    client.wake();
    world.rest();
    assert_eq!(client.messages().len(), 1_000);
}

#[test]
fn publishers_do_not_wait_for_a_connection_that_is_blocked_through_another_channel() {
    for policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let mut world = World::with(|_, hub| {
            hub.channel_buffer_bytes = 64 << 10;
            hub.slow_policy = policy;
        });
        let (mut publisher, mut healthy) = (world.open("/news"), world.open("/news"));
        let mut client = world.open("/join");
        for channel in ["news", "other"] {
            client.text(channel);
            world.rest();
        }
        client.stall();
        publish(&mut world, "other", &LARGE);
        world.rest();
        // This is more than a log holds, and much of it arrives in one turn.
        let frame = |number| publisher.frame(Opcode::Binary, &[number; 3_000]);
        let frames: Vec<u8> = (0..100).flat_map(frame).collect();
        publisher.peer.send(&frames);
        world.rest();
        assert_eq!(healthy.messages().len(), 100, "{policy:?}");
        assert!(!world.is_anybody_unfinished());
        let ledger = world.ledger();
        if policy == SlowPolicy::Disconnect {
            assert_eq!(world.last_end(), ("/join".into(), 4008));
        } else {
            assert!(ledger.dropped_for(DropReason::Skipped) > 0);
            assert!(world.log.borrow().closed.is_empty());
            client.wake();
            world.rest();
            let last = client.messages().pop().unwrap();
            assert_eq!(last, [99; 3_000], "{policy:?}");
        }
    }
}

#[test]
fn who_leaves_a_channel_while_its_socket_is_blocked_gets_what_is_left_of_the_others() {
    let mut world = World::new();
    let mut client = stalled(&mut world, 10);
    for number in 0..10 {
        publish(&mut world, &channel(number), &LARGE);
        world.rest();
    }
    // The client unsubscribes from the last channel.
    client.text(".");
    world.rest();
    client.wake();
    world.rest();
    assert_eq!(client.messages(), vec![LARGE; 9]);
    assert_eq!(world.ledger().dropped_for(DropReason::Closed), 1);
}
