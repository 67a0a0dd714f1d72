//! Requests over HTTP/1.1 on one connection, up to the opening handshake that turns it into a
//! WebSocket.

use crate::hub::{Accepted, ChannelInfo, ChannelName, Refused};
use crate::net::{Net, Token};
use crate::protocol::{
    HeadScanner, HeaderStorage, HttpError, Request, Response, UpgradeRequest, check_upgrade,
    encode_switching_protocols,
};

use super::Reactor;
use super::connection::{Body, Http, Owed, Phase, Refusal};
use super::context::{Ticket, Visitor};
use super::counters::RejectReason;
use super::handler::{Answer, Handler, Upgrade};
use super::limits::{BODY_BYTES_PER_SECOND_MIN, REQUESTS_PER_TURN_MAX};
use super::pump::Stop;

/// What one whole head leads to.
enum Next<S> {
    /// Answer; the connection goes on to the next request, or not.
    Respond(Response, How),
    /// The answer comes later.
    Later(Owed),
    /// The body is not here yet.
    AwaitBody(Body, Expects),
    /// 101 stands in the outgoing.
    Open(S),
    /// 101 and a Close frame stand in the outgoing.
    OpenAndClose,
    /// The connection is no more.
    Gone,
}

/// How a response is written and counted.
#[derive(Clone, Copy)]
struct How {
    owed: Owed,
    /// It answers an opening handshake.
    handshake: bool,
    reject: Option<RejectReason>,
}

/// Whether the client waits to be told to send its body (RFC 9110 section 10.1.1).
#[derive(Clone, Copy)]
struct Expects(bool);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl How {
    fn plain(owed: Owed) -> How {
        How { owed, handshake: false, reject: None }
    }

    fn refused(reason: RejectReason) -> How {
        How { owed: Owed::LAST, handshake: false, reject: Some(reason) }
    }
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// Decodes the requests that stand in the receive buffer; how much of it has been used.
    pub(super) fn decode_requests(&mut self, token: Token, filled: usize) -> (usize, Stop) {
        let mut consumed = 0;
        let mut answered = 0;
        loop {
            if answered == REQUESTS_PER_TURN_MAX {
                return (consumed, Stop::Yield);
            }
            let Some(connection) = self.connections.get_mut(token) else {
                return (consumed, Stop::Left);
            };
            let Phase::Http(http) = &mut connection.phase else { return (consumed, Stop::Left) };
            if http.answer.is_some() || connection.link.owes() || !self.commons.has_room() {
                return (consumed, Stop::Paused);
            }
            if consumed == filled {
                return (consumed, Stop::NeedMore);
            }
            if http.between_requests {
                http.between_requests = false;
                connection.deadline = self.commons.now + self.limits.handshake_timeout;
            }
            let next = match http.body {
                Some(body) => match self.take_body(token, body, &mut consumed, filled) {
                    true => self.dispatch_from_assembly(token, body),
                    false => return (consumed, Stop::NeedMore),
                },
                None => {
                    match http.scanner.find_end(&self.receive[consumed..filled], &self.limits.http)
                    {
                        Ok(None) => return (consumed, Stop::NeedMore),
                        Ok(Some(head_bytes)) => {
                            self.dispatch_head(token, head_bytes, &mut consumed, filled)
                        }
                        Err(error) => malformed(error),
                    }
                }
            };
            match next {
                Next::Respond(response, how) => {
                    answered += 1;
                    self.respond(token, &response, how);
                }
                Next::Later(owed) => {
                    if let Some(http) = self.http(token) {
                        http.answer = Some(owed);
                    }
                    // The outcome may be there already.
                    self.settle();
                }
                Next::AwaitBody(body, expects) => self.await_body(token, body, expects),
                Next::Open(session) => {
                    self.open(token, session);
                    return (consumed, Stop::NeedMore);
                }
                Next::OpenAndClose => {
                    self.leave_http(token);
                    self.send_last(token);
                    return (consumed, Stop::Left);
                }
                Next::Gone => return (consumed, Stop::Left),
            }
        }
    }

