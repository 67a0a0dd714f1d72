//! The standalone server, where one URL is one channel: a [`Handler`] and nothing else.

use std::io;
use std::sync::Arc;

use crate::hub::{Accepted, ChannelInfo, ChannelName, Refused};
use crate::instant::Instant;
use crate::protocol::{CloseCode, HeaderStorage, Message, MessageKind, Request, Response};
use crate::reactor::{
    Answer, ChannelListing, Context, Handler, NotPublished, RejectReason, Rejected, Review,
    Standstill, Subscription, Ticket, Upgrade, Visitor,
};

use super::access::Denied;
use super::credentials::{BEARER, offers_bearer};
use super::options::{BroadcastOptions, Reject};
use super::rate::TokenBucket;
use super::refusal_log::RefusalLog;
use super::rejection::Rejection;
use super::request_rules::{
    self, Admitted, Entry, Publishing, accepts, admit, admit_peer, media_type,
};
use super::route::Route;
use super::shared_options::SharedOptions;
use super::sign_in::SignIn;
use super::ways_in::{WayNumber, WaysIn};
use super::{channel_answers, channel_list, console, event_log, metrics};

/// The broadcast server: a path is a channel, its WebSocket peers are the subscribers, a POST
/// publishes.
///
/// ```
/// use fanfare::{Broadcast, BroadcastOptions, Server};
///
/// let options = BroadcastOptions { echo: true, ..BroadcastOptions::default() };
/// let server = Server::builder()
///     .listen("127.0.0.1:0")
///     .handler(move |_reactor| Broadcast::new(options.clone()))
///     .bind()?;
/// # server.stopper().drain();
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broadcast {
    shared: SharedOptions,
    /// The options that are in force here. They are replaced between two callbacks only.
    options: Arc<BroadcastOptions>,
    /// How the peers that are connected were let in.
    ways_in: WaysIn,
    /// The channel name of the peer that is being accepted, or judged again: set in `on_upgrade`
    /// and used in `on_open`, which is called immediately afterwards.
    entering: String,
    /// A buffer for percent-decoded paths.
    decoded: Vec<u8>,
    refusals: RefusalLog,
    /// The time of the last plain request. `on_published` uses it, because it gets no time as an
    /// argument.
    now: Instant,
}

/// What a [`Broadcast`] keeps of one connection. It is small, because a server may have many idle
/// connections.
#[derive(Debug)]
pub struct BroadcastSession(Session);

#[derive(Debug)]
enum Session {
    /// The upgrade was accepted; `on_open` follows.
    Entering {
        publishing: Publishing,
        way: WayNumber,
    },
    Subscriber {
        bucket: TokenBucket,
        subscription: Subscription,
        publishing: Publishing,
        way: WayNumber,
    },
    Echo {
        bucket: TokenBucket,
        way: WayNumber,
    },
    /// The peer could not subscribe, and the server closes the connection.
    Rejected {
        way: WayNumber,
    },
}

/// It is not known how a peer was let in, so it is judged when it connects again.
const FORGOTTEN: Review = Review::Close {
    code: CloseCode::SERVICE_RESTART,
    reason: "the rules of the server have changed: reconnect",
};
const NO_LONGER_SERVED: Review =
    Review::Close { code: CloseCode::FORBIDDEN, reason: "this is no longer served" };

impl Session {
    /// Takes a token of the peer's message rate. Returns false if it has none left.
    fn take_token(&mut self, per_second: u32, now: Instant) -> bool {
        match self {
            Session::Subscriber { bucket, .. } | Session::Echo { bucket, .. } => {
                bucket.take(per_second, now)
            }
            Session::Entering { .. } | Session::Rejected { .. } => true,
        }
    }

    /// Returns the number of how the peer was let in.
    fn way(&mut self) -> &mut WayNumber {
        match self {
            Session::Entering { way, .. }
            | Session::Subscriber { way, .. }
            | Session::Echo { way, .. }
            | Session::Rejected { way } => way,
        }
    }
}

impl Broadcast {
    /// Makes a server with these rules: [`SharedOptions`], if they are to be replaced while it
    /// serves, or [`BroadcastOptions`].
    #[must_use]
    pub fn new(options: impl Into<SharedOptions>) -> Broadcast {
        let shared = options.into();
        Broadcast {
            options: shared.current(),
            shared,
            ways_in: WaysIn::default(),
            entering: String::new(),
            decoded: Vec::new(),
            refusals: RefusalLog::default(),
            now: Instant::ZERO,
        }
    }

