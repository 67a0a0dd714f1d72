//! Ends. Every connection ends here, once, for one reason; its subscriptions leave their logs, its
//! application is told, and its last bytes go out without a reset destroying them.

use crate::hub::{DropReason, Overrun, PrivateBudgetSpent, Refused};
use crate::net::{Net, Token};
use crate::protocol::CloseCode;
use crate::transport::Sent;

use super::Reactor;
use super::commons::Commons;
use super::connection::{Connection, End, Initiator, Open, Phase};
use super::context::Context;
use super::handler::Handler;
use super::limits::{LINGER, PATIENCE, PATIENT_MAX};

/// What a subscriber reads that fell off the log of its channel, or took nothing for too long.
const FELL_BEHIND: &str = "too slow: fell behind by more than the channel keeps";
/// What a publisher reads whose message has no room, whole or in pieces.
pub(super) const OUT_OF_MEMORY: &str = "out of memory for messages: try again later";
const TOO_MANY_CHANNELS: &str = "too many channels: try again later";
const NO_PROGRESS: &str = "too slow: took nothing for too long";

impl<N: Net, H: Handler> Reactor<N, H> {
    /// Closes an open connection from our side, after everything that is owed to it alone.
    pub(super) fn close(&mut self, token: Token, code: CloseCode, reason: &str) {
        self.close_for(token, code, reason, DropReason::Closed);
    }

    /// Takes no byte for too long, whatever the policy for those who fall behind.
    pub(super) fn close_without_progress(&mut self, token: Token) {
        self.close_for(token, CloseCode::SLOW_CONSUMER, NO_PROGRESS, DropReason::NoProgress);
    }

    fn close_for(&mut self, token: Token, code: CloseCode, reason: &str, dropped: DropReason) {
        if matches!(self.connections.get_mut(token), Some(Connection { phase: Phase::Open(_), .. }))
        {
            self.outgoing.clear();
            self.outgoing.close(code, reason);
            self.begin_closing(token, End { code, initiator: Initiator::Server }, dropped, false);
        }
    }

