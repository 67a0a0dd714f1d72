//! Which reactors stand still, as the others see it.

use std::time::Duration;

use super::super::group::Standstill;
use super::super::limits::{STANDSTILL_MIN, WAIT_MAX};
use super::world::World;

/// Returns what a reactor answers when it is asked which reactors stand still.
fn seen_by(world: &World, reactor: usize) -> Vec<Standstill> {
    let core = &world.reactors[reactor].peers.core;
    core.exchange.shared.standing_still(core.turn.now, core.turn.resumed_at)
}

#[test]
fn reactors_without_work_turn() {
    let mut world = World::of(3, |_, _| {});
    let _idle = world.open("/news");
    for _ in 0..100 {
        world.pass(Duration::from_millis(700));
        assert_eq!([0, 1, 2].map(|reactor| seen_by(&world, reactor)), [vec![], vec![], vec![]]);
    }
}

#[test]
fn a_reactor_that_does_not_turn_is_named_by_the_others_until_it_turns_again() {
    let mut world = World::of(2, |_, _| {});
    world.pass(WAIT_MAX);
    let mut stood = Duration::ZERO;
    while stood < STANDSTILL_MIN {
        assert_eq!(seen_by(&world, 0), []);
        world.sim.advance(WAIT_MAX);
        stood += WAIT_MAX;
        world.turn_of(0);
    }
    assert_eq!(seen_by(&world, 0), [Standstill { reactor: 1, lasted: STANDSTILL_MIN }]);
    let text = seen_by(&world, 0)[0].to_string();
    assert_eq!(text, "reactor 1 has stood still for 2.0 s");
    world.turn_of(1);
    assert_eq!(seen_by(&world, 0), []);
    // It may not blame the others either: they turned all the time.
    assert_eq!(seen_by(&world, 1), []);
}

#[test]
fn after_a_pause_of_the_process_the_first_to_turn_does_not_blame_the_others() {
    let mut world = World::of(2, |_, _| {});
    world.pass(WAIT_MAX);
    world.sim.advance(Duration::from_secs(3600));
    world.turn_of(0);
    assert_eq!(seen_by(&world, 0), []);
    world.turn_of(1);
    world.pass(STANDSTILL_MIN);
    assert_eq!([0, 1].map(|reactor| seen_by(&world, reactor)), [vec![], vec![]]);
}