    fn http(&mut self, token: Token) -> Option<&mut Http> {
        match &mut self.connections.get_mut(token)?.phase {
            Phase::Http(http) => Some(http),
            Phase::Open(_) | Phase::Closing { .. } | Phase::Lingering { .. } => None,
        }
    }

    /// A whole head stands at `consumed`: everything that can be decided without the body, and with
    /// it if it is there.
    fn dispatch_head(
        &mut self,
        token: Token,
        head_bytes: usize,
        consumed: &mut usize,
        filled: usize,
    ) -> Next<H::Session> {
        let Some(connection) = self.connections.get_mut(token) else { return Next::Gone };
        let (address, is_admin) = (connection.address(), connection.is_admin);
        let refusal = connection.refusal;
        if let Phase::Http(http) = &mut connection.phase {
            http.scanner = HeadScanner::default();
        }
        let (head, rest) = self.receive[*consumed..filled].split_at(head_bytes);
        let mut storage = HeaderStorage::default();
        let request = match Request::parse(head, &mut storage) {
            Ok(request) => request,
            Err(error) => return malformed(error),
        };
        // A full server still answers a probe: one question without a body, on a connection that
        // takes nobody's place.
        let is_probe = refusal == Some(Refusal::TooManyConnections)
            && matches!(request.method(), "GET" | "HEAD")
            && !request.wants_websocket()
            && request.body_bytes() == 0;
        if let Some(refusal) = refusal.filter(|_| !is_probe) {
            let how = How::refused(refusal.reason());
            return Next::Respond(
                refused(refusal),
                How { handshake: request.wants_websocket(), ..how },
            );
        }
        let body_bytes = match request.body_bytes_within(&self.limits.http) {
            Ok(bytes) => bytes,
            Err(error) => return malformed(error),
        };
        let mut visitor = Visitor { commons: &mut self.commons, token, address, is_admin };
        if request.wants_websocket() {
            *consumed += head_bytes;
            let next = match check_upgrade(&request) {
                Ok(_) if !rest.is_empty() => {
                    let text = "bytes came before the 101 (RFC 6455 section 4.1): wait for it\n";
                    let how = How::refused(RejectReason::MalformedHandshake);
                    Next::Respond(Response::text(400, text), How { handshake: true, ..how })
                }
                Ok(upgrade) => {
                    let answer = self.handler.on_upgrade(&mut visitor, &request);
                    answer_upgrade(answer, &upgrade, &mut self.outgoing, &mut self.commons)
                }
                Err(error) => Next::Respond(
                    error.response(),
                    How { handshake: true, ..How::refused(RejectReason::MalformedHandshake) },
                ),
            };
            return next;
        }
        if body_bytes > 0
            && let Some(response) = self.handler.before_body(&mut visitor, &request)
        {
            // Where the body ends cannot be waited for, so this is the connection's last answer.
            let owed = Owed::LAST;
            return Next::Respond(response, How::plain(owed));
        }
        if rest.len() < body_bytes {
            let body = Body { head_bytes: head_bytes as u32, bytes: body_bytes as u32 };
            *consumed += head_bytes;
            let expects = Expects(request.expects_continue() && rest.is_empty());
            let mut assembly = self.pool.take();
            assembly.append(head);
            self.pool.count(&mut assembly);
            connection.link.assembly = Some(assembly);
            return Next::AwaitBody(body, expects);
        }
        *consumed += head_bytes + body_bytes;
        let owed = Owed { keep_alive: request.keep_alive() && !is_probe, ..owed(&request) };
        let tickets = visitor.commons.tickets;
        match self.handler.on_request(&mut visitor, &request, &rest[..body_bytes]) {
            Answer::Respond(response) => Next::Respond(response, How::plain(owed)),
            Answer::Later(ticket) => later(ticket, token, tickets, owed),
        }
    }

