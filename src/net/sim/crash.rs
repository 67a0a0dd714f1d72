//! Peers that crash: immediately, or at a given byte of what they send or receive.

use super::faults::SimCrash;
use super::socket::{PeerState, Pipe, Socket};
use super::world::{Id, SimEvent, World};

impl World {
    /// Lets the peer crash once `pipe` (one direction of the connection) has carried `bytes` bytes.
    pub(super) fn crash_after(
        &mut self,
        id: Id,
        pipe: fn(&mut Socket) -> &mut Pipe,
        bytes: u64,
        how: SimCrash,
    ) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.peer != PeerState::Alive {
            return;
        }
        let pipe = pipe(socket);
        // If that many bytes have arrived already, the crash is due now.
        pipe.crash = Some((bytes.max(pipe.carried_bytes), how));
        self.crash_if_due(id);
        self.settle();
    }

    pub(super) fn crash_if_due(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let after_sent = socket.inbound.crash_due();
        if after_sent.is_some() {
            // The peer can no longer send these bytes.
            socket.inbound.unsent.clear();
        }
        if let Some(how) = after_sent.or(socket.outbound.crash_due()) {
            self.crash(id, how);
        }
    }

    pub(super) fn crash(&mut self, id: Id, how: SimCrash) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.peer != PeerState::Alive {
            return;
        }
        socket.inbound.crash = None;
        socket.outbound.crash = None;
        socket.peer = PeerState::Gone;
        match how {
            SimCrash::Close => {
                socket.inbound.ending = true;
                let unread = std::mem::take(&mut socket.outbound.unread);
                if unread.is_empty() {
                    self.schedule_inbound(id);
                } else {
                    self.later(id, SimEvent::Reset);
                }
            }
            SimCrash::Reset => self.later(id, SimEvent::Reset),
            SimCrash::Silence => {
                socket.peer = PeerState::Silent;
                socket.inbound.unsent.clear();
            }
        }
    }
}
