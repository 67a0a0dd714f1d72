//! The standalone server: one URL is one channel. All that it is, it is as one [`Handler`].

use crate::hub::{Accepted, ChannelName, Refused};
use crate::instant::Instant;
use crate::protocol::{CloseCode, Message, MessageKind, Request, Response};
use crate::reactor::{Answer, Context, Handler, NotPublished, Subscription, Ticket, Upgrade, Visitor};

use super::access::{self, Denied};
use super::options::{BroadcastOptions, PublishPolicy, Reject};
use super::origin;
use super::rate::TokenBucket;
use super::refusal::Refusal;
use super::route::Route;
use super::{answers, console, event_log, metrics};

const ALLOW_READ: &str = "GET, HEAD";
const ALLOW_CHANNEL: &str = "GET, HEAD, POST";

/// The broadcast server: a path is a channel, its WebSocket peers are the subscribers, a POST publishes.
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
    options: BroadcastOptions,
    /// The channel of the peer that is being let in, from `on_upgrade` to its `on_open`, which follows at once.
    entering: String,
    /// Room for a percent-decoded path.
    decoded: Vec<u8>,
}

/// What a [`Broadcast`] keeps of one connection. As small as can be: idle subscribers cost memory.
#[derive(Debug)]
pub struct BroadcastSession(Session);

#[derive(Debug)]
enum Session {
    /// Let in and not yet open.
    Entering {
        may_publish: bool,
    },
    Subscriber {
        bucket: TokenBucket,
        subscription: Subscription,
        may_publish: bool,
    },
    Echo {
        bucket: TokenBucket,
    },
    /// Closed by the server as soon as it was open.
    Refused,
}

impl Session {
    /// Counts a message of the peer; false if it is one too many.
    fn take_token(&mut self, per_second: u32, now: Instant) -> bool {
        match self {
            Session::Subscriber { bucket, .. } | Session::Echo { bucket } => bucket.take(per_second, now),
            Session::Entering { .. } | Session::Refused => true,
        }
    }
}

impl Broadcast {
    /// A server with these rules.
    #[must_use]
    pub fn new(options: BroadcastOptions) -> Broadcast {
        Broadcast { options, entering: String::new(), decoded: Vec::new() }
    }
}

impl Handler for Broadcast {
    type Session = BroadcastSession;

