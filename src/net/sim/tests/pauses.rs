//! Tests in which one reactor is suspended while the others go on.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn two_reactors() -> (SimWorld, SimNet, SimNet) {
    let world = SimWorld::new(1, SimFaults::NONE);
    let (one, other) = (world.reactor(), world.reactor());
    (world, one, other)
}

fn wait(net: &mut SimNet, seconds: u32) {
    net.wait(&mut Vec::new(), Some(SECOND * seconds)).unwrap();
}

#[test]
fn a_paused_reactor_keeps_nobody_waiting_and_is_awake_when_its_pause_is_over() {
    let (world, mut one, _other) = two_reactors();
    let start = world.now();
    world.pause(1, SECOND * 3);
    assert!(world.is_paused(1) && world.sleeps(1) && !world.is_paused(0));
    wait(&mut one, 2);
    assert_eq!(world.now(), start + SECOND * 2, "the clock goes on without it");
    wait(&mut one, 2);
    assert_eq!(world.now(), start + SECOND * 3, "the end of the pause comes first");
    assert!(!world.is_paused(1) && !world.sleeps(1) && world.sleeps(0));
    wait(&mut one, 2);
    assert_eq!(world.now(), start + SECOND * 3, "it has to run now");
}

#[test]
fn whoever_slept_when_it_was_paused_is_awake_afterwards_and_not_before() {
    let (world, mut one, mut other) = two_reactors();
    wait(&mut other, 1);
    world.pause(1, SECOND * 5);
    other.waker().wake();
    assert!(world.sleeps(1), "neither a wake-up nor its timeout ends the pause");
    wait(&mut one, 4);
    assert!(world.sleeps(1));
    world.advance(SECOND);
    assert!(!world.sleeps(1));
    wait(&mut other, 0);
}

#[test]
fn what_comes_in_a_pause_is_told_after_it() {
    let mut pair = Pair::new(SimFaults::NONE);
    let mut other = pair.world.reactor();
    pair.world.pause(0, SECOND);
    pair.peer.send(b"meanwhile");
    assert!(pair.world.sleeps(0));
    wait(&mut other, 9);
    assert_eq!(pair.world.now(), Instant::ZERO + SECOND);
    assert_eq!(pair.poll(), [readiness(true, true, false)]);
}

#[test]
fn when_all_are_paused_or_asleep_the_clock_goes_to_the_first_end_of_a_pause() {
    let (world, mut one, other) = two_reactors();
    let start = world.now();
    assert!(!world.go_on(), "somebody is awake");
    world.pause(0, SECOND * 5);
    world.pause(1, SECOND * 2);
    assert!(world.everyone_sleeps());
    assert!(world.go_on());
    assert_eq!(world.now(), start + SECOND * 2);
    assert!(world.is_paused(0) && !world.is_paused(1) && !world.go_on());
    drop(other);
    assert!(world.go_on());
    assert_eq!(world.now(), start + SECOND * 5);
    one.wait(&mut Vec::new(), None).unwrap();
    assert!(world.everyone_sleeps() && !world.go_on(), "nothing will ever happen");
}

#[test]
fn a_second_pause_does_not_shorten_the_first() {
    let (world, _one, _other) = two_reactors();
    world.pause(0, SECOND * 5);
    world.pause(0, SECOND);
    world.advance(SECOND * 4);
    assert!(world.is_paused(0));
    world.advance(SECOND);
    assert!(!world.is_paused(0));
}

#[test]
fn a_held_clock_does_not_move_for_a_pause() {
    let (world, _one, _other) = two_reactors();
    world.hold_clock(true);
    world.pause(0, SECOND);
    world.pause(1, SECOND);
    assert!(!world.go_on() && world.everyone_sleeps());
    world.advance(SECOND);
    assert!(!world.everyone_sleeps());
}

#[test]
fn a_reactor_that_has_gone_is_not_waited_for() {
    let (world, mut one, other) = two_reactors();
    world.pause(1, SECOND);
    drop(other);
    wait(&mut one, 3);
    assert_eq!(world.now(), Instant::ZERO + SECOND * 3);
    world.pause(1, SECOND);
    wait(&mut one, 3);
    assert_eq!(world.now(), Instant::ZERO + SECOND * 6);
}

#[test]
#[should_panic = "a paused reactor does not run"]
fn to_run_a_paused_reactor_is_a_mistake() {
    let (world, mut one, _other) = two_reactors();
    world.pause(0, SECOND);
    wait(&mut one, 1);
}