    /// The next subscriber that has fallen off the log of its channel; false when there is none.
    pub(super) fn cut_off_next_fallen(&mut self) -> bool {
        let Some(Overrun { subscription, owner, lives_on, rest }) = self.commons.hub.next_overrun()
        else {
            return false;
        };
        let token = Token(owner.0);
        self.rest.clear();
        let rest = rest.map(|rest| self.rest.extend_from_slice(rest));
        let Some(connection) = self.connections.get_mut(token) else {
            self.abandon_rest();
            return true;
        };
        let Phase::Open(open) = &mut connection.phase else {
            self.abandon_rest();
            return true;
        };
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
                    self.close_for(
                        token,
                        CloseCode::SLOW_CONSUMER,
                        FELL_BEHIND,
                        DropReason::SlowConsumer,
                    );
                }
            }
            // Its frame cannot be finished, so nothing else can be said to it either.
            Err(PrivateBudgetSpent) => {
                self.end_open(
                    token,
                    End { code: CloseCode::SLOW_CONSUMER, initiator: Initiator::Server },
                );
                self.commons.counters.impatient_resets += 1;
                self.reset(token);
            }
        }
        true
    }

    /// A callback has ended a subscription in the middle of whose frame the stream stands: the
    /// frame is finished before anything else is said. False if it cannot be, so that the
    /// connection had to be reset.
    pub(super) fn finish_left_frame(&mut self, token: Token) -> bool {
        if self.outgoing.cut_short {
            self.end_open(token, End { code: CloseCode::ABNORMAL, initiator: Initiator::Server });
            self.commons.counters.impatient_resets += 1;
            self.reset(token);
            return false;
        }
        let rest = std::mem::take(&mut self.outgoing.rest);
        let mut written = Ok(Sent::All);
        if let (Some(connection), false) = (self.connections.get_mut(token), rest.is_empty()) {
            connection.under_way = None;
            owe_rest(connection, &rest, &mut self.pool);
            // Between the edge and the sweep the connection is not blocked, and the sweep has lost
            // its reason to come.
            if !connection.blocked {
                written = self.write_owed(token);
            }
        }
        self.outgoing.rest = rest;
        self.outgoing.rest.clear();
        if written.is_err() {
            self.lose(token);
        }
        written.is_ok()
    }

    /// A rest that was handed out for a connection which has gone in the meantime.
    fn abandon_rest(&mut self) {
        if !self.rest.is_empty() {
            self.commons.hub.private_abandoned(self.rest.len(), DropReason::Closed);
        }
    }

    /// The peer is gone, or has broken off: nothing can be sent to it.
    pub(super) fn lose(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.phase {
            Phase::Open(_) => {
                self.end_open(
                    token,
                    End { code: CloseCode::ABNORMAL, initiator: Initiator::Nobody },
                );
                self.remove(token);
            }
            Phase::Http(_) => self.leave_silently(token),
            Phase::Closing { .. } | Phase::Lingering { .. } => self.remove(token),
        }
    }

    /// Connections hold all the memory that they may, and this one its share of it.
    pub(super) fn end_for_want_of_memory(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let is_owed = connection.link.owes();
        match connection.phase {
            // The outcome of a publish that it has asked for is not ours to tell.
            Phase::Http(ref http) if is_owed || http.answer.is_some() => self.lose(token),
            Phase::Http(_) => self.refuse_for_want_of_memory(token),
            // Its Close would wait behind what it does not take.
            Phase::Open(_) if is_owed => {
                self.end_open(
                    token,
                    End { code: CloseCode::TRY_AGAIN_LATER, initiator: Initiator::Server },
                );
                self.commons.counters.impatient_resets += 1;
                self.reset(token);
            }
            Phase::Open(_) => self.close(token, CloseCode::TRY_AGAIN_LATER, OUT_OF_MEMORY),
            Phase::Closing { .. } | Phase::Lingering { .. } => {}
        }
    }

    /// Ends a connection between requests, or in the middle of one that its peer gave up.
    pub(super) fn leave_silently(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        // Who is refused was counted when it was let in to hear so.
        self.commons.counters.silent += u64::from(connection.refusal.is_none());
        self.remove(token);
    }

    /// The connection leaves `Open`, whose last replies, with a Close frame at their end, stand in
    /// the outgoing. `clean`: the peer has said its last already.
    pub(super) fn begin_closing(
        &mut self,
        token: Token,
        end: End,
        dropped: DropReason,
        clean: bool,
    ) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(mut open) = leave_open(connection, clean) else { return };
        connection.link.forget_inbound(&mut self.pool);
        // What waited for its subscriptions to be live need wait no more.
        connection.link.release(&mut self.pool);
        let detached = detach(connection, &mut open, dropped, &mut self.commons, &mut self.rest);
        if detached {
            owe_rest(connection, &self.rest, &mut self.pool);
        }
        self.tell(token, &mut open, end);
        if !detached {
            self.outgoing.clear();
            self.commons.counters.impatient_resets += 1;
            return self.reset(token);
        }
        self.send_last(token);
    }

    /// Sends what stands in the outgoing as the last that this connection gets.
    pub(super) fn send_last(&mut self, token: Token) {
        let sent = self.send_replies(token);
        self.outgoing.clear();
        if !sent {
            return;
        }
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !connection.link.owes() {
            return self.on_last_byte_out(token);
        }
        let Phase::Closing { patient, .. } = &mut connection.phase else { return };
        if self.patient >= PATIENT_MAX {
            self.commons.counters.impatient_resets += 1;
            return self.reset(token);
        }
        *patient = true;
        self.patient += 1;
        connection.deadline = self.commons.now + PATIENCE;
    }

    /// Everything has been taken by the kernel. Closing with bytes unread would be a reset, which
    /// destroys what the peer has not read yet: unless nothing is left, shut down and linger.
    pub(super) fn on_last_byte_out(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Phase::Closing { clean, patient } = connection.phase else { return };
        if connection.ended || (clean && !connection.readable) {
            return self.remove(token);
        }
        if patient {
            self.patient -= 1;
        }
        connection.phase = Phase::Lingering { discarded_bytes: 0 };
        connection.deadline = self.commons.now + LINGER;
        let readable = connection.readable;
        if self.net.shutdown_write(&mut connection.link.stream).is_err() {
            return self.remove(token);
        }
        if readable {
            self.go_on_next_turn(token);
        }
    }

    /// Ends an open connection that gets no last word: its frame cannot be finished, or it is gone.
    pub(super) fn end_open(&mut self, token: Token, end: End) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(mut open) = leave_open(connection, true) else { return };
        connection.under_way = None;
        while let Some(subscription) = open.subscriptions.take() {
            self.commons.hub.remove(subscription, DropReason::Closed);
        }
        self.outgoing.clear();
        self.outgoing.close = Some(end.code);
        self.tell(token, &mut open, end);
        self.outgoing.clear();
    }

    /// Takes a connection out of the slab and closes its socket. It has been told, counted and
    /// unsubscribed.
    pub(super) fn remove(&mut self, token: Token) {
        if let Some(stream) = self.take_out(token) {
            self.net.close(stream);
        }
    }

    /// As [`remove`](Self::remove), with a reset: what the peer has not read is destroyed.
    pub(super) fn reset(&mut self, token: Token) {
        if let Some(stream) = self.take_out(token) {
            self.net.reset(stream);
        }
    }

    fn take_out(&mut self, token: Token) -> Option<N::Stream> {
        let connection = self.connections.remove(token)?;
        self.commons.connections = self.connections.len();
        self.commons.shared.gate.leave(connection.address());
        match connection.refusal {
            Some(_) => self.commons.shared.gate.end_refusal(),
            None => self.commons.shared.gate.give_place_back(),
        }
        if let Phase::Closing { patient: true, .. } = connection.phase {
            self.patient -= 1;
        }
        if connection.rest_bytes > 0 {
            self.commons.hub.private_abandoned(connection.rest_bytes as usize, DropReason::Closed);
        }
        Some(connection.link.dismantle(&mut self.pool))
    }

    /// Counts the end and tells the application of it.
    fn tell(&mut self, token: Token, open: &mut Open<H::Session>, end: End) {
        self.commons.counters.close(end.code, end.initiator);
        let Some(connection) = self.connections.get_mut(token) else { return };
        let address = connection.address();
        let reason = std::mem::take(&mut self.outgoing.reason);
        let mut peer = Context {
            commons: &mut self.commons,
            token,
            address,
            session: &mut open.session,
            subscriptions: &mut open.subscriptions,
            outgoing: &mut self.outgoing,
        };
        self.handler.on_close(&mut peer, end.code, &reason);
        self.outgoing.reason = reason;
        // Whatever was subscribed to in `on_close` ends here as well.
        while let Some(subscription) = open.subscriptions.take() {
            self.commons.hub.remove(subscription, DropReason::Closed);
        }
    }
}

