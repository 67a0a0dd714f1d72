//! What the threads of a run share: one clock, barriers, and figures that each thread stores once a
//! turn. Nothing in this file is used per message.
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::schedule::Schedule;
use crate::net::clock::{Clock, Moment};

/// How many barriers a run may use.
const BARRIERS_MAX: usize = 16;
/// The last thread to reach a barrier sets the moment at which all threads go on. That moment is
/// this far ahead, so that every thread has polled the barrier by then. Must exceed `LOOK_AGAIN`.
const AHEAD: Duration = Duration::from_millis(20);
/// How often a thread that waits at a barrier polls it.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Figures that one thread publishes for the watcher, which shows the progress of the run.
///
/// Each thread's figures have their own cache lines, because it stores them once a turn.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Figures {
    pub(crate) opened: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) delivered: AtomicU64,
    /// The 99th percentile of the latencies in the last full second.
    pub(crate) p99_nanos: AtomicU64,
    pub(crate) is_over: AtomicBool,
}

#[derive(Default)]
struct Barrier {
    arrived: AtomicU32,
    /// When all threads go on, in nanoseconds; zero until the last thread has reached the barrier.
    moment: AtomicU64,
}

pub(crate) struct Threads {
    pub(crate) clock: Clock,
    pub(crate) figures: Vec<Figures>,
    barriers: [Barrier; BARRIERS_MAX],
    /// When traffic began, in nanoseconds; zero until then.
    began: AtomicU64,
    /// When measuring ended on the last thread, in nanoseconds; zero until then.
    measured_until: AtomicU64,
    failed: AtomicBool,
    stop: Arc<AtomicBool>,
}

impl Threads {
    /// Setting `stop` ends the run early.
    pub(crate) fn new(threads: u32, stop: Arc<AtomicBool>) -> Arc<Threads> {
        Arc::new(Threads {
            clock: Clock::start(),
            figures: (0..threads).map(|_| Figures::default()).collect(),
            barriers: Default::default(),
            began: AtomicU64::new(0),
            measured_until: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            stop,
        })
    }

    /// Returns when traffic began; `None` until then.
    pub(crate) fn began(&self) -> Option<Moment> {
        let nanos = self.began.load(Ordering::Relaxed);
        (nanos > 0).then(|| Moment::from_nanos(nanos))
    }

    /// Returns when measuring ended, perhaps earlier than planned; `None` until then.
    pub(crate) fn measured_until(&self) -> Option<Moment> {
        let nanos = self.measured_until.load(Ordering::Relaxed);
        (nanos > 0).then(|| Moment::from_nanos(nanos))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the run on every thread, because it cannot go on or a thread has failed.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.figures.iter().all(|figures| figures.is_over.load(Ordering::Relaxed))
    }

    pub(crate) fn sum(&self, of: fn(&Figures) -> &AtomicU64) -> u64 {
        self.figures.iter().map(|figures| of(figures).load(Ordering::Relaxed)).sum()
    }
}

/// The handle of one thread: its number, and what it shares with the others.
pub(crate) struct ThisThread {
    shared: Arc<Threads>,
    number: u32,
    /// One bit for each barrier that this thread has reached.
    arrived: u32,
}

impl ThisThread {
    pub(crate) fn new(shared: Arc<Threads>, number: u32) -> ThisThread {
        ThisThread { shared, number, arrived: 0 }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock
    }

    pub(crate) fn count(&self) -> u32 {
        self.shared.figures.len() as u32
    }

    /// Returns this thread's number, counted from zero.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Returns true for the first thread, which also does what must be done only once.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 0
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures[self.number as usize]
    }

    /// Returns how many connections are open on all threads, as of their last turns.
    pub(crate) fn open_on_all(&self) -> u64 {
        self.shared.sum(|figures| &figures.open)
    }

    /// Returns the range of `0..total`, such as numbers of connections, that this thread handles.
    pub(crate) fn share(&self, total: u64) -> Range<u64> {
        share(total, self.number, self.count())
    }

    /// Returns how many of `total` connections or messages this thread handles.
    pub(crate) fn share_count(&self, total: u64) -> u64 {
        let share = self.share(total);
        share.end - share.start
    }

    /// Returns when this thread's events are due if the whole run has `per_second` events a second.
    pub(crate) fn schedule(&self, start: Moment, per_second: u64) -> Schedule {
        Schedule::every(start, per_second, self.number.into(), self.count().into())
    }

    /// Polls a barrier. Returns `None` until all threads have reached it, then the moment at which
    /// all of them go on: the same on every thread, and a little in the future. Once a thread has
    /// failed, it returns `now`, so that no thread waits.
    pub(crate) fn wait_at(&mut self, barrier: usize, now: Moment) -> Option<Moment> {
        if self.has_failed() {
            return Some(now);
        }
        let at = &self.shared.barriers[barrier];
        if self.arrived & 1 << barrier == 0 {
            self.arrived |= 1 << barrier;
            if at.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count() {
                let agreed = if self.count() == 1 { now } else { now + AHEAD };
                at.moment.store(agreed.as_nanos().max(1), Ordering::Release);
            }
        }
        let nanos = at.moment.load(Ordering::Acquire);
        (nanos > 0).then(|| Moment::from_nanos(nanos))
    }

    /// Records that traffic begins at `at`.
    pub(crate) fn begin(&self, at: Moment) {
        self.shared.began.store(at.as_nanos(), Ordering::Relaxed);
    }

    /// Records that measuring ended at `at` on this thread.
    pub(crate) fn end_measuring(&self, at: Moment) {
        self.shared.measured_until.fetch_max(at.as_nanos(), Ordering::Relaxed);
    }

    /// Returns true if Ctrl-C was pressed or the run cannot go on.
    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.is_stopping() || self.has_failed()
    }

    pub(crate) fn fail(&self) {
        self.shared.fail();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

/// Divides `0..total` into `of` consecutive ranges whose lengths differ by at most one, and returns
/// range number `at`.
pub(crate) fn share(total: u64, at: u32, of: u32) -> Range<u64> {
    let bound = |at: u64| total * at / u64::from(of);
    bound(u64::from(at))..bound(u64::from(at) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for (total, of) in [(10, 3), (2, 4), (0, 2), (19_000, 7)] {
            let shares: Vec<_> = (0..of).map(|at| share(total, at, of)).collect();
            assert_eq!((shares[0].start, shares[of as usize - 1].end), (0, total));
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    #[test]
    fn nobody_leaves_a_barrier_before_all_have_come() {
        let shared = Threads::new(2, Arc::default());
        let mut threads = [0, 1].map(|thread| ThisThread::new(Arc::clone(&shared), thread));
        let now = Moment::from_nanos(7);
        assert_eq!(threads[0].wait_at(3, now), None);
        assert_eq!(threads[0].wait_at(3, now), None);
        assert_eq!(threads[1].wait_at(3, now), Some(now + AHEAD));
        assert_eq!(threads[0].wait_at(3, now), Some(now + AHEAD));
        assert_eq!(threads[0].wait_at(4, now), None);
    }
}
