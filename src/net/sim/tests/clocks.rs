//! Tests of a world with costs: what takes time, and on whose clock.

use super::*;
use crate::work::{self, Work};

fn micros(since: Instant, until: Instant) -> u128 {
    until.saturating_since(since).as_micros()
}

#[test]
fn calls_bytes_and_work_move_the_clock() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.set_costs(SimCosts::USUAL);
    pair.world.resume(0, Instant::ZERO);
    let start = pair.net.now();
    pair.write(b"x").unwrap();
    let after_one_byte = pair.net.now();
    assert_eq!(micros(start, after_one_byte), 4);
    pair.write(&[7; 16 * 1024]).unwrap();
    let after_many = pair.net.now();
    assert!(micros(after_one_byte, after_many) > 5, "bytes take time");
    work::note_many(Work::Record, 1_000);
    pair.world.suspend(0);
    assert_eq!(micros(after_many, pair.world.clock_of(0)), 100);
}

#[test]
fn each_reactor_has_a_clock_of_its_own() {
    let mut pair = Pair::new(SimFaults::NONE);
    let mut other = pair.world.reactor();
    pair.world.set_costs(SimCosts::USUAL);
    let start = pair.world.clock_of(1);
    pair.world.resume(0, start);
    pair.write(b"x").unwrap();
    pair.world.suspend(0);
    assert_eq!(micros(start, pair.world.clock_of(0)), 4);
    assert_eq!(pair.world.clock_of(1), start);
    pair.world.resume(1, start);
    poll(&mut other);
    assert_eq!(micros(start, other.now()), 1, "its clock is not that of the busy one");
}

#[test]
fn a_reactor_wakes_when_something_is_ready_and_not_before_it_is_free() {
    let pair = Pair::new(SimFaults::NONE);
    pair.world.set_costs(SimCosts::USUAL);
    let start = pair.world.clock_of(0);
    let [second, minute] = [1, 60].map(Duration::from_secs);
    assert_eq!(pair.world.wakes_at(0, minute), start + minute);
    pair.world.set_moment(start + second);
    pair.peer.send(b"x");
    assert_eq!(pair.world.wakes_at(0, minute), start + second);
    assert_eq!(pair.world.wakes_at(0, Duration::ZERO), start);
    pair.world.resume(0, start + second + second);
    pair.world.suspend(0);
    assert_eq!(pair.world.wakes_at(0, minute), start + second + second, "it was busy");
}

#[test]
fn a_reactor_that_is_woken_wakes_when_the_other_one_has_done_it() {
    let pair = Pair::new(SimFaults::NONE);
    let other = pair.world.reactor();
    pair.world.set_costs(SimCosts::USUAL);
    let start = pair.world.clock_of(0);
    pair.world.resume(0, start);
    other.waker().wake();
    pair.world.suspend(0);
    let woken_at = pair.world.wakes_at(1, Duration::from_secs(1));
    assert_eq!(micros(start, woken_at), 1, "a wake-up is a system call");
}

#[test]
fn a_peer_that_discards_counts_what_arrives_and_when() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.set_costs(SimCosts::USUAL);
    pair.peer.set_discarding(true);
    let start = pair.net.now();
    pair.world.resume(0, start);
    assert_eq!(pair.write(&[7; 100_000]), Ok(100_000));
    assert_eq!(pair.peer.arrived_bytes(), 100_000);
    assert_eq!(micros(start, pair.peer.received_at()), 4);
    assert!(pair.peer.take_received().is_empty());
    pair.peer.set_reading(false);
    pair.peer.set_window(100);
    let room = 100 + SimLimits::default().send_buffer_bytes;
    assert_eq!(pair.write(&[7; 100_000]), Ok(room), "one that does not read is no different");
}
