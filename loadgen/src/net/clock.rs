//! The time of a run: one monotonic clock that counts nanoseconds since the process began, and a
//! timer that ends a wait with nanosecond precision.
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

/// The longest duration of a phase. A report has a line for each second of the run.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A moment of the run, in nanoseconds since [`Clock::start`]. It is written into messages as 11
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

    /// Returns the number of the second of the run that contains this moment.
    pub(crate) const fn second(self) -> u32 {
        (self.0 / 1_000_000_000) as u32
    }

    /// Returns the nanoseconds from `earlier` to this moment, or zero if `earlier` is later.
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

/// Parses a duration flag such as `10s` or `10`. Returns an error if it is longer than a day.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = fanfare::units::parse_duration(text)?;
    if duration <= DURATION_MAX { Ok(duration) } else { Err("at most 24 hours".to_owned()) }
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

/// A timer descriptor that wakes the poll at a given moment. The timeout of `Poll::poll` is too
/// coarse for that, because it is rounded up to a whole millisecond.
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

    /// Makes the poll return at `at`, which lies after `now`. The descriptor is never read: once
    /// the timer is set anew, its next expiry causes a new edge.
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
