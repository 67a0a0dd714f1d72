//! HTTP/1.1 requests on one connection, up to the opening handshake that turns it into a WebSocket
//! connection.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use crate::hub::{ChannelName, OUT_OF_MEMORY};
use crate::net::Net;
use crate::protocol::{
    HEADERS_MAX, HeadScanner, HeaderStorage, HttpError, HttpLimits, Persistence, Request, Response,
    UpgradeRequest, check_upgrade, encode_switching_protocols,
};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

use super::api::{Answer, Handler, Rejected, Upgrade, Visitor};
use super::budget;
use super::client::{attribute, client_of, give_back};
use super::connection::{Body, Outgoing, Owed, Phase};
use super::core::{ConnectionOf, Core};
use super::counters::RejectReason;
use super::decode_stop::Stop;
use super::group::{Quota, Refusal};
use super::limits::{BODY_BYTES_PER_SECOND_MIN, REQUESTS_PER_TURN_MAX};
use super::mail::HomeAnswer;
use super::panics::guarded;
use super::ticket::Ticket;

/// What to do after a request head has been decoded.
pub(super) enum Next<S> {
    /// Send this response. `How` says whether the connection is kept for another request.
    Respond(Response, How),
    /// The response is sent when the channel's home reactor has answered.
    Later(Owed, Ticket),
    /// The body has not been received completely.
    AwaitBody(Body, Expects),
    /// The handshake is accepted. The 101 is in `Core::outgoing`.
    Open(S),
    /// The application decides on the handshake later. Its head has this many bytes.
    Defer(Owed, usize),
    /// Accepted, but closed right after. The 101 and a Close frame are in `Core::outgoing`.
    OpenAndClose,
}

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

/// Whether the client waits for a 100 (Continue) before it sends the body (RFC 9110 section
/// 10.1.1).
#[derive(Clone, Copy)]
pub(super) struct Expects(bool);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl How {
    fn plain(owed: Owed) -> How {
        How { owed, handshake: false, reject: None }
    }

    /// An answer to an opening handshake.
    pub(super) fn of_handshake(owed: Owed) -> How {
        How { handshake: true, ..How::plain(owed) }
    }

    /// A refusal by the reactor. It ends the connection.
    fn refused(reason: RejectReason) -> How {
        How { reject: Some(RejectedBy::Reactor(reason)), ..How::plain(Owed::LAST) }
    }

    /// A refusal of an opening handshake by the reactor.
    fn declined(reason: RejectReason) -> How {
        How { handshake: true, ..How::refused(reason) }
    }

