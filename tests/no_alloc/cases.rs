//! What the client does in each case, written against [`Peer`].

use fanfare::protocol::Opcode;

use crate::client::Peer;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What is counted.
    pub(crate) unit: &'static str,
    /// One round with the peers that `open` has made; how many of the unit it did.
    pub(crate) round: fn(&str, &mut [Peer]) -> u64,
    pub(crate) reactors: usize,
    /// Peers, and the path each of them opens.
    pub(crate) peers: usize,
    pub(crate) path: &'static str,
    /// Rounds before the count, and in it.
    pub(crate) warm_up: usize,
    pub(crate) rounds: usize,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "echo",
        unit: "messages",
        round: echo,
        reactors: 1,
        peers: 10,
        path: "/-/echo",
        warm_up: 20,
        rounds: 500,
    },
    Case {
        name: "fan-out to 1,000",
        unit: "deliveries",
        round: fan_out,
        reactors: 1,
        peers: 1000,
        path: "/news",
        warm_up: 20,
        rounds: 100,
    },
    Case {
        name: "fragments",
        unit: "messages",
        round: fragments,
        reactors: 1,
        peers: 2,
        path: "/-/echo",
        warm_up: 20,
        rounds: 500,
    },
    Case {
        name: "ping and pong",
        unit: "pings",
        round: ping,
        reactors: 1,
        peers: 4,
        path: "/-/echo",
        warm_up: 20,
        rounds: 500,
    },
    Case {
        name: "a stalled subscriber",
        unit: "deliveries",
        round: stalled,
        reactors: 1,
        peers: 2,
        path: "/slow",
        warm_up: 3,
        rounds: 10,
    },
    Case {
        name: "connect and close",
        unit: "connections",
        round: churn,
        reactors: 1,
        peers: 2,
        path: "/busy",
        warm_up: 50,
        rounds: 500,
    },
    Case {
        name: "connect and reset",
        unit: "connections",
        round: reset,
        reactors: 1,
        peers: 2,
        path: "/busy",
        warm_up: 50,
        rounds: 500,
    },
    Case {
        name: "fan-out to 200 over two reactors",
        unit: "deliveries",
        round: fan_out,
        reactors: 2,
        peers: 200,
        path: "/news",
        warm_up: 100,
        rounds: 200,
    },
    Case {
        name: "large messages over two reactors",
        unit: "deliveries",
        round: large,
        reactors: 2,
        peers: 8,
        path: "/large",
        warm_up: 50,
        rounds: 200,
    },
    Case {
        name: "connect and close over two reactors",
        unit: "connections",
        round: churn,
        reactors: 2,
        peers: 4,
        path: "/busy",
        warm_up: 200,
        rounds: 500,
    },
];

fn echo(_address: &str, peers: &mut [Peer]) -> u64 {
    let large = [b'x'; 16 * 1024];
    for peer in &mut *peers {
        peer.send(Opcode::Text, b"thirty-two bytes of text, or so.");
        peer.send(Opcode::Binary, &large);
    }
    for peer in &mut *peers {
        assert_eq!(peer.message(), b"thirty-two bytes of text, or so.");
        assert_eq!(peer.message(), large);
    }
    2 * peers.len() as u64
}

/// Single messages, and four in one write.
fn fan_out(_address: &str, peers: &mut [Peer]) -> u64 {
    let payload = [b'n'; 64];
    for burst in [1, 4] {
        for _ in 0..burst {
            peers[0].queue(Opcode::Text, &payload);
        }
        peers[0].flush();
        for peer in &mut *peers {
            for _ in 0..burst {
                assert_eq!(peer.message(), payload);
            }
        }
    }
    5 * peers.len() as u64
}

/// Larger than what goes through a ring of bytes, from two publishers.
fn large(_address: &str, peers: &mut [Peer]) -> u64 {
    let payload = [b'l'; 40 * 1024];
    for publisher in 0..2 {
        peers[publisher].send(Opcode::Binary, &payload);
        for peer in &mut *peers {
            assert_eq!(peer.message(), payload);
        }
    }
    2 * peers.len() as u64
}

/// In one write, and in one write each; with a ping between two fragments (RFC 6455 section 5.4).
fn fragments(_address: &str, peers: &mut [Peer]) -> u64 {
    for (peer, together) in peers.iter_mut().zip([true, false]) {
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
    peers.len() as u64
}

fn ping(_address: &str, peers: &mut [Peer]) -> u64 {
    for peer in &mut *peers {
        peer.send(Opcode::Ping, b"are you there?");
        assert_eq!(peer.pong(), b"are you there?");
    }
    peers.len() as u64
}

/// A subscriber that never reads joins, falls off the log and is cut, beside one that reads
/// everything.
fn stalled(address: &str, peers: &mut [Peer]) -> u64 {
    let sleeper = Peer::open(address, "/slow");
    let payload = [b's'; 8 * 1024];
    let mut delivered = 0;
    // More than the log keeps (1 MiB) and both kernels' buffers together, a little at a time.
    for _ in 0..1200 {
        peers[0].send(Opcode::Binary, &payload);
        for peer in &mut *peers {
            assert_eq!(peer.message(), payload);
            delivered += 1;
        }
    }
    sleeper.reset();
    delivered
}

fn churn(address: &str, _peers: &mut [Peer]) -> u64 {
    Peer::open(address, "/busy").close();
    1
}

fn reset(address: &str, _peers: &mut [Peer]) -> u64 {
    Peer::open(address, "/busy").reset();
    1
}