    fn before_body(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> Option<Response> {
        admit(&self.options, &mut self.decoded, visitor, request).err().map(Refusal::response)
    }

    fn on_request(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>, body: &[u8]) -> Answer {
        // Once more for a request with a body, once for one without: cheaper than to remember.
        let route = match admit(&self.options, &mut self.decoded, visitor, request) {
            Ok(route) => route,
            Err(refusal) => return refusal.response().into(),
        };
        match route {
            Route::Console => console::page().into(),
            Route::Healthz => Response::text(200, "ok\n").into(),
            Route::Readyz if visitor.status().is_draining() => {
                Response::text(503, "draining\n").header("Retry-After", "1").into()
            }
            Route::Readyz => Response::text(200, "ok\n").into(),
            Route::Metrics => metrics::page(visitor).into(),
            Route::Channel(name) if request.method() == "POST" => publish(visitor, request, name, body),
            Route::Channel(_) if accepts(request, "text/html") => console::page().into(),
            Route::Channel(name) => answers::channel(name, visitor.channel(name)).into(),
            Route::Echo => Refusal::NeedsWebSocket.response().into(),
            Route::Reserved => Refusal::NotFound.response().into(),
        }
    }

    fn on_published(&mut self, _ticket: Ticket, outcome: Result<Accepted, Refused>) -> Response {
        match outcome {
            Ok(accepted) => answers::published(&accepted),
            Err(refused) => answers::refused(refused),
        }
    }

    fn on_upgrade(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<BroadcastSession> {
        let refusal = match admit_peer(&self.options, &mut self.decoded, visitor, request) {
            Ok(Entry::Channel { name, may_publish }) => {
                self.entering.clear();
                self.entering.push_str(name.as_str());
                return Upgrade::Accept(BroadcastSession(Session::Entering { may_publish }));
            }
            Ok(Entry::Echo) => {
                return Upgrade::Accept(BroadcastSession(Session::Echo { bucket: TokenBucket::default() }));
            }
            Err(refusal) => refusal,
        };
        let response = refusal.response();
        if self.options.log_events {
            event_log::refused(visitor.address(), request.path(), response.status());
        }
        match (refusal, self.options.reject) {
            (Refusal::Denied(denied), Reject::Close) => {
                let (code, reason) = denied.close();
                Upgrade::AcceptAndClose(code, reason)
            }
            (_, Reject::Http | Reject::Close) => Upgrade::Respond(response),
        }
    }

    fn on_open(&mut self, peer: &mut Context<'_, BroadcastSession>) {
        let channel = match &peer.session().0 {
            Session::Entering { .. } => self.entering.as_str(),
            Session::Echo { .. } => "-/echo",
            Session::Subscriber { .. } | Session::Refused => "",
        };
        if self.options.log_events {
            event_log::opened(peer.connection(), peer.address(), channel);
        }
        let Session::Entering { may_publish } = peer.session().0 else { return };
        let session = match ChannelName::parse(channel).map(|name| peer.subscribe(name)) {
            Ok(Ok(subscription)) => {
                Session::Subscriber { bucket: TokenBucket::default(), subscription, may_publish }
            }
            Ok(Err(refused)) => {
                peer.close(CloseCode::TRY_AGAIN_LATER, overload_reason(refused));
                Session::Refused
            }
            // It was parsed in `on_upgrade`.
            Err(_) => {
                peer.close(CloseCode::INTERNAL_ERROR, "internal error");
                Session::Refused
            }
        };
        peer.session_mut().0 = session;
    }

    fn on_message(&mut self, peer: &mut Context<'_, BroadcastSession>, message: Message<'_>) {
        if self.options.log_events {
            event_log::message(peer.connection(), message);
        }
        let now = peer.now();
        let session = &mut peer.session_mut().0;
        if let Some(rate) = self.options.message_rate
            && !session.take_token(rate, now)
        {
            return peer.close(CloseCode::RATE_LIMITED, "more messages a second than --message-rate");
        }
        match *session {
            Session::Subscriber { may_publish: false, .. } => {
                peer.close(CloseCode::FORBIDDEN, "publishing over a WebSocket is not allowed: see --publish");
            }
            Session::Subscriber { subscription, may_publish: true, .. } => {
                // Where the subscription has ended, so has the connection, and its Close is on the way.
                let published = peer.publish_to(subscription, message);
                debug_assert!(published != Err(NotPublished::Busy), "one publish for one message finds room");
            }
            Session::Echo { .. } => peer.send(message),
            Session::Entering { .. } | Session::Refused => {}
        }
    }

    fn on_close(&mut self, peer: &mut Context<'_, BroadcastSession>, code: CloseCode, reason: &str) {
        if self.options.log_events {
            event_log::closed(peer.connection(), code, reason);
        }
    }
}

/// Decides on a plain request by its head alone. Whoever is let through may have it done.
fn admit<'n>(
    options: &BroadcastOptions,
    decoded: &'n mut Vec<u8>,
    visitor: &Visitor<'_>,
    request: &'n Request<'_>,
) -> Result<Route<'n>, Refusal> {
    let route = Route::parse(request.path(), decoded)?;
    let allow = match route {
        Route::Channel(_) => ALLOW_CHANNEL,
        Route::Console | Route::Healthz | Route::Readyz | Route::Metrics | Route::Echo => ALLOW_READ,
        Route::Reserved => return Err(Refusal::NotFound),
    };
    // Whether the process is well may be known to all, and those who ask have names for it that nobody lists.
    if !matches!(route, Route::Healthz | Route::Readyz) {
        check_host(options, visitor, request)?;
    }
    let peer = visitor.address().ip();
    let is_local = || access::is_local(peer, request, &options.allowed_hosts);
    match (&route, request.method()) {
        (Route::Channel(_), "POST") => {
            check_origin(options, request)?;
            match &options.publish_key {
                Some(key) => access::check_key(key, request)?,
                None if is_local() => {}
                None => return Err(Denied::PublishElsewhere.into()),
            }
        }
        (Route::Metrics, "GET" | "HEAD") => match &options.publish_key {
            _ if is_local() => {}
            Some(key) => access::check_key(key, request)?,
            None => return Err(Denied::MetricsElsewhere.into()),
        },
        (Route::Echo, _) if !options.echo => return Err(Refusal::NotFound),
        (Route::Channel(_), "GET") if accepts(request, "text/event-stream") => {
            return Err(Refusal::EventStream);
        }
        (_, "GET" | "HEAD") => {}
        (_, _) => return Err(Refusal::Method { allow }),
    }
    Ok(route)
}

