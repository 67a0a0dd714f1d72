//! Tests of encrypted connections.

use std::time::Duration;

use super::client::{Client, Heard};
use super::frames::Opcode;
use super::tls_client::TlsClient;
use super::world::{PROXY_TLS_PORT, Setting, TLS_PORT, World};
use crate::reactor::limits::ReactorLimits;
use crate::reactor::{RejectReason, TlsHandshake};

fn encrypted(limit: impl FnOnce(&mut ReactorLimits)) -> World {
    let mut setting = Setting { speaks_tls: true, ..Setting::default() };
    limit(&mut setting.limits);
    World::still(setting)
}

/// Lets server and clients talk until the handshakes are complete.
fn shake_hands(world: &mut World, clients: &mut [Client]) {
    for _ in 0..4 {
        world.rest();
        clients.iter_mut().for_each(|client| assert_eq!(client.answered(), None));
    }
    assert!(clients.iter().all(|client| !client.tls().is_handshaking()));
}

fn open(world: &mut World, path: &str) -> Client {
    let mut client = world.connect_tls();
    shake_hands(world, std::slice::from_mut(&mut client));
    client.upgrade(path);
    world.rest();
    assert_eq!(client.heard(), []);
    assert!(client.is_open());
    client
}

fn handshakes(world: &World, end: TlsHandshake) -> u64 {
    world.counters().tls_handshakes[end as usize]
}

#[test]
fn a_message_goes_through_tls_and_comes_back_at_every_size() {
    let mut world = encrypted(|limits| limits.decoder.message_bytes_max = 200_000);
    let mut client = open(&mut world, "/echo");
    for bytes in [0, 1, 125, 126, 16_383, 16_384, 16_385, 32_768, 65_536, 150_000] {
        let payload: Vec<u8> = (0..bytes).map(|place| (place * 31 % 251) as u8).collect();
        client.binary(&payload);
        for _ in 0..8 {
            world.rest();
        }
        assert_eq!(client.messages(), [payload], "{bytes} bytes");
    }
    client.close(1000, "bye");
    world.rest();
    assert_eq!(client.close_code(), Some(1000));
    assert!(client.is_gone() && client.tls().has_heard_goodbye());
    assert_eq!(handshakes(&world, TlsHandshake::Full), 1);
}

#[test]
fn whoever_has_a_ticket_resumes() {
    let mut world = encrypted(|_| {});
    let config = TlsClient::resuming();
    for expected in [(1, 0), (1, 1), (1, 2)] {
        let tls = TlsClient::with(std::sync::Arc::clone(&config));
        let mut client = Client::over_tls(world.sim.connect(TLS_PORT), tls);
        shake_hands(&mut world, std::slice::from_mut(&mut client));
        client.request("GET", "/", &[("Connection", "close")], b"");
        world.rest();
        assert!(client.answered().is_some());
        assert!(client.tls().has_heard_goodbye());
        let counted =
            [TlsHandshake::Full, TlsHandshake::Resumed].map(|end| handshakes(&world, end));
        assert_eq!((counted[0], counted[1]), expected);
    }
}

#[test]
fn whoever_speaks_plain_http_where_tls_is_spoken_is_told_so() {
    let mut world = encrypted(|_| {});
    let mut client = Client::new(world.sim.connect(TLS_PORT));
    client.upgrade("/news");
    world.rest();
    let answered = client.answered().unwrap();
    assert_eq!(answered.status, 400);
    assert!(answered.body.contains("https://"), "{}", answered.body);
    client.peer.close_write();
    world.rest();
    assert_eq!(handshakes(&world, TlsHandshake::NotTls), 1);
    assert_eq!(world.counters().tls_handshakes.iter().sum::<u64>(), 1, "it is counted once");
    assert_eq!(world.counters().rejects[RejectReason::TlsHandshake as usize], 1);
}

