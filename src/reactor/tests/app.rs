//! The application of the reactor's tests. The path of a connection selects what it does:
//!
//! | path | does |
//! |---|---|
//! | `/echo` | sends every message back |
//! | `/greet` | sends a message in `on_open` |
//! | `/no` | declines the handshake with 403 |
//! | `/later/PATH` | defers the decision on the handshake; then does what `/PATH` does |
//! | `/turned-away` | answers 101, followed directly by a Close frame |
//! | `/shut` | closes in `on_open`; `/shut-later` closes on the first message |
//! | `/join` | subscribes to the channel that a message names; a message `-` ends the subscription
//! with a reply, `.` without one |
//! | `/two` | subscribes to `two-a` and `two-b`, and publishes what it receives to `two-a` |
//! | `/bye/CHANNEL` | publishes to the channel when the connection ends |
//! | `/leave/CHANNEL` | subscribes, publishes what it receives, and closes in the same callback |
//! | `GET /about/CHANNEL` | answers with the figures that the channel's home has of it |
//! | `GET /list/SORT/LIMIT/FILTER` | answers with a list of channels |
//! | `POST /twice` | publishes to `news` twice, and answers with the second outcome |
//! | `/panic/CALLBACK` | panics in that callback: `upgrade`, `open`, `message`, `close`, … |
//! | any other | subscribes to the channel of that name, and publishes its messages there |

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::hub::{Accepted, ChannelInfo, ChannelName, Refused, SlowPolicies, SlowPolicy};
use crate::protocol::{CloseCode, Message, Request, Response};

use super::super::{
    Answer, ChannelListing, ChannelQuery, ChannelSort, Context, Deferral, Handler, ListedChannel,
    RejectReason, Review, Served, Subscription, Ticket, Upgrade, Visitor,
};

/// What the application has recorded, for the test to read.
#[derive(Default)]
pub(super) struct Log {
    /// Path, close code and reason of every connection that has ended, in order.
    pub(super) closed: Vec<(String, u16, String)>,
    /// How many connections are open.
    pub(super) open: usize,
    /// By peer address: the last subscription of the connection.
    subscriptions: HashMap<SocketAddr, Subscription>,
    /// After a reload, connections whose path begins with this are closed.
    pub(super) banned: Option<String>,
    /// The handshakes that wait for a decision.
    pub(super) deferrals: Vec<Deferral>,
    /// Whether the application is told of what was served, and what it was told.
    pub(super) wants_served: bool,
    pub(super) served: Vec<Service>,
    /// The tickets whose peers have left.
    pub(super) abandoned: Vec<Ticket>,
    /// How many connections have been reviewed.
    pub(super) reviewed: usize,
    /// The ticket of the publish whose outcome makes the application panic.
    doomed: Option<Ticket>,
}

/// What a `Served` has said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Service {
    /// Method and path.
    pub(super) request: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) rejected: Option<RejectReason>,
    pub(super) close: Option<(u16, String)>,
    pub(super) duration: Duration,
    pub(super) bytes: [u64; 2],
}

/// The application; the module's documentation lists what it does for each path.
pub(super) struct App {
    pub(super) log: Rc<RefCell<Log>>,
    /// The channel that has a slow policy of its own, if any.
    pub(super) own_policy: Option<(&'static str, SlowPolicy)>,
}

/// The message that a connection of the path `/bye/CHANNEL` publishes when it ends.
pub(super) const FAREWELL: &[u8] = b"farewell, all of you";

fn name(channel: &str) -> ChannelName<'_> {
    ChannelName::parse(channel).unwrap()
}

/// Publishes one message. Within a callback there is always room for the first publish.
fn publish(peer: &mut Context<'_, String>, channel: &str, message: Message<'_>) {
    peer.publish(name(channel), message).expect("room for one publish");
}

/// Answers a handshake for this path.
fn decide(path: &str) -> Upgrade<String> {
    match path {
        "/panic/upgrade" => panic!("in on_upgrade"),
        "/no" => Upgrade::Respond(Response::text(403, "not here\n")),
        "/turned-away" => Upgrade::AcceptAndClose {
            code: CloseCode::FORBIDDEN,
            reason: "not here",
            subprotocol: None,
        },
        path => Upgrade::Accept(path.to_owned()),
    }
}

