//! The end of a connection. Every connection ends here, once, for one reason: its subscriptions are
//! removed from their logs, its application is notified, and its last bytes are sent in such a way
//! that no reset destroys them.

use crate::hub::{DropReason, OUT_OF_MEMORY, Owner, PrivateBudgetSpent, SubscriptionId};
use crate::net::Net;
use crate::protocol::CloseCode;
use crate::transport::{BufferPool, Sent};

use super::api::{Context, Handler};
use super::connection::{Connection, Gone, Open, Phase};
use super::core::{ConnectionOf, Core};
use super::counters::{RejectReason, TlsHandshake};
use super::end_reason::{End, Initiator};
use super::limits::{PATIENCE, PATIENT_MAX};
use super::panics::guarded;
use super::ticket::Ticket;

/// The Close reason for a subscriber that was overrun by the log of its channel.
const FELL_BEHIND: &str = "too slow: fell behind by more than the channel keeps";
const NO_PROGRESS: &str = "too slow: took nothing for too long";

impl<N: Net, H: Handler> Core<N, H> {
    /// Closes an open connection from our side. The Close frame is sent after the replies that are
    /// already queued for this peer.
    pub(super) fn close(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        code: CloseCode,
        reason: &str,
    ) {
        self.close_for(connection, code, reason, DropReason::Closed);
    }

    /// Closes a connection whose peer has taken no byte for `slow_timeout`, whatever the slow
    /// policy.
    pub(super) fn close_without_progress(&mut self, connection: &mut ConnectionOf<N, H>) {
        let code = CloseCode::SLOW_CONSUMER;
        self.close_for(connection, code, NO_PROGRESS, DropReason::NoProgress);
    }

    fn close_for(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        code: CloseCode,
        reason: &str,
        dropped: DropReason,
    ) {
        if matches!(connection.phase, Phase::Open(_)) {
            self.outgoing.clear();
            self.outgoing.close(code, reason);
            self.begin_closing(connection, End::by_server(code), dropped, false);
        }
    }

    /// A subscriber was overrun: messages that were not yet sent to it are no longer in its
    /// channel's log. `lives_on`: the subscription goes on after those messages instead of ending.
    /// `rest`: the rest of a partly sent frame, if any, is in `self.rest`; an error means that
    /// there was no memory to keep it.
    pub(super) fn on_overrun(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        subscription: SubscriptionId,
        lives_on: bool,
        rest: Result<(), PrivateBudgetSpent>,
    ) {
        let Phase::Open(open) = &mut connection.phase else { return self.abandon_rest() };
        if connection.under_way == Some(subscription) {
            connection.under_way = None;
        }
        if !lives_on {
            open.subscriptions.remove(subscription);
        }
        match rest {
            Ok(()) => {
                owe_rest(connection, &self.rest, &mut self.pool);
                if !lives_on {
                    let code = CloseCode::SLOW_CONSUMER;
                    self.close_for(connection, code, FELL_BEHIND, DropReason::SlowConsumer);
                }
            }
            // The frame cannot be finished, so no Close frame can follow it.
            Err(PrivateBudgetSpent) => {
                self.reset_open(connection, End::by_server(CloseCode::SLOW_CONSUMER));
            }
        }
    }

    /// Counts the frame whose unsent rest is in `self.rest` as dropped, because the connection has
    /// ended before that rest could be sent.
    pub(super) fn abandon_rest(&mut self) {
        if !self.rest.is_empty() {
            self.exchange.hub.private_abandoned(self.rest.len(), DropReason::Closed);
        }
    }

    /// If a callback has ended a subscription whose frame was half written, sends or queues the
    /// rest of that frame before anything else. Returns false if this failed and the connection has
    /// ended.
    pub(super) fn finish_left_frame(&mut self, connection: &mut ConnectionOf<N, H>) -> bool {
        if self.outgoing.cut_short {
            self.reset_open(connection, End::by_server(CloseCode::ABNORMAL));
            return false;
        }
        if self.outgoing.rest.is_empty() {
            return true;
        }
        connection.under_way = None;
        owe_rest(connection, &self.outgoing.rest, &mut self.pool);
        self.outgoing.rest.clear();
        // If the socket has just become writable, write now: the subscription has ended, so the
        // sweep (which sends log messages) will not visit this connection.
        let written = if connection.blocked { Ok(Sent::All) } else { self.write_owed(connection) };
        if written.is_err() {
            self.lose(connection);
        }
        written.is_ok()
    }

    /// Ends a connection that is lost: the peer is gone or has reset it, so nothing can be sent.
    pub(super) fn lose(&mut self, connection: &mut ConnectionOf<N, H>) {
        match connection.phase {
            Phase::Open(_) => {
                self.end_open(connection, End::LOST);
                self.remove(connection);
            }
            Phase::Http(_) => self.leave_silently(connection),
            Phase::Closing { .. } | Phase::Lingering { .. } => self.remove(connection),
            Phase::Gone(_) => {}
        }
    }

