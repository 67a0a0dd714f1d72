//! What the reactors of a server share besides their rings. Nothing of it is written per message:
//! the gate and the count of channels are when somebody comes or goes, the rest once per turn, and
//! the flags of memory when they change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::hub::{Homes, ReactorNumber};

use super::figures::Figures;
use super::gate::Gate;

pub(super) struct Shared {
    pub(super) homes: Arc<Homes>,
    pub(super) gate: Gate,
    /// By reactor: as of its last turn.
    figures: Vec<Mutex<Figures>>,
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
    pub(super) fn new(homes: Arc<Homes>, gate: Gate) -> Shared {
        let reactors = homes.reactors();
        Shared {
            homes,
            gate,
            figures: (0..reactors).map(|_| Mutex::default()).collect(),
            memory_full: (0..reactors).map(|_| Flag::default()).collect(),
            drained: AtomicUsize::new(0),
        }
    }

    pub(super) fn reactors(&self) -> usize {
        self.figures.len()
    }

    pub(super) fn store_figures(&self, own: ReactorNumber, figures: Figures) {
        // A thread that has died in the middle of storing leaves figures that are as good as any.
        *self.figures[own.index()].lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// Adds what all reactors but one have done, as of their last turns.
    pub(super) fn add_figures_of_others(&self, own: ReactorNumber, sum: &mut Figures) {
        let others = self.figures.iter().enumerate().filter(|(number, _)| *number != own.index());
        for (_, figures) in others {
            sum.add(&figures.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(super) fn set_memory_full(&self, own: ReactorNumber, is_full: bool) {
        if self.memory_full[own.index()].0.load(Ordering::Relaxed) != is_full {
            self.memory_full[own.index()].0.store(is_full, Ordering::Relaxed);
        }
    }

    pub(super) fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.memory_full[reactor.index()].0.load(Ordering::Relaxed)
    }

    /// One reactor has nobody left; whether that was the last one.
    pub(super) fn note_drained(&self) -> bool {
        self.drained.fetch_add(1, Ordering::AcqRel) + 1 == self.reactors()
    }

    pub(super) fn all_are_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) == self.reactors()
    }
}
