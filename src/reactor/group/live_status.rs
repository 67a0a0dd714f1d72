//! The figures of one reactor where the other reactors read them, without a lock. Only the reactor
//! itself writes: its counters as it counts, the rest at the end of each turn.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::instant::Instant;
use crate::reactor::counters::LiveCounters;

use super::status::{Gauges, ReactorStatus};

/// The figures of one reactor, in cache lines of their own. If another thread wrote often to the
/// same cache line, every count would be slow.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct LiveStatus {
    counters: LiveCounters,
    gauges: [AtomicU64; Gauges::COUNT],
    /// When the reactor's last turn began, in nanoseconds of its clock.
    turned_at: AtomicU64,
}

impl LiveStatus {
    pub(super) fn note_turn(&self, now: Instant) {
        self.turned_at.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Returns when the reactor's last turn began.
    pub(super) fn turned_at(&self) -> Instant {
        Instant::from_nanos(self.turned_at.load(Ordering::Relaxed))
    }

    pub(super) fn store(&self, gauges: &Gauges) {
        for (place, figure) in self.gauges.iter().zip(gauges.figures()) {
            place.store(figure, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> ReactorStatus {
        let figures = self.gauges.each_ref().map(|place| place.load(Ordering::Relaxed));
        ReactorStatus { counters: self.counters.read(), gauges: Gauges::of(figures) }
    }
}

/// The counters of this reactor.
pub(crate) struct OwnCounters(pub(super) Arc<LiveStatus>);

impl OwnCounters {
    /// Tells the other reactors that a turn has begun.
    pub(in crate::reactor) fn note_turn(&self, now: Instant) {
        self.0.note_turn(now);
    }
}

impl Deref for OwnCounters {
    type Target = LiveCounters;

    fn deref(&self) -> &LiveCounters {
        &self.0.counters
    }
}
