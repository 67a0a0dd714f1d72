//! The handler of the fuzzed server. The path of a connection selects what it does:
//!
//! | path | does |
//! |---|---|
//! | `/news`, `/sport`, `/mail` | subscribes to the channel, and publishes there what it receives |
//! | `/two` | subscribes to `news` and `sport`, and publishes to `sport` |
//! | `/hop` | each message ends its subscription, and subscribes to the other channel |
//! | `/leave` | subscribes to `news`, publishes what it receives and closes in the same callback |
//! | `/bye` | publishes to `news` when it is closed |
//! | `/echo` | sends every message back |
//! | `/shut`, `/away` | closes in `on_open`; answers 101, followed by a Close frame |
//! | `GET` | answers with the figures of a channel; on other paths with those of the server |
//! | `POST` | publishes its body |

use std::cell::RefCell;
use std::rc::Rc;

use fanfare::hub::{Accepted, ChannelInfo, ChannelName, Refused};
use fanfare::protocol::{CloseCode, Message, Request, Response};
use fanfare::reactor::{Answer, Context, Handler, Subscription, Ticket, Upgrade, Visitor};

use super::book::{Book, Known, MAIL, NEWS, Outcome, SPORT};

pub struct App {
    book: Rc<RefCell<Book>>,
    /// The tickets of publishes whose outcome a request waits for, with the numbers of their
    /// messages.
    tickets: Vec<(Ticket, u32)>,
}

pub struct Session {
    path: String,
    /// For the path `/hop`: the present channel and the subscription to it.
    at: Option<(&'static str, Subscription)>,
}

fn name(channel: &str) -> ChannelName<'_> {
    ChannelName::parse(channel).expect("these are names")
}

/// Returns the channel that a path names, if it names one.
pub fn channel_of(path: &str) -> Option<&'static str> {
    [NEWS, SPORT, MAIL].into_iter().find(|channel| path.strip_prefix('/') == Some(channel))
}

impl App {
    pub fn new(book: Rc<RefCell<Book>>) -> App {
        App { book, tickets: Vec::new() }
    }

    fn note_request(&mut self, visitor: &Visitor<'_>, request: &Request<'_>) {
        let requests = &mut self.book.borrow_mut().requests;
        requests.entry(visitor.address()).or_default().push_back(request.method() == "HEAD");
    }

    fn subscribe(peer: &mut Context<'_, Session>, channel: &str) -> Option<Subscription> {
        let subscription = peer.subscribe(name(channel));
        if subscription.is_err() {
            peer.close(CloseCode::TRY_AGAIN_LATER, "too many channels");
        }
        subscription.ok()
    }

    fn publish(&mut self, peer: &mut Context<'_, Session>, channel: &str, message: Message<'_>) {
        let published = peer.publish(name(channel), message);
        assert_eq!(published, Ok(()), "one publish per callback always finds room");
    }
}

impl Handler for App {
    type Session = Session;

    fn before_body(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<Response> {
        let is_refused = request.path() == "/no";
        if is_refused {
            self.note_request(visitor, request);
        }
        is_refused.then(|| Response::text(403, "not here\n"))
    }

    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        self.note_request(visitor, request);
        let channel = channel_of(request.path());
        match (request.method(), channel) {
            ("GET" | "HEAD", Some(channel)) => match visitor.inspect(name(channel)) {
                Ok(ticket) => Answer::Later(ticket),
                Err(error) => panic!("one question per request always finds room: {error}"),
            },
            ("POST", Some(channel)) => {
                match visitor.publish(name(channel), Message::binary(body)) {
                    Ok(ticket) => {
                        if let Known::Whole(number) = self.book.borrow().recognise(body) {
                            self.tickets.push((ticket, number));
                        }
                        Answer::Later(ticket)
                    }
                    Err(error) => panic!("one publish per request always finds room: {error}"),
                }
            }
            _ => Response::text(200, format!("{} pending\n", visitor.status().pending())).into(),
        }
    }

    fn on_upgrade(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<Session> {
        self.note_request(visitor, request);
        match request.path() {
            "/away" => {
                return Upgrade::AcceptAndClose {
                    code: CloseCode::FORBIDDEN,
                    reason: "not here",
                    subprotocol: None,
                };
            }
            "/two" | "/hop" | "/leave" | "/bye" | "/echo" | "/shut" => {}
            path if channel_of(path).is_some() => {}
            _ => return Upgrade::Respond(Response::text(404, "no such channel\n")),
        }
        Upgrade::Accept(Session { path: request.path().to_owned(), at: None })
    }

    fn on_open(&mut self, peer: &mut Context<'_, Session>) {
        self.book.borrow_mut().open += 1;
        let path = peer.session().path.clone();
        match path.as_str() {
            "/two" => {
                App::subscribe(peer, NEWS);
                App::subscribe(peer, SPORT);
            }
            "/hop" => {
                let subscription = App::subscribe(peer, NEWS);
                peer.session_mut().at = subscription.map(|subscription| (NEWS, subscription));
            }
            "/leave" => {
                App::subscribe(peer, NEWS);
            }
            "/shut" => peer.close(CloseCode::TRY_AGAIN_LATER, "not today"),
            path => {
                if let Some(channel) = channel_of(path) {
                    App::subscribe(peer, channel);
                }
            }
        }
    }

    fn on_message(&mut self, peer: &mut Context<'_, Session>, message: Message<'_>) {
        let path = peer.session().path.clone();
        match path.as_str() {
            "/echo" => peer.send(message),
            "/bye" => {}
            "/two" => self.publish(peer, SPORT, message),
            "/hop" => {
                let Some((channel, subscription)) = peer.session_mut().at.take() else { return };
                peer.unsubscribe(subscription);
                let channel = if channel == NEWS { SPORT } else { NEWS };
                let subscription = App::subscribe(peer, channel);
                peer.session_mut().at = subscription.map(|subscription| (channel, subscription));
            }
            "/leave" => {
                self.publish(peer, NEWS, message);
                peer.close(CloseCode::NORMAL, "that was all");
            }
            path => {
                if let Some(channel) = channel_of(path) {
                    self.publish(peer, channel, message);
                }
            }
        }
    }

    fn on_close(&mut self, peer: &mut Context<'_, Session>, _: CloseCode, _: &str) {
        let book = &mut self.book.borrow_mut();
        book.open -= 1;
        if peer.session().path == "/bye" {
            let publisher = book.new_publisher();
            let payload = book.write(NEWS, publisher, 30);
            // In `on_close`, unlike in `on_message`, the ring to the home may have no room.
            if peer.publish(name(NEWS), Message::binary(&payload)).is_err() {
                book.note_refused(&payload);
            }
        }
    }

    fn on_published(&mut self, ticket: Ticket, outcome: Result<Accepted, Refused>) -> Response {
        if let Some(place) = self.tickets.iter().position(|(one, _)| *one == ticket) {
            let (_, number) = self.tickets.swap_remove(place);
            self.book.borrow_mut().published[number as usize].outcome = match outcome {
                Ok(accepted) => Outcome::Numbered(accepted.id),
                Err(_) => Outcome::Refused,
            };
        }
        match outcome {
            Ok(_) => Response::new(204),
            Err(refused) => Response::text(503, refused.to_string()),
        }
    }

    fn on_inspected(
        &mut self,
        _: Ticket,
        channel: ChannelName<'_>,
        info: Option<ChannelInfo>,
    ) -> Response {
        Response::text(200, format!("{channel} {info:?}\n"))
    }
}
