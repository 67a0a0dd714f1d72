//! Draining: the server ends without losing messages. No new connection is admitted, except on the
//! admin listeners, and pending bytes are sent. Then every peer is sent a Close frame (1012,
//! service restart). The Close frames are spread over time, because all clients will reconnect.
//! Shortly before `drain_timeout` runs out, the peers that are still open are sent their Close
//! frames at once (the last call), even if messages are still pending for them.

use std::time::Duration;

use crate::instant::Instant;
use crate::net::Net;
use crate::protocol::CloseCode;

use super::accept::Listeners;
use super::api::Handler;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::end_reason::End;
use super::limits::{
    DRAIN_CLOSES_PER_SECOND, DRAIN_SLOTS_PER_TURN_MAX, LAST_CALL_MAX, LAST_CLOSES_PER_TURN_MAX,
};
use super::peers::Peers;

/// The longest time that a turn waits for events during a drain.
pub(super) const STEP: Duration = Duration::from_millis(10);

/// The reason of every Close frame of a drain.
const RESTARTING: &str = "the server is restarting: reconnect";

pub(super) struct Drain {
    started: Instant,
    /// From this moment on, the last call, peers are closed although messages are pending for them.
    /// It is before `deadline`, so that they have time to read their Close frames.
    last_call: Instant,
    /// The moment at which all remaining connections are ended.
    deadline: Instant,
    /// Connections to close per second.
    closes_per_second: u64,
    /// Connections that this drain has closed so far.
    closed: u64,
    /// The slot of the connection table (slab) that is looked at next.
    place: usize,
    /// The slot that the last call looks at next.
    called: usize,
    /// The last call has not reached every connection yet, so the next turn follows without
    /// waiting.
    pub(super) is_calling: bool,
    /// This reactor has no connections and no open listeners, apart from those for the operator.
    pub(super) has_nobody: bool,
}

impl Drain {
    /// Begins a drain: from here on, new connections are answered 503.
    pub(super) fn begin<N: Net, H: Handler>(
        peers: &mut Peers<N, H>,
        listeners: &mut Listeners<N::Listener>,
    ) -> Drain {
        let core = &mut peers.core;
        core.turn.draining = true;
        let timeout = core.limits.drain_timeout;
        let needed = peers.connections.len() as f64 / (timeout.as_secs_f64() * 0.75).max(0.001);
        let allowed = DRAIN_CLOSES_PER_SECOND / core.exchange.shared.reactors() as u64;
        // Connections that wait in the queue of a listener are accepted and answered 503, because
        // closing the listener would reset them.
        listeners.note_all_ready();
        Drain {
            started: core.turn.now,
            last_call: core.turn.now + (timeout - LAST_CALL_MAX.min(timeout / 8)),
            deadline: core.turn.now + timeout,
            closes_per_second: allowed.max(needed.ceil() as u64),
            closed: 0,
            place: 0,
            called: 0,
            is_calling: false,
            has_nobody: false,
        }
    }

    /// Closes connections at the drain rate, and all of them at the deadline. Returns true when
    /// this reactor has no connections and no open listeners, apart from those for the operator.
    pub(super) fn advance<N: Net, H: Handler>(
        &mut self,
        peers: &mut Peers<N, H>,
        listeners: &mut Listeners<N::Listener>,
        has_mail: bool,
    ) -> bool {
        let now = peers.core.turn.now;
        empty_listeners(listeners, peers);
        if now >= self.deadline {
            end_everybody(peers, listeners, Core::close_and_cut);
            return true;
        }
        if now >= self.last_call {
            self.close_the_rest(peers);
        }
        let seconds = now.saturating_since(self.started).as_secs_f64();
        let allowed = 1 + (seconds * self.closes_per_second as f64) as u64;
        let places = peers.connections.places();
        for _ in 0..places.min(DRAIN_SLOTS_PER_TURN_MAX) {
            if self.closed >= allowed {
                break;
            }
            if let Some(token) = peers.connections.token_at(self.place % places) {
                let closed = &mut self.closed;
                peers.step(token, |core, connection| {
                    *closed += u64::from(core.drain_one(connection, has_mail));
                });
            }
            self.place = (self.place + 1) % places;
        }
        // Connections to the admin listeners are served until the server ends.
        peers.connections.len() == peers.core.turn.admin_connections && !listeners.are_open()
    }

