//! Waking a reactor: at most once until it looks at what it was sent.

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

    /// After something was put down for the reactor.
    pub(crate) fn notify(&self) {
        if self.pending.announce() {
            self.waker.wake();
        }
    }

    /// Before the reactor looks at what was put down for it.
    pub(crate) fn clear(&self) {
        self.pending.clear();
    }
}
