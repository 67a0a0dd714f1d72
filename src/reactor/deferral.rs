//! Opening handshakes on which the application decides later, when another thread has found out
//! what it needs for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ticket::Ticket;

/// A handshake that waits for the application's decision. Another thread may hold it, and drops it
/// when the decision can be made: then [`Handler::on_deferred`](crate::Handler::on_deferred) is
/// called. So a handshake never waits for a thread that has ended.
pub struct Deferral {
    ticket: Ticket,
    ready: Arc<ReadyHandshakes>,
}

impl Deferral {
    /// Returns the ticket that identifies the handshake.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Deferral {
    fn drop(&mut self) {
        self.ready.put(self.ticket);
    }
}

/// The handshakes of one reactor on which the application can decide now.
pub(crate) struct ReadyHandshakes {
    tickets: Mutex<Vec<Ticket>>,
    /// Whether there are any tickets. The reactor looks at this in each turn.
    is_any: AtomicBool,
    /// Wakes the reactor.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl ReadyHandshakes {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<ReadyHandshakes> {
        Arc::new(ReadyHandshakes {
            tickets: Mutex::default(),
            is_any: AtomicBool::new(false),
            wake: Box::new(wake),
        })
    }

    pub(crate) fn defer(self: &Arc<ReadyHandshakes>, ticket: Ticket) -> Deferral {
        Deferral { ticket, ready: Arc::clone(self) }
    }

    fn put(&self, ticket: Ticket) {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
        self.is_any.store(true, Ordering::SeqCst);
        (self.wake)();
    }

    /// Returns true if there are any. This is all that a turn without them costs.
    pub(crate) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::SeqCst)
    }

    /// Appends the tickets to a list.
    pub(crate) fn take(&self, list: &mut impl Extend<Ticket>) {
        self.is_any.store(false, Ordering::SeqCst);
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        list.extend(tickets.drain(..));
    }
}
