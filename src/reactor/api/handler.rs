//! The interface of an application: a reactor calls one [`Handler`] with events, and never calls it
//! again before the previous call has returned.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;

use crate::hub::{Accepted, ChannelInfo, ChannelName, Refused, SlowPolicies};
use crate::instant::Instant;
use crate::protocol::{CloseCode, Message, Request, Response};
use crate::reactor::counters::{RejectReason, TlsHandshake};
use crate::reactor::group::ChannelListing;
use crate::reactor::response_headers::ResponseHeaders;
use crate::reactor::ticket::Ticket;

use super::context::{Context, Visitor};
use super::served::Served;

/// The application of one reactor. Each reactor has its own, so no method needs a lock.
///
/// The methods run on the reactor's thread: a method that blocks, blocks every connection of the
/// reactor. No method can fail: a peer's mistake is answered with an HTTP status or a close code.
///
/// A method that panics ends the connection for which it was called: with 1011 if it is a WebSocket
/// connection, else with the status 500. Whatever the method has published, sent or subscribed to
/// before the panic stays. The handler goes on to be called, so a panic should not leave the
/// handler's own state half changed. The panic hook prints the panic, and
/// [`Counters`](crate::Counters) count it. (A program built with `panic = "abort"` ends.)
pub trait Handler {
    /// The application's own state for one WebSocket connection, created by
    /// [`on_upgrade`](Self::on_upgrade).
    type Session;

    /// Returns the channels that have a [`SlowPolicy`](crate::SlowPolicy) of their own, or `None`
    /// if that of the server counts for all. Called when the reactor starts, and after each
    /// [`on_reload`](Self::on_reload). The handlers of all reactors must return the same.
    fn slow_policies(&self) -> Option<SlowPolicies> {
        None
    }

