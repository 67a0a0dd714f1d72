//! Wakes a reactor, at most once before it reads what other threads have written for it.

use std::sync::Arc;

use crate::net::Wake;

use super::flags::Pending;

/// Wakes one reactor, from any thread.
#[derive(Clone)]
pub(crate) struct Notifier<W> {
    pending: Arc<Pending>,
    waker: W,
}

impl<W: Wake> Notifier<W> {
    pub(crate) fn new(waker: W) -> Notifier<W> {
        Notifier { pending: Arc::new(Pending::new()), waker }
    }

    /// Called after something was written for the reactor.
    pub(crate) fn notify(&self) {
        if self.pending.announce() {
            self.waker.wake();
        }
    }

    /// Called before the reactor reads what was written for it.
    pub(crate) fn clear(&self) {
        self.pending.clear();
    }
}