    /// Counts and logs a request or handshake that is not served. Returns the answer.
    fn refuse(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        rejection: Rejection,
    ) -> Response {
        let (reason, response) = (rejection.reason(), rejection.response());
        visitor.reject_as(reason);
        let address = visitor.address();
        let now = visitor.now();
        let is_logged = match rejection {
            Rejection::Denied(denied) if denied.is_about_token() => {
                self.refusals.note_token(reason, denied.reason(), address, request, now)
            }
            _ => self.refusals.note(reason, Some(address), Some(request), now),
        };
        if self.options.log_events && !is_logged && request.wants_websocket() {
            event_log::refused(address, request.path(), response.status());
        }
        response
    }
}

impl Handler for Broadcast {
    type Session = BroadcastSession;

    fn before_body(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<Response> {
        let rejection = admit(&self.options, &mut self.decoded, visitor, request).err()?;
        Some(self.refuse(visitor, request, rejection))
    }

    fn is_exempt(&mut self, _visitor: &mut Visitor<'_>, request: &Request<'_>) -> bool {
        request_rules::is_exempt(&self.options, &mut self.decoded, request)
    }

    fn on_rejected(&mut self, rejected: &Rejected<'_>) {
        let Rejected { reason, address, request, now } = *rejected;
        self.refusals.note(reason, Some(address), request, now);
    }

    fn on_accept_failed(&mut self, error: &io::Error, now: Instant) {
        self.refusals.note_accept_failure(error, now);
    }

    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        // A request with a body was admitted in `before_body` already. Deciding again is cheaper
        // than remembering the decision.
        let route = match admit(&self.options, &mut self.decoded, visitor, request) {
            Ok(Admitted::Route(route)) => route,
            Ok(Admitted::Methods(allow)) => {
                return Response::new(204).header("Allow", allow).into();
            }
            Err(rejection) => return self.refuse(visitor, request, rejection).into(),
        };
        self.now = visitor.now();
        match route {
            Route::Console => console::page().into(),
            Route::Healthz => healthz(&visitor.standing_still()).into(),
            Route::Readyz if visitor.is_draining() => {
                Response::text(503, "draining\n").header("Retry-After", "1").into()
            }
            Route::Readyz => Response::text(200, "ok\n").into(),
            Route::Metrics => metrics::page(visitor, request, &self.options).into(),
            Route::Channels => match channel_list::ask(visitor, request) {
                Ok(Ok(ticket)) => Answer::Later(ticket),
                Ok(Err(_)) => channel_answers::busy().into(),
                Err(rejection) => self.refuse(visitor, request, rejection).into(),
            },
            Route::Channel(name) if request.method() == "POST" => {
                publish(visitor, request, name, body, self.options.log_events)
            }
            Route::Channel(_) if accepts(request, "text/html") => console::page().into(),
            Route::Channel(name) => match visitor.inspect(name) {
                Ok(ticket) => Answer::Later(ticket),
                Err(_) => channel_answers::busy().into(),
            },
            Route::Echo => self.refuse(visitor, request, Rejection::NeedsWebSocket).into(),
            Route::Reserved => self.refuse(visitor, request, Rejection::NotFound).into(),
        }
    }

    fn on_published(&mut self, _ticket: Ticket, outcome: Result<Accepted, Refused>) -> Response {
        match outcome {
            Ok(accepted) => channel_answers::published(&accepted),
            Err(refused) => {
                self.refusals.note(refused.into(), None, None, self.now);
                channel_answers::refused(refused)
            }
        }
    }

    fn on_inspected(
        &mut self,
        _: Ticket,
        channel: ChannelName<'_>,
        info: Option<ChannelInfo>,
    ) -> Response {
        channel_answers::channel(channel, info)
    }

    fn on_listed(&mut self, _: Ticket, listing: Option<ChannelListing>) -> Response {
        channel_list::answer(listing.as_ref())
    }

