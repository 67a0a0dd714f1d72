//! Reading: which connections are read in a turn, and how. Each connection gets at most one `recv`,
//! and then everything that can be decoded is decoded.

use std::collections::VecDeque;

use crate::net::{Net, Token};
use crate::transport::Received;

use super::api::Handler;
use super::connection::{Connection, Phase};
use super::core::{ConnectionOf, Core};
use super::decode_stop::Stop;
use super::limits::{
    FRAMES_PER_STEP_MAX, FRAMES_WHEN_READY_MAX, HELD_BYTES_HARMLESS, LOOP_WORK_MAX,
    PUBLISHERS_PER_TURN_MAX, RECEIVE_BYTES,
};
use super::peers::Peers;

/// If more undecoded bytes than this are kept, they are decoded before anything is read, so that
/// every `recv` has room enough to be worth its call.
const KEPT_BYTES_MAX: usize = RECEIVE_BYTES / 2;

impl<N: Net, H: Handler> Peers<N, H> {
    /// Handles the readiness of one connection's socket.
    pub(super) fn on_ready(&mut self, token: Token, readable: bool, writable: bool, hung_up: bool) {
        self.step(token, |core, connection| {
            // After a hang-up a read is needed too: it may return a pending error.
            connection.readable |= readable || hung_up;
            connection.hung_up |= hung_up;
            // A connection that is on a list of those to be resumed is read when its turn in the
            // list comes, not now.
            let is_waiting = connection.unfinished;
            if writable && connection.blocked {
                core.on_writable(connection);
            }
            if connection.io.is_handshaking() {
                core.go_on_with_handshake(connection);
            } else if hung_up {
                // The connection has probably ended. If thousands end at once, connections that go
                // on must not wait behind them.
                core.go_on_next_turn(connection);
            } else if readable && !is_waiting {
                core.read(connection, FRAMES_WHEN_READY_MAX);
            }
        });
    }

    /// Resumes connections that had to wait: first publishers whose channels have room again, then
    /// those that wait for room in a ring to a home reactor, in order, until the rings are full.
    pub(super) fn go_on_with_waiting(&mut self) {
        self.core.turn.allow(LOOP_WORK_MAX / 2);
        self.core.exchange.begin_to_let_go_on();
        let mut publishers = 0;
        while self.let_next_go_on() {
            self.dispatch_events();
            publishers += 1;
            if publishers == PUBLISHERS_PER_TURN_MAX || !self.core.turn.has_budget() {
                self.core.exchange.leave_waiting();
                break;
            }
        }
        self.core.turn.allow(LOOP_WORK_MAX / 2);
        for _ in 0..self.core.waiting_for_room.len() {
            if !self.core.exchange.has_room() || !self.core.turn.has_budget() {
                return;
            }
            self.go_on(|core| &mut core.waiting_for_room);
        }
    }

    /// Lets a publisher go on that has waited for its channel, and one that has waited for a ring.
    /// Returns false if there are none.
    fn let_next_go_on(&mut self) -> bool {
        let exchange = &mut self.core.exchange;
        // No short-circuiting: neither kind waits for the other.
        exchange.let_next_go_on(&self.core.turn.counters) | exchange.let_next_go_on_to_ring()
    }

    /// Resumes the connections that stopped at a budget, in order.
    pub(super) fn go_on_with_unfinished(&mut self) {
        for _ in 0..self.core.unfinished.len() {
            if !self.core.turn.has_budget() {
                return;
            }
            self.go_on(|core| &mut core.unfinished);
        }
    }