#[test]
fn whoever_sends_no_valid_tls_is_sent_an_alert_and_counted_once() {
    let mut world = encrypted(|_| {});
    let peer = world.sim.connect(TLS_PORT);
    // A handshake record with a message that no client begins with.
    peer.send(&[22, 3, 1, 0, 4, 99, 0, 0, 0]);
    world.rest();
    let alert = peer.take_received();
    assert_eq!((alert[0], alert.len()), (21, 7), "{alert:?}");
    peer.close_write();
    world.rest();
    assert!(peer.is_ended() && !peer.is_reset(), "the alert can be read");
    assert_eq!(handshakes(&world, TlsHandshake::Malformed), 1);
    assert_eq!(world.counters().tls_handshakes.iter().sum::<u64>(), 1, "it is counted once");
}

#[test]
fn a_header_of_the_proxy_protocol_comes_before_the_handshake() {
    for piece_bytes in [1, 7, 28, 40, 10_000] {
        let mut world = World::with(|limits, _| {
            limits.trusted_proxies = ["10.0.0.0/8".parse().unwrap()].into();
        });
        let proxy = world.sim.connect_from("10.0.0.1".parse().unwrap(), PROXY_TLS_PORT);
        let mut first = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        first.extend([203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 0, 80]);
        let tls = TlsClient::new();
        first.extend(tls.hello());
        for piece in first.chunks(piece_bytes) {
            proxy.send(piece);
            world.turn();
        }
        let mut client = Client::over_tls(proxy, tls);
        shake_hands(&mut world, std::slice::from_mut(&mut client));
        client.upgrade("/echo");
        world.rest();
        assert_eq!(client.heard(), []);
        client.text("hello");
        world.rest();
        assert_eq!(client.messages(), [b"hello"]);
    }
}

#[test]
fn half_a_hello_holds_little_memory_and_ends_in_time() {
    let mut world = encrypted(|limits| limits.handshake_timeout = Duration::from_secs(10));
    let hello = {
        let whole = world.connect_tls();
        world.rest();
        drop(whole);
        world.rest();
        // A record of a handshake, of 300 bytes.
        let mut hello = vec![22, 3, 1, 1, 44, 1, 0, 1, 40];
        hello.resize(150, 0);
        hello
    };
    let peers: Vec<_> = (0..200).map(|_| world.sim.connect(TLS_PORT)).collect();
    peers.iter().for_each(|peer| peer.send(&hello[..100]));
    world.rest();
    peers.iter().for_each(|peer| peer.send(&hello[100..]));
    world.rest();
    assert!(world.reactor().peers.core.pool.held_bytes() < 200 * 512);
    world.pass_secs(12);
    assert!(peers.iter().all(|peer| peer.is_ended() || peer.is_reset()));
    assert_eq!(handshakes(&world, TlsHandshake::TimedOut), 200);
    assert_eq!(world.reactor().peers.core.pool.held_bytes(), 0);
}

#[test]
fn a_peer_that_renews_its_keys_goes_on() {
    let mut world = encrypted(|_| {});
    let mut client = open(&mut world, "/echo");
    for round in 0..5_u8 {
        client.tls().renew_keys(&client.peer);
        client.binary(&[round]);
        world.rest();
        assert_eq!(client.messages(), [vec![round]]);
    }
}

