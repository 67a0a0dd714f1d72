//! The responses to HTTP requests: when they are due, how they are written and counted, and whether
//! the connection is kept for another request.

use crate::hub::{ChannelName, OUT_OF_MEMORY};
use crate::net::Net;
use crate::protocol::{Persistence, Response};

use super::api::Handler;
use super::client::give_back;
use super::connection::{Owed, Phase};
use super::core::{ConnectionOf, Core};
use super::counters::RejectReason;
use super::group::Refusal;
use super::mail::HomeAnswer;
use super::panics::guarded;
use super::ticket::Ticket;

/// How a response is written and counted.
#[derive(Clone, Copy)]
pub(super) struct How {
    owed: Owed,
    /// The response answers an opening handshake.
    handshake: bool,
    reject: Option<RejectedBy>,
}

/// Which side refuses a request, and why.
#[derive(Clone, Copy)]
enum RejectedBy {
    Application(RejectReason),
    /// The reactor refuses it. The application is notified when the response is sent.
    Reactor(RejectReason),
    /// The reactor refuses it, and the application has been notified already, with the request.
    ReactorAloud(RejectReason),
}

impl How {
    pub(super) fn plain(owed: Owed) -> How {
        How { owed, handshake: false, reject: None }
    }

    /// An answer to an opening handshake.
    pub(super) fn of_handshake(owed: Owed) -> How {
        How { handshake: true, ..How::plain(owed) }
    }

    /// A refusal by the reactor. It ends the connection.
    pub(super) fn refused(reason: RejectReason) -> How {
        How { reject: Some(RejectedBy::Reactor(reason)), ..How::plain(Owed::LAST) }
    }

    /// A refusal by the reactor of which the application has been notified already.
    pub(super) fn refused_aloud(reason: RejectReason, handshake: bool) -> How {
        How { handshake, reject: Some(RejectedBy::ReactorAloud(reason)), ..How::plain(Owed::LAST) }
    }

    /// A refusal of an opening handshake by the reactor.
    pub(super) fn declined(reason: RejectReason) -> How {
        How { handshake: true, ..How::refused(reason) }
    }

    /// The application's refusal of an opening handshake.
    pub(super) fn declined_by_application(reason: RejectReason) -> How {
        How { handshake: true, ..How::answered(Owed::LAST, Some(reason)) }
    }