    fn go_on(&mut self, list: impl FnOnce(&mut Core<N, H>) -> &mut VecDeque<Token>) {
        let Some(token) = list(&mut self.core).pop_front() else { return };
        self.step(token, |core, connection| {
            connection.unfinished = false;
            core.read(connection, FRAMES_PER_STEP_MAX);
        });
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Reads from a connection and decodes what it has read, at most this many frames. Called when
    /// the socket is ready, and when decoding may go on after a stop.
    pub(super) fn read(&mut self, connection: &mut ConnectionOf<N, H>, frames_max: u32) {
        match &connection.phase {
            Phase::Http(http) if http.answer.is_some() => {
                return self.leave_if_given_up(connection);
            }
            Phase::Http(_) | Phase::Open(_) => {}
            Phase::Closing { .. } | Phase::Lingering { .. } => return self.discard(connection),
            Phase::Gone(_) => return,
        }
        if connection.io.owes() || connection.io.is_held() || connection.waits_to_publish > 0 {
            return;
        }
        if !self.exchange.has_room() {
            return self.go_on_with_room(connection);
        }
        let kept = connection.io.restore(&mut self.receive, &mut self.pool);
        let mut filled = kept;
        if connection.readable && kept <= KEPT_BYTES_MAX {
            self.turn.counters.receives.add(1);
            let Some(received) = self.receive(connection, kept) else { return };
            filled += note_received(connection, received);
        }
        self.turn.counters.received_bytes.add((filled - kept) as u64);
        self.count_received(connection, filled - kept);
        let (consumed, stop) = match connection.phase {
            Phase::Http(_) => self.decode_http(connection, filled),
            Phase::Open(_) | Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {
                self.decode_messages(connection, filled, filled > kept, frames_max)
            }
        };
        match connection.phase {
            Phase::Http(_) | Phase::Open(_) => self.keep_rest(connection, consumed, filled, stop),
            // The connection is ending: undecoded bytes, and bytes received later, are discarded.
            Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {}
        }
    }

    /// Calls `recv` once. Returns `None` if the connection is lost or ends.
    #[inline(always)]
    fn receive(&mut self, connection: &mut ConnectionOf<N, H>, kept: usize) -> Option<Received> {
        if connection.io.tls.is_some() {
            return self.receive_encrypted(connection, kept);
        }
        match connection.io.receive(&mut self.net, &mut self.receive[kept..]) {
            Ok(received) => Some(received),
            Err(_) => {
                self.lose(connection);
                None
            }
        }
    }

    /// Keeps the bytes not decoded yet. Then schedules the connection's next read, or ends the
    /// connection, depending on why decoding stopped (`stop`).
    #[inline(always)]
    fn keep_rest(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        consumed: usize,
        filled: usize,
        stop: Stop,
    ) {
        connection.io.keep(&self.receive[consumed..filled], &mut self.pool);
        if self.holds_too_much(connection) {
            // A large buffer may hold only a few bytes: shrink it before the connection is ended.
            connection.io.shrink(&mut self.pool);
            if self.holds_too_much(connection) {
                return self.end_for_want_of_memory(connection);
            }
        }
        match stop {
            Stop::Yield => self.go_on_next_turn(connection),
            Stop::NeedMore if connection.ended => self.on_end(connection),
            Stop::NeedMore if connection.readable && connection.io.is_handshaking() => {
                self.go_on_with_handshake(connection);
            }
            Stop::NeedMore if connection.readable => self.go_on_next_turn(connection),
            Stop::Paused if !connection.io.owes() && !connection.io.is_held() => {
                // No bytes are queued for the peer. If no answer of a home reactor is outstanding
                // either, decoding stopped because a ring to a home reactor is full.
                if !matches!(&connection.phase, Phase::Http(http) if http.answer.is_some()) {
                    self.go_on_with_room(connection);
                }
            }
            Stop::NeedMore | Stop::Paused | Stop::Left => {}
        }
    }

    /// Returns true if memory for connections is short, and this connection holds more than is
    /// allowed then.
    #[inline]
    fn holds_too_much(&self, connection: &ConnectionOf<N, H>) -> bool {
        let most = self.pool.bytes_of_one_max(HELD_BYTES_HARMLESS);
        most.is_some_and(|most| connection.io.held_bytes() > most)
    }

    /// The peer has closed its side, and everything that it sent has been decoded.
    fn on_end(&mut self, connection: &mut ConnectionOf<N, H>) {
        match &connection.phase {
            // The last request is incomplete, or there was none, so there is nothing to answer.
            Phase::Http(_) => self.leave_silently(connection),
            // Without a Close frame the connection is lost (RFC 6455 section 7.1.5).
            Phase::Open(_) => self.lose(connection),
            Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {}
        }
    }
}

/// Notes what a read reports about the socket. Returns how many bytes were read.
fn note_received<T, S>(connection: &mut Connection<T, S>, received: Received) -> usize {
    match received {
        Received::Bytes(count) => count,
        Received::Drained(count) => {
            connection.readable = connection.hung_up && count > 0;
            count
        }
        Received::End => {
            connection.readable = false;
            connection.ended = true;
            0
        }
    }
}
