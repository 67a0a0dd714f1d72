//! Tests of connections that a trusted proxy brings, each with requests of several clients.

use std::net::{IpAddr, SocketAddr};

use super::client::Client;
use super::world::{PORT, World};

const PROXY: &str = "10.0.0.1";
const ONE: &str = "203.0.113.1";
const OTHER: &str = "2001:db8::1";

/// Makes a server behind trusted proxies at 10.0.0.0/8, where each address may have so many
/// connections.
fn behind(per_address: u32) -> World {
    World::with(|limits, _| {
        limits.trusted_proxies = ["10.0.0.0/8".parse().unwrap()].into();
        limits.connections_per_address_max = Some(per_address);
    })
}

fn connect(world: &World, from: &str) -> Client {
    Client::new(world.sim.connect_from(from.parse().unwrap(), PORT))
}

/// Returns how many connections count towards an address.
fn counted(world: &World, address: &str) -> u32 {
    let address = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0);
    world.reactor().peers.core.exchange.shared.connection_limits.of_address(address)
}

fn get(world: &mut World, client: &mut Client, forwarded_for: &str) -> u16 {
    client.request("GET", "/", &[("X-Forwarded-For", forwarded_for)], b"");
    world.rest();
    client.answered().unwrap().status
}

fn upgrade(world: &mut World, client: &mut Client, forwarded_for: &str) -> u16 {
    let mut head = super::frames::handshake("/echo");
    head.truncate(head.len() - b"\r\n".len());
    head.extend_from_slice(format!("X-Forwarded-For: {forwarded_for}\r\n\r\n").as_bytes());
    client.peer.send(&head);
    world.rest();
    client.answered().unwrap().status
}

#[test]
fn a_connection_of_a_proxy_counts_towards_the_client_whose_request_is_under_way() {
    let mut world = behind(1);
    let mut proxy: Vec<Client> = (0..4).map(|_| connect(&world, PROXY)).collect();
    world.rest();
    assert_eq!(counted(&world, PROXY), 0, "four connections, and none counts");
    assert_eq!(upgrade(&mut world, &mut proxy[0], ONE), 101);
    assert_eq!(upgrade(&mut world, &mut proxy[1], OTHER), 101);
    assert_eq!((counted(&world, ONE), counted(&world, OTHER)), (1, 1));
    assert_eq!(upgrade(&mut world, &mut proxy[2], ONE), 429);
    assert_eq!(upgrade(&mut world, &mut proxy[3], "2001:db8::ffff"), 429, "of the same /64");
    drop(proxy);
    world.rest();
    assert_eq!((counted(&world, ONE), counted(&world, OTHER)), (0, 0));
    world.check_empty();
}

#[test]
fn a_connection_that_is_kept_brings_one_client_after_the_other() {
    let mut world = behind(1);
    let mut kept = connect(&world, PROXY);
    for client in [ONE, OTHER, ONE, PROXY, "unknown"] {
        assert_eq!(get(&mut world, &mut kept, client), 200, "{client}");
        for address in [ONE, OTHER, PROXY] {
            assert_eq!(counted(&world, address), 0, "answered: {address} after {client}");
        }
    }
    let mut beside = connect(&world, PROXY);
    assert_eq!(upgrade(&mut world, &mut beside, ONE), 101);
    assert_eq!(get(&mut world, &mut kept, OTHER), 200);
    assert_eq!(get(&mut world, &mut kept, ONE), 429);
    drop(kept);
    world.rest();
    assert_eq!(counted(&world, ONE), 1, "who was refused is no longer counted");
    drop(beside);
    world.rest();
    world.check_empty();
}

#[test]
fn while_a_body_arrives_the_connection_is_its_clients() {
    let mut world = behind(1);
    let mut slow = connect(&world, PROXY);
    let head = "POST /news HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n\
                Content-Length: 4\r\n\r\nab";
    slow.peer.send(head.as_bytes());
    world.rest();
    assert_eq!(counted(&world, ONE), 1);
    let mut other = connect(&world, PROXY);
    assert_eq!(get(&mut world, &mut other, ONE), 429);
    drop(other);
    slow.peer.send(b"cd");
    world.rest();
    assert_eq!(slow.answered().unwrap().status, 202);
    assert_eq!(counted(&world, ONE), 0);
    // A client that goes away in the middle of its body is not counted on.
    slow.peer.send(head.as_bytes());
    world.rest();
    assert_eq!(counted(&world, ONE), 1);
    drop(slow);
    world.rest();
    assert_eq!(counted(&world, ONE), 0);
}

#[test]
fn the_word_of_a_stranger_is_not_taken() {
    let mut world = behind(1);
    let mut first = connect(&world, ONE);
    assert_eq!(upgrade(&mut world, &mut first, "198.51.100.7"), 101);
    assert_eq!((counted(&world, ONE), counted(&world, "198.51.100.7")), (1, 0));
    let mut second = connect(&world, ONE);
    assert_eq!(upgrade(&mut world, &mut second, "198.51.100.8"), 429);
    // Nor does a proxy take it: what it has appended itself stands last.
    let mut through = connect(&world, PROXY);
    assert_eq!(upgrade(&mut world, &mut through, &format!("198.51.100.9, {ONE}")), 429);
}

#[test]
fn a_proxy_that_tells_nothing_is_itself_the_client() {
    let mut world = behind(1);
    let mut silent = connect(&world, PROXY);
    silent.upgrade("/echo");
    world.rest();
    assert_eq!(silent.answered().unwrap().status, 101);
    assert_eq!(counted(&world, PROXY), 1);
    let mut second = connect(&world, PROXY);
    assert_eq!(upgrade(&mut world, &mut second, "203.0.113.1, garbage"), 429);
    let mut told = connect(&world, PROXY);
    assert_eq!(upgrade(&mut world, &mut told, ONE), 101);
}
