//! The scenes for which instructions are counted. A scene does its work in rounds, and each round
//! ends when every reply has been read. Where many clients send at once, the server is stopped
//! while they do, so that it finds the same input in one turn every time.

use crate::client::Client;
use crate::server::Server;

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) flags: &'static [&'static str],
    /// How many rounds the short run has, and the long one.
    pub(crate) few: usize,
    pub(crate) many: usize,
    /// How many units of work a round has.
    pub(crate) units: usize,
    pub(crate) run: fn(&mut Server, rounds: usize),
}

const ONE_REACTOR: &[&str] = &["--reactors", "1", "--echo"];
const CLIENTS: usize = 100;
const RECEIVERS: usize = 201;
const BODY: &str = "a message of thirty-two bytes ..";

pub(crate) const SCENES: [Scene; 5] = [
    Scene { name: "echo", flags: ONE_REACTOR, few: 50, many: 250, units: CLIENTS, run: echo },
    Scene {
        name: "delivery",
        flags: ONE_REACTOR,
        few: 50,
        many: 250,
        units: RECEIVERS,
        run: delivery,
    },
    Scene {
        name: "crossing",
        flags: &["--reactors", "2"],
        few: 500,
        many: 2_500,
        units: 2,
        run: crossing,
    },
    Scene { name: "post", flags: ONE_REACTOR, few: 10, many: 40, units: CLIENTS, run: post },
    Scene {
        name: "connection",
        flags: ONE_REACTOR,
        few: 10,
        many: 40,
        units: CLIENTS,
        run: connection,
    },
];

/// Each of 100 clients sends a message and waits for its echo.
fn echo(server: &mut Server, rounds: usize) {
    let open = |_| Client::open(server.address, "/-/echo");
    let mut clients: Vec<_> = (0..CLIENTS).map(open).collect();
    let message = [b'm'; 32];
    for _ in 0..rounds {
        server.while_stopped(|| clients.iter_mut().for_each(|client| client.send(&message)));
        clients.iter_mut().for_each(|client| client.expect(&message));
    }
}

/// One of 201 subscribers publishes a message, and all of them receive it.
fn delivery(server: &mut Server, rounds: usize) {
    let open = |_| Client::open(server.address, "/news");
    let mut receivers: Vec<_> = (0..RECEIVERS).map(open).collect();
    let message = [b'm'; 64];
    for _ in 0..rounds {
        receivers[0].send(&message);
        receivers.iter_mut().for_each(|receiver| receiver.expect(&message));
    }
}

/// A message to a channel with one subscriber on each of two reactors, published by each of them in
/// turn. One of the two is on the channel's home: half of the messages are sent to the home by the
/// other reactor, and each is sent by the home to the other reactor.
fn crossing(server: &mut Server, rounds: usize) {
    // The number of connections is always the same, so that their cost is the same in every run.
    let mut clients: Vec<_> = (0..16).map(|_| Client::connect(server.address)).collect();
    clients.iter_mut().for_each(Client::ask_for_health);
    clients.iter_mut().for_each(Client::expect_success);
    let reactors: Vec<_> =
        clients.iter().map(|client| server.epoll_of(client.local_address())).collect();
    let other = reactors.iter().position(|reactor| *reactor != reactors[0]);
    let mut second = clients.swap_remove(other.expect("all connections are on one reactor"));
    let mut first = clients.swap_remove(0);
    for client in [&mut first, &mut second] {
        client.ask_to_open("/news");
        client.expect_open();
    }
    let message = [b'm'; 64];
    for _ in 0..rounds {
        for is_first in [true, false] {
            let publisher = if is_first { &mut first } else { &mut second };
            publisher.send(&message);
            first.expect(&message);
            second.expect(&message);
        }
    }
}

/// Each of 100 clients publishes by a POST, on a connection that stays open, to a channel without
/// subscribers.
fn post(server: &mut Server, rounds: usize) {
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(server.address)).collect();
    for _ in 0..rounds {
        server.while_stopped(|| clients.iter_mut().for_each(|client| client.post("/news", BODY)));
        clients.iter_mut().for_each(Client::expect_success);
    }
}

/// 100 clients connect, complete the opening and the closing handshake, and see the end.
fn connection(server: &mut Server, rounds: usize) {
    for _ in 0..rounds {
        let address = server.address;
        let mut clients = Vec::new();
        server.while_stopped(|| {
            clients.extend((0..CLIENTS).map(|_| Client::connect(address)));
            clients.iter_mut().for_each(|client| client.ask_to_open("/news"));
        });
        clients.iter_mut().for_each(Client::expect_open);
        server.while_stopped(|| clients.iter_mut().for_each(Client::send_close));
        clients.into_iter().for_each(Client::expect_close);
    }
}
