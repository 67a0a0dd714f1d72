//! The flags between a reactor and the threads that write to it. `tests/loom` tries every order
//! in which two threads can meet here, with atomics of its own, so this file takes its atomics from
//! the module that includes it.

use super::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// True while a wake-up is on its way to the reactor: a second one is not needed.
#[repr(align(64))]
pub(super) struct Pending(AtomicBool);

impl Pending {
    pub(super) fn new() -> Pending {
        Pending(AtomicBool::new(false))
    }

    /// Called after writing. Returns true if the receiver must be woken.
    pub(super) fn announce(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Called before the receiver reads. Later writes wake it again. Writes whose wake-up is
    /// cleared here are visible to the read that follows: the swap guarantees that, a plain store
    /// would not.
    pub(super) fn clear(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// True if a writer has found no room in a ring: it must be woken when there is some.
#[repr(align(64))]
pub(super) struct Starved(AtomicBool);

impl Starved {
    pub(super) fn new() -> Starved {
        Starved(AtomicBool::new(false))
    }

    /// Called when the writer has found no room. The writer must check for room once more
    /// afterwards.
    pub(super) fn declare(&self) {
        self.0.store(true, Ordering::Relaxed);
        // Either the writer's next check sees what the reader has taken, or the reader, which calls
        // `relieve` after taking, sees this flag.
        fence(Ordering::SeqCst);
    }

    /// Called after the reader has taken something. Returns true if the writer must be woken.
    pub(super) fn relieve(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// Which reactors have written to a reactor since it last checked, one bit each, so that it reads
/// only their rings.
pub(super) struct Senders(Box<[Word]>);

/// The bits of 64 reactors, in a cache line of their own.
#[repr(align(64))]
struct Word(AtomicU64);

impl Senders {
    pub(super) fn new(reactors: usize) -> Senders {
        Senders((0..reactors.div_ceil(64)).map(|_| Word(AtomicU64::new(0))).collect())
    }

    /// Called by a sender after writing.
    pub(super) fn add(&self, sender: usize) {
        self.0[sender / 64].0.fetch_or(1 << (sender % 64), Ordering::AcqRel);
    }

    /// Takes the senders that were added since the last call. Called before the receiver reads.
    /// Everything that these senders had written is visible to the reads that follow. A sender that
    /// writes later is returned by the next call.
    pub(super) fn take(&self, mut take: impl FnMut(usize, u64)) {
        for (word, bits) in self.0.iter().enumerate() {
            if bits.0.load(Ordering::Relaxed) != 0 {
                take(word, bits.0.swap(0, Ordering::AcqRel));
            }
        }
    }
}
