//! The ledger: it counts what became of every copy of every message, where each subscriber of a
//! message is owed one copy. At every moment `owed = delivered + Σ dropped + pending`, exactly.

/// Why a copy of a message was not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DropReason {
    /// The subscriber was overrun, and therefore its subscription ended.
    SlowConsumer,
    /// The subscriber was overrun and goes on after this message (`skip` or `latest`).
    Skipped,
    /// The stream accepted no byte within the slow timeout.
    NoProgress,
    /// The subscription or its connection ended for another reason.
    Closed,
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = 4;

    /// All reasons, in the order of [`Ledger::dropped`].
    pub const ALL: [DropReason; DropReason::COUNT] =
        [DropReason::SlowConsumer, DropReason::Skipped, DropReason::NoProgress, DropReason::Closed];

    /// Returns the value of the metric's label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            DropReason::SlowConsumer => "slow_consumer",
            DropReason::Skipped => "skipped",
            DropReason::NoProgress => "no_progress",
            DropReason::Closed => "closed",
        }
    }
}

/// Copies of messages, counted since the start of the hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Copies to be delivered: one for each message and each subscriber that it was appended for.
    pub owed: u64,
    /// Copies whose last byte was accepted by a stream.
    pub delivered: u64,
    /// Copies dropped, by [`DropReason`].
    pub dropped: [u64; DropReason::COUNT],
}

impl Ledger {
    /// Returns the number of copies dropped for one reason.
    pub const fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Returns the number of copies neither delivered nor dropped yet. Must equal
    /// [`Hub::pending`](super::Hub::pending), which counts them.
    pub fn outstanding(&self) -> u64 {
        self.owed - self.delivered - self.dropped.iter().sum::<u64>()
    }

    /// Adds the figures of another hub.
    pub fn add(&mut self, other: &Ledger) {
        self.owed += other.owed;
        self.delivered += other.delivered;
        self.dropped.iter_mut().zip(other.dropped).for_each(|(sum, copies)| *sum += copies);
    }

    pub(super) fn drop_copies(&mut self, reason: DropReason, copies: u64) {
        self.dropped[reason as usize] += copies;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place() {
        let mut ledger = Ledger { owed: 10, delivered: 3, ..Ledger::default() };
        for (copies, reason) in DropReason::ALL.into_iter().enumerate() {
            ledger.drop_copies(reason, copies as u64);
            assert_eq!(ledger.dropped_for(reason), copies as u64);
        }
        assert_eq!(ledger.outstanding(), 1);
    }
}
