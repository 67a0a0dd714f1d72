//! How reactors are doing: the figures of one, and of all together.

use crate::hub::Ledger;

use super::commons::Commons;
use super::counters::Counters;

/// What a reactor has done and what it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) counters: Counters,
    pub(super) ledger: Ledger,
    pub(super) connections: usize,
    pub(super) channels: usize,
    pub(super) subscriptions: usize,
    pub(super) log_bytes: usize,
    /// Records put on the way to other reactors, and those of others that were dealt with.
    pub(super) mail: [u64; 2],
}

impl Figures {
    pub(super) fn of(commons: &Commons) -> Figures {
        Figures {
            counters: commons.counters.clone(),
            ledger: commons.hub.ledger(),
            connections: commons.connections,
            channels: commons.hub.channels(),
            subscriptions: commons.hub.subscriptions(),
            log_bytes: commons.hub.log_bytes(),
            mail: [commons.outbox.put_for_others(), commons.inbox.taken_of_others(commons.own)],
        }
    }

    pub(super) fn add(&mut self, other: &Figures) {
        let Figures { counters, ledger, connections, channels, subscriptions, log_bytes, mail } =
            other;
        self.counters.add(counters);
        self.ledger.add(ledger);
        self.connections += connections;
        self.channels += channels;
        self.subscriptions += subscriptions;
        self.log_bytes += log_bytes;
        self.mail.iter_mut().zip(mail).for_each(|(sum, records)| *sum += records);
    }
}

/// How a server is doing, all its reactors together: the one that is asked as of now, the others as
/// of their last turns.
#[derive(Clone, Debug)]
pub struct Status {
    figures: Figures,
    is_draining: bool,
}

impl Status {
    pub(super) fn of(commons: &Commons) -> Status {
        let mut figures = Figures::of(commons);
        commons.shared.add_figures_of_others(commons.own, &mut figures);
        Status { figures, is_draining: commons.draining }
    }

    /// What has been done since the start.
    pub fn counters(&self) -> &Counters {
        &self.figures.counters
    }

    /// Where every copy of every message is (DESIGN: the ledger).
    pub fn ledger(&self) -> Ledger {
        self.figures.ledger
    }

    /// Copies of messages that are owed to subscribers and not delivered yet.
    pub fn pending(&self) -> u64 {
        self.figures.ledger.outstanding()
    }

    /// Connections, in whatever phase.
    pub fn connections(&self) -> usize {
        self.figures.connections
    }

    /// Channels that exist.
    pub fn channels(&self) -> usize {
        self.figures.channels
    }

    /// Subscriptions of all connections.
    pub fn subscriptions(&self) -> usize {
        self.figures.subscriptions
    }

    /// Memory in the logs of all channels.
    pub fn log_bytes(&self) -> usize {
        self.figures.log_bytes
    }

    /// Requests and deliveries that reactors have put on the way to each other, and those that were
    /// dealt with.
    pub fn mail(&self) -> [u64; 2] {
        self.figures.mail
    }

    /// Whether the server is about to end: readiness checks should fail.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }
}
