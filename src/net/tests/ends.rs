//! One interface for the tests to the two kinds of network: real loopback and the simulation.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::net::sim::{SimFaults, SimListener, SimNet, SimPeer, SimWorld};
use crate::net::{Families, MioListener, MioNet, Net, bind};

/// A kind of network: how to listen on it, and how to connect.
pub(super) trait World: Sized {
    type Net: Net;
    type Peer: Peer;
    fn new() -> (Self, Self::Net, <Self::Net as Net>::Listener);
    fn connect(&self) -> Self::Peer;
}

/// The far end of a connection: a program that reads only when a test calls `read`.
pub(super) trait Peer {
    fn send(&mut self, bytes: &[u8]);
    fn close_write(&mut self);
    fn reset(self);
    /// Reads exactly `bytes` bytes.
    fn read(&mut self, bytes: usize) -> Vec<u8>;
    /// Returns true if the connection ended by a reset, false if by a close. It must have ended.
    fn is_reset(&mut self) -> bool;
}

pub(super) struct Loopback(SocketAddr);

impl World for Loopback {
    type Net = MioNet;
    type Peer = TcpStream;

    fn new() -> (Loopback, MioNet, MioListener) {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = bind(address, Families::Both, 1).unwrap().remove(0);
        let addr = socket.local_addr().unwrap();
        (Loopback(addr), MioNet::new().unwrap(), MioListener::from_std(socket))
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.0).unwrap()
    }
}

impl Peer for TcpStream {
    fn send(&mut self, bytes: &[u8]) {
        self.write_all(bytes).unwrap();
    }

    fn close_write(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn reset(self) {
        SockRef::from(&self).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        self.read_exact(&mut buffer).unwrap();
        buffer
    }

    fn is_reset(&mut self) -> bool {
        match Read::read(self, &mut [0]) {
            Ok(bytes) => {
                assert_eq!(bytes, 0);
                false
            }
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

impl World for SimWorld {
    type Net = SimNet;
    type Peer = SimPeer;

    fn new() -> (SimWorld, SimNet, SimListener) {
        let (net, world) = SimNet::new(1, SimFaults::NONE);
        let listener = world.listener(80);
        (world, net, listener)
    }

    fn connect(&self) -> SimPeer {
        let peer = SimWorld::connect(self, 80);
        peer.set_reading(false);
        peer
    }
}

impl Peer for SimPeer {
    fn send(&mut self, bytes: &[u8]) {
        SimPeer::send(self, bytes);
    }

    fn close_write(&mut self) {
        SimPeer::close_write(self);
    }

    fn reset(self) {
        SimPeer::reset(&self);
    }

    fn read(&mut self, bytes: usize) -> Vec<u8> {
        while self.received_bytes() < bytes {
            assert!(
                SimPeer::read(self, bytes - self.received_bytes()) > 0,
                "nothing more is there"
            );
        }
        self.take_received()
    }

    fn is_reset(&mut self) -> bool {
        assert!(self.is_ended() || SimPeer::is_reset(self), "more may come");
        SimPeer::is_reset(self)
    }
}
