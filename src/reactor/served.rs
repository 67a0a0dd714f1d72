//! Telling the application of what was served, for access logs: each request when it has been
//! answered, and each WebSocket connection when it has ended.

use crate::net::Net;
use crate::protocol::CloseCode;

use super::api::{Handler, Served};
use super::budget;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::counters::RejectReason;
use super::panics::guarded;
use super::traffic::RequestLine;

/// What became of a request.
#[derive(Clone, Copy)]
struct ServedAs<'a> {
    /// `None`: the connection has gone before there was an answer.
    status: Option<u16>,
    rejected: Option<RejectReason>,
    close: Option<(CloseCode, &'a str)>,
    /// The length of the answer; `None`: what the kernel has taken since the request arrived.
    answer_bytes: Option<usize>,
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Bytes were read from the peer.
    #[inline(always)]
    pub(super) fn count_received(&mut self, connection: &ConnectionOf<N, H>, bytes: usize) {
        if self.turn.traffic.is_counted() {
            self.note_received_bytes(connection, bytes);
        }
    }

    #[cold]
    fn note_received_bytes(&mut self, connection: &ConnectionOf<N, H>, bytes: usize) {
        let (traffic, now) = (&mut self.turn.traffic, self.turn.now);
        if bytes > 0 && matches!(connection.phase, Phase::Http(_)) {
            traffic.begin(connection.token, now);
        }
        traffic.received(connection.token, bytes, now);
    }

    /// A request has been answered, by an answer of this length.
    #[inline]
    pub(super) fn tell_answered(
        &mut self,
        connection: &ConnectionOf<N, H>,
        status: u16,
        rejected: Option<RejectReason>,
        answer_bytes: usize,
    ) {
        if self.turn.traffic.is_counted() {
            let answer_bytes = Some(answer_bytes);
            let outcome = ServedAs { status: Some(status), rejected, close: None, answer_bytes };
            self.tell_served(connection, outcome);
        }
    }

    /// A handshake was accepted only to be closed. The 101 and the Close frame are in
    /// `self.outgoing`.
    pub(super) fn tell_turned_away(&mut self, connection: &ConnectionOf<N, H>) {
        if self.turn.traffic.is_counted() {
            let answer_bytes = Some(self.outgoing.replies.len());
            let reason = std::mem::take(&mut self.outgoing.reason);
            let close = self.outgoing.close.map(|code| (code, reason.as_str()));
            let outcome = ServedAs { status: Some(101), rejected: None, close, answer_bytes };
            self.tell_served(connection, outcome);
            self.outgoing.reason = reason;
        }
    }

    /// A WebSocket connection has ended. Its Close frame, if there is one, has not been sent yet.
    #[inline]
    pub(super) fn tell_ended(
        &mut self,
        connection: &ConnectionOf<N, H>,
        code: CloseCode,
        reason: &str,
    ) {
        if self.turn.traffic.is_counted() {
            let close = Some((code, reason));
            let outcome = ServedAs { status: Some(101), rejected: None, close, answer_bytes: None };
            self.tell_served(connection, outcome);
        }
    }

    /// A connection goes: if a request on it has not been answered, it never will be.
    #[inline]
    pub(super) fn tell_unanswered(&mut self, connection: &ConnectionOf<N, H>) {
        if self.turn.traffic.is_counted() && self.turn.traffic.has_request(connection.token) {
            let outcome =
                ServedAs { status: None, rejected: None, close: None, answer_bytes: None };
            self.tell_served(connection, outcome);
        }
    }

    #[cold]
    fn tell_served(&mut self, connection: &ConnectionOf<N, H>, outcome: ServedAs<'_>) {
        let now = self.turn.now;
        let Some(counted) = self.turn.traffic.take(connection.token, now) else { return };
        self.turn.did(budget::SERVED);
        let served = Served {
            address: connection.address(),
            method: counted.request.as_ref().map(RequestLine::method),
            path: counted.request.as_ref().map(RequestLine::path),
            status: outcome.status,
            rejected: outcome.rejected,
            close: outcome.close,
            duration: now.saturating_since(counted.since),
            received_bytes: counted.received_bytes,
            sent_bytes: outcome.answer_bytes.map_or(counted.sent_bytes, |bytes| bytes as u64),
        };
        if let Err(panicked) = guarded(|| self.handler.on_served(&served)) {
            panicked.contain(&mut self.turn);
        }
    }
}
