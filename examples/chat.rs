//! A chat with private rooms: people sign in, and only the members of a room may enter it.
//!
//! ```sh
//! cargo run --example chat          # listens on 127.0.0.1:8080; another address may be given
//! curl -i -d 'ada lovelace' http://127.0.0.1:8080/login       # Set-Cookie: session=TOKEN
//! ```
//!
//! The cookie (or `Authorization: Bearer TOKEN`) then opens a WebSocket on `/rooms/engines`.
//! Without a valid token the server answers 401; in a room of which the person is no member, 403.
//! Browsers send the cookie by themselves, and `SameSite=Strict` keeps the pages of others from
//! using it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::{
    Answer, ChannelName, CloseCode, Context, Handler, Message, Request, Response, Server,
    Subscription, Upgrade, Visitor,
};

/// Names and passwords. A real program stores a slow hash of each password.
const PEOPLE: [(&str, &str); 3] = [("ada", "lovelace"), ("alan", "turing"), ("grace", "hopper")];

/// Each room and its members.
const ROOMS: [(&str, &[&str]); 2] = [("engines", &["ada", "alan"]), ("compilers", &["grace"])];

/// The names of the people who have signed in, by token. All reactors share this map. They lock it
/// only for an opening handshake, never for a message.
type Tokens = Arc<Mutex<HashMap<String, &'static str>>>;

struct Chat {
    tokens: Tokens,
}

/// One open connection.
struct Member {
    name: &'static str,
    room: &'static str,
    subscription: Option<Subscription>,
}

impl Handler for Chat {
    type Session = Member;

    fn on_request(
        &mut self,
        _visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        let response = match (request.method(), request.path()) {
            ("POST", "/login") => self.login(body),
            _ => Response::text(404, "POST /login, then open a WebSocket on /rooms/NAME\n"),
        };
        response.into()
    }

    fn on_upgrade(&mut self, _visitor: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<Member> {
        let Some(name) = self.name_of(request) else {
            let response = Response::text(401, "sign in first: POST /login\n");
            return Upgrade::Respond(response.header("WWW-Authenticate", "Bearer"));
        };
        let asked = request.path().strip_prefix("/rooms/");
        let Some((room, members)) = ROOMS.iter().find(|(room, _)| asked == Some(*room)) else {
            return Upgrade::Respond(Response::text(404, "there is no such room\n"));
        };
        if !members.contains(&name) {
            return Upgrade::Respond(Response::text(403, "you are no member of this room\n"));
        }
        Upgrade::Accept(Member { name, room, subscription: None })
    }

    fn on_open(&mut self, peer: &mut Context<'_, Member>) {
        let room = ChannelName::parse(peer.session().room);
        match room.map(|room| peer.subscribe(room)) {
            Ok(Ok(subscription)) => peer.session_mut().subscription = Some(subscription),
            Ok(Err(_)) | Err(_) => peer.close(CloseCode::TRY_AGAIN_LATER, "the server is full"),
        }
    }

    fn on_message(&mut self, peer: &mut Context<'_, Member>, message: Message<'_>) {
        let (Some(text), Some(room)) = (message.as_text(), peer.session().subscription) else {
            return peer.close(CloseCode::UNSUPPORTED_DATA, "send text");
        };
        let line = format!("{}: {text}", peer.session().name);
        if peer.publish_to(room, Message::text(&line)).is_err() {
            peer.close(CloseCode::TRY_AGAIN_LATER, "not sent");
        }
    }
}

impl Chat {
    /// Answers a login with a token that cannot be guessed, or refuses it.
    fn login(&self, body: &[u8]) -> Response {
        let text = String::from_utf8_lossy(body);
        let credentials = text.trim().split_once(' ');
        let Some((name, _)) = PEOPLE.into_iter().find(|person| Some(*person) == credentials) else {
            return Response::text(403, "wrong name or password\n");
        };
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            return Response::text(503, "no random numbers\n");
        }
        let token = format!("{:032x}", u128::from_ne_bytes(random));
        let cookie = format!("session={token}; HttpOnly; SameSite=Strict; Path=/");
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), name);
        Response::text(200, format!("{token}\n")).header("Set-Cookie", cookie)
    }

    /// Returns the person to whom the request's token belongs.
    fn name_of(&self, request: &Request<'_>) -> Option<&'static str> {
        let bearer =
            request.header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        // The cookie header is read as bytes, because other programs under the same host name may
        // have set cookies that are not UTF-8.
        let cookies = String::from_utf8_lossy(request.header_bytes("Cookie").unwrap_or_default());
        let mut cookies = cookies.split("; ");
        let token = bearer.or_else(|| cookies.find_map(|one| one.strip_prefix("session=")))?;
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(token).copied()
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let tokens = Tokens::default();
    let chat = move |_reactor| Chat { tokens: Arc::clone(&tokens) };
    let server = Server::builder().listen(address).handler(chat).bind()?;
    eprintln!("listening on http://{}", server.local_addresses()[0]);
    server.run()
}
