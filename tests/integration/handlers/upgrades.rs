//! Tests of the answers that a handler may give to an opening handshake and to a plain request.

use fanfare::{
    Answer, ChannelName, CloseCode, Context, Handler, Message, Request, Response, Server, Upgrade,
    Visitor,
};

use crate::support::{Peer, Running, connect, request, try_connect, upgrade};

/// A handler whose answer depends on the path.
struct Gate;

impl Handler for Gate {
    type Session = &'static str;

    fn before_body(
        &mut self,
        _visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Option<Response> {
        (request.path() == "/no-bodies").then(|| Response::text(403, "no bodies here\n"))
    }

    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        match request.path() {
            "/publish-and-answer" => {
                let ticket =
                    visitor.publish(ChannelName::parse("gate").unwrap(), Message::text("let go"));
                assert!(ticket.is_ok(), "one publish finds room");
                Response::text(200, "did not wait\n").into()
            }
            "/publish-and-wait" => {
                match visitor.publish(ChannelName::parse("gate").unwrap(), Message::binary(body)) {
                    Ok(ticket) => Answer::Later(ticket),
                    Err(_) => Response::new(503).into(),
                }
            }
            _ => Response::new(302).header("Location", "/elsewhere").into(),
        }
    }

    fn on_upgrade(
        &mut self,
        _visitor: &mut Visitor<'_>,
        request: &Request<'_>,
    ) -> Upgrade<Self::Session> {
        let offered = request.header("Sec-WebSocket-Protocol").unwrap_or_default();
        match request.path() {
            "/teapot" => Upgrade::Respond(
                Response::text(418, "short and stout\n")
                    .header("X-Handle", "here")
                    .header("Retry-After", "7"),
            ),
            "/moved" => Upgrade::Respond(Response::new(302).header("Location", "/elsewhere")),
            "/empty" => Upgrade::Respond(Response::new(401)),
            "/json" => Upgrade::Respond(Response::json(409, "{\"error\":\"taken\"}".to_owned())),
            "/close" => Upgrade::AcceptAndClose {
                code: CloseCode::new(4000),
                reason: "not you",
                subprotocol: None,
            },
            _ if offered.split(',').any(|one| one.trim() == "chat.v2") => {
                Upgrade::AcceptWith { session: "chat.v2", subprotocol: "chat.v2".into() }
            }
            _ => Upgrade::Accept("none"),
        }
    }

    fn on_open(&mut self, peer: &mut Context<'_, Self::Session>) {
        let session = *peer.session();
        peer.send(Message::text(session));
        peer.subscribe(ChannelName::parse("gate").unwrap()).unwrap();
    }
}

fn running() -> Running {
    Running::start(|| Server::builder().listen("127.0.0.1:0").handler(|_reactor| Gate).bind())
}

#[test]
fn a_handler_declines_with_any_status_headers_and_body() {
    let server = running();
    for (path, status, header, body) in [
        ("/teapot", 418, Some(("X-Handle", "here")), "short and stout\n"),
        ("/teapot", 418, Some(("Retry-After", "7")), "short and stout\n"),
        ("/moved", 302, Some(("Location", "/elsewhere")), ""),
        ("/empty", 401, None, ""),
        ("/json", 409, Some(("Content-Type", "application/json")), "{\"error\":\"taken\"}"),
    ] {
        let answer = try_connect(server.address, path, &[]).expect_err(path);
        assert_eq!(answer.status().as_u16(), status, "{path}");
        if let Some((name, value)) = header {
            assert_eq!(answer.headers().get(name).unwrap(), value, "{path}");
        }
        let mut peer = Peer::connect(server.address);
        let response = peer.ask(upgrade(path));
        assert_eq!((response.status, response.body.as_str()), (status, body), "{path}");
        peer.end();
    }
    let reasons = Peer::connect(server.address).ask(request("GET", "/", "", ""));
    assert_eq!((reasons.status, reasons.header("Location")), (302, Some("/elsewhere")));
}

#[test]
fn a_handler_declines_by_a_close_that_scripts_can_see() {
    let server = running();
    let mut client = connect(server.address, "/close");
    let frame = match client.read().unwrap() {
        tungstenite::Message::Close(Some(frame)) => frame,
        message => panic!("{message:?}"),
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4000, "not you"));
}

#[test]
fn a_handler_chooses_a_subprotocol_of_those_offered_or_none() {
    let server = running();
    let ask = |offered: Option<&str>| {
        let headers: Vec<_> =
            offered.map(|one| ("Sec-WebSocket-Protocol", one)).into_iter().collect();
        let answer = try_connect(server.address, "/", &headers);
        let (mut client, answer) = answer.expect("everybody is let in");
        let chosen = answer.headers().get("Sec-WebSocket-Protocol");
        let chosen = chosen.map(|value| value.to_str().unwrap().to_owned());
        (chosen, client.read().unwrap().to_string())
    };
    assert_eq!(ask(Some("chat.v1, chat.v2")), (Some("chat.v2".to_owned()), "chat.v2".to_owned()));
    assert_eq!(ask(None), (None, "none".to_owned()));
}

#[test]
fn a_request_may_publish_and_wait_for_the_outcome_or_not() {
    let server = running();
    let mut subscriber = connect(server.address, "/");
    assert_eq!(subscriber.read().unwrap().to_string(), "none");
    let mut peer = Peer::connect(server.address);
    assert_eq!(peer.ask(request("GET", "/publish-and-answer", "", "")).body, "did not wait\n");
    assert_eq!(subscriber.read().unwrap().to_string(), "let go");
    let answer = peer.ask(request("POST", "/publish-and-wait", "", "waited"));
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(subscriber.read().unwrap().into_data(), "waited");
    assert_eq!(peer.ask(request("POST", "/no-bodies", "", "a")).status, 403);
    peer.end();
}
