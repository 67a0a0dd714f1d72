//! Whole runs: a small server that heeds the contract of [`Net`], among all faults together.

use std::collections::BTreeMap;

use super::*;
use crate::net::is_shortage;

/// Peers of one run, and what each sends.
const ECHO_PEERS: usize = 5;
const ECHO_BYTES: usize = 40_000;

/// A connection of the echo server.
struct Echo {
    stream: SimStream,
    owed: Vec<u8>,
    /// Told and not used up: edges are told once.
    readable: bool,
    writable: bool,
    hung_up: bool,
    ended: bool,
}

impl Echo {
    fn new(stream: SimStream) -> Echo {
        Echo { stream, owed: Vec::new(), readable: false, writable: false, hung_up: false, ended: false }
    }

    /// Whether it is done with.
    fn run(&mut self, net: &mut SimNet) -> bool {
        let mut buffer = [0; 4096];
        while self.readable && !self.ended {
            match net.read(&mut self.stream, &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(bytes) => {
                    self.owed.extend_from_slice(&buffer[..bytes]);
                    // A short read means drained, unless the peer has closed.
                    self.readable = bytes == buffer.len() || self.hung_up;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(_) => return true,
            }
        }
        while self.writable && !self.owed.is_empty() {
            match net.write(&mut self.stream, &self.owed) {
                Ok(bytes) => {
                    self.writable = bytes == self.owed.len();
                    self.owed.drain(..bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if is_shortage(&error) => break,
                Err(_) => return true,
            }
        }
        self.ended && self.owed.is_empty()
    }
}

/// Runs an echo server that heeds the contract until all peers are done; checks what they got.
fn run_echo(seed: u64) -> SimWorld {
    let (mut net, world) = SimNet::new(seed, SimFaults::from_seed(seed));
    world.set_limits(SimLimits {
        latency_max: Duration::from_micros(seed % 3 * 500),
        call_duration: Duration::from_micros(seed % 2),
        events_per_wait_max: 1 + seed as usize % 4,
        ..SimLimits::default()
    });
    let mut listener = world.listener(80);
    net.listen(&mut listener, LISTENER).unwrap();
    let peers: Vec<SimPeer> = (0..ECHO_PEERS).map(|_| world.connect(80)).collect();
    let sent: Vec<u8> = (0..ECHO_BYTES).map(|number| (number % 251) as u8).collect();
    for peer in &peers {
        peer.set_reading(false);
        peer.send(&sent);
        peer.close_write();
    }
    let mut streams: BTreeMap<Token, Echo> = BTreeMap::new();
    let (mut told, mut tokens) = (Vec::new(), 0);
    for turn in 0.. {
        assert!(turn < 100_000, "seed {seed} does not end: {:?}", world.latest_calls());
        net.wait(&mut told, Some(Duration::from_millis(10))).unwrap();
        for told in &told {
            if let Some(echo) = streams.get_mut(&told.token) {
                echo.readable |= told.readable;
                echo.writable |= told.writable;
                echo.hung_up |= told.hung_up;
            }
        }
        // Every turn, whatever has been told: so an accept that failed is repeated.
        if let Ok((mut stream, _)) = net.accept(&mut listener) {
            tokens += 1;
            if net.register(&mut stream, Token(tokens)).is_ok() {
                streams.insert(Token(tokens), Echo::new(stream));
            } else {
                net.reset(stream);
            }
        }
        streams.retain(|_, echo| !echo.run(&mut net));
        assert_eq!(world.open_streams(), streams.len());
        for peer in &peers {
            peer.read(1000);
        }
        if streams.is_empty() && peers.iter().all(|peer| peer.is_ended() || peer.is_reset()) {
            break;
        }
    }
    for peer in &peers {
        let received = peer.take_received();
        assert!(sent.starts_with(&received), "seed {seed}: bytes are wrong");
        assert!(received == sent || peer.is_reset(), "seed {seed}: bytes are lost");
    }
    world
}

#[test]
fn an_echo_that_heeds_the_contract_loses_nothing_whatever_the_faults() {
    for seed in 0..100 {
        run_echo(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..10 {
        let (one, other) = (run_echo(seed), run_echo(seed));
        assert_eq!(one.trace_hash(), other.trace_hash());
        assert_eq!(one.latest_calls(), other.latest_calls());
    }
    assert_ne!(run_echo(1).trace_hash(), run_echo(2).trace_hash());
}