    /// Called when the head of a request with a body has arrived. If it returns `Some`, the request
    /// is answered now and the body is never read: requests of peers that may not send a body are
    /// refused here. Not called for a request without a body.
    fn before_body(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<Response> {
        let _ = (visitor, request);
        None
    }

    /// Returns headers for the answer to a plain request, whoever gives it: this handler, now or
    /// later, or the reactor, which refuses requests over a limit. Called once for each request, as
    /// soon as its head has arrived. Meant for what a browser needs to show an answer to a page
    /// (CORS). Headers that a request is answered with anyway are not replaced.
    fn response_headers(
        &mut self,
        visitor: &Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<ResponseHeaders> {
        let _ = (visitor, request);
        None
    }

    /// Called with the head of a plain request on a connection that is over `max_connections` or
    /// `max_connections_per_ip`. If it returns true, the request is served all the same; otherwise
    /// it is answered 503 or 429. Meant for health probes, and for peers that have shown a key.
    /// Over `max_connections` a GET or HEAD without a body is served in any case.
    fn is_exempt(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> bool {
        let _ = (visitor, request);
        false
    }

    /// Called when the reactor itself refuses a connection or a request: it is over a limit, for
    /// example, or malformed. Also called when it closes a peer whose message is too large or finds
    /// no memory, before [`on_close`](Self::on_close). For logs; the answer is given already.
    fn on_rejected(&mut self, rejected: &Rejected<'_>) {
        let _ = rejected;
    }

    /// Called when no connection can be accepted, mostly because the process has too many open
    /// files. Connections then wait in the system's queue. For logs.
    fn on_accept_failed(&mut self, error: &io::Error, now: Instant) {
        let _ = (error, now);
    }

    /// Called with a plain HTTP request and its whole body (empty if there is none). HEAD requests
    /// arrive here too; the reactor leaves out the body of the response.
    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        let _ = (visitor, request, body);
        Answer::Respond(Response::text(404, "nothing is served over plain HTTP here\n"))
    }

    /// Called with a valid opening handshake (RFC 6455 section 4.2.1), to accept or decline it.
    fn on_upgrade(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Upgrade<Self::Session>;

    /// Called when the opening handshake is accepted. Messages of channels subscribed to here are
    /// received from the 101 on; whatever is sent here follows the 101.
    fn on_open(&mut self, peer: &mut Context<'_, Self::Session>) {
        let _ = peer;
    }

    /// Called with each complete message. A text message is valid UTF-8 (RFC 6455 section 8.1).
    fn on_message(&mut self, peer: &mut Context<'_, Self::Session>, message: Message<'_>) {
        let _ = (peer, message);
    }

    /// Called with each ping, before it is answered (RFC 6455 section 5.5.2). An application can
    /// limit here how often a peer may send: if it calls [`Context::close`], the ping is not
    /// answered.
    fn on_ping(&mut self, peer: &mut Context<'_, Self::Session>) {
        let _ = peer;
    }

    /// Called for an opening handshake that [`on_upgrade`](Self::on_upgrade) has answered with
    /// [`Upgrade::Later`], when its [`Deferral`](crate::Deferral) has been dropped: decides now.
    /// The request is the same. To answer `Later` again is an error, and the peer gets 500.
    fn on_deferred(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        ticket: Ticket,
    ) -> Upgrade<Self::Session> {
        let _ = (visitor, request, ticket);
        Upgrade::Respond(Response::text(500, "internal error\n"))
    }

    /// Called when a peer has left whose request, or opening handshake, waits for the outcome of a
    /// ticket: no other method is called with that ticket any more.
    fn on_abandoned(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// Called when the program has called [`Reloader::reload`](crate::Reloader::reload): before the
    /// reactor does anything else in its turn, so that no other callback sees the handler half
    /// changed. If it returns true, [`on_review`](Self::on_review) is called for every connection
    /// that is open now.
    fn on_reload(&mut self) -> bool {
        false
    }

    /// Called for each open connection after [`on_reload`](Self::on_reload) has returned true, to
    /// decide whether it may stay. It is called over several turns if there are many connections,
    /// and may also be called for connections that have been opened meanwhile.
    fn on_review(&mut self, visitor: &mut Visitor<'_>, session: &mut Self::Session) -> Review {
        let _ = (visitor, session);
        Review::Stay
    }

    /// Called once for every [`on_open`](Self::on_open), when the connection has ended for any
    /// reason; also if `on_open` or another method has panicked, so that the application can undo
    /// what they have recorded. `code` is the code of the Close frame that ended it, or 1006 if
    /// there was none. Nothing can be sent to the peer any more.
    fn on_close(&mut self, peer: &mut Context<'_, Self::Session>, code: CloseCode, reason: &str) {
        let _ = (peer, code, reason);
    }

    /// Returns true if [`on_served`](Self::on_served) is to be called. Called when the reactor
    /// starts, and after each [`on_reload`](Self::on_reload). For every connection on which a
    /// request arrives from then on, about a hundred bytes are kept.
    fn wants_served(&self) -> bool {
        false
    }

    /// Called when a request has been answered, by whomever, and when a WebSocket connection has
    /// ended, after [`on_close`](Self::on_close). Not called for a connection that ends before a
    /// request has arrived. For access logs; nothing can be changed any more.
    fn on_served(&mut self, served: &Served<'_>) {
        let _ = served;
    }

    /// Makes the response to a request that returned [`Answer::Later`] with the ticket of a
    /// publish.
    fn on_published(&mut self, ticket: Ticket, outcome: Result<Accepted, Refused>) -> Response {
        let _ = ticket;
        match outcome {
            Ok(_) => Response::new(204),
            Err(_) => Response::text(503, "overloaded\n").header("Retry-After", "1"),
        }
    }

    /// Makes the response to a request that returned [`Answer::Later`] with the ticket of an
    /// inspection. `info` is `None` if the channel does not exist.
    fn on_inspected(
        &mut self,
        ticket: Ticket,
        channel: ChannelName<'_>,
        info: Option<ChannelInfo>,
    ) -> Response {
        let _ = (ticket, channel);
        match info {
            Some(info) => Response::text(200, format!("{} subscribers\n", info.subscribers)),
            None => Response::text(404, "no such channel\n"),
        }
    }

    /// Makes the response to a request that returned [`Answer::Later`] with the ticket of a list of
    /// channels. `listing` is `None` if not every reactor has contributed within ten seconds.
    fn on_listed(&mut self, ticket: Ticket, listing: Option<ChannelListing>) -> Response {
        let _ = ticket;
        match listing {
            Some(listing) => {
                let lines = listing.channels.iter().map(|one| format!("{}\n", one.name));
                Response::text(200, lines.collect::<String>())
            }
            None => Response::text(503, "a reactor does not answer\n").header("Retry-After", "1"),
        }
    }
}

/// A refusal by the reactor itself, as passed to [`Handler::on_rejected`].
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// The reason of the refusal.
    pub reason: RejectReason,
    /// The address of the peer.
    pub address: SocketAddr,
    /// The request, if one has been read.
    pub request: Option<&'a Request<'a>>,
    /// How the TLS handshake has ended, if that is the reason.
    pub tls: Option<TlsHandshake>,
    /// The monotonic clock, as read in this turn.
    pub now: Instant,
}

/// How a plain HTTP request is answered.
pub enum Answer {
    /// Answer now.
    Respond(Response),
    /// [`Handler::on_published`] or [`Handler::on_inspected`] makes the response once the channel's
    /// home reactor has answered. Until then nothing else from this peer is decoded.
    Later(Ticket),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Respond(response)
    }
}

/// What becomes of an open connection after a reload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Review {
    /// It stays open.
    Stay,
    /// It is closed, after everything that was sent to it before.
    Close {
        /// The code of the Close frame.
        code: CloseCode,
        /// Its reason, at most 123 bytes.
        reason: &'static str,
    },
}

/// How an opening handshake is answered.
pub enum Upgrade<S> {
    /// 101, with this session.
    Accept(S),
    /// 101 with a subprotocol, one of those that the client offered (RFC 6455 section 4.2.2).
    AcceptWith {
        /// The connection's session.
        session: S,
        /// The value of `Sec-WebSocket-Protocol`.
        subprotocol: Cow<'static, str>,
    },
    /// The answer comes later: the ticket is that of [`Visitor::defer`]. Nothing more is read from
    /// the peer until then.
    Later(Ticket),
    /// No WebSocket: any status, headers and body. Browsers hide all of them from scripts.
    Respond(Response),
    /// 101, followed directly by a Close frame. Browsers show its code and reason to scripts.
    AcceptAndClose {
        /// The code of the Close frame.
        code: CloseCode,
        /// Its reason, at most 123 bytes.
        reason: &'static str,
        /// The value of `Sec-WebSocket-Protocol`, if any. A browser fails a connection for which it
        /// has offered subprotocols and none is chosen, and shows no code then.
        subprotocol: Option<Cow<'static, str>>,
    },
}
