//! Waking a reactor: at most once until it looks.

use std::sync::Arc;

use crate::net::Wake;

use super::flags::Pending;

/// Wakes one reactor, from any thread.
#[derive(Clone)]
pub(in super::super) struct Bell<W> {
    pending: Arc<Pending>,
    waker: W,
}

impl<W: Wake> Bell<W> {
    pub(in super::super) fn new(waker: W) -> Bell<W> {
        Bell { pending: Arc::new(Pending::new()), waker }
    }

    /// After something was put down for the reactor.
    pub(in super::super) fn ring(&self) {
        if self.pending.announce() {
            self.waker.wake();
        }
    }

    /// Before the reactor looks at what was put down for it.
    pub(in super::super) fn hear(&self) {
        self.pending.clear();
    }
}
