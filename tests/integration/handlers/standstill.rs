//! A callback that does not return: its reactor stands still, and the others say so.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use fanfare::{Answer, Handler, Request, Response, Server, Upgrade, Visitor};

use crate::support::{Peer, Running, request, wait_for};

/// Answers with its reactor's number, or with what stands still. A request for `/block` returns
/// when the test says so.
struct Blocking {
    reactor: usize,
    released: Arc<Mutex<Receiver<()>>>,
}

impl Handler for Blocking {
    type Session = ();

    fn on_request(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>, _: &[u8]) -> Answer {
        let text = match request.path() {
            "/reactor" => self.reactor.to_string(),
            "/block" => {
                self.released.lock().unwrap().recv().unwrap();
                "released".to_owned()
            }
            _ => visitor.standing_still().iter().map(ToString::to_string).collect(),
        };
        Response::text(200, text).into()
    }

    fn on_upgrade(&mut self, _: &mut Visitor<'_>, _: &Request<'_>) -> Upgrade<()> {
        Upgrade::Accept(())
    }
}

#[test]
fn a_handler_that_blocks_is_told_of_by_the_other_reactors_and_by_the_handle() {
    let (release, released) = channel();
    let released = Arc::new(Mutex::new(released));
    let (tell_health, health) = channel();
    let server = Running::start(move || {
        let make = move |reactor| Blocking { reactor, released: Arc::clone(&released) };
        let server = Server::builder().listen("127.0.0.1:0").reactors(2).handler(make).bind()?;
        tell_health.send(server.health()).unwrap();
        Ok(server)
    });
    let health = health.recv().unwrap();
    // The system chooses the reactor of each connection.
    let peer_of = |reactor: &str| {
        wait_for("a connection to the reactor", || {
            let mut peer = Peer::connect(server.address);
            let answer = peer.ask(request("GET", "/reactor", "", ""));
            (answer.body == reactor).then_some(peer)
        })
    };
    let (mut blocked, mut other) = (peer_of("1"), peer_of("0"));
    let mut asked = || other.ask(request("GET", "/", "", "")).body;
    assert_eq!(asked(), "");
    blocked.send(request("GET", "/block", "", ""));
    let named = wait_for("reactor 1 is named", || Some(asked()).filter(|text| !text.is_empty()));
    assert!(named.starts_with("reactor 1 has stood still for "), "{named}");
    assert!(health.standing_still().iter().any(|one| one.reactor == 1));
    release.send(()).unwrap();
    wait_for("reactor 1 turns", || asked().is_empty().then_some(()));
    wait_for("the handle sees it too", || health.standing_still().is_empty().then_some(()));
    assert_eq!(blocked.response().body, "released");
}
