//! The standalone server, where one URL is one channel: a [`Handler`] and nothing else.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{Accepted, ChannelInfo, ChannelName, Refused, SlowPolicies};
use crate::instant::Instant;
use crate::ip_network::customer_of;
use crate::protocol::{CloseCode, HeaderStorage, Message, MessageKind, Request, Response};
use crate::reactor::{
    Answer, ChannelListing, Context, Handler, NotPublished, RejectReason, Rejected,
    ResponseHeaders, Review, Served, Standstill, Subscription, Ticket, Upgrade, Visitor,
};

use super::access::Denied;
use super::authorizer::{
    HandshakeSource, NoVerdict, Question, Verdict, VerdictSlot, forwarded_request,
};
use super::bearer_subprotocol::brings_credentials;
use super::channel_access::Publishing;
use super::channel_rates::{ChannelRates, RateNumber};
use super::credentials::may_bring_cookie;
use super::options::{BroadcastOptions, Reject};
use super::rate::TokenBucket;
use super::refusal_log::{RefusalLog, TOO_FAST};
use super::rejection::Rejection;
use super::request_rules::{
    self, Admitted, Entry, accepts, admit, admit_peer, media_type, note_wrong_credentials,
};
use super::route::Route;
use super::shared_options::SharedOptions;
use super::sign_in::{Granted, SignIn};
use super::ways_in::{WayNumber, WaysIn};
use super::{
    access_log, channel_answers, channel_list, console, cors, event_log, metrics, subprotocols,
};

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
    /// The message rates of rules.
    rates: ChannelRates,
    /// The channel name of the peer that is being accepted, or judged again: set in `on_upgrade`
    /// and used in `on_open`, which is called immediately afterwards.
    entering: String,
    /// A buffer for percent-decoded paths.
    decoded: Vec<u8>,
    /// The handshakes on which the application decides, and where its verdict will be.
    asked: HashMap<Ticket, Arc<VerdictSlot>>,
    refusals: RefusalLog,
    /// The time of the last plain request. `on_published` uses it, because it gets no time as an
    /// argument.
    now: Instant,
}

/// What a [`Broadcast`] keeps of one connection. It is small, because a server may have many idle
/// connections.
#[derive(Debug)]
pub struct BroadcastSession(Session);

/// A struct, because an enum with the same data would not fit into 16 bytes.
#[derive(Debug)]
struct Session {
    bucket: TokenBucket,
    /// The subscription to the channel; `None` until `on_open`.
    subscription: Option<Subscription>,
    way: WayNumber,
    rate: RateNumber,
    purpose: Purpose,
}

/// What a peer is here for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// A channel.
    Subscriber(Publishing),
    Echo,
    /// The peer could not subscribe, and the server closes the connection.
    Rejected,
}

/// It is not known how a peer was let in, so it is judged when it connects again.
const FORGOTTEN: Review = Review::Close {
    code: CloseCode::SERVICE_RESTART,
    reason: "the rules of the server have changed: reconnect",
};
const NO_LONGER_SERVED: Review =
    Review::Close { code: CloseCode::FORBIDDEN, reason: "this is no longer served" };

impl Session {
    /// Makes the session of a peer that is let in; `on_open` follows.
    fn new(purpose: Purpose, rate: RateNumber, way: WayNumber) -> Session {
        Session { bucket: TokenBucket::default(), subscription: None, way, rate, purpose }
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
            rates: ChannelRates::default(),
            entering: String::new(),
            decoded: Vec::new(),
            asked: HashMap::new(),
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
        let response = rejection.response();
        self.note_refusal(visitor, request, rejection, response.status());
        response
    }

    fn note_refusal(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        rejection: Rejection,
        status: u16,
    ) {
        let reason = rejection.reason();
        visitor.reject_as(reason);
        let address = visitor.address();
        let now = visitor.now();
        let is_logged = match rejection {
            Rejection::Denied(denied) if denied.has_own_text() => {
                self.refusals.note_own(reason, denied.reason(), address, request, now)
            }
            Rejection::ByApplication { status, .. } => {
                let text = format!("the application has answered {status}");
                self.refusals.note_own(reason, &text, address, request, now)
            }
            Rejection::NoVerdict(cause) => {
                self.refusals.note_no_verdict(cause, address, request, now)
            }
            _ => self.refusals.note(reason, Some(address), Some(request), now),
        };
        if self.options.log_events && !is_logged && request.wants_websocket() {
            event_log::refused(address, request.path(), status);
        }
    }
}

impl Handler for Broadcast {
    type Session = BroadcastSession;

    fn slow_policies(&self) -> Option<SlowPolicies> {
        self.options.channel_rules.slow_policies()
    }

