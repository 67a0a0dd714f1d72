//! The state of a world with costs: the prices, and the clock of each reactor.

use super::costs::SimCosts;
use crate::instant::Instant;

/// The time of one reactor in a world with costs.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct OwnTime {
    /// The reactor has been busy or asleep up to this moment.
    pub(super) clock: Instant,
    /// Since when a socket has had something to report, or a wake-up has been pending.
    pub(super) ready_since: Option<Instant>,
}

/// The prices, and the part of a nanosecond that was spent but not yet added to a clock.
#[derive(Debug)]
pub(super) struct Spending {
    pub(super) costs: SimCosts,
    pub(super) picoseconds: u64,
}