    fn on_upgrade(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Upgrade<BroadcastSession> {
        let subprotocol = (self.options.takes_tokens() && offers_bearer(request)).then_some(BEARER);
        let accept = |session| match subprotocol {
            Some(subprotocol) => {
                Upgrade::AcceptWith { session: BroadcastSession(session), subprotocol }
            }
            None => Upgrade::Accept(BroadcastSession(session)),
        };
        let mut sign_in = SignIn::default();
        let entry = Route::parse(request.path(), &mut self.decoded)
            .map_err(Rejection::from)
            .and_then(|route| admit_peer(&self.options, &route, visitor, request, &mut sign_in));
        let rejection = match entry {
            Ok(Entry::Channel { name, publishing }) => {
                self.entering.clear();
                self.entering.push_str(name.as_str());
                let way = self.ways_in.enter(request, &sign_in);
                return accept(Session::Entering { publishing, way });
            }
            Ok(Entry::Echo) => {
                let way = self.ways_in.enter(request, &sign_in);
                return accept(Session::Echo { bucket: TokenBucket::default(), way });
            }
            Err(rejection) => rejection,
        };
        let response = self.refuse(visitor, request, rejection);
        match (rejection, self.options.reject) {
            (Rejection::Denied(denied), Reject::Close) => {
                let (code, reason) = denied.close();
                Upgrade::AcceptAndClose { code, reason, subprotocol }
            }
            (_, Reject::Http | Reject::Close) => Upgrade::Respond(response),
        }
    }

    fn on_open(&mut self, peer: &mut Context<'_, BroadcastSession>) {
        let channel = match &peer.session().0 {
            Session::Entering { .. } => self.entering.as_str(),
            Session::Echo { .. } => ECHO,
            Session::Subscriber { .. } | Session::Rejected { .. } => "",
        };
        if self.options.log_events {
            event_log::opened(peer.connection(), peer.address(), channel);
        }
        let Session::Entering { publishing, way } = peer.session().0 else { return };
        let session = match ChannelName::parse(channel).map(|name| peer.subscribe(name)) {
            Ok(Ok(subscription)) => {
                let bucket = TokenBucket::default();
                Session::Subscriber { bucket, subscription, publishing, way }
            }
            Ok(Err(refused)) => {
                self.refusals.note(refused.into(), Some(peer.address()), None, peer.now());
                peer.close(CloseCode::TRY_AGAIN_LATER, refused.close_reason());
                Session::Rejected { way }
            }
            // Cannot happen: `on_upgrade` has parsed the same name.
            Err(_) => {
                peer.close(CloseCode::INTERNAL_ERROR, "internal error");
                Session::Rejected { way }
            }
        };
        peer.session_mut().0 = session;
    }

    fn on_message(&mut self, peer: &mut Context<'_, BroadcastSession>, message: Message<'_>) {
        if !self.is_within_rate(peer) {
            return;
        }
        let is_taken = matches!(
            peer.session().0,
            Session::Subscriber { publishing: Publishing::Allowed, .. } | Session::Echo { .. }
        );
        if self.options.log_events && is_taken {
            let channel = match peer.session().0 {
                Session::Subscriber { subscription, .. } => peer.channel(subscription),
                _ => None,
            };
            let channel = channel.map_or(ECHO, ChannelName::as_str);
            event_log::message(peer.connection(), channel, message);
        }
        match peer.session().0 {
            Session::Subscriber { publishing: Publishing::ByNoRule, .. } => {
                let reason = "publishing over a WebSocket is not allowed: see --publish";
                self.forbid_publish(peer, reason);
            }
            Session::Subscriber { publishing: Publishing::NotByToken, .. } => {
                self.forbid_publish(peer, Denied::PublishNotInToken.reason());
            }
            Session::Subscriber { subscription, publishing: Publishing::Allowed, .. } => {
                // If the subscription has ended, no answer is needed: the connection is being
                // closed.
                let published = peer.publish_to(subscription, message);
                debug_assert!(
                    published != Err(NotPublished::Busy),
                    "one publish for one message finds room"
                );
            }
            Session::Echo { .. } => peer.send(message),
            Session::Entering { .. } | Session::Rejected { .. } => {}
        }
    }

    fn on_ping(&mut self, peer: &mut Context<'_, BroadcastSession>) {
        self.is_within_rate(peer);
    }

    fn on_reload(&mut self) -> bool {
        let before = std::mem::replace(&mut self.options, self.shared.current());
        before.may_judge_otherwise(&self.options)
    }

    fn on_review(&mut self, visitor: &mut Visitor<'_>, session: &mut BroadcastSession) -> Review {
        self.review(visitor, &mut session.0)
    }

    fn on_close(
        &mut self,
        peer: &mut Context<'_, BroadcastSession>,
        code: CloseCode,
        reason: &str,
    ) {
        self.ways_in.leave(std::mem::take(peer.session_mut().0.way()));
        if self.options.log_events {
            event_log::closed(peer.connection(), code, reason);
        }
    }
}

impl Broadcast {
    /// Judges a peer that is connected by the options that are in force now, as if it connected
    /// again in the same way.
    fn review(&mut self, visitor: &mut Visitor<'_>, session: &mut Session) -> Review {
        let route = match session {
            Session::Subscriber { subscription, .. } => {
                self.entering.clear();
                self.entering.push_str(visitor.channel_of(*subscription).as_str());
                ChannelName::parse(&self.entering).map(Route::Channel).ok()
            }
            Session::Echo { .. } => Some(Route::Echo),
            Session::Entering { .. } | Session::Rejected { .. } => return Review::Stay,
        };
        let number = session.way();
        let (Some(route), Some(way)) = (route, self.ways_in.of(*number)) else {
            return FORGOTTEN;
        };
        let mut storage = HeaderStorage::default();
        let Ok(request) = Request::parse(way.head.as_bytes(), &mut storage) else {
            return FORGOTTEN;
        };
        let mut sign_in = way.sign_in.kept();
        match admit_peer(&self.options, &route, visitor, &request, &mut sign_in) {
            Ok(entry) => {
                *number = self.ways_in.stay(*number, &way, &sign_in);
                if let (
                    Session::Subscriber { publishing, .. },
                    Entry::Channel { publishing: new, .. },
                ) = (session, entry)
                {
                    *publishing = new;
                }
                Review::Stay
            }
            Err(Rejection::Denied(denied)) => {
                let (code, reason) = denied.close();
                Review::Close { code, reason }
            }
            Err(_) => NO_LONGER_SERVED,
        }
    }

