//! How reactors are doing: the figures of one, and of all together.

use crate::hub::Ledger;

use crate::reactor::counters::Counters;

/// What a reactor has done and what it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReactorStatus {
    pub(crate) counters: Counters,
    pub(crate) ledger: Ledger,
    pub(crate) connections: usize,
    pub(crate) channels: usize,
    pub(crate) subscriptions: usize,
    pub(crate) log_bytes: usize,
    /// Records put on the way to other reactors, and those of others that were dealt with.
    pub(crate) mail: [u64; 2],
}

impl ReactorStatus {
    pub(crate) fn add(&mut self, other: &ReactorStatus) {
        let ReactorStatus {
            counters,
            ledger,
            connections,
            channels,
            subscriptions,
            log_bytes,
            mail,
        } = other;
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
    pub(crate) sum: ReactorStatus,
    pub(crate) is_draining: bool,
}

impl Status {
    /// What has been done since the start.
    pub fn counters(&self) -> &Counters {
        &self.sum.counters
    }

    /// Where every copy of every message is (DESIGN: the ledger).
    pub fn ledger(&self) -> Ledger {
        self.sum.ledger
    }

    /// Copies of messages that are owed to subscribers and not delivered yet.
    pub fn pending(&self) -> u64 {
        self.sum.ledger.outstanding()
    }

    /// Connections, in whatever phase.
    pub fn connections(&self) -> usize {
        self.sum.connections
    }

    /// Channels that exist.
    pub fn channels(&self) -> usize {
        self.sum.channels
    }

    /// Subscriptions of all connections.
    pub fn subscriptions(&self) -> usize {
        self.sum.subscriptions
    }

    /// Memory in the logs of all channels.
    pub fn log_bytes(&self) -> usize {
        self.sum.log_bytes
    }

    /// Requests and deliveries that reactors have put on the way to each other, and those that were
    /// dealt with.
    pub fn mail(&self) -> [u64; 2] {
        self.sum.mail
    }

    /// Whether the server is about to end: readiness checks should fail.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }
}
