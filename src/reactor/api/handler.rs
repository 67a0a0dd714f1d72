//! What an application is to a reactor: one [`Handler`], called with events, never called from
//! within itself.

use crate::hub::{Accepted, ChannelInfo, ChannelName, Refused};
use crate::protocol::{CloseCode, Message, Request, Response};
use crate::reactor::ticket::Ticket;

use super::context::{Context, Visitor};

/// The application of one reactor. Each reactor has its own, so no method needs a lock.
///
/// The methods run on the reactor's thread: one that blocks, blocks every connection of the
/// reactor. None may fail: what a peer did wrong is answered with a status or a close code.
pub trait Handler {
    /// The application's own state of one WebSocket connection, made by
    /// [`on_upgrade`](Self::on_upgrade).
    type Session;

    /// A request with a body has arrived as far as its head. `Some` answers it now, and the body is
    /// never read: the place to refuse who may not send one. Not called for a request without a
    /// body.
    fn before_body(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<Response> {
        let _ = (visitor, request);
        None
    }

    /// A plain HTTP request, with its whole body (empty if it has none). HEAD arrives here as well;
    /// the body of its response is left out by the reactor.
    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        let _ = (visitor, request, body);
        Answer::Respond(Response::text(404, "nothing is served over plain HTTP here\n"))
    }

    /// A well-formed opening handshake (RFC 6455 section 4.2.1): let it in or decline it.
    fn on_upgrade(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Upgrade<Self::Session>;

    /// The connection is let in. Whatever is subscribed to here is received from the 101 on;
    /// whatever is sent here follows the 101.
    fn on_open(&mut self, peer: &mut Context<'_, Self::Session>) {
        let _ = peer;
    }

    /// A whole message has arrived. A text message is valid UTF-8 (RFC 6455 section 8.1).
    fn on_message(&mut self, peer: &mut Context<'_, Self::Session>, message: Message<'_>) {
        let _ = (peer, message);
    }

    /// The connection has ended, for whatever reason; called once for every
    /// [`on_open`](Self::on_open). `code` is that of the Close frame that ended it, or 1006 where
    /// there was none. Nothing can be sent to the peer any more.
    fn on_close(&mut self, peer: &mut Context<'_, Self::Session>, code: CloseCode, reason: &str) {
        let _ = (peer, code, reason);
    }

    /// The answer to a publish that a request was left waiting for with [`Answer::Later`].
    fn on_published(&mut self, ticket: Ticket, outcome: Result<Accepted, Refused>) -> Response {
        let _ = ticket;
        match outcome {
            Ok(_) => Response::new(204),
            Err(_) => Response::text(503, "overloaded\n").header("Retry-After", "1"),
        }
    }

    /// The answer to a question for which a request was left waiting with [`Answer::Later`].
    /// `None`: nobody uses the channel.
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
}

/// What becomes of a plain HTTP request.
pub enum Answer {
    /// Answer now.
    Respond(Response),
    /// [`Handler::on_published`] or [`Handler::on_inspected`] will answer, when the channel's home
    /// has. Until then nothing else that this peer sends is looked at.
    Later(Ticket),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Respond(response)
    }
}

/// What becomes of an opening handshake.
pub enum Upgrade<S> {
    /// 101, with this session.
    Accept(S),
    /// 101 with a subprotocol, one of those that the client offered (RFC 6455 section 4.2.2).
    AcceptWith {
        /// The connection's session.
        session: S,
        /// The value of `Sec-WebSocket-Protocol`.
        subprotocol: &'static str,
    },
    /// No WebSocket: any status, headers and body. Browsers hide all of it from scripts.
    Respond(Response),
    /// 101 and at once a Close frame, whose code and reason a browser does show to scripts.
    AcceptAndClose(CloseCode, &'static str),
}