#[test]
fn an_end_of_tls_without_a_close_frame_is_an_abnormal_end() {
    for says_goodbye in [false, true] {
        let mut world = encrypted(|_| {});
        let client = open(&mut world, "/news");
        if says_goodbye {
            client.tls().say_goodbye(&client.peer);
            world.rest();
        } else {
            client.peer.close_write();
            world.rest();
        }
        assert_eq!(world.last_end().1, 1006);
        assert!(client.is_gone());
    }
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_the_connection() {
    let mut world = encrypted(|_| {});
    let client = open(&mut world, "/news");
    // An application record that no key has made.
    client.peer.send(&[[23, 3, 3, 0, 32].as_slice(), &[7; 32]].concat());
    world.rest();
    assert_eq!(world.last_end().1, 1006);
    assert_eq!(handshakes(&world, TlsHandshake::Full), 1);
}

#[test]
fn an_answer_for_which_the_kernel_has_no_memory_is_sent_later() {
    for errno in [libc::ENOBUFS, libc::ENOMEM, libc::EINTR] {
        let mut world = encrypted(|_| {});
        let client = world.connect_tls();
        client.peer.fail_next_write(errno);
        world.rest();
        assert_eq!(client.peer.received_bytes(), 0);
        world.pass_secs(1);
        assert!(client.peer.received_bytes() > 0, "the answer to the hello");
    }
}

#[test]
fn whoever_only_looks_whether_the_port_is_open_has_begun_no_handshake() {
    let mut world = encrypted(|_| {});
    let peer = world.sim.connect(TLS_PORT);
    world.rest();
    peer.close_write();
    world.rest();
    assert_eq!(world.counters().tls_handshakes.iter().sum::<u64>(), 0);
    assert_eq!(world.counters().silent, 1);
}

#[test]
fn what_was_sent_before_a_fault_counts() {
    let mut world = encrypted(|_| {});
    let mut other = open(&mut world, "/news");
    let mut client = open(&mut world, "/news");
    let frame = client.frame(Opcode::Binary, b"good");
    let mut bytes = client.tls().sealed(&frame);
    bytes.extend([[23, 3, 3, 0, 32].as_slice(), &[7; 32]].concat());
    client.peer.send(&bytes);
    world.rest();
    assert_eq!(other.messages(), [b"good"]);
    assert_eq!(world.last_end().1, 1006);
}

#[test]
fn a_stalled_subscriber_holds_a_record_at_most_and_gets_everything_when_it_reads() {
    let mut world = encrypted(|_| {});
    let mut slow = open(&mut world, "/news");
    let mut other = open(&mut world, "/news");
    slow.stall();
    let payloads: Vec<Vec<u8>> = (0..200_u8).map(|number| vec![number; 3_000]).collect();
    for payload in &payloads {
        other.say(Opcode::Binary, payload);
        world.rest();
    }
    let held = world.reactor().peers.core.pool.held_bytes();
    assert!(held <= 20 * 1024, "{held} bytes are held for one stalled subscriber");
    assert!(held > 0, "the socket is full");
    assert_eq!(other.messages(), payloads);
    slow.wake();
    for _ in 0..50 {
        world.rest();
    }
    assert_eq!(slow.messages(), payloads);
    assert_eq!(world.reactor().peers.core.pool.held_bytes(), 0);
}

#[test]
fn whoever_is_too_slow_over_tls_is_told_so_behind_a_whole_frame() {
    let mut setting = Setting { speaks_tls: true, ..Setting::default() };
    setting.hub.channel_buffer_bytes = 100_000;
    let mut world = World::still(setting);
    for sip in [0, 1, 20, 500, 1_500] {
        let mut slow = open(&mut world, "/news");
        let mut other = open(&mut world, "/news");
        slow.stall();
        for number in 0..200_u8 {
            other.say(Opcode::Binary, &vec![number; 3_000]);
            world.rest();
            slow.sip(sip);
        }
        slow.wake();
        for _ in 0..50 {
            world.rest();
        }
        let heard = slow.heard();
        assert!(matches!(heard.last(), Some(Heard::Close(4008, _))), "{sip}: {:?}", heard.len());
        drop((slow, other));
        world.rest();
    }
    world.check_empty();
}

#[test]
fn a_storm_of_handshakes_does_not_hold_up_whoever_is_in() {
    let mut world = encrypted(|_| {});
    let mut member = open(&mut world, "/echo");
    let storm: Vec<Client> = (0..100).map(|_| world.connect_tls()).collect();
    // All are accepted, and their hellos have arrived.
    while world.counters().accepted < 101 {
        world.turn();
    }
    member.text("hello");
    world.turn();
    world.turn();
    assert_eq!(member.messages(), [b"hello"]);
    let under_way = storm.iter().filter(|client| client.peer.received_bytes() == 0).count();
    assert!(under_way > 50, "{under_way} handshakes had to wait");
    world.rest();
    assert!(storm.iter().all(|client| client.peer.received_bytes() > 0));
}
