//! Bystanders: clients that have nothing to do with a crowd, and measure how long the server lets
//! them wait.

use std::fmt;
use std::time::Duration;

use super::super::client::{Client, Heard};
use super::super::dice::Dice;
use super::super::frames::Opcode;
use super::super::timed::{Actor, TimedWorld};
use super::crowd;
use crate::instant::Instant;

/// What a bystander does, and waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Sends a ping, and waits for the pong.
    Ping,
    /// Publishes on a channel of its own, and waits for its own message.
    Publish,
    /// Sends a GET, as a health probe does, and waits for the response.
    Health,
    /// Opens a new connection, and waits for the 101.
    Handshake,
    /// Opens a new connection that subscribes to a new channel, and waits for the 101.
    Join,
    /// Opens a new connection that subscribes to the channel of the crowd.
    Enter,
    /// Posts a message to a channel of its own, which has a reader, and waits for the answer.
    Post,
}

/// The channel to which all members of the crowd subscribe.
pub(super) const CROWDED: &str = "hall";

impl Kind {
    pub(super) const ALL: [Kind; 7] = [
        Kind::Ping,
        Kind::Publish,
        Kind::Health,
        Kind::Handshake,
        Kind::Join,
        Kind::Enter,
        Kind::Post,
    ];
}

pub(super) struct Bystander {
    kind: Kind,
    client: Client,
    /// Subscribers of the channel to which this bystander posts.
    _readers: Vec<Client>,
    channel: String,
    /// How many requests (pings, messages, handshakes …) it has sent.
    asked: u64,
    asked_at: Option<Instant>,
    next_at: Option<Instant>,
    /// The average time between an answer and the next request.
    interval: Duration,
    random: Dice,
    pub(super) waits: Vec<Duration>,
    /// How many posts were not accepted.
    pub(super) refused: u64,
}

impl Bystander {
    /// Connects a bystander while the server is not busy yet.
    pub(super) fn come(server: &mut TimedWorld, kind: Kind, number: u64) -> Bystander {
        let channel = format!("quiet-{kind:?}-{number}");
        let mut open = |path: String| server.open_many(1, |_| path.clone()).pop();
        let open_one = match kind {
            Kind::Ping => open("/echo".to_owned()),
            Kind::Publish => open(format!("/{channel}")),
            Kind::Health | Kind::Handshake | Kind::Join | Kind::Enter | Kind::Post => None,
        };
        let reader =
            (kind == Kind::Post).then(|| crowd::readers(server, 1, &format!("/{channel}")));
        let client = open_one.unwrap_or_else(|| server.connect());
        let random = Dice::new(number << 8 | kind as u64);
        Bystander {
            kind,
            client,
            _readers: reader.unwrap_or_default(),
            channel,
            asked: 0,
            asked_at: None,
            next_at: None,
            interval: Duration::from_millis(4),
            random,
            waits: Vec::new(),
            refused: 0,
        }
    }

    /// Schedules the first request.
    pub(super) fn begin(&mut self, now: Instant) {
        self.next_at = Some(now + self.pause());
    }

    fn pause(&mut self) -> Duration {
        Duration::from_nanos(self.random.next() % (2 * self.interval.as_nanos() as u64))
    }

    /// If an answer is still missing at the end, counts the wait until now.
    pub(super) fn finish(&mut self, now: Instant) {
        if let Some(asked_at) = self.asked_at.take() {
            self.waits.push(now.saturating_since(asked_at));
        }
    }

    fn has_answer(&mut self) -> bool {
        match self.kind {
            Kind::Ping => self.hears(|heard| matches!(heard, Heard::Pong(_))),
            Kind::Publish => self.hears(|heard| matches!(heard, Heard::Message(_))),
            Kind::Handshake | Kind::Join | Kind::Enter => {
                self.client.peer.received_bytes() > 0
                    && self.client.answered().is_some_and(|answered| answered.status == 101)
            }
            Kind::Health | Kind::Post => {
                if self.client.peer.received_bytes() == 0 {
                    return false;
                }
                let Some(answered) = self.client.answered() else { return false };
                self.refused += u64::from(answered.status >= 300);
                true
            }
        }
    }

    fn hears(&mut self, is_it: impl Fn(&Heard) -> bool) -> bool {
        if self.client.peer.received_bytes() == 0 {
            return false;
        }
        let heard = self.client.heard();
        let is_closed = heard.iter().any(|one| matches!(one, Heard::Close(..)));
        assert!(!is_closed, "a bystander was closed: {heard:?}");
        heard.iter().any(is_it)
    }
}

impl Actor for Bystander {
    fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    fn act(&mut self, now: Instant, server: &mut TimedWorld) {
        self.next_at = None;
        self.asked_at = Some(now);
        self.asked += 1;
        match self.kind {
            Kind::Ping => self.client.say(Opcode::Ping, b"are you there?"),
            Kind::Publish => self.client.binary(b"a message of a quiet channel"),
            Kind::Health => self.client.request("GET", "/health", &[], b""),
            Kind::Post => {
                let path = format!("/{}", self.channel);
                self.client.request("POST", &path, &[], b"a message of a quiet channel");
            }
            Kind::Handshake | Kind::Join | Kind::Enter => {
                self.client = server.connect();
                self.client.upgrade(&match self.kind {
                    Kind::Join => format!("/{}-{}", self.channel, self.asked),
                    Kind::Enter => format!("/{CROWDED}"),
                    _ => "/echo".to_owned(),
                });
            }
        }
    }

    fn after_turn(&mut self, _: Instant) {
        if let Some(asked_at) = self.asked_at
            && self.has_answer()
        {
            let received_at = self.client.peer.received_at();
            self.waits.push(received_at.saturating_since(asked_at));
            self.asked_at = None;
            self.next_at = Some(received_at + self.pause());
        }
    }
}

/// How long the bystanders of one kind have waited for answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) kind: Kind,
    pub(super) count: usize,
    pub(super) median: Duration,
    pub(super) longest: Duration,
    pub(super) refused: u64,
}

impl Waits {
    /// Returns the waiting times of each kind of bystander.
    pub(super) fn of(bystanders: &[Bystander]) -> Vec<Waits> {
        let of_kind = |kind| {
            let these = || bystanders.iter().filter(move |one: &&Bystander| one.kind == kind);
            let mut waits: Vec<_> = these().flat_map(|one| one.waits.iter().copied()).collect();
            waits.sort_unstable();
            Some(Waits {
                kind,
                count: waits.len(),
                median: *waits.get(waits.len() / 2)?,
                longest: *waits.last()?,
                refused: these().map(|one| one.refused).sum(),
            })
        };
        Kind::ALL.into_iter().filter_map(of_kind).collect()
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waits { kind, count, median, longest, refused } = self;
        write!(f, "{kind:?}: {count} times, median {median:.2?}, longest {longest:.2?}")?;
        if *refused > 0 { write!(f, ", refused {refused}") } else { Ok(()) }
    }
}