/// What a WebSocket peer is let in for.
enum Entry<'n> {
    Channel { name: ChannelName<'n>, may_publish: bool },
    Echo,
}

/// Decides on an opening handshake.
fn admit_peer<'n>(
    options: &BroadcastOptions,
    decoded: &'n mut Vec<u8>,
    visitor: &Visitor<'_>,
    request: &'n Request<'_>,
) -> Result<Entry<'n>, Refusal> {
    let route = Route::parse(request.path(), decoded)?;
    check_host(options, visitor, request)?;
    check_origin(options, request)?;
    match route {
        Route::Channel(name) => {
            let may_publish = match options.publish {
                Some(PublishPolicy::All) => true,
                Some(PublishPolicy::None | PublishPolicy::Token) => false,
                None => access::is_local(visitor.address().ip(), request, &options.allowed_hosts),
            };
            Ok(Entry::Channel { name, may_publish })
        }
        Route::Echo if options.echo => Ok(Entry::Echo),
        Route::Console | Route::Healthz | Route::Readyz | Route::Metrics | Route::Echo | Route::Reserved => {
            Err(Refusal::NoWebSocket)
        }
    }
}

/// Without a key, whatever comes from loopback is trusted; so it must have meant this machine.
fn check_host(
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
) -> Result<(), Denied> {
    let is_trusted = options.publish_key.is_none() && access::is_loopback(visitor.address().ip());
    if is_trusted && !origin::host_is_local(request.host(), &options.allowed_hosts) {
        return Err(Denied::Host);
    }
    Ok(())
}

fn check_origin(options: &BroadcastOptions, request: &Request<'_>) -> Result<(), Denied> {
    let is_allowed =
        origin::origin_is_allowed(&options.allowed_origins, request.header("Origin"), request.host());
    if is_allowed { Ok(()) } else { Err(Denied::Origin) }
}

fn publish(
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    body: &[u8],
) -> Answer {
    let kind = if is_binary(request) { MessageKind::Binary } else { MessageKind::Text };
    let Some(message) = Message::new(kind, body) else {
        return Response::text(
            400,
            "the body is not UTF-8: send Content-Type: application/octet-stream for a binary message\n",
        )
        .into();
    };
    match visitor.publish(channel, message) {
        Ok(ticket) => Answer::Later(ticket),
        Err(_) => answers::refused(Refused::Busy).into(),
    }
}

fn is_binary(request: &Request<'_>) -> bool {
    request
        .header("Content-Type")
        .is_some_and(|value| media_type(value).eq_ignore_ascii_case("application/octet-stream"))
}

/// Whether the request names this media type among those it accepts; ranges such as `*/*` do not count, for
/// they come from programs that take anything.
fn accepts(request: &Request<'_>, wanted: &str) -> bool {
    request
        .header("Accept")
        .is_some_and(|list| list.split(',').any(|one| media_type(one).eq_ignore_ascii_case(wanted)))
}

/// A media type without its parameters (RFC 9110 section 8.3.1).
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The reason of a close with 1013.
fn overload_reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Busy => "the channel is busy, try later",
        Refused::MemoryFull => "the memory limit is reached, try later",
        Refused::TooManyChannels => "too many channels, try later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_two_words() {
        assert!(size_of::<BroadcastSession>() <= 16, "{} bytes", size_of::<BroadcastSession>());
    }

    #[test]
    fn a_media_type_ends_at_its_parameters() {
        assert_eq!(media_type(" text/html;q=0.9"), "text/html");
        assert_eq!(media_type("text/html"), "text/html");
        assert_eq!(media_type(""), "");
    }
}
