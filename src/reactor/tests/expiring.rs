//! Tests of connections whose credentials expire.

use std::time::Duration;

use super::client::Client;
use super::world::World;

/// The wall clock when each test begins.
const START: f64 = 2_000_000_000.0;

fn world() -> World {
    // Nobody is closed for want of a pong.
    let world = World::with(|limits, _| limits.pong_timeout = Duration::from_secs(100_000));
    world.sim.set_unix_time(Duration::from_secs_f64(START));
    world
}

/// Connects a peer whose credentials expire this many seconds after the start.
fn open_until(world: &mut World, seconds: f64) -> Client {
    world.open(&format!("/until/{}", START + seconds))
}

/// Lets time pass, and returns after how many seconds the peer was closed.
fn seconds_until_closed(world: &mut World, client: &mut Client) -> f64 {
    for step in 1..=4_000 {
        world.pass(Duration::from_millis(100));
        if let Some(code) = client.close_code() {
            assert_eq!(code, 4401);
            assert_eq!(world.last_end().1, 4401);
            return f64::from(step) / 10.0;
        }
    }
    panic!("it was never closed");
}

#[test]
fn a_peer_is_closed_4401_when_its_credentials_expire_and_within_a_second() {
    for seconds in [1.0, 10.0, 60.0, 299.5] {
        let mut world = world();
        let mut client = open_until(&mut world, seconds);
        let closed = seconds_until_closed(&mut world, &mut client);
        assert!((seconds..=seconds + 1.0).contains(&closed), "{seconds}: {closed}");
    }
}

#[test]
fn what_has_expired_already_or_never_does_is_no_special_case() {
    let mut world = world();
    let mut late = open_until(&mut world, -5.0);
    assert!(seconds_until_closed(&mut world, &mut late) <= 1.0);
    let mut never = open_until(&mut world, 1e10);
    world.pass_secs(3_600);
    assert_eq!(never.close_code(), None);
}

#[test]
fn neither_sending_nor_being_blocked_puts_it_off() {
    let mut world = world();
    let mut client = open_until(&mut world, 10.0);
    for _ in 0..22 {
        client.text("still here");
        world.pass(Duration::from_millis(500));
    }
    assert_eq!(client.close_code(), Some(4401));
    let mut world = World::with(|limits, _| limits.slow_timeout = Duration::from_secs(1_000));
    world.sim.set_unix_time(Duration::from_secs_f64(START));
    let reader = open_until(&mut world, 10.0);
    reader.stall();
    let mut publisher = world.open(&format!("/leave/until/{}", START + 10.0));
    publisher.binary(&vec![7; 40_000]);
    world.pass_secs(11);
    assert_eq!(world.last_end().1, 4401, "it is told when it reads");
}

#[test]
fn a_wall_clock_that_is_set_counts_within_35_seconds() {
    let mut world = world();
    let mut client = open_until(&mut world, 300.0);
    world.pass_secs(10);
    world.sim.set_unix_time(Duration::from_secs_f64(START + 1_000.0));
    assert!(seconds_until_closed(&mut world, &mut client) <= 35.0);
    // Set back, it puts the end off.
    let mut world = self::world();
    let mut client = open_until(&mut world, 60.0);
    world.pass_secs(30);
    world.sim.set_unix_time(Duration::from_secs_f64(START - 30.0));
    let closed = seconds_until_closed(&mut world, &mut client);
    assert!((90.0..=91.0).contains(&closed), "{closed}");
}

#[test]
fn a_crowd_that_expires_at_one_moment_is_closed_within_a_second() {
    let mut world = world();
    let mut clients: Vec<Client> = (0..2_000).map(|_| open_until(&mut world, 100.0)).collect();
    world.pass_secs(99);
    assert!(clients.iter_mut().all(|client| client.close_code().is_none()));
    world.pass_secs(2);
    assert!(clients.iter_mut().all(|client| client.close_code() == Some(4401)));
}
