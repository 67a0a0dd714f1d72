//! What the steps of all connections share: the network, the handler, buffers, lists and counters.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::net::{Net, Token};
use crate::protocol::Request;
use crate::transport::BufferPool;

use super::api::{Handler, Rejected};
use super::connection::{Connection, Outgoing};
use super::counters::RejectReason;
use super::inflation::Inflation;
use super::limits::ReactorLimits;
use super::mail::Exchange;
use super::panics::guarded;
use super::timer_wheel::TimerWheel;
use super::turn_state::TurnState;

/// A step of a connection (read, decode, close, ...) is a method of `Core`. The caller looks the
/// connection up and passes it in; everything else that a step needs is in here.
pub(super) struct Core<N: Net, H: Handler> {
    pub(super) net: N,
    pub(super) handler: H,
    pub(super) limits: ReactorLimits,
    pub(super) exchange: Exchange,
    pub(super) turn: TurnState,
    pub(super) timers: TimerWheel,
    /// The receive buffer. All connections are read into it, one at a time.
    pub(super) receive: Box<[u8]>,
    pub(super) pool: BufferPool,
    pub(super) outgoing: Outgoing,
    pub(super) inflation: Inflation,
    /// The unsent rest of a frame whose subscription ended in the middle of it.
    pub(super) rest: Vec<u8>,
    /// Connections whose reading stopped at a budget. They are read again in the next turn, without
    /// a new readiness event.
    pub(super) unfinished: VecDeque<Token>,
    /// Connections whose reading stopped because the ring to a channel's home reactor is full.
    pub(super) waiting_for_room: VecDeque<Token>,
    /// Connections that have something to read in a TLS handshake.
    pub(super) handshaking: VecDeque<Token>,
    /// How many connections in `Phase::Closing` wait for their peers to take the last bytes.
    pub(super) patient: usize,
    /// The state of the random number generator that spreads the pings.
    pub(super) jitter: u64,
}

/// The type of the connections that a `Core<N, H>` serves.
pub(super) type ConnectionOf<N, H> = Connection<<N as Net>::Stream, <H as Handler>::Session>;

impl<N: Net, H: Handler> Core<N, H> {
    /// Counts a refusal by the reactor itself, and notifies the application (`on_rejected`).
    pub(super) fn reject(
        &mut self,
        reason: RejectReason,
        address: SocketAddr,
        request: Option<&Request<'_>>,
    ) {
        self.turn.counters.reject(reason);
        self.tell_rejected(reason, address, request);
    }

    /// Notifies the application of a refusal that has been counted already or will be.
    pub(super) fn tell_rejected(
        &mut self,
        reason: RejectReason,
        address: SocketAddr,
        request: Option<&Request<'_>>,
    ) {
        let now = self.turn.now;
        self.tell_of(&Rejected { reason, address, request, tls: None, now });
    }

    pub(super) fn tell_of(&mut self, rejected: &Rejected<'_>) {
        if let Err(panicked) = guarded(|| self.handler.on_rejected(rejected)) {
            panicked.contain(&mut self.turn);
        }
    }

    /// Notes how long the turn that ends now has taken, and the deliveries that have ended in it.
    pub(super) fn note_times(&mut self) {
        self.exchange.hub.end_turn();
        let (now, counters) = (self.net.now(), &self.turn.counters);
        counters.turn_took(now.nanos_since(self.turn.now));
        while let Some(began) = self.exchange.hub.next_delivered() {
            counters.delivery_took(now.nanos_since(began));
        }
    }

    /// Puts a connection on the list of those that are read again in the next turn.
    pub(super) fn go_on_next_turn(&mut self, connection: &mut ConnectionOf<N, H>) {
        if !std::mem::replace(&mut connection.unfinished, true) {
            self.unfinished.push_back(connection.token);
        }
    }

    /// To be called when the reason for which a connection was not read is gone. The connection is
    /// read again in the next turn if the socket or its buffers may have unread bytes; otherwise a
    /// readiness event will follow.
    pub(super) fn go_on_if_unread(&mut self, connection: &mut ConnectionOf<N, H>) {
        if connection.readable || connection.ended || connection.io.keeps_unread() {
            self.go_on_next_turn(connection);
        }
    }

    /// Puts a connection on the list of those that wait for room in the rings to home reactors.
    pub(super) fn go_on_with_room(&mut self, connection: &mut ConnectionOf<N, H>) {
        if !std::mem::replace(&mut connection.unfinished, true) {
            self.waiting_for_room.push_back(connection.token);
        }
    }
}
