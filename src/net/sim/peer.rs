//! [`SimPeer`], the far end of a simulated connection, which the test controls.

use std::net::SocketAddr;

use super::faults::SimCrash;
use super::socket::{PeerState, Socket};
use super::world::{Id, Shared, SimEvent};

/// The far end of a connection. It reads everything as it arrives, unless set otherwise. Dropping
/// it closes it, as the end of its program does.
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

    /// Returns the address that the reactor sees.
    pub fn addr(&self) -> SocketAddr {
        self.with(|socket| socket.addr)
    }

    /// Sends bytes, however many: those that the reactor's receive buffer has no room for wait
    /// here. After a reset they are lost, and a peer that has crashed sends nothing.
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

    /// Ends the peer's side of the stream, after what it has sent.
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
    /// answered by a reset. If the peer has not read everything, the connection is reset at once.
    pub fn close(self) {
        drop(self);
    }

    /// Crashes. Bytes that the peer's program has read can still be taken.
    pub fn crash(&self, how: SimCrash) {
        let mut world = self.world.borrow_mut();
        world.crash(self.id, how);
        world.settle();
    }

    /// Crashes once this many of the bytes that this peer sends have arrived: the reactor gets
    /// these and no more. Crashes at once if they have arrived already.
    pub fn crash_after_sent(&self, bytes: u64, how: SimCrash) {
        self.world.borrow_mut().crash_after(self.id, |socket| &mut socket.inbound, bytes, how);
    }

    /// Crashes once this many of the bytes that the reactor sends have arrived at this peer.
    /// Crashes at once if they have arrived already.
    pub fn crash_after_received(&self, bytes: u64, how: SimCrash) {
        self.world.borrow_mut().crash_after(self.id, |socket| &mut socket.outbound, bytes, how);
    }

    /// Returns true if the peer has crashed.
    pub fn has_crashed(&self) -> bool {
        self.with(|socket| socket.peer != PeerState::Alive)
    }

    /// Sets whether the peer's program reads everything as it arrives (the default) or nothing, so
    /// that the window fills.
    pub fn set_reading(&self, reading: bool) {
        self.with(|socket| socket.peer_reads = reading);
        if reading {
            self.read(usize::MAX);
        }
    }

    /// Reads up to `bytes_max` of the bytes that have arrived. Returns how many.
    pub fn read(&self, bytes_max: usize) -> usize {
        let bytes = self.with(|socket| socket.read_as_peer(bytes_max));
        self.carry_outbound_now();
        bytes
    }

    /// Sets how many bytes the peer's system accepts while its program does not read.
    pub fn set_window(&self, bytes: usize) {
        self.with(|socket| socket.peer_window_bytes = bytes);
        self.carry_outbound_now();
    }

    /// Takes and returns all bytes that the peer's program has read.
    pub fn take_received(&self) -> Vec<u8> {
        self.with(|socket| std::mem::take(&mut socket.received))
    }

    /// Returns how many bytes the peer's program has read that were not taken yet.
    pub fn received_bytes(&self) -> usize {
        self.with(|socket| socket.received.len())
    }

    /// Returns how many bytes are in the two kernels on the way to this peer: unsent at the
    /// reactor's, unread at the peer's.
    pub fn bytes_under_way(&self) -> usize {
        self.with(|socket| socket.outbound.unsent.len() + socket.outbound.unread.len())
    }

    /// Returns how many bytes of this peer the reactor has not read.
    pub fn unread_bytes(&self) -> usize {
        self.with(|socket| socket.inbound.unsent.len() + socket.inbound.unread.len())
    }

    /// Returns true if the reactor has ended its side and the peer has read everything before that
    /// end.
    pub fn is_ended(&self) -> bool {
        self.with(|socket| socket.outbound.ended && socket.outbound.unread.is_empty())
    }

    /// Returns true if the connection has been reset by either side (also when the peer can no
    /// longer learn of it), was given up by the reactor's system, or was refused.
    pub fn is_reset(&self) -> bool {
        self.with(|socket| socket.reset)
    }

    /// Makes the next read of the reactor from this peer fail.
    pub fn fail_next_read(&self, errno: i32) {
        self.with(|socket| socket.next_read_error = Some(errno));
    }

    /// Makes the next write of the reactor to this peer fail.
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