    /// Closes a peer that has sent a message and may not publish.
    fn forbid_publish(&mut self, peer: &mut Context<'_, BroadcastSession>, reason: &'static str) {
        self.refusals.note_websocket_publish(reason, peer.address(), peer.now());
        peer.close(CloseCode::FORBIDDEN, reason);
    }

    /// Counts a message or a ping towards `--message-rate`. If the peer is over that rate, closes
    /// the connection and returns false.
    fn is_within_rate(&mut self, peer: &mut Context<'_, BroadcastSession>) -> bool {
        let Some(rate) = self.options.message_rate else { return true };
        let now = peer.now();
        let is_within = peer.session_mut().0.take_token(rate, now);
        if !is_within {
            self.refusals.note_message_rate(peer.address(), now);
            peer.close(CloseCode::RATE_LIMITED, "more messages a second than --message-rate");
        }
        is_within
    }
}

/// What the log shows in place of a channel for peers of `/-/echo`.
const ECHO: &str = "-/echo";

/// Answers whether every reactor turns. Whether the server takes connections is another question.
fn healthz(standing_still: &[Standstill]) -> Response {
    if standing_still.is_empty() {
        return Response::text(200, "ok\n");
    }
    let lines: Vec<String> = standing_still.iter().map(|one| format!("{one}\n")).collect();
    Response::text(503, lines.concat())
}

fn publish(
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    body: &[u8],
    log_events: bool,
) -> Answer {
    let kind = if is_binary(request) { MessageKind::Binary } else { MessageKind::Text };
    let Some(message) = Message::new(kind, body) else {
        visitor.reject_as(RejectReason::Malformed);
        return Response::text(
            400,
            "the body is not UTF-8: \
             send Content-Type: application/octet-stream for a binary message\n",
        )
        .into();
    };
    match visitor.publish(channel, message) {
        Ok(ticket) => {
            if log_events {
                event_log::posted(visitor.address(), channel.as_str(), message);
            }
            Answer::Later(ticket)
        }
        Err(_) => channel_answers::busy().into(),
    }
}

fn is_binary(request: &Request<'_>) -> bool {
    request
        .header("Content-Type")
        .is_some_and(|value| media_type(value).eq_ignore_ascii_case("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_two_words() {
        assert!(size_of::<BroadcastSession>() <= 16, "{} bytes", size_of::<BroadcastSession>());
    }
}
