//! Tests of what only the simulated network has: faults, time, several reactors, the trace. What it
//! shares with the real network is tested in [`net::tests`](crate::net).

mod clocks;
mod crashes;
mod errors;
mod faults;
mod pauses;
mod runs;
mod time;

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::*;
use crate::instant::Instant;
use crate::net::{Net, Readiness, Token, Wake};

const LISTENER: Token = Token(0);
const STREAM: Token = Token(1);

/// One registered stream and its peer in a simulated world. The first readiness has been consumed.
struct Pair {
    net: SimNet,
    world: SimWorld,
    listener: SimListener,
    stream: SimStream,
    peer: SimPeer,
}

impl Pair {
    fn new(faults: SimFaults) -> Pair {
        let (mut net, world) = SimNet::new(1, SimFaults::NONE);
        let mut listener = world.listener(80);
        net.listen(&mut listener, LISTENER).unwrap();
        let peer = world.connect(80);
        let (mut stream, addr) = net.accept(&mut listener).unwrap();
        assert_eq!(addr, peer.addr());
        net.register(&mut stream, STREAM).unwrap();
        poll(&mut net);
        world.set_faults(faults);
        Pair { net, world, listener, stream, peer }
    }

    fn poll(&mut self) -> Vec<Readiness> {
        poll(&mut self.net)
    }

    fn read(&mut self) -> Result<Vec<u8>, ErrorKind> {
        let mut buffer = [0; 16];
        let bytes = self.net.read(&mut self.stream, &mut buffer).map_err(|error| error.kind())?;
        Ok(buffer[..bytes].to_vec())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.net.write(&mut self.stream, bytes).map_err(|error| error.kind())
    }
}

/// Returns the errno of a failed call, or `None` if it succeeded.
fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn poll(net: &mut SimNet) -> Vec<Readiness> {
    let mut readiness = Vec::new();
    net.wait(&mut readiness, Some(Duration::ZERO)).unwrap();
    readiness
}

fn readiness(readable: bool, writable: bool, hung_up: bool) -> Readiness {
    Readiness { token: STREAM, readable, writable, hung_up }
}

// Peers.

#[test]
fn a_small_window_blocks_at_the_very_byte() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.set_reading(false);
    pair.peer.set_window(100);
    let send_buffer_bytes = SimLimits::default().send_buffer_bytes;
    assert_eq!(pair.write(&[1; 100_000]), Ok(100 + send_buffer_bytes));
    assert_eq!(pair.write(b"x"), Err(ErrorKind::WouldBlock));
    assert_eq!(pair.peer.bytes_under_way(), 100 + send_buffer_bytes);
    assert_eq!(pair.peer.read(10), 10);
    assert_eq!(pair.poll(), [], "ten bytes are not enough room to report");
    assert_eq!(pair.write(&[1; 20]), Ok(10));
}

#[test]
fn a_peer_whose_bytes_are_not_read_is_held_up() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.set_limits(SimLimits { receive_buffer_bytes: 16, ..SimLimits::default() });
    pair.peer.send(b"0123456789abcdefgh");
    pair.peer.close_write();
    assert_eq!(pair.poll(), [readiness(true, true, false)]);
    assert_eq!(pair.read().unwrap(), b"0123456789abcdef");
    assert_eq!(pair.poll(), [readiness(true, true, true)]);
    assert_eq!(pair.read().unwrap(), b"gh");
    assert_eq!(pair.read().unwrap(), b"");
}

#[test]
fn a_peer_that_closes_with_something_unread_resets() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.set_reading(false);
    pair.write(b"unread").unwrap();
    pair.peer.close();
    assert_eq!(poll(&mut pair.net), [readiness(true, true, true)]);
    assert_eq!(
        pair.net.read(&mut pair.stream, &mut [0; 1]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn late_bytes_to_a_closed_stream_eat_an_answer_that_has_not_arrived() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.set_reading(false);
    pair.peer.set_window(3);
    pair.write(b"answer").unwrap();
    pair.net.close(pair.stream);
    pair.peer.send(b"late");
    assert!(pair.peer.is_reset());
    pair.peer.set_reading(true);
    assert_eq!(pair.peer.take_received(), b"ans");
}

#[test]
fn peers_have_addresses_of_their_own() {
    let mut pair = Pair::new(SimFaults::NONE);
    let ip = "2001:db8::1".parse().unwrap();
    let other = pair.world.connect_from(ip, 80);
    let (_stream, addr) = pair.net.accept(&mut pair.listener).unwrap();
    assert_eq!((addr, addr.ip()), (other.addr(), ip));
    assert_ne!(addr.port(), pair.peer.addr().port());
}

#[test]
fn a_peer_without_a_listener_is_refused() {
    let (_net, world) = SimNet::new(1, SimFaults::NONE);
    assert!(world.connect(80).is_reset());
}

// Mistakes of the caller.

#[test]
fn a_stream_that_is_dropped_is_closed() {
    let pair = Pair::new(SimFaults::NONE);
    assert_eq!(pair.world.open_streams(), 1);
    drop(pair.stream);
    assert_eq!(pair.world.open_streams(), 0);
    assert!(pair.peer.is_ended());
    assert_eq!(pair.world.calls(SimCall::Close), 1);
}

#[test]
#[should_panic = "a stream is registered once"]
fn a_second_registration_is_a_mistake() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.net.register(&mut pair.stream, STREAM).unwrap();
}

#[test]
#[should_panic = "a write of nothing is a wasted call"]
fn an_empty_write_is_a_mistake() {
    let mut pair = Pair::new(SimFaults::NONE);
    let _ = pair.write(b"");
}

#[test]
#[should_panic = "a read of nothing looks like the end of the stream"]
fn an_empty_read_is_a_mistake() {
    let mut pair = Pair::new(SimFaults::NONE);
    let _ = pair.net.read(&mut pair.stream, &mut []);
}
