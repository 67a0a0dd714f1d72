//! The cases: what the client process does in each, written against [`Clients`].

use crate::client::{Clients, Peer};
use crate::support::frames::{Opcode, request};
use crate::{PUBLISH, PUBLISHED, published_payload};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The unit for which allocations are counted, such as a delivery.
    pub(crate) unit: &'static str,
    /// Runs one round. Returns how many units of work it did.
    pub(crate) round: fn(&mut Clients) -> u64,
    pub(crate) reactors: usize,
    /// The number of peers, and the path to which each connects.
    pub(crate) peers: usize,
    pub(crate) path: &'static str,
    /// The peers sign in by tokens, and every limit is on.
    pub(crate) is_guarded: bool,
    /// The number of rounds before counting, and while counting.
    pub(crate) warm_up: usize,
    pub(crate) rounds: usize,
    /// How many allocations are allowed for each unit, and why.
    pub(crate) allowed: (u64, &'static str),
}

const NONE: (u64, &str) = (0, "");
const ANSWER: (u64, &str) = (2, "a handler's `Response` owns its headers and its body");

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "echo",
        unit: "messages",
        round: echo,
        reactors: 1,
        peers: 10,
        path: "/-/echo",
        is_guarded: false,
        warm_up: 20,
        rounds: 500,
        allowed: NONE,
    },
    Case {
        name: "fan-out to 1,000",
        unit: "deliveries",
        round: fan_out,
        reactors: 1,
        peers: 1000,
        path: "/news",
        is_guarded: false,
        warm_up: 20,
        rounds: 100,
        allowed: NONE,
    },
    Case {
        name: "fan-out to 200 who have signed in, with all limits on",
        unit: "deliveries",
        round: fan_out,
        reactors: 1,
        peers: 200,
        path: "/news",
        is_guarded: true,
        warm_up: 20,
        rounds: 200,
        allowed: NONE,
    },
    Case {
        name: "fragments",
        unit: "messages",
        round: fragments,
        reactors: 1,
        peers: 2,
        path: "/-/echo",
        is_guarded: false,
        warm_up: 20,
        rounds: 500,
        allowed: NONE,
    },
    Case {
        name: "ping and pong",
        unit: "pings",
        round: ping,
        reactors: 1,
        peers: 4,
        path: "/-/echo",
        is_guarded: false,
        warm_up: 20,
        rounds: 500,
        allowed: NONE,
    },
    Case {
        name: "a stalled subscriber",
        unit: "deliveries",
        round: stalled,
        reactors: 1,
        peers: 2,
        path: "/slow",
        is_guarded: false,
        warm_up: 3,
        rounds: 10,
        allowed: NONE,
    },
    Case {
        name: "connect and close",
        unit: "connections",
        round: churn,
        reactors: 1,
        peers: 2,
        path: "/busy",
        is_guarded: false,
        warm_up: 50,
        rounds: 500,
        allowed: NONE,
    },
    Case {
        name: "connect and reset",
        unit: "connections",
        round: reset,
        reactors: 1,
        peers: 2,
        path: "/busy",
        is_guarded: false,
        warm_up: 50,
        rounds: 500,
        allowed: NONE,
    },
    Case {
        name: "POST on one connection",
        unit: "messages",
        round: post,
        reactors: 1,
        peers: 2,
        path: "/news",
        is_guarded: false,
        warm_up: 50,
        rounds: 500,
        allowed: ANSWER,
    },
    Case {
        name: "POST, each on a connection of its own",
        unit: "messages",
        round: post_once,
        reactors: 1,
        peers: 2,
        path: "/news",
        is_guarded: false,
        warm_up: 50,
        rounds: 500,
        allowed: ANSWER,
    },
    Case {
        name: "published by another thread",
        unit: "messages",
        round: published,
        reactors: 1,
        peers: 2,
        path: "/news",
        is_guarded: false,
        warm_up: 50,
        rounds: 200,
        allowed: NONE,
    },
    Case {
        name: "published by another thread to two reactors",
        unit: "messages",
        round: published,
        reactors: 2,
        peers: 8,
        path: "/news",
        is_guarded: false,
        warm_up: 200,
        rounds: 200,
        allowed: NONE,
    },
    Case {
        name: "POST over two reactors",
        unit: "messages",
        round: post,
        reactors: 2,
        peers: 8,
        path: "/news",
        is_guarded: false,
        warm_up: 200,
        rounds: 500,
        allowed: ANSWER,
    },
    Case {
        name: "fan-out to 200 over two reactors",
        unit: "deliveries",
        round: fan_out,
        reactors: 2,
        peers: 200,
        path: "/news",
        is_guarded: false,
        warm_up: 100,
        rounds: 200,
        allowed: NONE,
    },
    Case {
        name: "large messages over two reactors",
        unit: "deliveries",
        round: large,
        reactors: 2,
        peers: 8,
        path: "/large",
        is_guarded: false,
        warm_up: 50,
        rounds: 200,
        allowed: NONE,
    },
    Case {
        name: "connect and close over two reactors",
        unit: "connections",
        round: churn,
        reactors: 2,
        peers: 4,
        path: "/busy",
        is_guarded: false,
        warm_up: 200,
        rounds: 500,
        allowed: NONE,
    },
];

