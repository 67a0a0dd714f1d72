//! A request to reload, from another thread to a reactor.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::reactor::limits::ReactorLimits;

/// What a [`Handle`](super::Handle) has asked a reactor to reload. The reactor compares the number
/// at each turn; so as long as nothing is reloaded, that is all it costs.
#[derive(Default)]
pub(super) struct ReloadRequests {
    /// How many requests there have been. It wraps around.
    count: AtomicU32,
    /// The limits of the last request that came with any, until the reactor takes them.
    limits: Mutex<Option<ReactorLimits>>,
}

impl ReloadRequests {
    /// The caller wakes the reactor.
    pub(super) fn request(&self, limits: Option<ReactorLimits>) {
        if let Some(limits) = limits {
            *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
        }
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns true if there was a request since the one of this number, which is updated.
    pub(super) fn is_newer(&self, heard: &mut u32) -> bool {
        let count = self.count.load(Ordering::SeqCst);
        std::mem::replace(heard, count) != count
    }

    pub(super) fn take_limits(&self) -> Option<ReactorLimits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