    /// The body of a request will follow; head and body gather in the assembly.
    fn await_body(&mut self, token: Token, body: Body, expects: Expects) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let slowest =
            std::time::Duration::from_secs(u64::from(body.bytes / BODY_BYTES_PER_SECOND_MIN));
        connection.deadline = self.commons.now + self.limits.handshake_timeout + slowest;
        if let Phase::Http(http) = &mut connection.phase {
            http.body = Some(body);
        }
        if expects.0 {
            self.outgoing.replies.extend_from_slice(CONTINUE);
            self.send_replies(token);
        }
    }

    /// Moves what has come of a body behind its head; true when it is whole.
    fn take_body(&mut self, token: Token, body: Body, consumed: &mut usize, filled: usize) -> bool {
        let Some(connection) = self.connections.get_mut(token) else { return false };
        let Some(assembly) = &mut connection.link.assembly else { return false };
        let missing = (body.head_bytes + body.bytes) as usize - assembly.unread().len();
        let taken = missing.min(filled - *consumed);
        assembly.append(&self.receive[*consumed..*consumed + taken]);
        self.pool.count(assembly);
        *consumed += taken;
        taken == missing
    }

    /// Head and body stand in the assembly.
    fn dispatch_from_assembly(&mut self, token: Token, body: Body) -> Next<H::Session> {
        let Some(connection) = self.connections.get_mut(token) else { return Next::Gone };
        let (address, is_admin) = (connection.address(), connection.is_admin);
        if let Phase::Http(http) = &mut connection.phase {
            http.body = None;
        }
        let assembly = connection.link.assembly.take().unwrap_or_default();
        let (head, body) = assembly.unread().split_at(body.head_bytes as usize);
        let mut storage = HeaderStorage::default();
        // It was parsed when it came in, and nothing that was borrowed then could be kept.
        let next = match Request::parse(head, &mut storage) {
            Err(error) => malformed(error),
            Ok(request) => {
                let owed = owed(&request);
                let tickets = self.commons.tickets;
                let mut visitor = Visitor { commons: &mut self.commons, token, address, is_admin };
                match self.handler.on_request(&mut visitor, &request, body) {
                    Answer::Respond(response) => Next::Respond(response, How::plain(owed)),
                    Answer::Later(ticket) => later(ticket, token, tickets, owed),
                }
            }
        };
        self.pool.put(assembly);
        next
    }

    /// The outcome of a publish, for the request that is waiting for it.
    pub(super) fn answer_published(&mut self, ticket: Ticket, outcome: Result<Accepted, Refused>) {
        if let Some(owed) = self.take_owed(ticket) {
            let response = self.handler.on_published(ticket, outcome);
            self.answer(ticket.token, &response, owed);
        }
    }

    /// What is known of a channel, for the request that has asked.
    pub(super) fn answer_inspected(
        &mut self,
        ticket: Ticket,
        channel: &str,
        info: Option<ChannelInfo>,
    ) {
        let Ok(channel) = ChannelName::parse(channel) else { return };
        if let Some(owed) = self.take_owed(ticket) {
            let response = self.handler.on_inspected(ticket, channel, info);
            self.answer(ticket.token, &response, owed);
        }
    }

    /// A handler may ask more than once, or answer without waiting: then nobody wants to hear of
    /// this one.
    fn take_owed(&mut self, ticket: Ticket) -> Option<Owed> {
        self.http(ticket.token)?.answer.take_if(|owed| owed.ticket == Some(ticket))
    }

    fn answer(&mut self, token: Token, response: &Response, owed: Owed) {
        self.respond(token, response, How::plain(owed));
        self.go_on_next_turn(token);
    }

    /// The request did not come in time.
    pub(super) fn time_out_request(&mut self, token: Token) {
        let Some(http) = self.http(token) else { return };
        if http.between_requests {
            return self.leave_silently(token);
        }
        let response = Response::text(408, "the request took too long to arrive\n");
        self.respond(token, &response, How::refused(RejectReason::SlowRequest));
    }

    /// No memory is left for the body of this request.
    pub(super) fn refuse_for_want_of_memory(&mut self, token: Token) {
        let response = Response::text(503, "out of memory for messages: try again later\n");
        let owed = Owed::LAST;
        self.respond(token, &response.header("Retry-After", "1"), How::plain(owed));
    }

    fn respond(&mut self, token: Token, response: &Response, how: How) {
        let Owed { keep_alive, head_only, ticket: _ } = how.owed;
        let keep_alive = keep_alive && self.drain.is_none();
        let counters = &mut self.commons.counters;
        match how.handshake {
            true => counters.handshake(response.status()),
            false => counters.response(response.status()),
        }
        // Who is refused was counted when it was let in to hear so.
        let is_refused =
            self.connections.get_mut(token).is_some_and(|connection| connection.refusal.is_some());
        if let Some(reason) = how.reject.filter(|_| !is_refused) {
            counters.reject(reason);
        }
        response.encode(&mut self.outgoing.replies, keep_alive, head_only);
        if !keep_alive {
            self.leave_http(token);
            return self.send_last(token);
        }
        let deadline = self.commons.now + self.limits.idle_timeout;
        if let Some(connection) = self.connections.get_mut(token) {
            connection.deadline = deadline;
            if let Phase::Http(http) = &mut connection.phase {
                http.between_requests = true;
            }
        }
        self.send_replies(token);
    }

    /// What stands in the outgoing is the last that is said on this connection.
    fn leave_http(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.phase = Phase::Closing { clean: false, patient: false };
        connection.link.forget_inbound(&mut self.pool);
    }
}

