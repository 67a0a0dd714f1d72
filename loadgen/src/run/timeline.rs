//! The phases of a run. They begin at a moment that all threads agree on, so every thread assigns a
//! message to the same phase by its intended time.
//!
//! ```text
//! opening ── begin ──▶ warm-up ──▶ measuring ──▶ draining ──▶ over
//!                         └──── Ctrl-C ────┴────────▲
//! ```
use std::ops::Range;
use std::time::Duration;

use crate::cli::common::PhaseArgs;
use crate::net::clock::Moment;

/// How often to check, while draining, if all messages have arrived.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Opening,
    WarmUp,
    Measuring,
    Draining,
    Over,
}

pub(crate) struct Timeline {
    phase: Phase,
    until: Moment,
    phases: PhaseArgs,
    drain: Duration,
    /// Messages with an intended time in this range are measured.
    measured: Range<Moment>,
}

impl Timeline {
    pub(crate) fn new(phases: PhaseArgs, drain: Duration) -> Timeline {
        let never = Moment::default()..Moment::default();
        Timeline { phase: Phase::Opening, until: Moment::default(), phases, drain, measured: never }
    }

    /// Ends the opening phase and enters the warm-up. Traffic begins at `at`.
    pub(crate) fn begin(&mut self, at: Moment) {
        self.phase = Phase::WarmUp;
        self.until = at + self.phases.warmup;
        self.measured = self.until..self.until + self.phases.duration;
    }

    /// Returns true if a message with this intended time is measured.
    pub(crate) fn measures(&self, intended: Moment) -> bool {
        self.measured.contains(&intended)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns when the current phase ends.
    pub(crate) fn until(&self) -> Moment {
        self.until
    }

    /// Returns true if messages are sent in the current phase.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::WarmUp | Phase::Measuring)
    }

    /// If the current phase has ended, enters the next one and returns it; otherwise returns
    /// `None`. Several phases may end at the same time, so call until it returns `None`.
    pub(crate) fn turn(&mut self, now: Moment, all_arrived: bool, stop: bool) -> Option<Phase> {
        let is_over = now >= self.until;
        (self.phase, self.until) = match self.phase {
            Phase::WarmUp | Phase::Measuring if stop => (Phase::Draining, now + self.drain),
            Phase::WarmUp if is_over => (Phase::Measuring, self.until + self.phases.duration),
            Phase::Measuring if is_over => (Phase::Draining, now + self.drain),
            Phase::Draining if is_over || all_arrived => (Phase::Over, now),
            Phase::Opening | Phase::WarmUp | Phase::Measuring | Phase::Draining | Phase::Over => {
                return None;
            }
        };
        Some(self.phase)
    }

    /// Returns when to call the scenario next: at `next`, when it has something to do, or earlier
    /// if the phase must be checked by then.
    pub(crate) fn next_turn(&self, now: Moment, next: Option<Moment>) -> Moment {
        let own = if self.phase == Phase::Draining {
            self.until.min(now + LOOK_AGAIN)
        } else {
            self.until
        };
        next.map_or(own, |next| next.min(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timeline() -> Timeline {
        let phases = PhaseArgs { duration: 5 * SECOND, warmup: SECOND, messages: None };
        let mut timeline = Timeline::new(phases, 2 * SECOND);
        timeline.begin(Moment::default());
        timeline
    }

    fn at(seconds: u32) -> Moment {
        Moment::default() + seconds * SECOND
    }

    #[test]
    fn phases_follow_each_other_and_measuring_is_not_stretched_by_lateness() {
        let mut timeline = timeline();
        assert_eq!(timeline.turn(Moment::default(), true, false), None);
        // This turn is a second late, and still the measuring phase ends at its planned time.
        assert_eq!(timeline.turn(at(2), true, false), Some(Phase::Measuring));
        assert_eq!(timeline.until(), at(6));
        assert_eq!(timeline.turn(at(5), true, false), None);
        assert_eq!(timeline.turn(at(6), false, false), Some(Phase::Draining));
        assert_eq!(timeline.turn(at(7), false, false), None);
        assert_eq!(timeline.turn(at(7), true, false), Some(Phase::Over));
        assert_eq!(timeline.turn(at(9), true, true), None);
    }

    #[test]
    fn draining_ends_though_not_all_has_arrived() {
        let mut timeline = timeline();
        assert_eq!(timeline.turn(at(0), false, true), Some(Phase::Draining));
        assert_eq!(timeline.turn(at(1), false, true), None);
        assert_eq!(timeline.turn(at(2), false, true), Some(Phase::Over));
    }
}