impl App {
    fn subscribe(&self, peer: &mut Context<'_, String>, channel: &str) {
        let Ok(subscription) = peer.subscribe(name(channel)) else {
            return peer.close(CloseCode::TRY_AGAIN_LATER, "too many channels");
        };
        self.log.borrow_mut().subscriptions.insert(peer.address(), subscription);
    }
}

impl Handler for App {
    type Session = String;

    fn slow_policies(&self) -> Option<SlowPolicies> {
        let (channel, policy) = self.own_policy?;
        Some(SlowPolicies::new(move |name| (name.as_str() == channel).then_some(policy)))
    }

    fn before_body(&mut self, _: &mut Visitor<'_>, request: &Request<'_>) -> Option<Response> {
        assert_ne!(request.path(), "/panic/body");
        (request.path() == "/no").then(|| Response::text(403, "not here\n"))
    }

    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        if let ("GET", Some(channel)) = (request.method(), request.path().strip_prefix("/about/")) {
            return match visitor.inspect(name(channel)) {
                Ok(ticket) => Answer::Later(ticket),
                Err(_) => Response::text(503, "busy\n").into(),
            };
        }
        if let Some(list) = request.path().strip_prefix("/list/") {
            return match visitor.list_channels(query(list)) {
                Ok(ticket) => Answer::Later(ticket),
                Err(_) => Response::text(503, "busy\n").into(),
            };
        }
        assert_ne!(request.path(), "/panic/request");
        if request.method() != "POST" {
            return Response::text(200, format!("{} {}", request.method(), request.path())).into();
        }
        let (channel, twice) = match &request.path()[1..] {
            "twice" => ("news", true),
            channel => (channel, false),
        };
        let message = Message::binary(body);
        if twice {
            let _ = visitor.publish(name(channel), message);
        }
        match visitor.publish(name(channel), message) {
            Ok(ticket) => {
                if request.path() == "/panic/published" {
                    self.log.borrow_mut().doomed = Some(ticket);
                }
                Answer::Later(ticket)
            }
            Err(_) if !twice => panic!("room for one publish"),
            Err(_) => Response::text(503, "busy\n").into(),
        }
    }

    fn on_upgrade(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<String> {
        if let Some(seconds) = request.path().strip_prefix("/until/") {
            visitor.expire_at(Duration::from_secs_f64(seconds.parse().unwrap()));
        }
        if request.path().starts_with("/later/") {
            let deferral = visitor.defer();
            let ticket = deferral.ticket();
            self.log.borrow_mut().deferrals.push(deferral);
            return Upgrade::Later(ticket);
        }
        decide(request.path())
    }

    fn on_deferred(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        _: Ticket,
    ) -> Upgrade<String> {
        visitor.expire_at(visitor.unix_time() + Duration::from_secs(20));
        let path = request.path().strip_prefix("/later").unwrap();
        assert_ne!(path, "/panic");
        decide(path)
    }

    fn on_abandoned(&mut self, ticket: Ticket) {
        self.log.borrow_mut().abandoned.push(ticket);
    }

    fn on_open(&mut self, peer: &mut Context<'_, String>) {
        self.log.borrow_mut().open += 1;
        let path = peer.session().clone();
        match path.as_str() {
            "/echo" | "/join" | "/shut-later" => {}
            "/greet" => peer.send(Message::text("welcome")),
            "/shut" => peer.close(CloseCode::TRY_AGAIN_LATER, "not today"),
            "/panic/open" => {
                self.subscribe(peer, "news");
                panic!("in on_open");
            }
            "/two" => {
                self.subscribe(peer, "two-b");
                self.subscribe(peer, "two-a");
            }
            path if path.starts_with("/bye/") => {}
            path => match path.strip_prefix("/leave/") {
                Some(channel) => self.subscribe(peer, channel),
                None => self.subscribe(peer, &path[1..]),
            },
        }
    }

    fn on_message(&mut self, peer: &mut Context<'_, String>, message: Message<'_>) {
        let path = peer.session().clone();
        match path.as_str() {
            "/echo" | "/greet" => peer.send(message),
            "/shut-later" => peer.close(CloseCode::TRY_AGAIN_LATER, "not today"),
            "/join" if matches!(message.payload(), b"-" | b".") => {
                let subscription = self.log.borrow().subscriptions[&peer.address()];
                peer.unsubscribe(subscription);
                if message.payload() == b"-" {
                    peer.send(Message::text("left"));
                }
            }
            "/join" => self.subscribe(peer, message.as_text().unwrap()),
            "/two" => publish(peer, "two-a", message),
            "/panic/message" => {
                peer.send(Message::text("the last words"));
                publish(peer, "news", message);
                panic!("in on_message");
            }
            path if path.starts_with("/bye/") => {}
            path => match path.strip_prefix("/leave/") {
                Some(channel) => {
                    publish(peer, channel, message);
                    peer.close(CloseCode::NORMAL, "that was all");
                }
                None => publish(peer, &path[1..], message),
            },
        }
    }

    fn on_reload(&mut self) -> bool {
        self.log.borrow().banned.is_some()
    }

    fn on_review(&mut self, visitor: &mut Visitor<'_>, path: &mut String) -> Review {
        let mut log = self.log.borrow_mut();
        log.reviewed += 1;
        if let Some(subscription) = log.subscriptions.get(&visitor.address()) {
            assert!(path.ends_with(visitor.channel_of(*subscription).as_str()));
        }
        assert_ne!(path, "/panic/review");
        match log.banned.as_ref().is_some_and(|banned| path.starts_with(banned)) {
            true => Review::Close { code: CloseCode::FORBIDDEN, reason: "no longer" },
            false => Review::Stay,
        }
    }

    fn on_close(&mut self, peer: &mut Context<'_, String>, code: CloseCode, reason: &str) {
        let path = peer.session().clone();
        if let Some(channel) = path.strip_prefix("/bye/") {
            // When a connection ends, there may be no room for a publish.
            let _ = peer.publish(name(channel), Message::binary(FAREWELL));
        }
        let mut log = self.log.borrow_mut();
        log.open -= 1;
        log.closed.push((path.clone(), code.as_u16(), reason.to_owned()));
        assert_ne!(path, "/panic/close");
    }

    fn wants_served(&self) -> bool {
        self.log.borrow().wants_served
    }

    fn on_served(&mut self, served: &Served<'_>) {
        let request = served.method.zip(served.path);
        self.log.borrow_mut().served.push(Service {
            request: request.map(|(method, path)| format!("{method} {path}")),
            status: served.status,
            rejected: served.rejected,
            close: served.close.map(|(code, reason)| (code.as_u16(), reason.to_owned())),
            duration: served.duration,
            bytes: [served.received_bytes, served.sent_bytes],
        });
        assert_ne!(served.path, Some("/panic/served"));
    }

    fn on_inspected(
        &mut self,
        _: Ticket,
        channel: ChannelName<'_>,
        info: Option<ChannelInfo>,
    ) -> Response {
        assert_ne!(channel.as_str(), "panic/inspected");
        let info = info.map(|info| (info.subscribers, info.messages));
        Response::text(200, format!("{channel} {info:?}"))
    }

    fn on_listed(&mut self, _: Ticket, listing: Option<ChannelListing>) -> Response {
        let Some(ChannelListing { channels, more }) = listing else {
            return Response::text(503, "a reactor is missing");
        };
        let line = |one: &ListedChannel| {
            let ListedChannel { name, subscribers, messages, rate, lag, kept_bytes } = one;
            format!("{name} {subscribers} {messages} {rate} {lag} {kept_bytes}\n")
        };
        let lines: String = channels.iter().map(line).collect();
        Response::text(200, format!("{lines}{}", if more { "more" } else { "all" }))
    }

    fn on_published(&mut self, ticket: Ticket, outcome: Result<Accepted, Refused>) -> Response {
        assert_ne!(self.log.borrow().doomed, Some(ticket));
        match outcome {
            Ok(accepted) if accepted.subscribers == 0 => {
                Response::json(202, accepted.id.to_string())
            }
            Ok(accepted) => Response::json(201, accepted.id.to_string()),
            Err(refused) => Response::text(503, refused.to_string()),
        }
    }
}

/// Reads `SORT/LIMIT/FILTER`.
fn query(text: &str) -> ChannelQuery {
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    let sort = match parts[0] {
        "subscribers" => ChannelSort::Subscribers,
        "rate" => ChannelSort::Rate,
        _ => ChannelSort::Lag,
    };
    ChannelQuery { filter: parts[2].into(), sort, limit: parts[1].parse().unwrap() }
}