    /// The application's answer; `rejected` is the reason if the application refuses.
    pub(super) fn answered(owed: Owed, rejected: Option<RejectReason>) -> How {
        How { reject: rejected.map(RejectedBy::Application), ..How::plain(owed) }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Notes that the response to a request is due later.
    pub(super) fn await_answer(&mut self, connection: &mut ConnectionOf<N, H>, owed: Owed) {
        if let Phase::Http(http) = &mut connection.phase {
            http.answer = Some(owed);
        }
    }

    /// Handles a home reactor's answer to a publish or an inspection. The answer is dropped if no
    /// request waits for it: a handler may have asked more than once, or responded without waiting.
    pub(super) fn answer_waiting(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        ticket: Ticket,
        answer: HomeAnswer,
    ) {
        let Phase::Http(http) = &mut connection.phase else { return };
        if let Some(owed) = http.answer.take_if(|owed| owed.waits_for(ticket)) {
            self.answer(connection, ticket, answer, owed);
            self.go_on_if_unread(connection);
        }
    }

    /// Responds to a request with the answer of a channel's home.
    pub(super) fn answer(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        ticket: Ticket,
        answer: HomeAnswer,
        owed: Owed,
    ) {
        let handler = &mut self.handler;
        let answered = guarded(|| match answer {
            HomeAnswer::Published(outcome) => {
                let rejected = outcome.err().map(RejectReason::from);
                Some((handler.on_published(ticket, outcome), rejected))
            }
            HomeAnswer::Inspected(channel, info) => {
                let channel = ChannelName::parse(&channel).ok()?;
                Some((handler.on_inspected(ticket, channel, info), None))
            }
            HomeAnswer::Listed(listing) => Some((handler.on_listed(ticket, listing), None)),
        });
        match answered {
            Ok(Some((response, rejected))) => {
                self.respond(connection, response, How::answered(owed, rejected));
            }
            Ok(None) => {}
            Err(panicked) => {
                let owed = Owed { persistence: Persistence::Close, ..owed };
                let response = panicked.contain_in_request(&mut self.turn);
                self.respond(connection, response, How::plain(owed));
            }
        }
    }

    /// Handles a request that did not arrive in time: answers 408, or just closes the connection if
    /// it is between two requests.
    pub(super) fn time_out_request(&mut self, connection: &mut ConnectionOf<N, H>) {
        if matches!(&connection.phase, Phase::Http(http) if http.between_requests) {
            return self.leave_silently(connection);
        }
        if matches!(&connection.phase, Phase::Http(http) if http.awaits_proxy_header) {
            // The peer does not speak HTTP yet, so there is no answer that it could understand.
            self.reject(RejectReason::SlowRequest, connection.address(), None);
            return self.remove(connection);
        }
        if connection.io.is_handshaking() {
            return self.time_out_tls_handshake(connection);
        }
        let text = "the request took too long to arrive: see --handshake-timeout\n";
        let response = Response::text(408, text);
        self.respond(connection, response, How::refused(RejectReason::SlowRequest));
    }

    /// Answers 503, because there is no memory for the body of this request.
    pub(super) fn refuse_for_want_of_memory(&mut self, connection: &mut ConnectionOf<N, H>) {
        let response = Response::text(503, format!("{OUT_OF_MEMORY}\n"));
        let how = How::refused(RejectReason::Memory);
        self.respond(connection, response.header("Retry-After", "1"), how);
    }

    pub(super) fn respond(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        response: Response,
        how: How,
    ) {
        let Owed { persistence, head_only, ticket: _ } = how.owed;
        let persistence = if self.turn.draining { Persistence::Close } else { persistence };
        let counters = &self.turn.counters;
        match how.handshake {
            true => counters.handshake(response.status()),
            false => counters.response(response.status()),
        }
        let rejected = match how.reject {
            Some(RejectedBy::Application(reason) | RejectedBy::ReactorAloud(reason)) => {
                counters.reject(reason);
                Some(reason)
            }
            Some(RejectedBy::Reactor(reason)) => {
                // If the connection is over a limit, the limit is the reason that is counted: a
                // well-formed request would have been refused too.
                let reason = connection.refusal.map_or(reason, Refusal::reason);
                self.reject(reason, connection.address(), None);
                Some(reason)
            }
            None => None,
        };
        let headers = match &mut connection.phase {
            Phase::Http(http) => http.headers.take(),
            _ => None,
        };
        let response = match headers {
            Some(headers) => headers.added_to(response),
            None => response,
        };
        let (status, before) = (response.status(), self.outgoing.replies.len());
        response.encode(&mut self.outgoing.replies, persistence, head_only);
        let answer_bytes = self.outgoing.replies.len() - before;
        self.tell_answered(connection, status, rejected, answer_bytes);
        if !persistence.keeps_alive() {
            self.leave_http(connection);
            return self.send_last(connection);
        }
        self.set_deadline(connection, self.limits.idle_timeout);
        if let Phase::Http(http) = &mut connection.phase {
            http.between_requests = true;
        }
        give_back(connection, &self.exchange.shared.connection_limits);
        self.send_replies(connection);
    }

    /// Sends the 101 and the Close frame of a handshake that is accepted only to be closed.
    pub(super) fn turn_away(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.tell_turned_away(connection);
        self.leave_http(connection);
        self.send_last(connection);
    }

    /// Ends the HTTP phase: what is in `self.outgoing` are the last bytes of this connection.
    pub(super) fn leave_http(&mut self, connection: &mut ConnectionOf<N, H>) {
        connection.phase = Phase::Closing { clean: false, patient: false, discarded_bytes: 0 };
        connection.io.forget_inbound(&mut self.pool);
    }
}
