//! Tests of the clocks, of latency, and of several reactors on one clock.

use super::*;

#[test]
fn a_wait_takes_the_clock_to_what_happens_next_or_to_its_timeout() {
    let mut pair = Pair::new(SimFaults::NONE);
    let mut told = Vec::new();
    let start = pair.net.now();
    pair.net.wait(&mut told, Some(Duration::from_secs(3))).unwrap();
    assert_eq!(pair.net.now(), start + Duration::from_secs(3));

    pair.world
        .set_limits(SimLimits { latency_max: Duration::from_secs(1), ..SimLimits::default() });
    pair.peer.send(b"x");
    pair.net.wait(&mut told, None).unwrap();
    assert_eq!(told, [readiness(true, true, false)]);
    let waited = pair.net.now().saturating_since(start + Duration::from_secs(3));
    assert!(!waited.is_zero() && waited <= Duration::from_secs(1));
}

#[test]
fn a_held_clock_moves_by_hand_only() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.hold_clock(true);
    let start = pair.net.now();
    let mut told = Vec::new();
    pair.net.wait(&mut told, Some(Duration::from_secs(3))).unwrap();
    assert_eq!(pair.net.now(), start);
    assert!(pair.world.everyone_sleeps());
    pair.world.advance(Duration::from_secs(3));
    assert_eq!(pair.net.now(), start + Duration::from_secs(3));
    assert!(!pair.world.everyone_sleeps());
}

#[test]
fn who_polls_does_not_sleep() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.hold_clock(true);
    pair.poll();
    assert!(!pair.world.everyone_sleeps());
}

#[test]
fn bytes_that_take_time_arrive_in_order() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world
        .set_limits(SimLimits { latency_max: Duration::from_millis(5), ..SimLimits::default() });
    let sent: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
    pair.peer.send(&sent);
    pair.peer.close_write();
    let mut received = Vec::new();
    let (mut told, mut buffer) = (Vec::new(), vec![0; 200_000]);
    let mut reads = 0;
    loop {
        pair.net.wait(&mut told, None).unwrap();
        let bytes = pair.net.read(&mut pair.stream, &mut buffer).unwrap();
        received.extend_from_slice(&buffer[..bytes]);
        reads += 1;
        if told[0].hung_up {
            break;
        }
    }
    assert_eq!(received, sent);
    assert!(reads > 10, "{reads} reads");
}

#[test]
fn calls_take_time_and_a_pause_takes_more() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world
        .set_limits(SimLimits { call_duration: Duration::from_micros(10), ..SimLimits::default() });
    let start = pair.net.now();
    pair.write(b"x").unwrap();
    assert_eq!(pair.net.now(), start + Duration::from_micros(10));
    pair.world.set_faults(SimFaults { pauses: 1.0, ..SimFaults::NONE });
    pair.poll();
    assert!(pair.net.now() > start + Duration::from_millis(1));
}

#[test]
fn the_wall_clock_jumps_and_the_monotonic_one_does_not() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.set_unix_time(Duration::from_secs(2_000_000_000));
    pair.world.advance(Duration::from_secs(5));
    assert_eq!(pair.net.unix_time(), Duration::from_secs(2_000_000_005));
    let before = pair.net.now();
    pair.world.set_faults(SimFaults { wall_clock_jumps: 1.0, ..SimFaults::NONE });
    pair.poll();
    assert_ne!(pair.net.unix_time(), Duration::from_secs(2_000_000_005));
    assert_eq!(pair.net.now(), before);
}

#[test]
fn the_clock_goes_on_when_all_reactors_sleep() {
    let world = SimWorld::new(1, SimFaults::NONE);
    let (mut one, mut other) = (world.reactor(), world.reactor());
    let mut told = Vec::new();
    one.wait(&mut told, Some(Duration::from_secs(5))).unwrap();
    assert_eq!(world.now(), Instant::ZERO, "the other one may have something to do");
    assert!(world.sleeps(0) && !world.sleeps(1));
    other.wait(&mut told, Some(Duration::from_secs(2))).unwrap();
    assert_eq!(world.now(), Instant::ZERO + Duration::from_secs(2));
    drop(other);
    one.wait(&mut told, Some(Duration::from_secs(5))).unwrap();
    assert_eq!(world.now(), Instant::ZERO + Duration::from_secs(7));
}

#[test]
fn a_waker_wakes_its_own_reactor() {
    let world = SimWorld::new(1, SimFaults::NONE);
    world.hold_clock(true);
    let (mut one, mut other) = (world.reactor(), world.reactor());
    let mut told = Vec::new();
    one.wait(&mut told, None).unwrap();
    other.wait(&mut told, None).unwrap();
    assert!(world.everyone_sleeps());
    let waker = other.waker();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert!(world.sleeps(0) && !world.sleeps(1));
    other.wait(&mut told, None).unwrap();
    assert!(!world.sleeps(1), "it has returned");
    other.wait(&mut told, None).unwrap();
    assert!(world.everyone_sleeps());
}

#[test]
fn listeners_on_one_port_share_its_connections() {
    let world = SimWorld::new(1, SimFaults::NONE);
    let (mut one, mut other) = (world.reactor(), world.reactor());
    let (mut first, mut second) = (world.listener(80), world.listener(80));
    let peers: Vec<SimPeer> = (0..100).map(|_| world.connect(80)).collect();
    let mut streams = Vec::new();
    while let Ok((stream, _)) = one.accept(&mut first) {
        streams.push(stream);
    }
    assert!((30..70).contains(&streams.len()), "{} of 100", streams.len());
    while let Ok((stream, _)) = other.accept(&mut second) {
        streams.push(stream);
    }
    assert_eq!(streams.len(), peers.len());
    assert_eq!(world.open_streams(), 100);
}
