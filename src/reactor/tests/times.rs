//! What the histograms of turns and deliveries say, in simulated time.

use std::time::Duration;

use super::super::histogram::{BUCKET_BOUNDS_NANOS, Histogram, bucket_of};
use super::super::limits::SENDS_PER_TURN_MAX;
use super::client::Client;
use super::timed::TimedWorld;
use super::world::{Setting, World};
use crate::protocol::MessageKind;

const STEP: Duration = Duration::from_millis(10);

fn deliveries(world: &World) -> Histogram {
    world.reactor().peers.core.turn.counters.read().delivery_times
}

/// Returns the histogram of these durations.
fn histogram_of(durations: &[Duration]) -> Histogram {
    let mut histogram = Histogram::default();
    for duration in durations {
        let nanos = duration.as_nanos() as u64;
        histogram.buckets[bucket_of(nanos)] += 1;
        histogram.nanos += nanos;
    }
    histogram
}

fn check(histogram: &Histogram, durations: &[Duration]) {
    assert_eq!(format!("{histogram:?}"), format!("{:?}", histogram_of(durations)));
}

/// Returns a world whose clock moves only between turns, its publisher, and its subscribers.
fn crowd(subscribers: usize) -> (World, Client, Vec<Client>) {
    let mut world = World::new();
    let crowd = world.open_many(subscribers - 1, "/news");
    let publisher = world.open("/news");
    (world, publisher, crowd)
}

/// Runs a turn, and moves the clock by `STEP`.
fn turn(world: &mut World) {
    world.turn();
    world.sim.advance(STEP);
}

#[test]
fn a_message_to_one_turns_worth_of_subscribers_is_delivered_within_the_turn() {
    let (mut world, mut publisher, _crowd) = crowd(SENDS_PER_TURN_MAX / 2);
    publisher.text("hello");
    world.rest();
    check(&deliveries(&world), &[Duration::ZERO]);
}

#[test]
fn a_delivery_lasts_until_the_last_subscriber_was_sent_the_message() {
    // The sweep takes three turns: 256 + 256 + 88.
    let (mut world, mut publisher, _crowd) = crowd(2 * SENDS_PER_TURN_MAX + 88);
    publisher.text("hello");
    for _ in 0..4 {
        turn(&mut world);
    }
    check(&deliveries(&world), &[2 * STEP]);
}

#[test]
fn a_channel_where_somebody_is_always_behind_is_measured_all_the_same() {
    // A new message in each turn, and a round of the sweep takes three turns.
    let (mut world, mut publisher, _crowd) = crowd(3 * SENDS_PER_TURN_MAX);
    for _ in 0..31 {
        publisher.text("hello");
        turn(&mut world);
    }
    // Every third message is followed.
    check(&deliveries(&world), &[2 * STEP; 10]);
}

#[test]
fn nobody_waits_for_a_subscriber_that_takes_nothing() {
    let (mut world, mut publisher, mut crowd) = crowd(10);
    let stalled = crowd.remove(0);
    stalled.stall();
    let mut sent = 0;
    while world.reactor().peers.core.exchange.hub.pending() == 0 {
        publisher.binary(&[0; 1_000]);
        world.rest();
        sent += 1;
        assert!(sent < 1_000, "the send buffer never fills");
    }
    for _ in 0..20 {
        publisher.binary(&[0; 1_000]);
        for _ in 0..3 {
            turn(&mut world);
        }
        sent += 1;
    }
    check(&deliveries(&world), &vec![Duration::ZERO; sent]);
}

#[test]
fn a_message_that_nobody_is_ready_for_is_not_a_delivery() {
    let (mut world, mut publisher, _) = crowd(1);
    publisher.stall();
    for _ in 0..1_000 {
        publisher.binary(&[0; 1_000]);
        world.rest();
    }
    assert!(deliveries(&world).count() < 500, "those that came before the send buffer was full");
}

#[test]
fn the_histogram_of_turns_has_each_turn_with_the_time_that_it_took() {
    let mut world = TimedWorld::new(Setting { reactors: 2, ..Setting::default() });
    let _crowd = world.open_many(2_000, |number| format!("/news-{}", number % 3));
    for number in 0..40 {
        world.publish(&format!("news-{}", number % 3), MessageKind::Text, b"hello");
        world.run_for(Duration::from_millis(1), &mut ());
    }
    world.run_for(Duration::from_secs(1), &mut ());
    let counted = |reactor: usize| world.reactors[reactor].peers.core.turn.counters.read();
    let (mut turns, mut busy) = (0, Duration::ZERO);
    for reactor in 0..2 {
        let counters = counted(reactor);
        assert_eq!(counters.turn_times.count(), counters.turns);
        turns += counters.turns;
        busy += counters.turn_times.sum();
    }
    assert_eq!((turns, busy), (world.turns_made, world.busy));
    assert!(busy > Duration::from_millis(100), "{busy:?}");
    let longest = world.longest_turn().duration.as_nanos() as u64;
    let turn_times = [counted(0).turn_times, counted(1).turn_times];
    for bucket in bucket_of(longest) + 1..=BUCKET_BOUNDS_NANOS.len() {
        assert!(turn_times.iter().all(|times| times.buckets[bucket] == 0));
    }
    assert!(turn_times.iter().any(|times| times.buckets[bucket_of(longest)] > 0));
    // Each message is followed by each reactor that has subscribers of it, unless the last one is
    // still being delivered.
    let delivered: u64 = [0, 1].map(|reactor| counted(reactor).delivery_times.count()).iter().sum();
    assert!((40..=80).contains(&delivered), "{delivered}");
}
