//! [`SimPeer`], the far end of a simulated connection, which the test controls.

use std::net::SocketAddr;

use super::faults::SimCrash;
use super::socket::{PeerState, Socket};
use super::world::{Id, Shared, SimEvent};
use crate::instant::Instant;

/// The far end of a connection. By default it reads everything as it arrives. Dropping it closes
/// the connection, as the end of the peer's program would.
#[derive(Debug)]
#[must_use = "dropping the peer closes the connection"]
pub struct SimPeer {
    world: Shared,
    id: Id,
}

impl SimPeer {
    pub(super) fn new(world: Shared, id: Id) -> SimPeer {
        SimPeer { world, id }
    }

    fn with<R>(&self, look: impl FnOnce(&mut Socket) -> R) -> R {
        look(self.world.borrow_mut().sockets.get_mut(&self.id).expect("there as long as its peer"))
    }

    /// Returns the peer's address as the reactor sees it.
    pub fn addr(&self) -> SocketAddr {
        self.with(|socket| socket.addr)
    }

    /// Sends any number of bytes: those for which the reactor's receive buffer has no room wait at
    /// the peer. After a reset the bytes are lost. A peer that has crashed sends nothing.
    pub fn send(&self, bytes: &[u8]) {
        self.with(|socket| {
            if socket.peer != PeerState::Alive {
                return;
            }
            assert!(!socket.inbound.ending, "this peer has closed its side");
            if !socket.reset {
                socket.inbound.unsent.extend(bytes);
            }
        });
        self.carry_inbound_now();
    }

    /// Returns true if the peer has ended its side of the stream.
    pub fn has_closed_write(&self) -> bool {
        self.with(|socket| socket.inbound.ending)
    }

    /// Ends the peer's side of the stream. What was sent before still arrives first.
    pub fn close_write(&self) {
        self.with(|socket| socket.inbound.ending |= socket.peer == PeerState::Alive);
        self.carry_inbound_now();
    }

    /// Resets the connection: bytes that have not arrived are lost.
    pub fn reset(&self) {
        if self.has_crashed() {
            return;
        }
        let mut world = self.world.borrow_mut();
        world.later(self.id, SimEvent::Reset);
        world.settle();
    }

    /// Closes the peer's socket: its stream ends, and anything the reactor writes from now on is
    /// answered by a reset. If the peer has unread bytes, it resets the connection right away.
    pub fn close(self) {
        drop(self);
    }

    /// Makes the peer crash. Bytes that its program has read can still be taken by the test.
    pub fn crash(&self, how: SimCrash) {
        let mut world = self.world.borrow_mut();
        world.crash(self.id, how);
        world.settle();
    }

    /// Makes the peer crash once this many of the bytes that it sends have arrived: the reactor
    /// gets these and no more. If they have arrived already, the peer crashes now.
    pub fn crash_after_sent(&self, bytes: u64, how: SimCrash) {
        self.world.borrow_mut().crash_after(self.id, |socket| &mut socket.inbound, bytes, how);
    }

    /// Makes the peer crash once this many of the reactor's bytes have arrived at it. If they have
    /// arrived already, the peer crashes now.
    pub fn crash_after_received(&self, bytes: u64, how: SimCrash) {
        self.world.borrow_mut().crash_after(self.id, |socket| &mut socket.outbound, bytes, how);
    }

    /// Returns true if the peer has crashed.
    pub fn has_crashed(&self) -> bool {
        self.with(|socket| socket.peer != PeerState::Alive)
    }

    /// Sets whether the peer's program reads everything as it arrives (the default), or nothing, so
    /// that the receive window fills.
    pub fn set_reading(&self, reading: bool) {
        self.with(|socket| socket.peer_reads = reading);
        if reading {
            self.read(usize::MAX);
        }
    }

    /// Lets the peer's program read up to `bytes_max` of the bytes that have arrived. Returns how
    /// many.
    pub fn read(&self, bytes_max: usize) -> usize {
        let bytes = self.with(|socket| socket.read_as_peer(bytes_max));
        self.carry_outbound_now();
        bytes
    }

    /// Sets the receive window: the bytes that the peer's system accepts while its program reads
    /// nothing.
    pub fn set_window(&self, bytes: usize) {
        self.with(|socket| socket.peer_window_bytes = bytes);
        self.carry_outbound_now();
    }

    /// Sets whether the peer's program throws away what it reads (false by default). A crowd of
    /// thousands costs the test little then.
    pub fn set_discarding(&self, discarding: bool) {
        self.with(|socket| socket.peer_discards = discarding);
    }

    /// Returns when bytes, or the end of the stream, have arrived at the peer last.
    pub fn received_at(&self) -> Instant {
        self.with(|socket| socket.received_at)
    }

    /// Returns how many bytes have arrived at the peer since the connection began.
    pub fn arrived_bytes(&self) -> u64 {
        self.with(|socket| socket.outbound.carried_bytes)
    }

    /// Returns all bytes that the peer's program has read since the last call.
    pub fn take_received(&self) -> Vec<u8> {
        self.with(|socket| std::mem::take(&mut socket.received))
    }

    /// Returns how many bytes [`take_received`](Self::take_received) would return now.
    pub fn received_bytes(&self) -> usize {
        self.with(|socket| socket.received.len())
    }

    /// Returns how many bytes the reactor has written that the peer's program has not read: they
    /// are in the reactor's send buffer or the peer's receive buffer.
    pub fn bytes_under_way(&self) -> usize {
        self.with(|socket| socket.outbound.unsent.len() + socket.outbound.unread.len())
    }

    /// Returns how many bytes the peer has sent that the reactor has not read.
    pub fn unread_bytes(&self) -> usize {
        self.with(|socket| socket.inbound.unsent.len() + socket.inbound.unread.len())
    }

    /// Returns true if the reactor has ended its side of the stream, and the peer has read
    /// everything up to that end.
    pub fn is_ended(&self) -> bool {
        self.with(|socket| socket.outbound.ended && socket.outbound.unread.is_empty())
    }

    /// Returns true if either side has reset the connection (even if the peer can no longer learn
    /// of it), if the reactor's system has given it up, or if it was refused.
    pub fn is_reset(&self) -> bool {
        self.with(|socket| socket.reset)
    }

    /// Makes the reactor's next read from this peer fail with `errno`.
    pub fn fail_next_read(&self, errno: i32) {
        self.with(|socket| socket.next_read_error = Some(errno));
    }

    /// Makes the reactor's next write to this peer fail with `errno`.
    pub fn fail_next_write(&self, errno: i32) {
        self.with(|socket| socket.next_write_error = Some(errno));
    }

    fn carry_inbound_now(&self) {
        let mut world = self.world.borrow_mut();
        world.schedule_inbound(self.id);
        world.settle();
    }

    fn carry_outbound_now(&self) {
        let mut world = self.world.borrow_mut();
        world.schedule_outbound(self.id);
        world.settle();
    }
}

impl Drop for SimPeer {
    fn drop(&mut self) {
        self.with(|socket| socket.peer_watched = false);
        self.crash(SimCrash::Close);
        self.world.borrow_mut().forget_if_unseen(self.id);
    }
}
