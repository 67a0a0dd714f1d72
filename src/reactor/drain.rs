//! The end of the server, without losing anybody anything: no new connections, what is pending goes
//! out, then every peer gets its Close (1012: come back), spread over time, for all of them will
//! come back.

use std::time::Duration;

use crate::instant::Instant;
use crate::net::{Net, Token};
use crate::protocol::CloseCode;

use super::Reactor;
use super::connection::{End, Initiator, Phase};
use super::handler::Handler;
use super::limits::{ACCEPTS_PER_TURN_MAX, DEADLINES_PER_TURN_MAX, DRAIN_CLOSES_PER_SECOND};
use super::mail::Bell;

/// The longest wait of a turn during a drain.
pub(super) const STEP: Duration = Duration::from_millis(10);

pub(super) struct Drain {
    started: Instant,
    /// When the last connection is cut.
    deadline: Instant,
    /// Connections to close per second.
    closes_per_second: u64,
    /// How many have been closed or found closed.
    closed: u64,
    /// The place in the slab that comes next.
    place: usize,
    /// Nobody is left on this reactor.
    has_nobody: bool,
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// Goes on with the drain, if it has begun; true when it is complete.
    pub(super) fn advance_drain(&mut self) -> bool {
        let now = self.commons.now;
        let Some(drain) = &self.drain else { return false };
        if drain.has_nobody {
            return self.commons.shared.all_are_drained();
        }
        let is_over = now >= drain.deadline;
        self.close_listeners_that_are_empty();
        let Some(drain) = &self.drain else { return false };
        if is_over {
            self.cut_everybody();
            return self.note_drained();
        }
        let seconds = now.saturating_since(drain.started).as_secs_f64();
        let allowed = 1 + (seconds * drain.closes_per_second as f64) as u64;
        let (mut closed, mut place) = (drain.closed, drain.place);
        for _ in 0..self.connections.places().min(DEADLINES_PER_TURN_MAX) {
            if closed >= allowed {
                break;
            }
            let places = self.connections.places();
            if let Some(token) = self.connections.token_at(place % places) {
                closed += u64::from(self.drain_one(token));
                self.settle();
            }
            place = (place + 1) % places;
        }
        if let Some(drain) = &mut self.drain {
            (drain.closed, drain.place) = (closed, place);
        }
        let is_empty = self.connections.len() == 0;
        let listens = self.listeners.iter().any(|listener| listener.socket.is_some());
        is_empty && !listens && self.note_drained()
    }

    /// Nobody is left here. The others may still need the channels that live here: the reactor
    /// serves them until nobody is left anywhere, and the last one tells all.
    fn note_drained(&mut self) -> bool {
        if let Some(drain) = &mut self.drain {
            drain.has_nobody = true;
        }
        let is_last = self.commons.shared.note_drained();
        if is_last {
            self.bells.iter().for_each(Bell::ring);
        }
        is_last
    }

    /// From here on whoever comes is told 503.
    pub(super) fn begin_drain(&mut self) {
        self.commons.draining = true;
        let now = self.commons.now;
        let timeout = self.limits.drain_timeout;
        let needed = self.connections.len() as f64 / (timeout.as_secs_f64() * 0.75).max(0.001);
        self.drain = Some(Drain {
            started: now,
            deadline: now + timeout,
            closes_per_second: (DRAIN_CLOSES_PER_SECOND / self.bells.len() as u64)
                .max(needed.ceil() as u64),
            closed: 0,
            place: 0,
            has_nobody: false,
        });
        // Whoever waits in the queue of a listener is taken and told 503: closing the queue would
        // reset it.
        self.listeners.iter_mut().for_each(|listener| listener.ready = listener.socket.is_some());
    }

    /// Closes one connection if nothing is pending for it; whether it was closed now.
    fn drain_one(&mut self, token: Token) -> bool {
        let Some(connection) = self.connections.get_mut(token) else { return false };
        match &connection.phase {
            Phase::Open(open) => {
                let pending =
                    open.subscriptions.iter().any(|one| !self.commons.hub.is_caught_up(one));
                // What was accepted elsewhere is appended first, and who waits for a home has it
                // heard.
                let waits = self.mail_left || connection.link.is_held();
                if pending || connection.blocked || waits {
                    return false;
                }
                self.close(
                    token,
                    CloseCode::SERVICE_RESTART,
                    "the server is restarting: reconnect",
                );
                true
            }
            // Everything asked was answered, so nobody waits for anything. Others get their answer
            // first: who has not asked yet has come to do so, and its request may be under way.
            Phase::Http(http) if http.between_requests && !connection.readable => {
                self.leave_silently(token);
                true
            }
            Phase::Http(_) | Phase::Closing { .. } | Phase::Lingering { .. } => false,
        }
    }

    fn close_listeners_that_are_empty(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            if self.accept_again_at().is_some_and(|moment| moment > self.commons.now) {
                return;
            }
            if !self.can_accept_now() {
                break;
            }
            self.accept_connections();
        }
        for listener in &mut self.listeners {
            if !listener.ready
                && let Some(socket) = listener.socket.take()
            {
                self.net.unlisten(socket);
            }
        }
    }

    fn cut(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.phase {
            Phase::Open(_) => {
                self.end_open(
                    token,
                    End { code: CloseCode::SERVICE_RESTART, initiator: Initiator::Server },
                );
                self.remove(token);
            }
            Phase::Http(_) => self.leave_silently(token),
            Phase::Closing { .. } | Phase::Lingering { .. } => self.remove(token),
        }
    }

    /// The end, whatever anybody is doing. Applications are still told.
    pub(super) fn cut_everybody(&mut self) {
        for place in 0..self.connections.places() {
            if let Some(token) = self.connections.token_at(place) {
                self.cut(token);
                self.settle();
            }
        }
        for listener in &mut self.listeners {
            if let Some(socket) = listener.socket.take() {
                self.net.unlisten(socket);
            }
        }
    }
}
