//! What a world with costs keeps: the prices, and the time of each reactor.

use super::costs::SimCosts;
use crate::instant::Instant;

/// What a world with costs knows of the time of one reactor.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct OwnTime {
    /// Up to this moment the reactor has been busy, or has slept.
    pub(super) clock: Instant,
    /// Since when a socket has had something to report, or a wake-up has been pending.
    pub(super) ready_since: Option<Instant>,
}

/// The prices, and the part of a nanosecond that is spent and not yet on the clock.
#[derive(Debug)]
pub(super) struct Spending {
    pub(super) costs: SimCosts,
    pub(super) picoseconds: u64,
}
