//! The state that all steps of a turn share: the clocks, which are read once when the turn begins;
//! the counters; and how much work the turn has done.

use std::sync::Arc;
use std::time::Duration;

use crate::instant::Instant;

use super::budget;
use super::deferral::ReadyHandshakes;
use super::group::OwnCounters;
use super::limits::STANDSTILL_MIN;
use super::traffic::Traffic;

/// How often the wall clock is read. It is needed to the second only, and to read a clock takes as
/// long as a good part of a message.
const UNIX_TIME_PERIOD: Duration = Duration::from_millis(100);

pub(crate) struct TurnState {
    pub(crate) now: Instant,
    /// The time since 1970-01-01 UTC.
    pub(crate) unix_time: Duration,
    /// When the last turn began that came much later than the one before: the process was paused,
    /// or this reactor stood still. Others are judged from here on.
    pub(crate) resumed_at: Instant,
    /// When the wall clock is read again.
    read_unix_time_at: Instant,
    pub(crate) counters: OwnCounters,
    pub(crate) connections: usize,
    /// How many of the connections were accepted on admin listeners.
    pub(crate) admin_connections: usize,
    pub(crate) has_admin_listener: bool,
    /// Where handshakes are noted down on which the application can decide now.
    pub(crate) ready_handshakes: Arc<ReadyHandshakes>,
    pub(crate) draining: bool,
    pub(crate) traffic: Traffic,
    /// True while a callback's call of `Context` or `Visitor` changes the reactor's own state.
    pub(crate) is_in_call: bool,
    /// How many overrun subscribers and answered joins this turn has handled.
    pub(crate) crowds_told: usize,
    /// The work done since the start, except system calls, in units of [`budget`].
    done: u64,
    /// The loop that is running must stop when `work` reaches this figure.
    work_max: u64,
}

impl TurnState {
    pub(super) fn new(
        now: Instant,
        unix_time: Duration,
        counters: OwnCounters,
        has_admin_listener: bool,
        ready_handshakes: Arc<ReadyHandshakes>,
    ) -> TurnState {
        TurnState {
            now,
            unix_time,
            resumed_at: now,
            read_unix_time_at: now,
            counters,
            connections: 0,
            admin_connections: 0,
            has_admin_listener,
            ready_handshakes,
            draining: false,
            traffic: Traffic::default(),
            is_in_call: false,
            crowds_told: 0,
            done: 0,
            work_max: 0,
        }
    }

    /// Begins a turn. Between two readings of the wall clock, its time is reckoned with the
    /// monotonic clock.
    pub(super) fn begin(&mut self, now: Instant, read_unix_time: impl FnOnce() -> Duration) {
        let pause = now.saturating_since(self.now);
        if now >= self.read_unix_time_at {
            self.unix_time = read_unix_time();
            self.read_unix_time_at = now + UNIX_TIME_PERIOD;
        } else {
            self.unix_time += pause;
        }
        if pause >= STANDSTILL_MIN {
            self.resumed_at = now;
        }
        self.now = now;
        self.counters.note_turn(now);
    }

    /// Runs a method that a callback has called on its `Context` or `Visitor`. While it runs,
    /// `is_in_call` is set, because a panic in it may leave the reactor's own state half changed.
    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut TurnState) -> R) -> R {
        self.is_in_call = true;
        let result = call(self);
        self.is_in_call = false;
        result
    }

    /// Counts work that is not a system call.
    pub(super) fn did(&mut self, units: u64) {
        self.done += units;
    }

    /// Counts work by the time that it takes.
    pub(super) fn did_for(&mut self, work: Duration) {
        self.did(work.as_nanos() as u64 / budget::UNIT_NANOS);
    }

    /// Begins a loop that may do this much work, in units of [`budget`].
    pub(super) fn allow(&mut self, units: u64) {
        self.work_max = self.work() + units;
    }

    /// Returns true while the loop that is running may go on.
    pub(super) fn has_budget(&self) -> bool {
        self.work() < self.work_max
    }

    /// Returns the work done since the start, system calls included.
    fn work(&self) -> u64 {
        let counters = &self.counters;
        self.done
            + counters.sends.read() * budget::SEND
            + counters.receives.read() * budget::RECEIVE
            + counters.received_bytes.read() / budget::BYTES_PER_UNIT
    }
}
