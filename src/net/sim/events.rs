//! What happens to simulated connections between two system calls: they arrive, their bytes are
//! carried, they are reset or lost.

use super::socket::{Edges, Hold, PeerState, Socket};
use super::world::{Id, SimEvent, World};

/// The most bytes that arrive in one event if there is a latency: a few packets.
const SEGMENT_BYTES_MAX: usize = 8 * 1024;

impl World {
    pub(super) fn apply(&mut self, id: Id, event: SimEvent) {
        match event {
            SimEvent::Connect { listener } => self.arrive_at(listener, id),
            SimEvent::Inbound => self.carry_inbound(id),
            SimEvent::Outbound => self.carry_outbound(id),
            SimEvent::Reset => self.reset_by_peer(id),
            SimEvent::Readable => self.tell(id, Edges::READABLE),
            SimEvent::Room => self.open_send_buffer(id),
        }
    }

    fn arrive_at(&mut self, listener: Id, id: Id) {
        if let Some(found) = self.listeners.get_mut(&listener) {
            found.queue.push_back(id);
            self.tell(listener, Edges::READABLE);
        } else {
            // The listener was closed while the connection was on its way: it is refused.
            self.abandon(id);
        }
    }

    /// Ends a connection that will never be accepted.
    pub(super) fn abandon(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.hold = Hold::Closed;
        self.reset_to_peer(id);
        self.forget_if_unseen(id);
    }

    fn segment_bytes(&mut self) -> usize {
        if self.limits.latency_max.is_zero() {
            usize::MAX
        } else {
            1 + self.random.below(SEGMENT_BYTES_MAX)
        }
    }

    pub(super) fn schedule_inbound(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let can_carry =
            socket.is_connected() && socket.inbound.can_carry(self.limits.receive_buffer_bytes);
        if can_carry && !socket.inbound.carrying {
            socket.inbound.carrying = true;
            self.later(id, SimEvent::Inbound);
        }
    }

    fn carry_inbound(&mut self, id: Id) {
        let segment_bytes = self.segment_bytes();
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.inbound.carrying = false;
        if !socket.is_connected() {
            return;
        }
        let arrived = socket.inbound.carry(self.limits.receive_buffer_bytes, segment_bytes);
        if socket.hold == Hold::Closed && arrived.bytes > 0 {
            // Our program has closed the socket and will not read these bytes. Our system answers
            // with a reset, which may destroy bytes that we sent last.
            self.reset_to_peer(id);
            return;
        }
        if arrived.bytes > 0 || arrived.end {
            self.tell(id, Edges::READABLE);
        }
        self.crash_if_due(id);
        self.schedule_inbound(id);
    }

    pub(super) fn schedule_outbound(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let can_carry =
            socket.is_connected() && socket.outbound.can_carry(socket.peer_window_bytes);
        if can_carry && !socket.outbound.carrying {
            socket.outbound.carrying = true;
            self.later(id, SimEvent::Outbound);
        }
    }

    fn carry_outbound(&mut self, id: Id) {
        let segment_bytes = self.segment_bytes();
        let clock = self.clock;
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.outbound.carrying = false;
        if !socket.is_connected() {
            return;
        }
        let arrived = socket.outbound.carry(socket.peer_window_bytes, segment_bytes);
        if arrived.bytes > 0 || arrived.end {
            socket.received_at = clock;
        }
        if socket.peer == PeerState::Gone && arrived.bytes > 0 {
            socket.outbound.unread.clear();
            self.reset_by_peer(id);
            return;
        }
        if socket.peer_reads {
            socket.read_as_peer(usize::MAX);
        }
        if socket.wants_room && socket.has_room() {
            socket.wants_room = false;
            self.tell(id, Edges::WRITABLE);
        }
        self.crash_if_due(id);
        self.schedule_outbound(id);
    }

    fn open_send_buffer(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.shut = false;
        socket.wants_room = !socket.has_room();
        if !socket.wants_room {
            self.tell(id, Edges::WRITABLE);
        }
    }

    /// Applies a reset by the peer. If the end of the peer's stream arrived earlier, reading does
    /// not fail, because nothing is lost.
    pub(super) fn reset_by_peer(&mut self, id: Id) {
        let destroying = self.random.chance(self.faults.destroying_resets);
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if !socket.is_connected() {
            return;
        }
        let errno = if socket.inbound.ended { libc::EPIPE } else { libc::ECONNRESET };
        socket.tear(Some(errno));
        if destroying {
            socket.inbound.unread.clear();
        }
        self.tell(id, Edges::BOTH);
    }

    /// Our system gives a connection up, because the peer did not acknowledge in time. Bytes that
    /// have arrived stay readable.
    pub(super) fn lose(&mut self, id: Id, errno: i32) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if !socket.reset {
            socket.tear(Some(errno));
            self.tell(id, Edges::BOTH);
        }
    }

    /// Sends a reset to the peer.
    pub(super) fn reset_to_peer(&mut self, id: Id) {
        let destroying = self.random.chance(self.faults.destroying_resets);
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.reset {
            return;
        }
        socket.tear(None);
        if destroying {
            socket.outbound.unread.clear();
        }
    }

    /// Drops a connection once neither end can observe it any more.
    pub(super) fn forget_if_unseen(&mut self, id: Id) {
        let is_unseen = |socket: &Socket| socket.hold == Hold::Closed && !socket.peer_watched;
        if self.sockets.get(&id).is_some_and(is_unseen) {
            self.sockets.remove(&id);
        }
    }
}
