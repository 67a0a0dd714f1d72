//! A handle for other threads, which tells whether every reactor turns.

use std::sync::Arc;

use crate::instant::Instant;

use super::shared::Shared;
use super::standstill::Standstill;

/// Tells from any thread which reactors of a server stand still.
#[derive(Clone)]
pub struct Liveness(Arc<Shared>);

impl Liveness {
    pub(in crate::reactor) fn new(shared: &Arc<Shared>) -> Liveness {
        Liveness(Arc::clone(shared))
    }

    /// Returns the reactors that stand still.
    pub fn standing_still(&self, now: Instant) -> Vec<Standstill> {
        self.0.standing_still(now, Instant::ZERO)
    }
}
