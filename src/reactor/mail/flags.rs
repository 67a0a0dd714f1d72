//! The two flags between a reactor and those who put something down for it. `tests/loom` tries all
//! orders in which two threads can meet here; so the atomics come from whoever includes this file.

use super::atomic::{AtomicBool, Ordering, fence};

/// A wake-up is on its way: whoever finds it set need not send another.
pub(super) struct Pending(AtomicBool);

impl Pending {
    pub(super) fn new() -> Pending {
        Pending(AtomicBool::new(false))
    }

    /// After something was put down: whether its receiver has to be woken.
    pub(super) fn announce(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Before the receiver looks: from here on it is woken again. What was put down for a wake-up
    /// that ends here is seen by that look; with a plain store instead of the swap it need not be.
    pub(super) fn clear(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// A writer has found no room, and waits to be told when there is some.
pub(super) struct Starved(AtomicBool);

impl Starved {
    pub(super) fn new() -> Starved {
        Starved(AtomicBool::new(false))
    }

    /// The writer has found no room; it has to look once more after this.
    pub(super) fn declare(&self) {
        self.0.store(true, Ordering::Relaxed);
        // Either that look sees what the reader has taken, or the reader, which looks here after
        // taking, sees this.
        fence(Ordering::SeqCst);
    }

    /// After the reader has taken something: whether the writer has to be woken.
    pub(super) fn relieve(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