    fn before_body(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<Response> {
        match admit(&self.options, &mut self.decoded, visitor, request) {
            Ok(admitted) => {
                visitor.is_admitted = matches!(admitted, Admitted::Route(_));
                None
            }
            Err(rejection) => Some(self.refuse(visitor, request, rejection)),
        }
    }

    fn response_headers(
        &mut self,
        visitor: &Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<ResponseHeaders> {
        cors::response_headers(&self.options, visitor.via.scheme(), request)
    }

    fn is_exempt(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> bool {
        request_rules::is_exempt(&self.options, &mut self.decoded, visitor, request)
    }

    fn on_rejected(&mut self, rejected: &Rejected<'_>) {
        let Rejected { reason, address, request, tls, now } = *rejected;
        match tls {
            Some(end) => self.refusals.note_tls(end, address, now),
            None => self.refusals.note(reason, Some(address), request, now),
        };
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
        let admitted = match visitor.is_admitted {
            true => Route::parse(request.path(), &mut self.decoded)
                .map(Admitted::Route)
                .map_err(Rejection::from),
            false => admit(&self.options, &mut self.decoded, visitor, request),
        };
        let route = match admitted {
            Ok(Admitted::Route(route)) => route,
            Ok(Admitted::Methods(allow)) => {
                return Response::new(204).header("Allow", allow).into();
            }
            Ok(Admitted::Preflight(methods)) => return cors::preflight(methods).into(),
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
        self.upgrade(visitor, request, SignIn::default())
    }

    fn on_deferred(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        ticket: Ticket,
    ) -> Upgrade<BroadcastSession> {
        let verdict = self.asked.remove(&ticket).and_then(VerdictSlot::take);
        self.decide(visitor, request, verdict.unwrap_or(Verdict::None(NoVerdict::Failed)))
    }

    fn on_abandoned(&mut self, ticket: Ticket) {
        self.asked.remove(&ticket);
    }

    fn on_open(&mut self, peer: &mut Context<'_, BroadcastSession>) {
        let purpose = peer.session().0.purpose;
        let channel = match purpose {
            Purpose::Subscriber(_) => self.entering.as_str(),
            Purpose::Echo => ECHO,
            Purpose::Rejected => "",
        };
        if self.options.log_events {
            event_log::opened(peer.connection(), peer.address(), channel);
        }
        let Purpose::Subscriber(_) = purpose else { return };
        match ChannelName::parse(channel).map(|name| peer.subscribe(name)) {
            Ok(Ok(subscription)) => peer.session_mut().0.subscription = Some(subscription),
            Ok(Err(refused)) => {
                self.refusals.note(refused.into(), Some(peer.address()), None, peer.now());
                peer.close(CloseCode::TRY_AGAIN_LATER, refused.close_reason());
                peer.session_mut().0.purpose = Purpose::Rejected;
            }
            // Cannot happen: `on_upgrade` has parsed the same name.
            Err(_) => {
                peer.close(CloseCode::INTERNAL_ERROR, "internal error");
                peer.session_mut().0.purpose = Purpose::Rejected;
            }
        }
    }

    fn on_message(&mut self, peer: &mut Context<'_, BroadcastSession>, message: Message<'_>) {
        if !self.is_within_rate(peer) {
            return;
        }
        let Session { purpose, subscription, .. } = peer.session().0;
        let is_taken = matches!(purpose, Purpose::Subscriber(Publishing::Allowed) | Purpose::Echo);
        if self.options.log_events && is_taken {
            let channel = subscription.and_then(|subscription| peer.channel(subscription));
            let channel = channel.map_or(ECHO, ChannelName::as_str);
            event_log::message(peer.connection(), channel, message);
        }
        match purpose {
            Purpose::Subscriber(Publishing::ByNoRule) => {
                let text = "publishing over a WebSocket is not allowed: see --publish and the rule \
                            of the channel";
                self.forbid_publish(peer, CloseCode::FORBIDDEN, text);
            }
            Purpose::Subscriber(Publishing::NotByToken) => {
                let (code, reason) = Denied::PublishNotInToken.close();
                self.forbid_publish(peer, code, reason);
            }
            Purpose::Subscriber(Publishing::NotGranted) => {
                let (code, reason) = Denied::PublishNotGranted.close();
                self.forbid_publish(peer, code, reason);
            }
            Purpose::Subscriber(Publishing::TokenMissing) => {
                let (code, reason) = Denied::TokenMissing.close();
                self.forbid_publish(peer, code, reason);
            }
            Purpose::Subscriber(Publishing::Allowed) => {
                let Some(subscription) = subscription else { return };
                // If the subscription has ended, no answer is needed: the connection is being
                // closed.
                let published = peer.publish_to(subscription, message);
                debug_assert!(
                    published != Err(NotPublished::Busy),
                    "one publish for one message finds room"
                );
            }
            Purpose::Echo => peer.send(message),
            Purpose::Rejected => {}
        }
    }

    fn on_ping(&mut self, peer: &mut Context<'_, BroadcastSession>) {
        self.is_within_rate(peer);
    }

    fn on_reload(&mut self) -> bool {
        let before = std::mem::replace(&mut self.options, self.shared.current());
        // If rates are forgotten, all peers must be judged, so that they have numbers of new ones.
        let forgets_rates = self.rates.make_room();
        forgets_rates || before.may_judge_otherwise(&self.options)
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
        self.ways_in.leave(std::mem::take(&mut peer.session_mut().0.way));
        if self.options.log_events {
            event_log::closed(peer.connection(), code, reason);
        }
    }

    fn wants_served(&self) -> bool {
        self.options.log_access
    }

    fn on_served(&mut self, served: &Served<'_>) {
        access_log::served(served, &mut self.decoded);
    }
}

/// About how long it takes to make a question to the application.
const ASKING_TIME: Duration = Duration::from_micros(20);

impl Broadcast {
    /// Answers a handshake whose peer has signed in in this way.
    fn upgrade(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        mut sign_in: SignIn,
    ) -> Upgrade<BroadcastSession> {
        let accept = |options, session| match subprotocols::chosen(options, request) {
            Some(subprotocol) => {
                Upgrade::AcceptWith { session: BroadcastSession(session), subprotocol }
            }
            None => Upgrade::Accept(BroadcastSession(session)),
        };
        let entry = Route::parse(request.path(), &mut self.decoded)
            .map_err(Rejection::from)
            .and_then(|route| admit_peer(&self.options, &route, visitor, request, &mut sign_in));
        match entry {
            Ok(Entry::Channel { name, publishing, rate }) => {
                self.entering.clear();
                self.entering.push_str(name.as_str());
                sign_in.note_unread(&self.options, request);
                let way = self.ways_in.enter(request, &sign_in);
                let rate = self.rates.number_of(rate);
                let purpose = Purpose::Subscriber(publishing);
                accept(&self.options, Session::new(purpose, rate, way))
            }
            Ok(Entry::Echo) => {
                let way = self.ways_in.enter(request, &sign_in);
                let rate = RateNumber::default();
                accept(&self.options, Session::new(Purpose::Echo, rate, way))
            }
            Ok(Entry::AskApplication) => self.ask_application(visitor, request),
            Err(rejection) => {
                let response = self.refuse(visitor, request, rejection);
                self.turn_away(request, rejection, response)
            }
        }
    }

    /// Refuses a handshake with this answer or, if the operator wants that, by a close code.
    fn turn_away(
        &self,
        request: &Request<'_>,
        rejection: Rejection,
        response: Response,
    ) -> Upgrade<BroadcastSession> {
        match (rejection.close(), self.options.reject) {
            (Some((code, reason)), Reject::Close) => {
                let subprotocol = subprotocols::chosen(&self.options, request);
                Upgrade::AcceptAndClose { code, reason, subprotocol }
            }
            (_, Reject::Http | Reject::Close) => Upgrade::Respond(response),
        }
    }

    /// Has the application asked whether a peer may connect. The handshake goes on in
    /// `on_deferred`.
    fn ask_application(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Upgrade<BroadcastSession> {
        let Some(authorizer) = &self.options.authorizer else {
            let rejection = Rejection::NoVerdict(NoVerdict::Failed);
            return Upgrade::Respond(self.refuse(visitor, request, rejection));
        };
        visitor.charge(ASKING_TIME);
        let address = visitor.address();
        let scheme = visitor.via.scheme();
        let from = HandshakeSource {
            address: address.ip(),
            scheme,
            is_strangers: !may_bring_cookie(&self.options, request, scheme),
        };
        let question = forwarded_request(&authorizer.url, request, &from);
        let deferral = visitor.defer();
        let ticket = deferral.ticket();
        let (question, outcome) =
            Question::new(question, customer_of(address.ip()), authorizer.timeout, deferral);
        self.asked.insert(ticket, outcome);
        self.shared.side_threads().ask(question);
        Upgrade::Later(ticket)
    }

    /// Goes on with a handshake on which the application has decided, by the options that are in
    /// force now.
    fn decide(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        verdict: Verdict,
    ) -> Upgrade<BroadcastSession> {
        if visitor.is_draining() {
            return Upgrade::Respond(self.refuse(visitor, request, Rejection::Draining));
        }
        // It may be asked about many guesses of an address at the same time. Once enough of them
        // were wrong, no answer tells any more whether another is right.
        if !matches!(verdict, Verdict::None(_))
            && let Err(denied) = request_rules::check_failures(&self.options, visitor, request)
        {
            let rejection = Rejection::from(denied);
            let response = self.refuse(visitor, request, rejection);
            return self.turn_away(request, rejection, response);
        }
        match verdict {
            Verdict::LetIn(grant) => {
                if let Some(lasts) = grant.lasts {
                    visitor.expire_at(visitor.unix_time().saturating_add(lasts));
                }
                let granted = match Route::parse(request.path(), &mut self.decoded) {
                    Ok(Route::Channel(name)) => Granted {
                        may_subscribe: grant.may_subscribe(name.as_str()),
                        may_publish: grant.may_publish(name.as_str()),
                    },
                    _ => Granted { may_subscribe: true, may_publish: false },
                };
                self.upgrade(visitor, request, SignIn::by_application(granted))
            }
            Verdict::Refused(response) => {
                let status = response.status();
                let rejection = Rejection::ByApplication {
                    status,
                    reason: match status {
                        401 if brings_credentials(request) => {
                            note_wrong_credentials(&self.options, visitor);
                            RejectReason::BadCredentials
                        }
                        401 => RejectReason::MissingCredentials,
                        403 => RejectReason::ForbiddenChannel,
                        _ => RejectReason::Authorizer,
                    },
                };
                self.note_refusal(visitor, request, rejection, status);
                self.turn_away(request, rejection, response)
            }
            Verdict::None(cause) => {
                Upgrade::Respond(self.refuse(visitor, request, Rejection::NoVerdict(cause)))
            }
        }
    }

    /// Judges a peer that is connected by the options that are in force now, as if it connected
    /// again in the same way.
    fn review(&mut self, visitor: &mut Visitor<'_>, session: &mut Session) -> Review {
        let route = match (session.purpose, session.subscription) {
            (Purpose::Subscriber(_), Some(subscription)) => {
                self.entering.clear();
                self.entering.push_str(visitor.channel_of(subscription).as_str());
                ChannelName::parse(&self.entering).map(Route::Channel).ok()
            }
            (Purpose::Echo, _) => Some(Route::Echo),
            (Purpose::Subscriber(_), None) | (Purpose::Rejected, _) => return Review::Stay,
        };
        let (Some(route), Some(way)) = (route, self.ways_in.of(session.way)) else {
            return FORGOTTEN;
        };
        let mut storage = HeaderStorage::default();
        let Ok(request) = Request::parse(way.head.as_bytes(), &mut storage) else {
            return FORGOTTEN;
        };
        let mut sign_in = way.sign_in.kept();
        match admit_peer(&self.options, &route, visitor, &request, &mut sign_in) {
            Ok(Entry::AskApplication) => FORGOTTEN,
            // Its credentials were not needed when it came, and are not kept. It is asked again.
            Ok(Entry::Channel { publishing: Publishing::TokenMissing, .. })
            | Err(Rejection::Denied(Denied::TokenMissing | Denied::Host))
                if sign_in.has_unread() =>
            {
                FORGOTTEN
            }
            Ok(entry) => {
                session.way = self.ways_in.stay(session.way, &way, &sign_in);
                if let Entry::Channel { publishing, rate, .. } = entry {
                    session.purpose = Purpose::Subscriber(publishing);
                    session.rate = self.rates.number_of(rate);
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
    fn forbid_publish(
        &mut self,
        peer: &mut Context<'_, BroadcastSession>,
        code: CloseCode,
        reason: &'static str,
    ) {
        let counted_as = match code {
            CloseCode::UNAUTHORIZED => RejectReason::MissingCredentials,
            _ => RejectReason::ForbiddenPublish,
        };
        self.refusals.note_websocket_publish(counted_as, reason, peer.address(), peer.now());
        peer.close(code, reason);
    }

    /// Counts a message or a ping towards `--message-rate`, or that of the channel's rule. If the
    /// peer is over that rate, closes the connection and returns false.
    fn is_within_rate(&mut self, peer: &mut Context<'_, BroadcastSession>) -> bool {
        let now = peer.now();
        let Session { bucket, rate, .. } = &mut peer.session_mut().0;
        let per_second = self.rates.per_second(*rate, self.options.message_rate);
        let is_within = per_second.is_none_or(|per_second| bucket.take(per_second, now));
        if !is_within {
            self.refusals.note_message_rate(peer.address(), now);
            peer.close(CloseCode::RATE_LIMITED, TOO_FAST);
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
