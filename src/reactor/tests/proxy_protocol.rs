//! Tests of listeners on which each connection begins with a header of the PROXY protocol.

use std::net::{IpAddr, SocketAddr};

use super::client::Client;
use super::world::{PROXY_PORT, World};
use crate::reactor::RejectReason;
use crate::reactor::limits::REFUSALS_MAX;

const PROXY: &str = "10.0.0.1";

fn behind(per_address: u32) -> World {
    World::with(|limits, _| {
        limits.trusted_proxies = ["10.0.0.0/8".parse().unwrap()].into();
        limits.connections_per_address_max = Some(per_address);
    })
}

fn connect(world: &World, from: &str) -> Client {
    Client::new(world.sim.connect_from(from.parse().unwrap(), PROXY_PORT))
}

/// Returns a header that tells this client; `None` if the proxy connects for itself.
fn header(client: Option<&str>) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    match client.map(|client| client.parse().unwrap()) {
        None => bytes.extend([0x20, 0, 0, 0]),
        Some(IpAddr::V4(ip)) => {
            bytes.extend([0x21, 0x11, 0, 12]);
            bytes.extend(ip.octets());
            bytes.extend([10, 0, 0, 1, 0x12, 0x67, 0, 80]);
        }
        Some(IpAddr::V6(ip)) => {
            bytes.extend([0x21, 0x21, 0, 36]);
            bytes.extend(ip.octets());
            bytes.extend([0; 16]);
            bytes.extend([0x12, 0x67, 0, 80]);
        }
    }
    bytes
}

fn counted(world: &World, address: &str) -> u32 {
    let address = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0);
    world.reactor().peers.core.exchange.shared.connection_limits.of_address(address)
}

fn rejects(world: &World, reason: RejectReason) -> u64 {
    world.counters().rejects[reason as usize]
}

#[test]
fn a_connection_is_that_of_the_client_whom_the_header_tells() {
    let mut world = behind(1);
    for client in ["203.0.113.9", "2001:db8::9"] {
        let mut first = connect(&world, PROXY);
        first.peer.send(&header(Some(client)));
        first.upgrade("/echo");
        world.rest();
        assert_eq!(first.answered().unwrap().status, 101);
        assert_eq!((counted(&world, client), counted(&world, PROXY)), (1, 0));
        first.text("hello");
        let mut second = connect(&world, PROXY);
        second.peer.send(&header(Some(client)));
        second.upgrade("/echo");
        world.rest();
        assert_eq!(first.messages(), [b"hello"]);
        assert_eq!(second.answered().unwrap().status, 429);
        drop((first, second));
        world.rest();
        assert_eq!(counted(&world, client), 0);
    }
    world.check_empty();
}

#[test]
fn a_header_may_come_in_pieces_and_with_the_request_behind_it() {
    let mut world = behind(100);
    let mut bytes = header(Some("203.0.113.9"));
    bytes.extend(super::frames::request("POST", "/news", &[], b"hello"));
    for cut in 0..bytes.len() {
        let mut client = connect(&world, PROXY);
        for part in [&bytes[..cut], &bytes[cut..]] {
            client.peer.send(part);
            world.rest();
        }
        assert_eq!(client.answered().unwrap().status, 202, "cut at {cut}");
    }
    let mut client = connect(&world, PROXY);
    for byte in bytes {
        client.peer.send(&[byte]);
        world.rest();
    }
    assert_eq!(client.answered().unwrap().status, 202, "byte by byte");
}

#[test]
fn whoever_is_no_trusted_proxy_is_closed_at_once() {
    let mut world = behind(1);
    let mut stranger = connect(&world, "203.0.113.1");
    stranger.peer.send(&header(Some("127.0.0.1")));
    stranger.upgrade("/echo");
    world.rest();
    assert!(stranger.answered().is_none() && stranger.is_gone());
    assert_eq!(rejects(&world, RejectReason::UntrustedProxy), 1);
    world.check_empty();
}

#[test]
fn without_a_header_nothing_is_served() {
    let mut world = behind(1);
    let mut plain = connect(&world, PROXY);
    plain.upgrade("/echo");
    world.rest();
    assert!(plain.answered().is_none() && plain.is_gone());
    assert_eq!(rejects(&world, RejectReason::ProxyHeader), 1);
    let mut slow = connect(&world, PROXY);
    slow.peer.send(&header(None)[..7]);
    let silent = connect(&world, PROXY);
    world.rest();
    drop(silent);
    world.pass_secs(6);
    assert!(slow.answered().is_none() && slow.is_gone(), "a 408 would be for nobody");
    assert_eq!(rejects(&world, RejectReason::SlowRequest), 1);
    world.check_empty();
}

#[test]
fn only_a_trusted_client_may_tell_of_another_one() {
    let mut world = behind(100);
    for (told, forwarded_for, client) in [
        (Some("10.0.0.2"), "203.0.113.9", "203.0.113.9"),
        (Some("198.51.100.7"), "203.0.113.9", "198.51.100.7"),
        (None, "203.0.113.9", PROXY),
    ] {
        let mut peer = connect(&world, PROXY);
        peer.peer.send(&header(told));
        let mut head = super::frames::handshake("/echo");
        head.truncate(head.len() - b"\r\n".len());
        head.extend_from_slice(format!("X-Forwarded-For: {forwarded_for}\r\n\r\n").as_bytes());
        peer.peer.send(&head);
        world.rest();
        assert_eq!(peer.answered().unwrap().status, 101);
        assert_eq!(counted(&world, client), 1, "{told:?}");
        drop(peer);
        world.rest();
    }
}

#[test]
fn far_over_its_limit_a_client_takes_only_places_for_refusals() {
    let mut world = behind(1);
    let peers: Vec<Client> = (0..2 + REFUSALS_MAX + 1).map(|_| connect(&world, PROXY)).collect();
    peers.iter().for_each(|client| client.peer.send(&header(Some("203.0.113.9"))));
    world.rest();
    let counts = world.reactor().peers.core.exchange.shared.connection_limits.counts();
    assert_eq!(counts, [2, REFUSALS_MAX, 0]);
    assert_eq!(rejects(&world, RejectReason::AddressLimit), 1, "the last one is closed");
    drop(peers);
    world.rest();
    world.check_empty();
}
