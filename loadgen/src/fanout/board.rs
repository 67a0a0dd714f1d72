//! What the threads of a fan-out share: how many messages each publisher has sent, and whether the
//! server sends publishers their own messages. Each value is stored once.
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

const UNKNOWN: u32 = u32::MAX;

/// Whether the server sends publishers their own messages too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OwnCopies {
    Unknown,
    No,
    Yes,
}

#[derive(Clone)]
pub(crate) struct Board(Arc<Shared>);

struct Shared {
    /// How many messages each publisher has sent in all. `UNKNOWN` until the publisher stops.
    totals: Vec<AtomicU32>,
    /// For each publisher, the first sequence number that is measured, and the end (excluded).
    measured: Vec<(AtomicU32, AtomicU32)>,
    own_copies: AtomicU8,
}

impl Board {
    pub(crate) fn new(publishers: u32) -> Board {
        let totals = (0..publishers).map(|_| AtomicU32::new(UNKNOWN)).collect();
        let measured = (0..publishers).map(|_| Default::default()).collect();
        Board(Arc::new(Shared { totals, measured, own_copies: AtomicU8::new(0) }))
    }

    /// Stores how many messages a publisher has sent and which of them are measured.
    pub(super) fn set_total(&self, publisher: usize, total: u32, measured: &Range<u32>) {
        self.0.measured[publisher].0.store(measured.start, Ordering::Relaxed);
        self.0.measured[publisher].1.store(measured.end, Ordering::Relaxed);
        self.0.totals[publisher].store(total, Ordering::Release);
    }

    /// Returns which messages of a publisher are measured. Valid once `total` returns a number.
    pub(super) fn measured(&self, publisher: usize) -> Range<u32> {
        let (start, end) = &self.0.measured[publisher];
        start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)
    }

    /// Returns how many messages a publisher has sent in all; `None` while it is still sending.
    pub(super) fn total(&self, publisher: usize) -> Option<u32> {
        Some(self.0.totals[publisher].load(Ordering::Acquire)).filter(|total| *total != UNKNOWN)
    }

    pub(super) fn set_own_copies(&self, sends: bool) {
        self.0.own_copies.store(1 + u8::from(sends), Ordering::Release);
    }

    pub(super) fn own_copies(&self) -> OwnCopies {
        match self.0.own_copies.load(Ordering::Acquire) {
            0 => OwnCopies::Unknown,
            1 => OwnCopies::No,
            _ => OwnCopies::Yes,
        }
    }
}
