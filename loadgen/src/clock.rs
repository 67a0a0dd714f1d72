//! One clock for the whole run: nanoseconds on the monotonic clock since the process began, and a
//! timer that ends a wait to the nanosecond.
use std::io;
use std::ops::{Add, Sub};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// A moment of the run, in nanoseconds since [`Clock::start`]. It fits in a message, as 11
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) const fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Which second of the run it lies in.
    pub(crate) const fn second(self) -> u32 {
        (self.0 / 1_000_000_000) as u32
    }

    /// The nanoseconds from `earlier` to this moment; zero when it is not earlier.
    pub(crate) const fn nanos_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: std::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { started: std::time::Instant::now() }
    }

    pub(crate) fn now(self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A timer descriptor in the poll: `Poll::poll` rounds its timeout up to a whole millisecond, which
/// at 2,500 messages a second would be two and a half of them.
pub(crate) struct Timer {
    descriptor: OwnedFd,
    armed_for: Option<Moment>,
}

impl Timer {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&descriptor.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Timer { descriptor, armed_for: None })
    }

    /// Makes the poll return at `at`, which lies after `now`. Setting the timer anew makes its next
    /// end a new edge, so the descriptor is never read.
    pub(crate) fn arm(&mut self, at: Moment, now: Moment) -> io::Result<()> {
        if self.armed_for == Some(at) {
            return Ok(());
        }
        let nanos = at.nanos_since(now).max(1);
        let value = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
        self.armed_for = Some(at);
        Ok(())
    }
}

/// Event number i of a paced run is due at `start + i / rate`, whatever became of the ones before
/// it: what is late goes out at once and nothing is skipped.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Moment,
    per_second: u64,
    /// The number of the next event.
    number: u64,
    step: u64,
}

impl Schedule {
    /// `per_second` is at least 1.
    pub(crate) fn new(start: Moment, per_second: u64) -> Schedule {
        Schedule::every(start, per_second, 0, 1)
    }

    /// Of the events of the whole run only number `first`, `first + step`, and so on: a thread's
    /// share of them.
    pub(crate) fn every(start: Moment, per_second: u64, first: u64, step: u64) -> Schedule {
        debug_assert!(per_second > 0, "a rate of zero is never due");
        Schedule { start, per_second, number: first, step }
    }

    /// When the next event is due.
    pub(crate) fn next(&self) -> Moment {
        let after = u128::from(self.number) * 1_000_000_000 / u128::from(self.per_second);
        Moment(self.start.0.saturating_add(u64::try_from(after).unwrap_or(u64::MAX)))
    }

    /// The intended moment of the next event, if that is not after `now`.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Moment> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.number += self.step;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_not_moved_by_lateness_and_skips_nothing() {
        let mut schedule = Schedule::new(Moment(1_000), 4);
        assert_eq!(schedule.take_due(Moment(999)), None);
        assert_eq!(schedule.take_due(Moment(1_000)), Some(Moment(1_000)));
        assert_eq!(schedule.take_due(Moment(1_000)), None);
        let late = Moment(1_000 + 1_000_000_000);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take_due(late))
            .map(|at| at.as_nanos() - 1_000)
            .collect();
        assert_eq!(due, [250_000_000, 500_000_000, 750_000_000, 1_000_000_000]);
    }

    #[test]
    fn shares_of_a_schedule_make_up_the_whole() {
        let mut shares = [0, 1].map(|first| Schedule::every(Moment(0), 4, first, 2));
        let due = shares.each_mut().map(|share| {
            std::iter::from_fn(|| share.take_due(Moment(1_000_000_000)))
                .map(|at| at.as_nanos() / 1_000_000)
                .collect::<Vec<_>>()
        });
        assert_eq!(due, [vec![0, 500, 1_000], vec![250, 750]]);
    }

    #[test]
    fn a_schedule_does_not_drift_at_a_rate_that_divides_nothing() {
        let mut schedule = Schedule::new(Moment(0), 3);
        for _ in 0..3_000_000 {
            schedule.take_due(Moment(u64::MAX));
        }
        assert_eq!(schedule.next(), Moment(1_000_000 * 1_000_000_000));
    }
}
