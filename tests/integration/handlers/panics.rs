//! Tests of programs whose callbacks panic: the connection ends, and other connections are not
//! affected.

use fanfare::{ChannelName, Context, Handler, Message, Request, Server, Upgrade, Visitor};
use tungstenite::Message as Received;

use crate::support::{Peer, Running, UPGRADE, connect, request, text, wait_for};

#[test]
fn a_closure_that_panics_closes_its_connection_with_1011_and_serves_the_others() {
    let server = Running::start(|| {
        Server::builder()
            .listen("127.0.0.1:0")
            .on_message(|peer, message| {
                assert_ne!(message.as_text(), Some("panic"), "as it was told");
                peer.send(message);
            })
            .bind()
    });
    let mut other = connect(server.address, "/");
    for _ in 0..3 {
        let mut peer = Peer::subscribe(server.address, "/");
        peer.send(text("panic"));
        assert_eq!(peer.frame().close(), Some((1011, "internal error")));
        peer.end();
    }
    other.send(Received::text("and on")).unwrap();
    assert_eq!(other.read().unwrap(), Received::text("and on"));
}

/// A session that panics when it is dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Creates sessions that panic when they are dropped. Answers requests with the number of panics so
/// far.
struct Clumsy;

impl Handler for Clumsy {
    type Session = Fragile;

    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        _: &[u8],
    ) -> fanfare::Answer {
        assert_ne!(request.path(), "/panic", "as it was told");
        fanfare::Response::text(200, visitor.status().counters().panics.to_string()).into()
    }

    fn on_upgrade(&mut self, _: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<Fragile> {
        assert_ne!(request.path(), "/panic", "as it was told");
        Upgrade::Accept(Fragile)
    }

    fn on_open(&mut self, peer: &mut Context<'_, Fragile>) {
        peer.subscribe(ChannelName::parse("news").unwrap()).unwrap();
    }

    fn on_message(&mut self, peer: &mut Context<'_, Fragile>, message: Message<'_>) {
        peer.publish(ChannelName::parse("news").unwrap(), message).unwrap();
    }

    fn on_close(&mut self, _: &mut Context<'_, Fragile>, _: fanfare::CloseCode, _: &str) {
        // The value of this panic panics again when it is dropped.
        std::panic::panic_any(Fragile);
    }
}

#[test]
fn a_panic_at_the_very_end_of_a_connection_leaves_nothing_behind() {
    let server = Running::start(|| {
        Server::builder().listen("127.0.0.1:0").reactors(2).handler(|_| Clumsy).bind()
    });
    let mut listener = Peer::subscribe(server.address, "/");
    for _ in 0..4 {
        Peer::subscribe(server.address, "/").close();
    }
    listener.send(text("and on"));
    assert_eq!(listener.text(), "and on");
    let mut asking = Peer::connect(server.address);
    // Each closed connection counts two panics: one in `on_close`, and one when the session is
    // dropped.
    wait_for("the panics to be counted", || {
        (asking.ask(request("GET", "/", "", "")).body == "8").then_some(())
    });
    let answer = asking.ask(request("GET", "/panic", "", ""));
    assert_eq!((answer.status, &*answer.body), (500, "internal error\n"));
    asking.end();
    let headers = UPGRADE.map(|line| format!("{line}\r\n")).concat();
    let mut declined = Peer::connect(server.address);
    assert_eq!(declined.ask(request("GET", "/panic", &headers, "")).status, 500);
    declined.end();
}
