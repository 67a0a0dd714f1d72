//! The figures of one reactor, and of all reactors together.

use crate::hub::Ledger;

use crate::reactor::counters::Counters;

/// What a reactor has done so far, and what it holds now.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReactorStatus {
    pub(crate) counters: Counters,
    pub(crate) ledger: Ledger,
    pub(crate) connections: usize,
    pub(crate) channels: usize,
    pub(crate) subscriptions: usize,
    pub(crate) log_bytes: usize,
    /// Records that were put into the rings to other reactors, and records from other reactors that
    /// were processed.
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

/// The figures of a whole server, added up: current for the reactor that is asked, as of their last
/// turns for all other reactors.
#[derive(Clone, Debug)]
pub struct Status {
    pub(crate) sum: ReactorStatus,
    pub(crate) is_draining: bool,
}

impl Status {
    /// Everything counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.sum.counters
    }

    /// What became of every copy of a message (one for each subscriber): delivered, dropped or
    /// pending.
    pub fn ledger(&self) -> Ledger {
        self.sum.ledger
    }

    /// Copies of messages that are owed to subscribers and not delivered yet.
    pub fn pending(&self) -> u64 {
        self.sum.ledger.outstanding()
    }

    /// Connections, in every phase.
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

    /// Bytes of memory in the logs of all channels.
    pub fn log_bytes(&self) -> usize {
        self.sum.log_bytes
    }

    /// Records (requests, deliveries, updates) that reactors have sent each other, and that they
    /// have processed.
    pub fn mail(&self) -> [u64; 2] {
        self.sum.mail
    }

    /// Returns true if the server is draining; readiness checks should then fail.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }
}