/// The connection is open no more; what it was as an open one.
fn leave_open<T, S>(connection: &mut Connection<T, S>, clean: bool) -> Option<Open<S>> {
    match std::mem::replace(&mut connection.phase, Phase::Closing { clean, patient: false }) {
        Phase::Open(open) => Some(open),
        other @ (Phase::Http(_) | Phase::Closing { .. } | Phase::Lingering { .. }) => {
            debug_assert!(false, "only an open connection ends as one");
            connection.phase = other;
            None
        }
    }
}

/// Takes all subscriptions of a connection out of their logs. The rest of a frame under way is left
/// in `rest`; false if it found no room, so that the connection has to be reset.
fn detach<T, S>(
    connection: &mut Connection<T, S>,
    open: &mut Open<S>,
    dropped: DropReason,
    commons: &mut Commons,
    rest: &mut Vec<u8>,
) -> bool {
    rest.clear();
    connection.under_way = None;
    let mut detached = true;
    while let Some(subscription) = open.subscriptions.take() {
        detached &= commons.hub.unsubscribe(subscription, dropped, rest).is_ok();
    }
    detached
}

/// Puts the rest of a frame under way before everything else that the connection is owed.
fn owe_rest<T, S>(
    connection: &mut Connection<T, S>,
    rest: &[u8],
    pool: &mut crate::transport::BufferPool,
) {
    if !rest.is_empty() {
        debug_assert!(
            connection.rest_bytes == 0,
            "a stream is in the middle of one frame at a time"
        );
        connection.link.owe_first(rest, pool);
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