    /// Ends a connection that holds too many bytes, because the memory set aside for connections is
    /// almost used up.
    pub(super) fn end_for_want_of_memory(&mut self, connection: &mut ConnectionOf<N, H>) {
        let is_owed = connection.io.owes();
        if connection.io.is_handshaking() {
            self.reject(RejectReason::Memory, connection.address(), None);
            return self.remove(connection);
        }
        match connection.phase {
            // No response can be given: an earlier one is still unsent, or the channel's home
            // reactor has not answered yet.
            Phase::Http(ref http) if is_owed || http.answer.is_some() => self.lose(connection),
            Phase::Http(_) => self.refuse_for_want_of_memory(connection),
            // The peer's own publish has just overrun its subscription. That is handled first: it
            // may close the connection with 4008, which is the true reason. If not, the connection
            // is judged again at its next read.
            Phase::Open(_) if self.exchange.hub.has_overrun_of(Owner(connection.token.0)) => {
                self.go_on_next_turn(connection);
            }
            // A Close frame would queue behind bytes that the peer does not read.
            Phase::Open(_) if is_owed => {
                self.reset_open(connection, End::by_server(CloseCode::TRY_AGAIN_LATER));
            }
            Phase::Open(_) => self.close(connection, CloseCode::TRY_AGAIN_LATER, OUT_OF_MEMORY),
            Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {}
        }
    }

    /// Ends an HTTP connection without a response: it is between requests, for example, or the peer
    /// has given up its request. The connection is counted as silent, or as refused if it is over a
    /// limit and no request on it has been answered.
    pub(super) fn leave_silently(&mut self, connection: &mut ConnectionOf<N, H>) {
        let was_answered = matches!(&connection.phase, Phase::Http(http) if http.between_requests);
        if let Phase::Http(http) = &connection.phase
            && let Some(number) = http.answer.and_then(|owed| owed.ticket)
        {
            let ticket = Ticket { token: connection.token, number: number.get() };
            if let Err(panicked) = guarded(|| self.handler.on_abandoned(ticket)) {
                panicked.contain(&mut self.turn);
            }
        }
        match connection.refusal.filter(|_| !was_answered) {
            Some(refusal) => self.reject(refusal.reason(), connection.address(), None),
            None => self.turn.counters.silent.add(1),
        }
        self.remove(connection);
    }

    /// Ends an open connection's subscriptions, notifies the application and sends the last bytes:
    /// the replies in `self.outgoing`, which end with a Close frame. `clean`: the peer has sent
    /// nothing after its own Close frame, so there is no need to linger.
    pub(super) fn begin_closing(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        end: End,
        dropped: DropReason,
        clean: bool,
    ) {
        let Some(mut open) = leave_open(connection, clean) else { return };
        connection.io.forget_inbound(&mut self.pool);
        // Replies held back until the subscriptions are live need not wait any longer.
        connection.io.release();
        connection.under_way = None;
        self.rest.clear();
        let mut detached = true;
        while let Some(subscription) = open.subscriptions.take() {
            let left = self.exchange.hub.unsubscribe(subscription, dropped, &mut self.rest);
            detached &= left.is_ok();
        }
        if detached {
            owe_rest(connection, &self.rest, &mut self.pool);
        }
        self.tell(connection, open, end);
        if detached {
            self.send_last(connection);
        } else {
            self.outgoing.clear();
            self.reset_early(connection);
        }
    }

    /// Sends what is in `self.outgoing` as the last bytes of this connection.
    pub(super) fn send_last(&mut self, connection: &mut ConnectionOf<N, H>) {
        let sent = self.send_replies(connection);
        self.outgoing.clear();
        if !sent {
            return;
        }
        if !connection.io.owes() {
            return self.on_last_byte_out(connection);
        }
        if self.patient >= PATIENT_MAX {
            return self.reset_early(connection);
        }
        let Phase::Closing { patient, .. } = &mut connection.phase else { return };
        *patient = true;
        self.patient += 1;
        self.set_deadline(connection, PATIENCE);
        if connection.readable {
            self.go_on_next_turn(connection);
        }
    }

    /// Called when the kernel has taken our last byte. Closing a socket that has unread bytes would
    /// send a reset, which destroys what the peer has not read yet. So, unless nothing can be left
    /// to read, this only shuts down our side, and then discards what still arrives (lingers).
    pub(super) fn on_last_byte_out(&mut self, connection: &mut ConnectionOf<N, H>) {
        let Phase::Closing { clean, patient, discarded_bytes } = connection.phase else { return };
        // A peer that speaks TLS says goodbye below its Close frame too. If it met a closed socket,
        // it would be sent a reset.
        let says_more = connection.readable || connection.io.tls.is_some();
        if connection.ended || (clean && !says_more) {
            return self.remove(connection);
        }
        if connection.io.shut_down_write(&mut self.net, &mut self.pool).is_err() {
            return self.remove(connection);
        }
        self.patient -= usize::from(patient);
        self.begin_lingering(connection, discarded_bytes);
    }

