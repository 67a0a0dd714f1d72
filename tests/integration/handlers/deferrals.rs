//! Tests of a handler that asks another thread before it answers a handshake.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use fanfare::{
    Context, Deferral, Handler, Message, Request, Response, Server, Ticket, Upgrade, Visitor,
};
use tungstenite::Message as Received;

use crate::support::{Running, try_connect};

/// Which handshakes the other thread has let in.
type Verdicts = Arc<Mutex<HashMap<u64, bool>>>;

/// A question to the other thread, about the path of a handshake.
struct Question {
    number: u64,
    path: String,
    deferral: Deferral,
}

struct Doorkeeper {
    questions: Sender<Question>,
    verdicts: Verdicts,
    asked: HashMap<Ticket, u64>,
}

impl Handler for Doorkeeper {
    type Session = ();

    fn on_upgrade(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<()> {
        let deferral = visitor.defer();
        let (ticket, number) = (deferral.ticket(), self.asked.len() as u64);
        self.asked.insert(ticket, number);
        self.questions
            .send(Question { number, path: request.path().to_owned(), deferral })
            .unwrap();
        Upgrade::Later(ticket)
    }

    fn on_deferred(
        &mut self,
        _visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        ticket: Ticket,
    ) -> Upgrade<()> {
        assert!(request.wants_websocket(), "the request is there again");
        match self.verdicts.lock().unwrap().remove(&self.asked[&ticket]) {
            Some(true) => Upgrade::Accept(()),
            Some(false) => Upgrade::Respond(Response::text(403, "not you\n")),
            None => Upgrade::Respond(Response::text(503, "nobody has decided\n")),
        }
    }

    fn on_open(&mut self, peer: &mut Context<'_, ()>) {
        peer.send(Message::text("welcome"));
    }
}

#[test]
fn another_thread_decides_on_a_handshake_and_one_that_it_drops_does_not_wait() {
    let (questions, to_answer) = channel();
    let verdicts = Verdicts::default();
    let of_server = Arc::clone(&verdicts);
    let server = Running::start(|| {
        let make = move |_| Doorkeeper {
            questions: questions.clone(),
            verdicts: Arc::clone(&of_server),
            asked: HashMap::new(),
        };
        Server::builder().listen("127.0.0.1:0").reactors(1).handler(make).bind()
    });
    let doorkeeper = std::thread::spawn(move || {
        for Question { number, path, deferral } in to_answer.iter().take(3) {
            if path != "/nobody" {
                verdicts.lock().unwrap().insert(number, path == "/friend");
            }
            drop(deferral);
        }
    });
    let status = |path| try_connect(server.address, path, &[]).unwrap_err().status();
    assert_eq!(status("/stranger"), 403);
    assert_eq!(status("/nobody"), 503);
    let (mut peer, _) = try_connect(server.address, "/friend", &[]).unwrap();
    assert_eq!(peer.read().unwrap(), Received::text("welcome"));
    doorkeeper.join().unwrap();
}
