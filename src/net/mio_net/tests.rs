//! [`MioNet`] over real loopback.

use std::io::ErrorKind;
use std::net::TcpStream as Peer;

use super::*;
use crate::net::bind;

const LISTENER: Token = Token(0);
const STREAM: Token = Token(1);

/// A net with one accepted and registered stream, and the far end of it, which blocks.
struct Pair {
    net: MioNet,
    _listener: MioListener,
    stream: MioStream,
    peer: Peer,
}

impl Pair {
    fn new() -> Pair {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = socket.local_addr().unwrap();
        let mut net = MioNet::new().unwrap();
        let mut listener = MioListener::from_std(socket);
        net.listen(&mut listener, LISTENER).unwrap();
        let peer = Peer::connect(addr).unwrap();
        assert!(wait_for(&mut net, LISTENER, |told| told.readable).readable);
        let (mut stream, from) = net.accept(&mut listener).unwrap();
        assert_eq!(from, peer.local_addr().unwrap());
        assert_eq!(net.accept(&mut listener).unwrap_err().kind(), ErrorKind::WouldBlock);
        net.register(&mut stream, STREAM).unwrap();
        Pair { net, _listener: listener, stream, peer }
    }

    /// Waits until `enough` of the stream's readiness has been told.
    fn wait_for(&mut self, enough: impl Fn(&Readiness) -> bool) -> Readiness {
        wait_for(&mut self.net, STREAM, enough)
    }
}

fn wait_for(net: &mut MioNet, token: Token, enough: impl Fn(&Readiness) -> bool) -> Readiness {
    let mut readiness = Vec::new();
    loop {
        net.wait(&mut readiness, None).unwrap();
        if let Some(told) = readiness.iter().find(|told| told.token == token && enough(told)) {
            return *told;
        }
    }
}

fn poll(net: &mut MioNet) -> Vec<Readiness> {
    let mut readiness = vec![Readiness { token: STREAM, readable: true, writable: true, hung_up: true }];
    net.wait(&mut readiness, Some(Duration::ZERO)).unwrap();
    readiness
}

#[test]
fn a_new_stream_is_told_writable_once() {
    let mut pair = Pair::new();
    let told = pair.wait_for(|told| told.writable);
    assert_eq!(told, Readiness { token: STREAM, readable: false, writable: true, hung_up: false });
    assert_eq!(poll(&mut pair.net), []);
}

#[test]
fn bytes_go_both_ways() {
    let mut pair = Pair::new();
    pair.peer.write_all(b"hello").unwrap();
    assert!(!pair.wait_for(|told| told.readable).hung_up);
    let mut buffer = [0; 16];
    assert_eq!(pair.net.read(&mut pair.stream, &mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(pair.net.read(&mut pair.stream, &mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);

    assert_eq!(pair.net.write(&mut pair.stream, b"wel").unwrap(), 3);
    let slices = [IoSlice::new(b"co"), IoSlice::new(b"me")];
    assert_eq!(pair.net.write_vectored(&mut pair.stream, &slices).unwrap(), 4);
    pair.net.shutdown_write(&mut pair.stream).unwrap();
    let mut received = Vec::new();
    pair.peer.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"welcome");
}

#[test]
fn the_end_of_the_stream_is_told_as_hung_up() {
    let mut pair = Pair::new();
    pair.peer.write_all(b"last").unwrap();
    pair.peer.shutdown(Shutdown::Write).unwrap();
    assert!(pair.wait_for(|told| told.hung_up).readable);
    let mut buffer = [0; 16];
    assert_eq!(pair.net.read(&mut pair.stream, &mut buffer).unwrap(), 4);
    assert_eq!(pair.net.read(&mut pair.stream, &mut buffer).unwrap(), 0);
}

#[test]
fn a_peer_that_does_not_read_blocks_us_and_room_is_told_when_it_reads() {
    let mut pair = Pair::new();
    pair.wait_for(|told| told.writable);
    let chunk = vec![7; 1 << 20];
    let mut written = 0;
    loop {
        match pair.net.write(&mut pair.stream, &chunk) {
            Ok(bytes) => written += bytes,
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let mut received = vec![0; written];
    pair.peer.read_exact(&mut received).unwrap();
    assert!(pair.wait_for(|told| told.writable).writable);
    assert!(pair.net.write(&mut pair.stream, b"more").unwrap() > 0);
}

#[test]
fn a_reset_reaches_the_peer_as_one() {
    let mut pair = Pair::new();
    pair.net.reset(pair.stream);
    assert_eq!(pair.peer.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_by_the_peer_is_hung_up_and_an_error() {
    let mut pair = Pair::new();
    SockRef::from(&pair.peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(pair.peer);
    assert!(wait_for(&mut pair.net, STREAM, |told| told.hung_up).readable);
    let error = pair.net.read(&mut pair.stream, &mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(!super::super::is_shortage(&error));
}

#[test]
fn a_close_ends_the_stream_and_its_registration() {
    let mut pair = Pair::new();
    pair.wait_for(|told| told.writable);
    pair.net.close(pair.stream);
    assert_eq!(pair.peer.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(poll(&mut pair.net), []);
}

#[test]
fn a_closed_listener_refuses() {
    let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = socket.local_addr().unwrap();
    let mut net = MioNet::new().unwrap();
    let mut listener = MioListener::from_std(socket);
    net.listen(&mut listener, LISTENER).unwrap();
    net.unlisten(listener);
    assert_eq!(Peer::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_wake_up_ends_a_wait_without_end_and_reports_nothing() {
    let mut net = MioNet::new().unwrap();
    let waker = net.waker();
    std::thread::spawn(move || waker.wake());
    let mut readiness = Vec::new();
    net.wait(&mut readiness, None).unwrap();
    assert_eq!(readiness, []);
}

#[test]
fn the_clocks_go_forward_and_random_bytes_differ() {
    let mut net = MioNet::new().unwrap();
    let earlier = net.now();
    assert!(net.now() >= earlier);
    assert!(net.unix_time() > Duration::from_secs(1_700_000_000));
    let (mut one, mut other) = ([0; 16], [0; 16]);
    net.fill_random(&mut one);
    net.fill_random(&mut other);
    assert_ne!(one, other);
}
