//! The phases of a run, and what is read off the processors at the two ends of measuring.
//!
//! ```text
//! opening ── begin ──▶ warm-up ──▶ measuring ──▶ draining ──▶ over
//!                         └──── Ctrl-C ────┴────────▲
//! ```
use std::time::Duration;

use crate::cli::PhaseArgs;
use crate::clock::Moment;
use crate::load::Load;
use crate::process::{ServerProcess, own_cpu};
use crate::report::{Report, Value};

/// When to look again whether all has arrived.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A generator that is busier than this share of the time may itself have been the limit.
const BUSY_SHARE_MAX: f64 = 0.85;
/// Unless the server's processor was at least this busy.
const SERVER_SATURATED_SHARE: f64 = 0.95;

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
}

impl Timeline {
    pub(crate) fn new(phases: PhaseArgs, drain: Duration) -> Timeline {
        Timeline { phase: Phase::Opening, until: Moment::default(), phases, drain }
    }

    /// Opening is over.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.phase = Phase::WarmUp;
        self.until = now + self.phases.warmup;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// When this phase ends.
    pub(crate) fn until(&self) -> Moment {
        self.until
    }

    /// Messages are sent now.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::WarmUp | Phase::Measuring)
    }

    /// Enters the next phase if this one has ended, and says which. To be called until it says `None`.
    pub(crate) fn turn(&mut self, now: Moment, all_arrived: bool, stop: bool) -> Option<Phase> {
        let is_over = now >= self.until;
        (self.phase, self.until) = match self.phase {
            Phase::WarmUp | Phase::Measuring if stop => (Phase::Draining, now + self.drain),
            Phase::WarmUp if is_over => (Phase::Measuring, self.until + self.phases.duration),
            Phase::Measuring if is_over => (Phase::Draining, now + self.drain),
            Phase::Draining if is_over || all_arrived => (Phase::Over, now),
            Phase::Opening | Phase::WarmUp | Phase::Measuring | Phase::Draining | Phase::Over => return None,
        };
        Some(self.phase)
    }

    /// When a scenario wants to be called again that itself has nothing to do before `next`.
    pub(crate) fn next_turn(&self, now: Moment, next: Option<Moment>) -> Moment {
        let own = if self.phase == Phase::Draining { self.until.min(now + LOOK_AGAIN) } else { self.until };
        next.map_or(own, |next| next.min(own))
    }
}

#[derive(Clone, Copy)]
struct Sample {
    at: Moment,
    own_cpu: Duration,
    server_cpu: Option<Duration>,
}

/// The span that rates and processor times are told for.
pub(crate) struct Measurement {
    server: Option<ServerProcess>,
    began: Option<Sample>,
    ended: Option<Sample>,
}

impl Measurement {
    pub(crate) fn new(server: Option<ServerProcess>) -> Measurement {
        Measurement { server, began: None, ended: None }
    }

    /// To be called on entering each phase: takes the samples at the beginning and the end of measuring.
    pub(crate) fn on_phase(&mut self, entered: Phase, load: &Load) {
        match entered {
            Phase::Measuring => self.began = Some(self.sample(load)),
            Phase::Draining if self.began.is_some() => self.ended = Some(self.sample(load)),
            Phase::Opening | Phase::WarmUp | Phase::Draining | Phase::Over => {}
        }
    }

    fn sample(&self, load: &Load) -> Sample {
        let server_cpu = self.server.and_then(|server| server.cpu().ok());
        Sample { at: load.clock.now(), own_cpu: own_cpu(), server_cpu }
    }

    fn span(&self) -> Option<(Sample, Sample)> {
        Some((self.began?, self.ended?))
    }

    /// How long was measured.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        self.span().map(|(began, ended)| Duration::from_nanos(ended.at.nanos_since(began.at)))
    }

    /// `count` events of the measured span, per second.
    pub(crate) fn rate(&self, count: u64) -> Value {
        self.elapsed()
            .filter(|elapsed| !elapsed.is_zero())
            .map_or(Value::Absent, |elapsed| Value::PerSecond(count as f64 / elapsed.as_secs_f64()))
    }

    /// The section on processors. `count` things called `thing` were done in the measured span.
    pub(crate) fn report(&self, report: &mut Report, thing: &str, count: u64) {
        let Some((began, ended)) = self.span() else {
            return report.note("the run ended before measuring did".to_owned());
        };
        let elapsed = Duration::from_nanos(ended.at.nanos_since(began.at)).as_secs_f64();
        let busy = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() / elapsed;
        let own_busy = busy(began.own_cpu, ended.own_cpu);
        let server_cpu = began.server_cpu.zip(ended.server_cpu);
        let server_busy = server_cpu.map(|(before, after)| busy(before, after));
        let per_thing = server_cpu.filter(|_| count > 0).map(|(before, after)| {
            let nanos = u64::try_from(after.saturating_sub(before).as_nanos()).unwrap_or(u64::MAX);
            Value::Nanos(nanos / count)
        });
        report
            .section("cpu")
            .row("measured_ns", Value::Nanos((elapsed * 1e9) as u64))
            .row("loadgen_busy_share", Value::Share(own_busy))
            .optional("server_busy_share", server_busy.map(Value::Share))
            .optional(&format!("server_per_{thing}_ns"), per_thing);
        if own_busy > BUSY_SHARE_MAX && server_busy.is_none_or(|busy| busy < SERVER_SATURATED_SHARE) {
            report.note(format!(
                "generator-bound: loadgen was busy {:.0} % of the time and the server was not saturated; give \
                 loadgen a core of its own, or ask for less",
                own_busy * 100.0
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timeline() -> Timeline {
        let phases = PhaseArgs { duration: 5 * SECOND, warmup: SECOND };
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
        // Seen a second late: it ends at its time all the same.
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