    /// Makes the last call: closes the connections that are still open, as many as one turn may
    /// close.
    fn close_the_rest<N: Net, H: Handler>(&mut self, peers: &mut Peers<N, H>) {
        let places = peers.connections.places();
        let mut closes = 0;
        while self.called < places && closes < LAST_CLOSES_PER_TURN_MAX {
            if let Some(token) = peers.connections.token_at(self.called) {
                peers.step(token, |core, connection| {
                    if matches!(connection.phase, Phase::Open(_)) {
                        core.close(connection, CloseCode::SERVICE_RESTART, RESTARTING);
                        closes += 1;
                    }
                });
            }
            self.called += 1;
        }
        self.is_calling = self.called < places;
    }
}

/// Accepts the connections that wait in the listeners' queues, and closes the listeners whose
/// queues are empty.
fn empty_listeners<N: Net, H: Handler>(
    listeners: &mut Listeners<N::Listener>,
    peers: &mut Peers<N, H>,
) {
    match listeners.next_at(peers) {
        // The listeners still have connections in their queues: accepts some of them in this turn.
        Some(moment) if moment <= peers.core.turn.now => listeners.accept(peers),
        Some(_) => {}
        None => listeners.close_empty(&mut peers.core.net),
    }
}

/// Ends all connections now, whatever their state, and closes all listeners. Applications are still
/// notified.
pub(super) fn cut_everybody<N: Net, H: Handler>(
    peers: &mut Peers<N, H>,
    listeners: &mut Listeners<N::Listener>,
) {
    end_everybody(peers, listeners, Core::cut);
}

fn end_everybody<N: Net, H: Handler>(
    peers: &mut Peers<N, H>,
    listeners: &mut Listeners<N::Listener>,
    end: fn(&mut Core<N, H>, &mut ConnectionOf<N, H>),
) {
    for place in 0..peers.connections.places() {
        if let Some(token) = peers.connections.token_at(place) {
            peers.step(token, end);
        }
    }
    listeners.close_all(&mut peers.core.net);
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Closes one connection if nothing is pending for it. Returns true if it was closed now.
    fn drain_one(&mut self, connection: &mut ConnectionOf<N, H>, has_mail: bool) -> bool {
        match &connection.phase {
            Phase::Open(_) => {
                let hub = &self.exchange.hub;
                let pending = connection.subscriptions().any(|one| !hub.is_caught_up(one));
                // Not yet: before the Close frame, messages that other reactors have accepted must
                // be appended, and a held 101 must be sent.
                if pending || connection.blocked || has_mail || connection.io.is_held() {
                    return false;
                }
                self.close(connection, CloseCode::SERVICE_RESTART, RESTARTING);
                true
            }
            // An operator's connection may stay until the server ends.
            Phase::Http(_) if connection.is_admin() => false,
            // Between two requests a connection can be closed. Any other HTTP connection gets its
            // response first: even a new one that has sent nothing may have a request on the way.
            Phase::Http(http) if http.between_requests && !connection.readable => {
                self.leave_silently(connection);
                true
            }
            Phase::Http(_) | Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {
                false
            }
        }
    }

    /// Ends a connection now. An open one is sent a Close frame if its socket takes it.
    fn close_and_cut(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.close(connection, CloseCode::SERVICE_RESTART, RESTARTING);
        self.cut(connection);
    }

    fn cut(&mut self, connection: &mut ConnectionOf<N, H>) {
        match connection.phase {
            Phase::Open(_) => {
                self.end_open(connection, End::by_server(CloseCode::SERVICE_RESTART));
                self.remove(connection);
            }
            Phase::Http(_) => self.leave_silently(connection),
            Phase::Closing { .. } | Phase::Lingering { .. } => self.remove(connection),
            Phase::Gone(_) => {}
        }
    }
}
