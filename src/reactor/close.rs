//! Ends. Every connection ends here, once, for one reason; its subscriptions leave their logs, its
//! application is told, and its last bytes go out without a reset destroying them.

use crate::hub::{DropReason, PrivateBudgetSpent, Refused, SubscriptionId};
use crate::net::Net;
use crate::protocol::CloseCode;
use crate::transport::{BufferPool, Sent};

use super::api::{Context, Handler};
use super::connection::{Connection, Gone, Open, Phase};
use super::core::{ConnectionOf, Core};
use super::end_reason::End;
use super::limits::{LINGER, PATIENCE, PATIENT_MAX};

/// What a subscriber reads that was overrun by the log of its channel.
const FELL_BEHIND: &str = "too slow: fell behind by more than the channel keeps";
/// What a publisher reads whose message has no room, whole or in pieces.
pub(super) const OUT_OF_MEMORY: &str = "out of memory for messages: try again later";
const TOO_MANY_CHANNELS: &str = "too many channels: try again later";
const NO_PROGRESS: &str = "too slow: took nothing for too long";

impl<N: Net, H: Handler> Core<N, H> {
    /// Closes an open connection from our side, after everything that is owed to it alone.
    pub(super) fn close(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        code: CloseCode,
        reason: &str,
    ) {
        self.close_for(connection, code, reason, DropReason::Closed);
    }

    /// The peer has taken no byte for too long, whatever the policy for those who fall behind.
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

