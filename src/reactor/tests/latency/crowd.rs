//! Crowds: groups of many peers, or peers that send as much as they can.

use std::time::Duration;

use super::super::client::Client;
use super::super::frames::{FrameClient, Opcode};
use super::super::timed::{Actor, TimedWorld};
use super::super::tls_client::TlsClient;
use super::super::world::TLS_PORT;
use crate::instant::Instant;

/// A flooding peer always has at least this many unread bytes on their way to the server: as many
/// as one `recv` takes.
const UNDER_WAY_MIN: usize = 64 * 1024;

/// Peers that always have more to send.
pub(super) struct Flood {
    clients: Vec<Client>,
    batch: Vec<u8>,
    _readers: Vec<Client>,
}

impl Flood {
    /// Makes a flood in which each client sends this frame again and again.
    pub(super) fn of(
        server: &TimedWorld,
        clients: Vec<Client>,
        opcode: Opcode,
        payload: &[u8],
    ) -> Flood {
        let frame = FrameClient::new(0).frame(opcode, payload);
        Flood::of_bytes(server, clients, &frame)
    }

    /// Makes a flood in which each client sends these bytes again and again. If there are no bytes,
    /// the clients only stay connected.
    pub(super) fn of_bytes(server: &TimedWorld, clients: Vec<Client>, bytes: &[u8]) -> Flood {
        let times = UNDER_WAY_MIN.checked_div(bytes.len()).map_or(0, |times| times + 1);
        clients.iter().for_each(|client| client.peer.set_discarding(true));
        server.sim.set_moment(server.now());
        let flood = Flood { clients, batch: bytes.repeat(times), _readers: Vec::new() };
        flood.go_on();
        flood
    }

    /// Keeps these readers connected as long as the flood.
    pub(super) fn beside(mut self, readers: Vec<Client>) -> Flood {
        self._readers = readers;
        self
    }

    fn go_on(&self) {
        for client in self.clients.iter().filter(|_| !self.batch.is_empty()) {
            if client.peer.unread_bytes() < UNDER_WAY_MIN && !client.is_gone() {
                client.peer.send(&self.batch);
            }
        }
    }

    /// Returns how many of the clients the server has closed.
    pub(super) fn gone(&self) -> usize {
        self.clients.iter().filter(|client| client.is_gone()).count()
    }
}

impl Actor for Flood {
    fn next_at(&self) -> Option<Instant> {
        None
    }

    fn act(&mut self, _: Instant, _: &mut TimedWorld) {}

    fn after_turn(&mut self, _: Instant) {
        self.go_on();
    }
}

/// Peers that publish together, at their own pace: this many messages each, one per `interval`.
pub(super) struct Publishers {
    clients: Vec<Client>,
    payload: Vec<u8>,
    left: usize,
    interval: Duration,
    next_at: Instant,
}

impl Publishers {
    pub(super) fn new(
        server: &TimedWorld,
        clients: Vec<Client>,
        payload_bytes: usize,
        (left, interval): (usize, Duration),
    ) -> Publishers {
        clients.iter().for_each(|client| client.peer.set_discarding(true));
        let next_at = server.now() + interval;
        Publishers { clients, payload: vec![b'p'; payload_bytes], left, interval, next_at }
    }
}

impl Actor for Publishers {
    fn next_at(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.next_at)
    }

    fn act(&mut self, now: Instant, _: &mut TimedWorld) {
        for client in self.clients.iter_mut().filter(|client| !client.is_gone()) {
            client.binary(&self.payload);
        }
        self.left -= 1;
        self.next_at = now + self.interval;
    }

    fn after_turn(&mut self, _: Instant) {}
}

/// A publisher that measures how long it takes until the last of its channel's readers has received
/// a message.
pub(super) struct Announcer {
    client: Client,
    readers: Vec<Client>,
    asked_at: Option<Instant>,
    interval: Duration,
    next_at: Instant,
    /// For each message, how long it took to the last reader.
    pub(super) waits: Vec<Duration>,
}

impl Announcer {
    /// Connects the publisher and the readers. `interval` must be longer than a message takes to
    /// all readers.
    pub(super) fn new(server: &mut TimedWorld, readers: usize, interval: Duration) -> Announcer {
        let readers = self::readers(server, readers, "/announcements");
        let mut publishers = self::readers(server, 1, "/announcements");
        Announcer {
            client: publishers.pop().expect("there is one"),
            readers,
            asked_at: None,
            interval,
            next_at: server.now() + interval,
            waits: Vec::new(),
        }
    }
}

impl Actor for Announcer {
    fn next_at(&self) -> Option<Instant> {
        Some(self.next_at)
    }

    fn act(&mut self, now: Instant, _: &mut TimedWorld) {
        if let Some(asked_at) = self.asked_at {
            let arrived = self.readers.iter().map(|reader| reader.peer.received_at());
            let is_first_late = arrived.clone().min() < Some(asked_at);
            let last = if is_first_late { Some(now) } else { arrived.max() };
            self.waits.extend(last.map(|last| last.saturating_since(asked_at)));
        }
        self.client.binary(b"an announcement");
        self.asked_at = Some(now);
        self.next_at = now + self.interval;
    }

    fn after_turn(&mut self, _: Instant) {}
}

/// Clients that begin their TLS handshakes together, and then subscribe.
pub(super) struct Handshakes(Vec<Client>);

impl Handshakes {
    pub(super) fn of(server: &TimedWorld, count: usize, path: &str) -> Handshakes {
        server.sim.set_moment(server.now());
        let connect = || Client::over_tls(server.sim.connect(TLS_PORT), TlsClient::new());
        let clients: Vec<_> = (0..count).map(|_| connect()).collect();
        clients.iter().for_each(|client| client.upgrade(path));
        Handshakes(clients)
    }

    pub(super) fn are_all_open(&self) -> bool {
        self.0.iter().all(Client::is_open)
    }
}

impl Actor for Handshakes {
    fn next_at(&self) -> Option<Instant> {
        None
    }

    fn act(&mut self, _: Instant, _: &mut TimedWorld) {}

    fn after_turn(&mut self, _: Instant) {
        for client in self.0.iter_mut().filter(|client| client.peer.received_bytes() > 0) {
            client.heard();
        }
    }
}

/// An action that runs once, at a given moment.
pub(super) struct Once<F> {
    at: Option<Instant>,
    action: F,
}

impl<F: FnMut(&mut TimedWorld)> Once<F> {
    pub(super) fn at(moment: Instant, action: F) -> Once<F> {
        Once { at: Some(moment), action }
    }
}

impl<F: FnMut(&mut TimedWorld)> Actor for Once<F> {
    fn next_at(&self) -> Option<Instant> {
        self.at
    }

    fn act(&mut self, _: Instant, server: &mut TimedWorld) {
        self.at = None;
        (self.action)(server);
    }

    fn after_turn(&mut self, _: Instant) {}
}

/// Connects clients to this path that discard what they receive.
pub(super) fn readers(server: &mut TimedWorld, count: usize, path: &str) -> Vec<Client> {
    let clients = server.open_many(count, |_| path.to_owned());
    clients.iter().for_each(|client| client.peer.set_discarding(true));
    clients
}
