//! Tests of a reload: which open connections it closes, how soon, and in what portions.

use std::time::Duration;

use super::super::budget::{REVIEW, SLOT};
use super::super::limits::LOOP_WORK_MAX;
use super::super::{Handle, Reactor, ReactorLimits};
use super::client::Heard;
use super::timed::TimedWorld;
use super::world::{PORT, Setting, World};
use crate::hub::HubLimits;
use crate::protocol::MessageKind;

/// The most connections that are reviewed in one turn.
const PER_TURN_MAX: usize = (LOOP_WORK_MAX / 2 / (REVIEW + SLOT)) as usize + 1;

#[test]
fn who_may_not_stay_is_closed_with_the_reason_and_nobody_else_is() {
    for reactors in [1, 3] {
        let mut world = World::of(reactors, |_, _| {});
        let mut banned = world.open_many(20, "/old-news");
        let mut others = world.open_many(20, "/news");
        world.reload("/old");
        world.rest();
        assert!(banned.iter_mut().all(|client| client.close_code() == Some(4403)));
        assert_eq!(world.log.borrow().reviewed, 40);
        let ended = ("/old-news".to_owned(), 4403, "no longer".to_owned());
        assert_eq!(world.log.borrow().closed, vec![ended; 20]);
        others[0].text("still here");
        world.rest();
        assert!(others.iter_mut().all(|client| client.messages() == [b"still here"]));
    }
}

#[test]
fn messages_accepted_before_reach_who_is_closed() {
    let mut world = World::of(2, |_, _| {});
    let mut client = world.open("/news");
    let mut publisher = world.open("/bye/nobody");
    publisher.text("nothing");
    world.publish("news", MessageKind::Text, b"the last").unwrap();
    world.rest();
    world.reload("/news");
    world.rest();
    let heard = client.heard();
    let [Heard::Message(last), Heard::Close(4403, reason)] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!((last.as_slice(), reason.as_str()), (&b"the last"[..], "no longer"));
    assert!(publisher.is_open());
}

#[test]
fn a_handler_that_sees_no_reason_is_asked_about_nobody() {
    let mut world = World::of(2, |_, _| {});
    let mut clients = world.open_many(10, "/news");
    for _ in 0..1_000 {
        let handles: Vec<_> = world.reactors.iter().map(Reactor::handle).collect();
        handles.iter().for_each(|handle| handle.reload(None));
        world.turn();
    }
    world.rest();
    assert_eq!(world.log.borrow().reviewed, 0);
    assert!(clients.iter_mut().all(|client| client.close_code().is_none()));
}

#[test]
fn a_walk_is_done_in_portions_and_reloads_meanwhile_keep_it_from_nobody() {
    let mut world = World::new();
    let mut clients = world.open_many(3 * PER_TURN_MAX, "/news");
    let mut bystander = world.open("/echo");
    let mut turns = 0;
    while world.log.borrow().reviewed < 2 * clients.len() {
        // Each reload begins another round.
        if turns < 4 {
            world.reload("/none");
        }
        let before = world.log.borrow().reviewed;
        bystander.text("and me?");
        world.turn();
        assert_eq!(bystander.messages(), [b"and me?"], "it is served in the same turn");
        let reviewed = world.log.borrow().reviewed - before;
        assert!((1..=PER_TURN_MAX).contains(&reviewed), "{reviewed}");
        turns += 1;
    }
    world.reload("/news");
    world.rest();
    assert!(clients.iter_mut().all(|client| client.close_code() == Some(4403)));
    assert!(bystander.is_open());
}

#[test]
fn who_is_let_in_during_a_walk_is_judged_by_one_set_of_rules() {
    let mut world = World::new();
    let _crowd = world.open_many(3 * PER_TURN_MAX, "/news");
    world.reload("/old");
    world.turn();
    // `on_upgrade` of `App` lets everybody in, so this shows who is reviewed: the walk ends at the
    // last slot that there was when it began, and does not follow the table while it grows.
    let places = world.reactor().peers.connections.places();
    let mut late = world.open_many(places, "/old-news");
    world.rest();
    assert!(late.last_mut().unwrap().close_code().is_none());
    world.reload("/old");
    world.rest();
    assert_eq!(late.last_mut().unwrap().close_code(), Some(4403));
}

#[test]
fn a_review_that_panics_ends_its_connection_alone() {
    let mut world = World::new();
    let (mut bad, mut good) = (world.open("/panic/review"), world.open("/news"));
    world.reload("/none");
    world.rest();
    assert_eq!((bad.close_code(), good.close_code()), (Some(1011), None));
}

#[test]
fn a_drain_reviews_those_who_are_still_there() {
    let mut world = World::with(|limits, _| limits.drain_timeout = Duration::from_secs(3600));
    let reader = world.open("/slow");
    reader.stall();
    let mut publisher = world.open("/leave/slow");
    publisher.binary(&vec![7; 60_000]);
    world.drain();
    world.pass_secs(1);
    world.reload("/slow");
    world.rest();
    assert_eq!(world.last_end().1, 4403);
    reader.wake();
    world.pass_secs(4);
    assert!(world.is_over());
}

#[test]
fn limits_that_can_change_do_so_at_the_next_turn() {
    let mut world = World::with(|limits, _| limits.ping_interval = Duration::from_secs(20));
    let first = world.open("/news");
    let changed = ReactorLimits {
        connections_max: 1,
        handshake_timeout: Duration::from_secs(1),
        ..ReactorLimits::default()
    };
    let handles: Vec<Handle<_>> = world.reactors.iter().map(Reactor::handle).collect();
    handles[0].reload(Some(&changed));
    world.rest();
    let mut second = world.connect();
    second.upgrade("/news");
    world.rest();
    assert_eq!(second.answered().map(|answered| answered.status), Some(503));
    assert!(first.is_open(), "nobody is dropped for a lower limit");
    let mut silent = world.connect();
    silent.request("GET", "/-", &[], b"");
    world.rest();
    assert_eq!(silent.answered().map(|answered| answered.status), Some(200));
}

/// Ten thousand connections are closed within a second, and no turn is long meanwhile.
#[test]
fn a_crowd_that_may_not_stay_is_closed_within_a_second_and_makes_no_long_turn() {
    const CROWD: usize = 10_000;
    let mut server = TimedWorld::new(Setting {
        limits: ReactorLimits { connections_max: 2 * CROWD, ..ReactorLimits::default() },
        hub: HubLimits { memory_bytes: 1 << 30, ..HubLimits::default() },
        ..Setting::default()
    });
    server.sim.set_moment(server.now());
    let peers: Vec<_> = (0..CROWD)
        .map(|_| {
            let peer = server.sim.connect(PORT);
            peer.set_discarding(true);
            peer.send(&super::frames::handshake("/old-news"));
            peer
        })
        .collect();
    while server.log.borrow().open < CROWD {
        server.run_for(Duration::from_millis(100), &mut ());
    }
    server.forget_turns();
    server.reload("/old");
    server.run_for(Duration::from_secs(1), &mut ());
    assert_eq!(server.log.borrow().open, 0, "all have been closed");
    let longest = server.longest_turn();
    println!("{} connections closed, the longest turn: {longest}", peers.len());
    assert!(longest.duration <= Duration::from_millis(10), "{longest}");
}