    /// A subscriber was overrun. The rest of its frame under way stands in `self.rest`.
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
            // Its frame cannot be finished, so nothing else can be said to it either.
            Err(PrivateBudgetSpent) => {
                self.reset_open(connection, End::by_server(CloseCode::SLOW_CONSUMER));
            }
        }
    }

    /// The rest of a frame was handed out for a connection that has ended in the meantime.
    pub(super) fn abandon_rest(&mut self) {
        if !self.rest.is_empty() {
            self.exchange.hub.private_abandoned(self.rest.len(), DropReason::Closed);
        }
    }

    /// A callback has ended a subscription in the middle of whose frame the stream stands: the
    /// frame is finished before anything else is said. False if it cannot be, so that the
    /// connection had to be reset.
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
        // Between the edge and the sweep the connection is not blocked, and the sweep has lost its
        // reason to come.
        let written = if connection.blocked { Ok(Sent::All) } else { self.write_owed(connection) };
        if written.is_err() {
            self.lose(connection);
        }
        written.is_ok()
    }

    /// The peer is gone, or has broken off: nothing can be sent to it.
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

    /// Connections hold all the memory that they may, and this one its share of it.
    pub(super) fn end_for_want_of_memory(&mut self, connection: &mut ConnectionOf<N, H>) {
        let is_owed = connection.io.owes();
        match connection.phase {
            // The outcome of a publish that it has asked for is not ours to tell.
            Phase::Http(ref http) if is_owed || http.answer.is_some() => self.lose(connection),
            Phase::Http(_) => self.refuse_for_want_of_memory(connection),
            // Its Close would wait behind what it does not take.
            Phase::Open(_) if is_owed => {
                self.reset_open(connection, End::by_server(CloseCode::TRY_AGAIN_LATER));
            }
            Phase::Open(_) => self.close(connection, CloseCode::TRY_AGAIN_LATER, OUT_OF_MEMORY),
            Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {}
        }
    }

    /// Ends a connection between requests, or in the middle of one that its peer gave up.
    pub(super) fn leave_silently(&mut self, connection: &mut ConnectionOf<N, H>) {
        // A connection over a limit was counted when it was accepted.
        self.turn.counters.silent += u64::from(connection.refusal.is_none());
        self.remove(connection);
    }

    /// The connection leaves `Open`, whose last replies, with a Close frame at their end, stand in
    /// the outgoing. `clean`: the peer has said its last already.
    pub(super) fn begin_closing(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        end: End,
        dropped: DropReason,
        clean: bool,
    ) {
        let Some(mut open) = leave_open(connection, clean) else { return };
        connection.io.forget_inbound(&mut self.pool);
        // What waited for its subscriptions to be live need wait no more.
        connection.io.release(&mut self.pool);
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
        self.tell(connection, &mut open, end);
        if detached {
            self.send_last(connection);
        } else {
            self.outgoing.clear();
            self.reset_early(connection);
        }
    }

    /// Sends what stands in the outgoing as the last that this connection gets.
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
        connection.deadline = self.turn.now + PATIENCE;
    }

    /// Everything has been taken by the kernel. Closing with bytes unread would be a reset, which
    /// destroys what the peer has not read yet: unless nothing is left, shut down and linger.
    pub(super) fn on_last_byte_out(&mut self, connection: &mut ConnectionOf<N, H>) {
        let Phase::Closing { clean, patient } = connection.phase else { return };
        if connection.ended || (clean && !connection.readable) {
            return self.remove(connection);
        }
        self.patient -= usize::from(patient);
        connection.phase = Phase::Lingering { discarded_bytes: 0 };
        connection.deadline = self.turn.now + LINGER;
        if self.net.shutdown_write(&mut connection.io.stream).is_err() {
            return self.remove(connection);
        }
        if connection.readable {
            self.go_on_next_turn(connection);
        }
    }

    /// Ends an open connection that gets no last word: its frame cannot be finished, or it is gone.
    pub(super) fn end_open(&mut self, connection: &mut ConnectionOf<N, H>, end: End) {
        let Some(mut open) = leave_open(connection, true) else { return };
        connection.under_way = None;
        self.remove_all(&mut open);
        self.outgoing.clear();
        self.outgoing.close = Some(end.code);
        self.tell(connection, &mut open, end);
        self.outgoing.clear();
    }

    fn reset_open(&mut self, connection: &mut ConnectionOf<N, H>, end: End) {
        self.end_open(connection, end);
        self.reset_early(connection);
    }

    /// Resets a connection whose peer could still have been told something.
    pub(super) fn reset_early(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.turn.counters.impatient_resets += 1;
        self.vanish(connection, Gone::Reset);
    }

    /// Closes the socket of a connection that has been told, counted and unsubscribed.
    pub(super) fn remove(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.vanish(connection, Gone::Close);
    }

    /// Nothing can be done with the connection from here on. It leaves the slab at the end of the
    /// step.
    fn vanish(&mut self, connection: &mut ConnectionOf<N, H>, gone: Gone) {
        if let Phase::Closing { patient: true, .. } = connection.phase {
            self.patient -= 1;
        }
        let rest_bytes = std::mem::take(&mut connection.rest_bytes) as usize;
        if rest_bytes > 0 {
            self.exchange.hub.private_abandoned(rest_bytes, DropReason::Closed);
        }
        connection.phase = Phase::Gone(gone);
    }

    /// Counts the end and tells the application of it.
    fn tell(&mut self, connection: &ConnectionOf<N, H>, open: &mut Open<H::Session>, end: End) {
        self.turn.counters.close(end.code, end.initiator);
        let reason = std::mem::take(&mut self.outgoing.reason);
        let mut peer = Context {
            exchange: &mut self.exchange,
            turn: &mut self.turn,
            token: connection.token,
            address: connection.address(),
            session: &mut open.session,
            subscriptions: &mut open.subscriptions,
            outgoing: &mut self.outgoing,
        };
        self.handler.on_close(&mut peer, end.code, &reason);
        self.outgoing.reason = reason;
        // Whatever was subscribed to in `on_close` ends here as well.
        self.remove_all(open);
    }

    fn remove_all(&mut self, open: &mut Open<H::Session>) {
        while let Some(subscription) = open.subscriptions.take() {
            self.exchange.hub.remove(subscription, DropReason::Closed);
        }
    }
}

/// The connection is open no more; what it was as an open one.
fn leave_open<T, S>(connection: &mut Connection<T, S>, clean: bool) -> Option<Open<S>> {
    match std::mem::replace(&mut connection.phase, Phase::Closing { clean, patient: false }) {
        Phase::Open(open) => Some(open),
        other @ (Phase::Http(_)
        | Phase::Closing { .. }
        | Phase::Lingering { .. }
        | Phase::Gone(_)) => {
            debug_assert!(false, "only an open connection ends as one");
            connection.phase = other;
            None
        }
    }
}

/// Puts the rest of a frame under way before everything else that the connection is owed.
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

/// What a peer reads whose message or subscription was refused.
pub(super) fn overload_reason(refused: Refused) -> &'static str {
    match refused {
        Refused::TooManyChannels => TOO_MANY_CHANNELS,
        Refused::Busy | Refused::WayFull | Refused::MemoryFull => OUT_OF_MEMORY,
    }
}