fn echo(clients: &mut Clients) -> u64 {
    let large = [b'x'; 16 * 1024];
    for peer in &mut clients.peers {
        peer.send(Opcode::Text, b"thirty-two bytes of text, or so.");
        peer.send(Opcode::Binary, &large);
    }
    for peer in &mut clients.peers {
        assert_eq!(peer.message(), b"thirty-two bytes of text, or so.");
        assert_eq!(peer.message(), large);
    }
    2 * clients.peers.len() as u64
}

/// Publishes one message, and then four in one write.
fn fan_out(clients: &mut Clients) -> u64 {
    let payload = [b'n'; 64];
    for burst in [1, 4] {
        for _ in 0..burst {
            clients.peers[0].queue(Opcode::Text, &payload);
        }
        clients.peers[0].flush();
        for peer in &mut clients.peers {
            for _ in 0..burst {
                assert_eq!(peer.message(), payload);
            }
        }
    }
    5 * clients.peers.len() as u64
}

/// Publishes messages that are too large for a ring, from two publishers.
fn large(clients: &mut Clients) -> u64 {
    let payload = [b'l'; 40 * 1024];
    for publisher in 0..2 {
        clients.peers[publisher].send(Opcode::Binary, &payload);
        for peer in &mut clients.peers {
            assert_eq!(peer.message(), payload);
        }
    }
    2 * clients.peers.len() as u64
}

/// Sends a message in fragments, with a ping between two of them (RFC 6455 section 5.4): all in one
/// write, and each in a write of its own.
fn fragments(clients: &mut Clients) -> u64 {
    for (peer, together) in clients.peers.iter_mut().zip([true, false]) {
        let pieces: [(Opcode, bool, &[u8]); 4] = [
            (Opcode::Text, false, "Grüße, ".as_bytes()),
            (Opcode::Continuation, false, b"in "),
            (Opcode::Ping, true, b"between"),
            (Opcode::Continuation, true, b"pieces"),
        ];
        for (opcode, fin, payload) in pieces {
            peer.queue_fragment(opcode, fin, payload);
            if !together {
                peer.flush();
            }
        }
        peer.flush();
        assert_eq!(peer.pong(), b"between");
        assert_eq!(peer.message(), "Grüße, in pieces".as_bytes());
    }
    clients.peers.len() as u64
}

fn ping(clients: &mut Clients) -> u64 {
    for peer in &mut clients.peers {
        peer.send(Opcode::Ping, b"are you there?");
        assert_eq!(peer.pong(), b"are you there?");
    }
    clients.peers.len() as u64
}

/// Stalls a subscriber that never reads, until it is overrun and cut off, beside one that reads
/// everything.
fn stalled(clients: &mut Clients) -> u64 {
    let sleeper = Peer::open(&clients.address, "/slow");
    let payload = [b's'; 8 * 1024];
    let mut delivered = 0;
    // These messages exceed what the log (1 MiB) and the kernel's buffers on both sides hold
    // together.
    for _ in 0..1200 {
        clients.peers[0].send(Opcode::Binary, &payload);
        for peer in &mut clients.peers {
            assert_eq!(peer.message(), payload);
            delivered += 1;
        }
    }
    sleeper.reset();
    delivered
}

fn churn(clients: &mut Clients) -> u64 {
    Peer::open(&clients.address, "/busy").close();
    1
}

fn reset(clients: &mut Clients) -> u64 {
    Peer::open(&clients.address, "/busy").reset();
    1
}

const POSTED: &[u8] = b"posted";

fn is_delivered(clients: &mut Clients, payload: &[u8]) {
    for peer in &mut clients.peers {
        assert_eq!(peer.message(), payload);
    }
}

/// Publishes by POST. The connection stays open in all rounds.
fn post(clients: &mut Clients) -> u64 {
    let http = clients.http.get_or_insert_with(|| Peer::connect(&clients.address));
    assert_eq!(http.ask(&request("POST", "/news", &[], POSTED)).status, 201);
    is_delivered(clients, POSTED);
    1
}

fn post_once(clients: &mut Clients) -> u64 {
    let mut http = Peer::connect(&clients.address);
    let request = request("POST", "/news", &[("Connection", "close")], POSTED);
    let answered = http.ask(&request);
    assert_eq!((answered.status, answered.keep_alive), (201, false));
    http.end();
    is_delivered(clients, POSTED);
    1
}

fn published(clients: &mut Clients) -> u64 {
    println!("{PUBLISH}");
    (0..PUBLISHED).for_each(|number| is_delivered(clients, published_payload(number)));
    PUBLISHED as u64
}
