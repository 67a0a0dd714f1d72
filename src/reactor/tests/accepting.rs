//! Tests of accepting connections, and of refusing them over a limit.

use std::net::IpAddr;
use std::time::Duration;

use super::client::Client;
use super::world::{PORT, World};
use crate::net::sim::{SimFaults, SimLimits};

#[test]
fn a_shortage_at_accept_loses_nobody() {
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let mut world = World::new();
        world.sim.fail_next_accept(errno);
        let mut client = world.connect();
        client.upgrade("/echo");
        world.rest();
        assert_eq!(client.answered(), None);
        world.pass(Duration::from_millis(200));
        assert_eq!(client.answered().unwrap().status, 101);
        assert_eq!(world.counters().accept_shortages, 1);
    }
}

#[test]
fn a_connection_that_was_gone_before_it_was_taken_keeps_nobody_waiting() {
    let mut world = World::new();
    world.sim.set_faults(SimFaults { accept_aborts: 0.5, ..SimFaults::NONE });
    let mut clients: Vec<_> = (0..100).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| client.upgrade("/echo"));
    world.rest();
    for client in &mut clients {
        assert!(client.peer.is_reset() || client.answered().unwrap().status == 101);
    }
}

#[test]
fn with_all_descriptors_taken_the_next_is_let_in_when_one_leaves() {
    let mut world = World::new();
    world.sim.set_limits(SimLimits { streams_max: 2, ..SimLimits::default() });
    let first = world.open("/echo");
    let _second = world.open("/echo");
    let mut third = world.connect();
    third.upgrade("/echo");
    world.pass_secs(20);
    assert_eq!(third.answered(), None);
    drop(first);
    world.pass_secs(1);
    assert_eq!(third.answered().unwrap().status, 101);
}

#[test]
fn one_connection_too_many_is_503_but_a_probe_is_answered() {
    let mut world = World::with(|limits, _| limits.connections_max = 2);
    let (first, _second) = (world.open("/echo"), world.open("/echo"));
    for (method, body, status) in
        [("upgrade", "", 503), ("POST", "news", 503), ("GET", "body", 503), ("GET", "", 200)]
    {
        let mut third = world.connect();
        match method {
            "upgrade" => third.upgrade("/echo"),
            _ => third.request(method, "/", &[], body.as_bytes()),
        }
        world.rest();
        let answered = third.answered().unwrap();
        assert_eq!((answered.status, answered.keep_alive), (status, false));
    }
    drop(first);
    world.rest();
    world.open("/echo");
    assert_eq!(world.counters().rejects.iter().sum::<u64>(), 3, "the probe was not refused");
}

#[test]
fn whoever_is_refused_is_counted_once_whatever_it_says() {
    let mut world = World::with(|limits, _| limits.connections_max = 0);
    let silent = world.connect();
    let malformed = world.connect();
    malformed.peer.send(b"\x16\x03\x01");
    let slow = world.connect();
    slow.peer.send(b"GET / HT");
    world.rest();
    drop(silent);
    world.pass_secs(10);
    world.check_empty();
    let counters = world.counters();
    assert_eq!((counters.rejects.iter().sum::<u64>(), counters.silent), (3, 0));
}

#[test]
fn one_too_many_from_one_network_is_429() {
    let mut world = World::with(|limits, _| limits.connections_per_address_max = Some(1));
    let mut clients: Vec<Client> = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1"]
        .map(|address| address.parse::<IpAddr>().unwrap())
        .map(|address| Client::new(world.sim.connect_from(address, PORT)))
        .into();
    let neighbours: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
    world.rest();
    let mut late = neighbours.map(|address| Client::new(world.sim.connect_from(address, PORT)));
    clients.iter().chain(&late).for_each(|client| client.upgrade("/echo"));
    world.rest();
    assert!(clients.iter_mut().all(|client| client.answered().unwrap().status == 101));
    assert!(late.iter_mut().all(|client| client.answered().unwrap().status == 429));
    drop((clients, late));
    world.rest();
    let mut again = Client::new(world.sim.connect_from(neighbours[0], PORT));
    again.upgrade("/echo");
    world.rest();
    assert_eq!(again.answered().unwrap().status, 101);
}

#[test]
fn connections_over_the_rate_wait() {
    let mut world = World::with(|limits, _| limits.accepts_per_second_max = Some(10));
    let mut clients: Vec<_> = (0..35).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| client.upgrade("/echo"));
    let mut let_in = |world: &World| {
        let _ = world;
        clients
            .iter_mut()
            .filter_map(|client| (client.is_open() || client.answered().is_some()).then_some(()))
            .count()
    };
    world.rest();
    assert_eq!(let_in(&world), 10);
    world.pass_secs(1);
    assert_eq!(let_in(&world), 20);
    world.pass_secs(2);
    assert_eq!(let_in(&world), 35);
}

#[test]
fn a_registration_that_fails_closes_its_connection_and_no_other() {
    let mut world = World::new();
    world.sim.set_faults(SimFaults { register_shortage: 0.5, ..SimFaults::NONE });
    let mut clients: Vec<_> = (0..50).map(|_| world.connect()).collect();
    world.rest();
    world.sim.set_faults(SimFaults::NONE);
    clients.retain(|client| !client.is_gone());
    assert!((10..40).contains(&clients.len()));
    clients.iter().for_each(|client| client.upgrade("/echo"));
    world.rest();
    assert!(clients.iter_mut().all(|client| client.answered().unwrap().status == 101));
}
