//! What the reactors of a server share besides their rings. Nothing of it is written per message:
//! the gate and the count of channels are when somebody comes or goes, the rest once per turn, and
//! the flags of memory when they change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::hub::{Homes, ReactorNumber};

use super::connection_limits::ConnectionLimits;
use super::status::ReactorStatus;

pub(crate) struct Shared {
    pub(crate) homes: Arc<Homes>,
    pub(crate) connection_limits: ConnectionLimits,
    /// By reactor: as of its last turn.
    statuses: Vec<Mutex<ReactorStatus>>,
    /// By reactor: it has no memory left for messages. Read by homes for each message.
    memory_full: Vec<Flag>,
    /// Reactors that have completed their drain, and serve on for the others.
    drained: AtomicUsize,
}

/// On a cache line of its own, so that what is written beside it makes nobody read it anew.
#[derive(Default)]
#[repr(align(64))]
struct Flag(AtomicBool);

impl Shared {
    pub(crate) fn new(homes: Arc<Homes>, connection_limits: ConnectionLimits) -> Shared {
        let reactors = homes.reactors();
        Shared {
            homes,
            connection_limits,
            statuses: (0..reactors).map(|_| Mutex::default()).collect(),
            memory_full: (0..reactors).map(|_| Flag::default()).collect(),
            drained: AtomicUsize::new(0),
        }
    }

    pub(crate) fn reactors(&self) -> usize {
        self.statuses.len()
    }

    pub(crate) fn store_status(&self, own: ReactorNumber, status: ReactorStatus) {
        // A thread that has died in the middle of storing leaves a status that is as good as any.
        *self.statuses[own.index()].lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Adds what all reactors but one have done, as of their last turns.
    pub(crate) fn add_statuses_of_others(&self, own: ReactorNumber, sum: &mut ReactorStatus) {
        let others = self.statuses.iter().enumerate().filter(|(number, _)| *number != own.index());
        for (_, status) in others {
            sum.add(&status.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(crate) fn set_memory_full(&self, own: ReactorNumber, is_full: bool) {
        if self.memory_full[own.index()].0.load(Ordering::Relaxed) != is_full {
            self.memory_full[own.index()].0.store(is_full, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.memory_full[reactor.index()].0.load(Ordering::Relaxed)
    }

    /// One reactor has nobody left; whether that was the last one.
    pub(crate) fn note_drained(&self) -> bool {
        self.drained.fetch_add(1, Ordering::AcqRel) + 1 == self.reactors()
    }

    pub(crate) fn all_are_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) == self.reactors()
    }
}