    /// The application's answer; `rejected` is the reason if the application refuses.
    fn answered(owed: Owed, rejected: Option<RejectReason>) -> How {
        How { reject: rejected.map(RejectedBy::Application), ..How::plain(owed) }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Decodes what is in the receive buffer of a connection that is not open yet. Returns how many
    /// bytes were decoded, and why decoding stopped.
    pub(super) fn decode_http(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        filled: usize,
    ) -> (usize, Stop) {
        match self.take_proxy_header(connection, filled) {
            Ok(consumed) => self.decode_requests(connection, consumed, filled),
            Err(stop) => (0, stop),
        }
    }

    /// Decodes the requests behind the bytes that have been decoded (`consumed`).
    fn decode_requests(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        mut consumed: usize,
        filled: usize,
    ) -> (usize, Stop) {
        let mut answered = 0;
        loop {
            let Phase::Http(http) = &mut connection.phase else { return (consumed, Stop::Left) };
            if http.answer.is_some() || connection.io.owes() || !self.exchange.has_room() {
                return (consumed, Stop::Paused);
            }
            if consumed == filled {
                return (consumed, Stop::NeedMore);
            }
            if answered == REQUESTS_PER_TURN_MAX {
                return (consumed, Stop::Yield);
            }
            if std::mem::take(&mut http.between_requests) {
                self.set_deadline(connection, self.limits.handshake_timeout);
                continue;
            }
            let next = match http.body {
                Some(body) => match self.take_body(connection, body, &mut consumed, filled) {
                    true => self.dispatch_from_assembly(connection, body),
                    false => return (consumed, Stop::NeedMore),
                },
                None => {
                    let unread = &self.receive[consumed..filled];
                    match http.scanner.find_end(unread, &self.limits.http) {
                        Ok(None) => return (consumed, Stop::NeedMore),
                        Ok(Some(head_bytes)) => {
                            #[cfg(any(test, fuzzing))]
                            work::note(Work::Head);
                            http.scanner = HeadScanner::default();
                            self.turn.did(budget::REQUEST);
                            self.dispatch_head(connection, head_bytes, &mut consumed, filled)
                        }
                        Err(error) => malformed(error, &self.limits.http),
                    }
                }
            };
            match next {
                Next::Respond(response, how) => {
                    answered += 1;
                    self.respond(connection, response, how);
                }
                Next::Later(owed, ticket) => {
                    answered += 1;
                    match self.exchange.take_answer(ticket) {
                        Some(answer) => self.answer(connection, ticket, answer, owed),
                        None => self.await_answer(connection, owed),
                    }
                }
                Next::AwaitBody(body, expects) => self.await_body(connection, body, expects),
                Next::Open(session) => {
                    self.open(connection, session);
                    return (consumed, Stop::NeedMore);
                }
                Next::Defer(owed, head_bytes) => {
                    self.defer(connection, consumed - head_bytes..consumed, owed);
                    return (consumed, Stop::Paused);
                }
                Next::OpenAndClose => {
                    self.turn_away(connection);
                    return (consumed, Stop::Left);
                }
            }
        }
    }

    /// Handles a complete request head, which begins at `consumed`. Answers it if that needs no
    /// body, and passes the request to the application if its whole body has been received too.
    fn dispatch_head(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        head_bytes: usize,
        consumed: &mut usize,
        filled: usize,
    ) -> Next<H::Session> {
        let (head, rest) = self.receive[*consumed..filled].split_at(head_bytes);
        let mut storage = HeaderStorage::default();
        let request = match Request::parse(head, &mut storage) {
            Ok(request) => request,
            Err(error) => return malformed(error, &self.limits.http),
        };
        self.turn.traffic.note_request(connection.token, &request);
        let counts = &self.exchange.shared.connection_limits;
        let (via, refusal) = attribute(connection, &request, &self.limits, counts);
        let mut visitor = Visitor::new(&mut self.exchange, &mut self.turn, connection, via);
        if let Phase::Http(http) = &mut connection.phase
            && !request.wants_websocket()
        {
            let headers = guarded(|| self.handler.response_headers(&visitor, &request));
            let headers = headers.unwrap_or_else(|panicked| {
                panicked.contain(visitor.turn);
                None
            });
            http.headers = headers.map(Box::new);
        }
        if let Some(refusal) = refusal
            && !is_exempt(&mut self.handler, &mut visitor, refusal, &request)
        {
            return refuse(&mut self.handler, &mut visitor, refusal, &request);
        }
        let body_bytes = match request.body_bytes_within(&self.limits.http) {
            Ok(bytes) => bytes,
            Err(error) => return malformed(error, &self.limits.http),
        };
        if request.wants_websocket() {
            *consumed += head_bytes;
            let outgoing = &mut self.outgoing;
            let next =
                shake_hands(&mut self.handler, &mut visitor, &request, (head, rest), outgoing);
            connection.expires_at = visitor.expires_at;
            return next;
        }
        if body_bytes > 0
            && let Some(response) = guarded(|| self.handler.before_body(&mut visitor, &request))
                .unwrap_or_else(|panicked| Some(panicked.contain_in_request(visitor.turn)))
        {
            // The body is not read, so no later request can be found: this is the last response.
            return Next::Respond(response, How::answered(Owed::LAST, visitor.rejected));
        }
        if rest.len() < body_bytes
            && let Some(bytes) = NonZeroU32::new(body_bytes as u32)
        {
            let body = Body { head_bytes: head_bytes as u32, bytes };
            *consumed += head_bytes;
            let expects = Expects(request.expects_continue() && rest.is_empty());
            let mut assembly = self.pool.take();
            assembly.append(head);
            self.pool.count(&mut assembly);
            connection.io.assembly = Some(assembly);
            return Next::AwaitBody(body, expects);
        }
        *consumed += head_bytes + body_bytes;
        let owed = owed(&request, connection.quota);
        ask(&mut self.handler, &mut visitor, &request, &rest[..body_bytes], owed)
    }

    /// Prepares for a body that is still to be received. Head and body are collected in the
    /// connection's assembly buffer.
    fn await_body(&mut self, connection: &mut ConnectionOf<N, H>, body: Body, expects: Expects) {
        let slowest = Duration::from_secs(u64::from(body.bytes.get() / BODY_BYTES_PER_SECOND_MIN));
        self.set_deadline(connection, self.limits.handshake_timeout + slowest);
        if let Phase::Http(http) = &mut connection.phase {
            http.body = Some(body);
        }
        if expects.0 {
            self.outgoing.replies.extend_from_slice(CONTINUE);
            self.send_replies(connection);
        }
    }

    /// Appends the bytes received of a body to the assembly buffer. Returns true if the body is
    /// complete.
    fn take_body(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        body: Body,
        consumed: &mut usize,
        filled: usize,
    ) -> bool {
        let Some(assembly) = &mut connection.io.assembly else { return false };
        let missing = (body.head_bytes + body.bytes.get()) as usize - assembly.unread().len();
        let taken = missing.min(filled - *consumed);
        assembly.append(&self.receive[*consumed..*consumed + taken]);
        self.pool.count(assembly);
        *consumed += taken;
        taken == missing
    }

    /// Passes a request to the application. Its head and body are complete in the assembly buffer.
    fn dispatch_from_assembly(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        body: Body,
    ) -> Next<H::Session> {
        if let Phase::Http(http) = &mut connection.phase {
            http.body = None;
        }
        let assembly = connection.io.assembly.take().unwrap_or_default();
        let (head, body) = assembly.unread().split_at(body.head_bytes as usize);
        let mut storage = HeaderStorage::default();
        // The head is parsed a second time, because the result of the first parsing borrowed from
        // the receive buffer and could not be kept.
        #[cfg(any(test, fuzzing))]
        work::note(Work::Head);
        let next = match Request::parse(head, &mut storage) {
            Err(error) => malformed(error, &self.limits.http),
            Ok(request) => {
                let (via, _) = client_of(connection, &request, &self.limits);
                let mut visitor = Visitor::new(&mut self.exchange, &mut self.turn, connection, via);
                let owed = owed(&request, connection.quota);
                ask(&mut self.handler, &mut visitor, &request, body, owed)
            }
        };
        self.pool.put(assembly);
        next
    }

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
    fn answer(
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
    fn leave_http(&mut self, connection: &mut ConnectionOf<N, H>) {
        connection.phase = Phase::Closing { clean: false, patient: false, discarded_bytes: 0 };
        connection.io.forget_inbound(&mut self.pool);
    }
}

/// Returns true if a request is served although its connection is over a limit.
fn is_exempt<H: Handler>(
    handler: &mut H,
    visitor: &mut Visitor<'_>,
    refusal: Refusal,
    request: &Request<'_>,
) -> bool {
    // A server at its limit of connections is still healthy, so a request that may be a health
    // probe is served.
    let is_probe = refusal == Refusal::TooManyConnections
        && matches!(request.method(), "GET" | "HEAD")
        && request.body_bytes() == 0;
    refusal != Refusal::Draining
        && !request.wants_websocket()
        && (is_probe
            || guarded(|| handler.is_exempt(visitor, request)).unwrap_or_else(|panicked| {
                panicked.contain(visitor.turn);
                false
            }))
}

/// Answers a request whose connection is over a limit, and notifies the application.
fn refuse<H: Handler>(
    handler: &mut H,
    visitor: &mut Visitor<'_>,
    refusal: Refusal,
    request: &Request<'_>,
) -> Next<H::Session> {
    let reason = refusal.reason();
    let (address, now) = (visitor.address(), visitor.turn.now);
    let rejected = Rejected { reason, address, request: Some(request), now };
    if let Err(panicked) = guarded(|| handler.on_rejected(&rejected)) {
        panicked.contain(visitor.turn);
    }
    let handshake = request.wants_websocket();
    let how =
        How { handshake, reject: Some(RejectedBy::ReactorAloud(reason)), ..How::plain(Owed::LAST) };
    Next::Respond(refused(refusal), how)
}

/// Returns how the response to a request must be written. A connection in the quota for refusals is
/// closed after its first response, even if that request was exempt.
fn owed(request: &Request<'_>, quota: Quota) -> Owed {
    let persistence = match quota {
        Quota::Refusal => Persistence::Close,
        _ => request.persistence(),
    };
    Owed { persistence, head_only: request.method() == "HEAD", ticket: None }
}

/// Passes a complete request to the application. Returns what follows from its answer.
fn ask<H: Handler>(
    handler: &mut H,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    body: &[u8],
    owed: Owed,
) -> Next<H::Session> {
    let (token, before) = (visitor.token, visitor.exchange.tickets);
    visitor.rejected = None;
    let answer = match guarded(|| handler.on_request(visitor, request, body)) {
        Ok(answer) => answer,
        Err(panicked) => {
            let owed = Owed { persistence: Persistence::Close, ..owed };
            return Next::Respond(panicked.contain_in_request(visitor.turn), How::plain(owed));
        }
    };
    match answer {
        Answer::Respond(response) => Next::Respond(response, How::answered(owed, visitor.rejected)),
        // Accept only a ticket created for this request. For any other ticket no answer would ever
        // arrive.
        Answer::Later(ticket) if ticket.token == token && ticket.number > before => {
            Next::Later(Owed { ticket: NonZeroU64::new(ticket.number), ..owed }, ticket)
        }
        Answer::Later(_) => {
            debug_assert!(false, "the ticket belongs to another request");
            let owed = Owed { persistence: Persistence::Close, ..owed };
            Next::Respond(Response::text(500, "internal error\n"), How::plain(owed))
        }
    }
}

/// Answers a malformed request with an error and ends the connection, because the start of the next
/// request is unknown.
fn malformed<S>(error: HttpError, limits: &HttpLimits) -> Next<S> {
    let text = match error {
        HttpError::BodyTooLarge => format!(
            "the body is larger than the {} bytes of --max-message-size\n",
            limits.body_bytes_max
        ),
        HttpError::HeadTooLarge | HttpError::TargetTooLong => {
            format!("{}: it may have {} bytes\n", error.reason(), limits.head_bytes_max)
        }
        HttpError::TooManyHeaders => format!("{}: at most {HEADERS_MAX}\n", error.reason()),
        _ => format!("{}\n", error.reason()),
    };
    Next::Respond(Response::text(error.status(), text), How::refused(error.into()))
}

fn refused(refusal: Refusal) -> Response {
    let (status, text) = match refusal {
        Refusal::TooManyConnections => (503, "too many connections: try again later\n"),
        Refusal::TooManyFromAddress => {
            (429, "too many connections from this address: try again later\n")
        }
        Refusal::Draining => (503, "the server is restarting: try again\n"),
    };
    Response::text(status, text).header("Retry-After", "1")
}

/// Answers a request that asks for a WebSocket, by the protocol's rules and then by the
/// application's.
fn shake_hands<H: Handler>(
    handler: &mut H,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    (head, rest): (&[u8], &[u8]),
    outgoing: &mut Outgoing,
) -> Next<H::Session> {
    let upgrade = match check_upgrade(request) {
        Ok(upgrade) => upgrade,
        Err(error) => return Next::Respond(error.response(), How::declined(error.into())),
    };
    if !rest.is_empty() {
        let text = "bytes came before the 101 (RFC 6455 section 4.1): wait for it\n";
        let how = How::declined(RejectReason::Malformed);
        return Next::Respond(Response::text(400, text), how);
    }
    let before = visitor.exchange.tickets;
    match guarded(|| handler.on_upgrade(visitor, request)) {
        // Accept only a ticket created for this handshake, because nobody decides on any other.
        Ok(Upgrade::Later(ticket)) if ticket.token == visitor.token && ticket.number > before => {
            let ticket = NonZeroU64::new(ticket.number);
            Next::Defer(Owed { ticket, ..Owed::LAST }, head.len())
        }
        Ok(answer) => answer_upgrade(answer, &upgrade, outgoing, visitor),
        Err(panicked) => {
            let how = How::of_handshake(Owed::LAST);
            Next::Respond(panicked.contain_in_request(visitor.turn), how)
        }
    }
}

/// Writes the 101 to `outgoing` if the application accepts the handshake. Returns what to do next.
pub(super) fn answer_upgrade<S>(
    answer: Upgrade<S>,
    upgrade: &UpgradeRequest<'_>,
    outgoing: &mut Outgoing,
    visitor: &mut Visitor<'_>,
) -> Next<S> {
    let rejected = visitor.rejected.unwrap_or(RejectReason::Declined);
    let counters = &visitor.turn.counters;
    let mut switch = |subprotocol: Option<&str>| {
        counters.handshake(101);
        encode_switching_protocols(&mut outgoing.replies, upgrade.key, subprotocol);
    };
    match answer {
        Upgrade::Accept(session) => {
            switch(None);
            Next::Open(session)
        }
        Upgrade::AcceptWith { session, subprotocol } => {
            switch(Some(&subprotocol));
            Next::Open(session)
        }
        Upgrade::AcceptAndClose { code, reason, subprotocol } => {
            switch(subprotocol.as_deref());
            outgoing.close(code, reason);
            counters.reject(rejected);
            Next::OpenAndClose
        }
        Upgrade::Later(_) => {
            debug_assert!(false, "the ticket belongs to another handshake");
            let how = How::of_handshake(Owed::LAST);
            Next::Respond(Response::text(500, "internal error\n"), how)
        }
        Upgrade::Respond(response) => {
            let how = How { handshake: true, ..How::answered(Owed::LAST, Some(rejected)) };
            Next::Respond(response, how)
        }
    }
}
