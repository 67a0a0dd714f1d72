//! [`SimWaker`], which ends the wait of a reactor in a simulated world.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::net::Wake;
use crate::work::{self, Work};

/// Wakes a reactor of a [`SimWorld`](super::SimWorld), from any thread.
#[derive(Clone, Default, Debug)]
pub struct SimWaker(Arc<AtomicBool>);

impl SimWaker {
    /// Clears the wake-up. Returns true if there was one since the last call.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for SimWaker {
    fn wake(&self) {
        work::note(Work::Wake);
        self.0.store(true, Ordering::Release);
    }
}