    /// Ends an open connection without sending a Close frame: a partly sent frame cannot be
    /// finished, the connection is lost, or the drain deadline has passed.
    pub(super) fn end_open(&mut self, connection: &mut ConnectionOf<N, H>, end: End) {
        let Some(mut open) = leave_open(connection, true) else { return };
        connection.under_way = None;
        self.remove_all(&mut open);
        self.outgoing.clear();
        self.outgoing.close = Some(end.code);
        self.tell(connection, open, end);
        self.outgoing.clear();
    }

    fn reset_open(&mut self, connection: &mut ConnectionOf<N, H>, end: End) {
        self.end_open(connection, end);
        self.reset_early(connection);
    }

    /// Resets a connection although its last bytes have not been sent.
    pub(super) fn reset_early(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.turn.counters.impatient_resets.add(1);
        self.vanish(connection, Gone::Reset);
    }

    /// Closes a connection whose end has been counted and reported, and whose subscriptions are
    /// removed.
    pub(super) fn remove(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.vanish(connection, Gone::Close);
    }

    /// Marks the connection as gone. It is removed from the slab, the table of connections, when
    /// the current step has returned.
    fn vanish(&mut self, connection: &mut ConnectionOf<N, H>, gone: Gone) {
        self.tell_unanswered(connection);
        self.give_up_tls_handshake(connection, TlsHandshake::Closed);
        if let Phase::Closing { patient: true, .. } = connection.phase {
            self.patient -= 1;
        }
        let rest_bytes = std::mem::take(&mut connection.rest_bytes) as usize;
        if rest_bytes > 0 {
            self.exchange.hub.private_abandoned(rest_bytes, DropReason::Closed);
        }
        connection.phase = Phase::Gone(gone);
    }

    /// Counts the end of a connection, calls the application's `on_close` and drops the session.
    fn tell(&mut self, connection: &ConnectionOf<N, H>, mut open: Open<H::Session>, end: End) {
        self.turn.counters.close(end.code, end.initiator);
        let reason = std::mem::take(&mut self.outgoing.reason);
        if let Some(limit) = limit_of(end, &reason) {
            self.tell_rejected(limit, connection.address(), None);
        }
        let mut peer = Context {
            exchange: &mut self.exchange,
            turn: &mut self.turn,
            token: connection.token,
            address: connection.packed_address,
            compression: open.decoder.has_compression(),
            session: &mut open.session,
            subscriptions: &mut open.subscriptions,
            outgoing: &mut self.outgoing,
        };
        if let Err(panicked) = guarded(|| self.handler.on_close(&mut peer, end.code, &reason)) {
            panicked.contain(peer.turn);
        }
        self.tell_ended(connection, end.code, &reason);
        self.outgoing.reason = reason;
        // Subscriptions made in `on_close` end here as well.
        self.remove_all(&mut open);
        if let Err(panicked) = guarded(|| drop(open.session)) {
            panicked.contain(&mut self.turn);
        }
    }

    fn remove_all(&mut self, open: &mut Open<H::Session>) {
        while let Some(subscription) = open.subscriptions.take() {
            self.exchange.hub.remove(subscription, DropReason::Closed);
        }
    }
}

/// Returns why a message was refused, if the server has closed the connection for it.
fn limit_of(end: End, reason: &str) -> Option<RejectReason> {
    match (end.initiator, end.code) {
        (Initiator::Server, CloseCode::MESSAGE_TOO_BIG) => Some(RejectReason::TooLarge),
        (Initiator::Server, CloseCode::TRY_AGAIN_LATER) if reason == OUT_OF_MEMORY => {
            Some(RejectReason::Memory)
        }
        _ => None,
    }
}

/// Moves an open connection to `Closing`. Returns what `Phase::Open` held, or `None` if it was not
/// open.
fn leave_open<T, S>(connection: &mut Connection<T, S>, clean: bool) -> Option<Open<S>> {
    connection.awaiting_pong = false;
    connection.message_since = None;
    let closing = Phase::Closing { clean, patient: false, discarded_bytes: 0 };
    match std::mem::replace(&mut connection.phase, closing) {
        Phase::Open(open) => Some(open),
        other @ (Phase::Http(_)
        | Phase::Closing { .. }
        | Phase::Lingering { .. }
        | Phase::Gone(_)) => {
            debug_assert!(false, "the connection is not open");
            connection.phase = other;
            None
        }
    }
}

/// Queues the rest of a partly sent frame before everything else that is queued for the peer.
fn owe_rest<T, S>(connection: &mut Connection<T, S>, rest: &[u8], pool: &mut BufferPool) {
    if !rest.is_empty() {
        debug_assert!(
            connection.rest_bytes == 0,
            "a stream is in the middle of one frame at a time"
        );
        connection.io.owe_first(rest, pool);
        connection.rest_bytes = rest.len() as u32;
    }
}