fn owed(request: &Request<'_>) -> Owed {
    Owed { keep_alive: request.keep_alive(), head_only: request.method() == "HEAD", ticket: None }
}

/// The answer waits for this ticket, if it was given out for this request: any other would be
/// waited for for ever.
fn later<S>(ticket: Ticket, token: Token, first: u64, owed: Owed) -> Next<S> {
    if ticket.token == token && ticket.number >= first {
        return Next::Later(Owed { ticket: Some(ticket), ..owed });
    }
    debug_assert!(false, "a request waits for the outcome of its own publish");
    Next::Respond(
        Response::text(500, "internal error\n"),
        How::plain(Owed { keep_alive: false, ..owed }),
    )
}

/// What cannot be understood is answered and never read further: where the next request would begin
/// is anybody's guess.
fn malformed<S>(error: HttpError) -> Next<S> {
    let response = Response::text(error.status(), format!("{}\n", error.reason()));
    Next::Respond(response, How::refused(RejectReason::MalformedRequest))
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

/// Writes the 101, or says what is to be answered instead.
fn answer_upgrade<S>(
    answer: Upgrade<S>,
    upgrade: &UpgradeRequest<'_>,
    outgoing: &mut super::Outgoing,
    commons: &mut super::Commons,
) -> Next<S> {
    let mut switch = |subprotocol| {
        commons.counters.handshake(101);
        encode_switching_protocols(&mut outgoing.replies, upgrade.key, subprotocol);
    };
    match answer {
        Upgrade::Accept(session) => {
            switch(None);
            Next::Open(session)
        }
        Upgrade::AcceptWith { session, subprotocol } => {
            switch(Some(subprotocol));
            Next::Open(session)
        }
        Upgrade::AcceptAndClose(code, reason) => {
            switch(None);
            outgoing.close(code, reason);
            commons.counters.reject(RejectReason::Declined);
            Next::OpenAndClose
        }
        Upgrade::Respond(response) => {
            let how = How { handshake: true, ..How::refused(RejectReason::Declined) };
            Next::Respond(response, how)
        }
    }
}
