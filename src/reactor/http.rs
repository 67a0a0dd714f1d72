//! HTTP/1.1 requests on one connection, up to the opening handshake that turns it into a WebSocket
//! connection.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use crate::net::Net;
use crate::protocol::{
    HEADERS_MAX, HeadScanner, HeaderStorage, HttpError, HttpLimits, Persistence, Request, Response,
    UpgradeRequest, check_upgrade, encode_switching_protocols,
};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

use super::api::{Answer, Handler, Rejected, Upgrade, Visitor};
use super::budget;
use super::client::{attribute, client_of};
use super::connection::{Body, Outgoing, Owed, Phase};
use super::core::{ConnectionOf, Core};
use super::counters::RejectReason;
use super::decode_stop::Stop;
use super::group::{Quota, Refusal};
use super::limits::{BODY_BYTES_PER_SECOND_MIN, REQUESTS_PER_TURN_MAX, ReactorLimits};
use super::panics::guarded;
use super::respond::How;
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
    Open {
        session: S,
        /// permessage-deflate is agreed.
        compression: bool,
    },
    /// The application decides on the handshake later. Its head has this many bytes.
    Defer(Owed, usize),
    /// Accepted, but closed right after. The 101 and a Close frame are in `Core::outgoing`.
    OpenAndClose,
}

/// Whether the client waits for a 100 (Continue) before it sends the body (RFC 9110 section
/// 10.1.1).
#[derive(Clone, Copy)]
pub(super) struct Expects(bool);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl<N: Net, H: Handler> Core<N, H> {
    /// Decodes what is in the receive buffer of a connection that is not open yet. Returns how many
    /// bytes were decoded, and why decoding stopped.
    pub(super) fn decode_http(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        filled: usize,
    ) -> (usize, Stop) {
        match self.take_proxy_header(connection, filled) {
            Ok(consumed) => match &mut connection.io.tls {
                Some(tls) if tls.begins_plain() => {
                    tls.begin_handshake(&self.receive[consumed..filled], &mut self.pool);
                    // The handshake goes on with what was received, whatever comes.
                    connection.readable = true;
                    (filled, Stop::NeedMore)
                }
                _ => self.decode_requests(connection, consumed, filled),
            },
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
                Next::Open { session, compression } => {
                    self.open(connection, session, compression);
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
            let answering = Answering::new(&mut self.outgoing, &self.limits);
            let next =
                shake_hands(&mut self.handler, &mut visitor, &request, (head, rest), answering);
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
    let rejected = Rejected { reason, address, request: Some(request), tls: None, now };
    if let Err(panicked) = guarded(|| handler.on_rejected(&rejected)) {
        panicked.contain(visitor.turn);
    }
    let handshake = request.wants_websocket();
    let how = How::refused_aloud(reason, handshake);
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
    answering: Answering<'_>,
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
        Ok(answer) => answer_upgrade(answer, &upgrade, answering, visitor),
        Err(panicked) => {
            let how = How::of_handshake(Owed::LAST);
            Next::Respond(panicked.contain_in_request(visitor.turn), how)
        }
    }
}

/// How the 101 is written.
pub(super) struct Answering<'a> {
    outgoing: &'a mut Outgoing,
    /// The window with which this server compresses, if it does.
    window_bits: Option<u8>,
}

impl<'a> Answering<'a> {
    pub(super) fn new(outgoing: &'a mut Outgoing, limits: &ReactorLimits) -> Answering<'a> {
        Answering { outgoing, window_bits: limits.compression.map(|options| options.window_bits) }
    }
}

/// Writes the 101 if the application accepts the handshake. Returns what to do next.
pub(super) fn answer_upgrade<S>(
    answer: Upgrade<S>,
    upgrade: &UpgradeRequest<'_>,
    Answering { outgoing, window_bits }: Answering<'_>,
    visitor: &mut Visitor<'_>,
) -> Next<S> {
    let rejected = visitor.rejected.unwrap_or(RejectReason::Declined);
    let counters = &visitor.turn.counters;
    let mut switch = |subprotocol: Option<&str>, window_bits: Option<u8>| {
        counters.handshake(101);
        let accepted = window_bits.and_then(|bits| upgrade.accept_compression(bits));
        let replies = &mut outgoing.replies;
        encode_switching_protocols(replies, upgrade.key, subprotocol, accepted);
        accepted.is_some()
    };
    match answer {
        Upgrade::Accept(session) => {
            let compression = switch(None, window_bits);
            Next::Open { session, compression }
        }
        Upgrade::AcceptWith { session, subprotocol } => {
            let compression = switch(Some(&subprotocol), window_bits);
            Next::Open { session, compression }
        }
        Upgrade::AcceptAndClose { code, reason, subprotocol } => {
            switch(subprotocol.as_deref(), None);
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
            let how = How::declined_by_application(rejected);
            Next::Respond(response, how)
        }
    }
}
