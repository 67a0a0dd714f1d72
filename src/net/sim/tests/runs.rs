//! Whole runs of a small echo server that obeys the contract of [`Net`], with all faults together.

use std::collections::BTreeMap;

use super::random::Random;
use super::*;
use crate::net::is_shortage;

/// The number of peers in one run, and how many bytes each sends.
const ECHO_PEERS: usize = 5;
const ECHO_BYTES: usize = 40_000;

/// The server gives a connection up if nothing was read or written for this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection of an echo server.
struct Echo {
    stream: SimStream,
    owed: Vec<u8>,
    /// An event has reported the socket as readable, and no read has found it empty since. Events
    /// are not repeated.
    readable: bool,
    writable: bool,
    hung_up: bool,
    ended: bool,
    progress_at: Instant,
}

impl Echo {
    fn new(stream: SimStream, now: Instant) -> Echo {
        Echo {
            stream,
            owed: Vec::new(),
            readable: false,
            writable: false,
            hung_up: false,
            ended: false,
            progress_at: now,
        }
    }

    /// Reads and writes as much as possible. Returns true if the connection is finished.
    fn run(&mut self, net: &mut SimNet) -> bool {
        let mut buffer = [0; 4096];
        while self.readable && !self.ended {
            match net.read(&mut self.stream, &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(bytes) => {
                    self.progress_at = net.now();
                    self.owed.extend_from_slice(&buffer[..bytes]);
                    // A short read means that the socket is empty, unless the end of the stream is
                    // also waiting.
                    self.readable = bytes == buffer.len() || self.hung_up;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted || is_shortage(&error) => {
                    break;
                }
                Err(_) => return true,
            }
        }
        while self.writable && !self.owed.is_empty() {
            match net.write(&mut self.stream, &self.owed) {
                Ok(bytes) => {
                    self.progress_at = net.now();
                    self.writable = bytes == self.owed.len();
                    self.owed.drain(..bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted || is_shortage(&error) => {
                    break;
                }
                Err(_) => return true,
            }
        }
        self.ended && self.owed.is_empty() || net.now() > self.progress_at + PATIENCE
    }
}

/// One reactor with its connections; it echoes everything.
struct Server {
    net: SimNet,
    listener: SimListener,
    streams: BTreeMap<Token, Echo>,
    told: Vec<Readiness>,
    tokens: u64,
}

impl Server {
    fn new(world: &SimWorld) -> Server {
        let (mut net, mut listener) = (world.reactor(), world.listener(80));
        net.listen(&mut listener, LISTENER).unwrap();
        Server { net, listener, streams: BTreeMap::new(), told: Vec::new(), tokens: 0 }
    }

    fn turn(&mut self) {
        self.net.wait(&mut self.told, Some(Duration::from_millis(10))).unwrap();
        for told in &self.told {
            if let Some(echo) = self.streams.get_mut(&told.token) {
                echo.readable |= told.readable;
                echo.writable |= told.writable;
                echo.hung_up |= told.hung_up;
            }
        }
        // Accepts in every turn, even without an event, so that a failed accept is repeated.
        if let Ok((mut stream, _)) = self.net.accept(&mut self.listener) {
            self.tokens += 1;
            if self.net.register(&mut stream, Token(self.tokens)).is_ok() {
                self.streams.insert(Token(self.tokens), Echo::new(stream, self.net.now()));
            } else {
                self.net.reset(stream);
            }
        }
        self.streams.retain(|_, echo| !echo.run(&mut self.net));
    }
}

/// Runs `reactors` echo servers on one port until all peers are finished, and checks what the peers
/// received. The seed decides which server runs or is paused, and which peer crashes where.
fn run_echo(seed: u64, reactors: usize) -> SimWorld {
    let world = SimWorld::new(seed, SimFaults::from_seed(seed));
    let mut dice = Random::new(!seed);
    world.set_limits(SimLimits {
        latency_max: Duration::from_micros(seed % 3 * 500),
        call_duration: Duration::from_micros(seed % 2),
        events_per_wait_max: 1 + seed as usize % 4,
        ..SimLimits::default()
    });
    let mut servers: Vec<Server> = (0..reactors).map(|_| Server::new(&world)).collect();
    let peers: Vec<SimPeer> = (0..ECHO_PEERS).map(|_| world.connect(80)).collect();
    let sent: Vec<u8> = (0..ECHO_BYTES).map(|number| (number % 251) as u8).collect();
    for peer in &peers {
        peer.set_reading(false);
        let how = dice.one_of(&[SimCrash::Close, SimCrash::Reset, SimCrash::Silence]);
        match dice.below(4) {
            0 => peer.crash_after_sent(dice.below(ECHO_BYTES) as u64, how),
            1 => peer.crash_after_received(dice.below(ECHO_BYTES) as u64, how),
            _ => {}
        }
        peer.send(&sent);
        peer.close_write();
    }
    for turn in 0.. {
        assert!(turn < 200_000, "seed {seed} does not end: {:?}", world.latest_calls());
        if reactors > 1 && dice.chance(0.01) {
            world.pause(dice.below(reactors), dice.duration(Duration::from_secs(1)));
        }
        let running: Vec<usize> =
            (0..reactors).filter(|reactor| !world.is_paused(*reactor)).collect();
        if running.is_empty() {
            assert!(world.go_on(), "a pause ends");
            continue;
        }
        servers[dice.one_of(&running)].turn();
        let streams = || servers.iter().map(|server| server.streams.len());
        assert_eq!(world.open_streams(), streams().sum::<usize>());
        for peer in &peers {
            peer.read(1000);
        }
        let is_done = |peer: &SimPeer| peer.is_ended() || peer.is_reset() || peer.has_crashed();
        if streams().all(|streams| streams == 0) && peers.iter().all(is_done) {
            break;
        }
    }
    for peer in &peers {
        let received = peer.take_received();
        assert!(sent.starts_with(&received), "seed {seed}: bytes are wrong");
        let is_whole = received == sent || peer.is_reset() || peer.has_crashed();
        assert!(is_whole, "seed {seed}: bytes are lost");
    }
    world
}

#[test]
fn an_echo_that_heeds_the_contract_loses_nothing_whatever_the_faults() {
    for seed in 0..100 {
        run_echo(seed, 1);
    }
}

#[test]
fn several_reactors_that_are_interleaved_and_paused_lose_nothing_either() {
    for seed in 0..100 {
        run_echo(seed, 2 + seed as usize % 3);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for (seed, reactors) in (0..10).map(|seed| (seed, 1 + seed as usize % 4)) {
        let (one, other) = (run_echo(seed, reactors), run_echo(seed, reactors));
        assert_eq!(one.trace_hash(), other.trace_hash());
        assert_eq!(one.latest_calls(), other.latest_calls());
    }
    assert_ne!(run_echo(1, 1).trace_hash(), run_echo(2, 1).trace_hash());
}
