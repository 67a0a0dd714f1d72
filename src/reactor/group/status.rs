//! The figures of one reactor, and of all reactors together.

use crate::hub::{DropReason, Ledger};

use crate::reactor::counters::Counters;

/// What a reactor has done so far, and what it holds now.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReactorStatus {
    pub(crate) counters: Counters,
    pub(crate) gauges: Gauges,
}

impl ReactorStatus {
    pub(crate) fn add(&mut self, other: &ReactorStatus) {
        self.counters.add(&other.counters);
        let (sums, figures) = (self.gauges.figures(), other.gauges.figures());
        self.gauges = Gauges::of(std::array::from_fn(|at| sums[at] + figures[at]));
    }
}

/// What a reactor holds now, and what its hub and its mail have counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) ledger: Ledger,
    pub(crate) connections: usize,
    pub(crate) channels: usize,
    pub(crate) subscriptions: usize,
    pub(crate) log_bytes: usize,
    pub(crate) messages_deflated: u64,
    /// Two counts: records put into the rings to other reactors, and records from other reactors
    /// that were processed.
    pub(crate) mail: [u64; 2],
}

impl Gauges {
    /// How many figures there are.
    pub(super) const COUNT: usize = 9 + DropReason::COUNT;

    /// Returns all figures, as [`of`](Self::of) takes them.
    pub(super) fn figures(&self) -> [u64; Gauges::COUNT] {
        // Destructured by name, so that the compiler reports a figure that is missing here.
        let Gauges {
            ledger,
            connections,
            channels,
            subscriptions,
            log_bytes,
            messages_deflated,
            mail,
        } = self;
        let Ledger { owed, delivered, dropped: [d0, d1, d2, d3] } = *ledger;
        let held = [connections, channels, subscriptions, log_bytes].map(|count| *count as u64);
        let ([h0, h1, h2, h3], [put, taken]) = (held, *mail);
        [owed, delivered, d0, d1, d2, d3, h0, h1, h2, h3, *messages_deflated, put, taken]
    }

    pub(super) fn of(figures: [u64; Gauges::COUNT]) -> Gauges {
        let [owed, delivered, d0, d1, d2, d3, h0, h1, h2, h3, messages_deflated, put, taken] =
            figures;
        let held = [h0, h1, h2, h3].map(|count| count as usize);
        let [connections, channels, subscriptions, log_bytes] = held;
        let ledger = Ledger { owed, delivered, dropped: [d0, d1, d2, d3] };
        let mail = [put, taken];
        Gauges { ledger, connections, channels, subscriptions, log_bytes, messages_deflated, mail }
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
    /// Returns everything counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.sum.counters
    }

    /// Returns how many copies of messages (one for each message and subscriber) were delivered,
    /// dropped, or are pending.
    pub fn ledger(&self) -> Ledger {
        self.sum.gauges.ledger
    }

    /// Returns the number of copies that are owed to subscribers and not delivered yet.
    pub fn pending(&self) -> u64 {
        self.sum.gauges.ledger.outstanding()
    }

    /// Returns the number of connections, in every phase.
    pub fn connections(&self) -> usize {
        self.sum.gauges.connections
    }

    /// Returns the number of channels that exist.
    pub fn channels(&self) -> usize {
        self.sum.gauges.channels
    }

    /// Returns the number of subscriptions of all connections.
    pub fn subscriptions(&self) -> usize {
        self.sum.gauges.subscriptions
    }

    /// Returns the memory in the logs of all channels, in bytes.
    pub fn log_bytes(&self) -> usize {
        self.sum.gauges.log_bytes
    }

    /// Returns how many messages were deflated for the subscribers that have agreed to compression:
    /// each once on every reactor that has some, whether or not that has made it shorter.
    pub fn messages_deflated(&self) -> u64 {
        self.sum.gauges.messages_deflated
    }

    /// Returns how many records (updates, requests, messages, answers) the reactors have sent each
    /// other, and how many of them they have processed.
    pub fn mail(&self) -> [u64; 2] {
        self.sum.gauges.mail
    }

    /// Returns true if the server is draining; readiness checks should then fail.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }
}
