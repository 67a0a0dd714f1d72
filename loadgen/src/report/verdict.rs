//! Decides whether the figures can be trusted: was the generator the limit, did the server keep up,
//! was there enough to measure? The reason contains figures, the cure says what to do.
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::units::{Unit, count_text, number_text};

/// Least time to measure: a second, or less because its beginning may be noticed late.
const MEASURED_LEAST: Duration = Duration::from_millis(900);
const MESSAGES_LEAST: u64 = 100;
/// A thread that runs or waits for a core for more of its time than this cannot absorb a burst.
const BUSY_SHARE_MAX: f64 = 0.85;
/// Largest share of the measured seconds that may be busy.
const BUSY_SECONDS_SHARE_MAX: f64 = 0.05;
const LOOP_STALL_MAX: Duration = Duration::from_millis(1);
/// Least share of the due messages, expected deliveries or due openings that must be reached.
const ACHIEVED_SHARE_LEAST: f64 = 0.99;
/// A server this busy was the limit, even if the generator was busy too.
const SERVER_SATURATED_SHARE: f64 = 0.95;

/// What to do about connections that fail.
const ERRORS_CURE: &str =
    "find out why the server, or a limit on the way to it, refuses or ends connections";

/// The figures that the verdict uses, all from the measured part of the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) measured: Duration,
    /// Round trips or deliveries. `None` if the scenario is not about messages.
    pub(crate) messages: Option<u64>,
    /// For each second, the share of it that the busiest thread ran or waited for a core.
    pub(crate) busy_shares: Vec<f64>,
    /// The 99th percentile of the delay that one turn of the event loop causes for the next.
    pub(crate) loop_stall_p99: Option<Duration>,
    /// In an open loop: messages due while measuring, and how many of them were sent in that time.
    pub(crate) sends: Option<Tally>,
    /// In an open loop: deliveries due for `sends`, and how many of them arrived while measuring.
    pub(crate) deliveries: Option<Tally>,
    /// The median response time. Deliveries due in the last such span may still be missing at the
    /// end.
    pub(crate) response_p50: Duration,
    /// With `--connect-rate`: how many connections were due to open, and how many opened in time.
    pub(crate) openings: Option<Tally>,
    /// How close the server was to its limit: 1 when its busiest thread, or all the cores that it
    /// may run on, had no time left. `None` without `--server-pid`.
    pub(crate) server_share: Option<f64>,
    /// The most frequent error of connections. `None` if there was none.
    pub(crate) error: Option<String>,
    /// What has kept the run from measuring enough, if it is known.
    pub(crate) cut: Option<Cut>,
}

/// What has kept a run from measuring enough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// No connection has opened. The text is that of the most frequent error.
    NothingOpened(Option<String>),
    /// The traffic could not begin, or not go on. The text is the first failure of the report.
    Failed(String),
    /// Connections have ended or could not open. The text is that of the most frequent error.
    Errors(String),
    /// Ctrl-C.
    Interrupted,
    /// No more messages or openings were asked for.
    FewAsked,
}

/// A target, and how much of it was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) wanted: u64,
    pub(crate) achieved: u64,
}

impl Tally {
    pub(crate) fn is_missed(self) -> bool {
        (self.achieved as f64) < self.wanted as f64 * ACHIEVED_SHARE_LEAST
    }

    fn text(self) -> String {
        let share = self.achieved as f64 / self.wanted.max(1) as f64;
        format!("{} of {} ({})", count_text(self.achieved), count_text(self.wanted), percent(share))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    Trustworthy,
    GeneratorBound,
    TargetMissed,
    TooShort,
}

impl Judgement {
    pub(super) fn name(self) -> &'static str {
        match self {
            Judgement::Trustworthy => "trustworthy",
            Judgement::GeneratorBound => "generator-bound",
            Judgement::TargetMissed => "target missed",
            Judgement::TooShort => "too short",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) judgement: Judgement,
    pub(crate) reason: String,
    pub(crate) cure: Option<String>,
}

impl Verdict {
    fn new(judgement: Judgement, reason: String, cure: &str) -> Verdict {
        Verdict { judgement, reason, cure: Some(cure.to_owned()) }
    }

    /// Returns the verdict on a run that was to hold connections, not all of which have opened.
    pub(crate) fn not_held(opened: Tally, error: Option<&str>) -> Verdict {
        let error = error.map_or(String::new(), |error| format!("; the most frequent: {error}"));
        let reason = format!("only {} connections opened{error}", opened.text());
        Verdict::new(Judgement::TargetMissed, reason, ERRORS_CURE)
    }

    /// Returns the verdict on a run that ended before it measured anything.
    pub(super) fn nothing_measured() -> Verdict {
        Verdict {
            judgement: Judgement::TooShort,
            reason: "nothing was measured".to_owned(),
            cure: None,
        }
    }

    pub(super) fn to_json(&self) -> Json {
        json!({ "verdict": self.judgement.name(), "reason": self.reason, "cure": self.cure })
    }
}

/// Returns the first verdict that applies: too short, generator-bound, target missed, trustworthy.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    too_short(evidence)
        .or_else(|| generator_bound(evidence))
        .or_else(|| target_missed(evidence))
        .unwrap_or_else(|| trustworthy(evidence))
}

fn too_short(evidence: &Evidence) -> Option<Verdict> {
    let few = evidence.messages.filter(|messages| *messages < MESSAGES_LEAST);
    let is_short = evidence.measured < MEASURED_LEAST;
    if !is_short && few.is_none() {
        return None;
    }
    let measured = if evidence.measured.is_zero() {
        "nothing was measured".to_owned()
    } else if is_short {
        format!("only {} were measured, less than 1 s", time(evidence.measured))
    } else {
        let messages = few.unwrap_or(0);
        format!("only {messages} messages were measured, fewer than {MESSAGES_LEAST}")
    };
    let wanted = evidence.deliveries.map_or(0, |deliveries| deliveries.wanted);
    let (why, cure) = match &evidence.cut {
        Some(Cut::NothingOpened(error)) => (
            match error {
                Some(error) => format!("no connection opened, {error}"),
                None => "no connection opened".to_owned(),
            },
            "see whether the server runs and the URL is right: loadgen with the URL alone shows \
             each step",
        ),
        Some(Cut::Failed(failure)) => {
            (failure.clone(), "loadgen with the URL alone says what the server does with a message")
        }
        Some(Cut::Errors(error)) => (format!("the most frequent error was {error}"), ERRORS_CURE),
        Some(Cut::Interrupted) => ("ended early by Ctrl-C".to_owned(), "let it run to its end"),
        Some(Cut::FewAsked) => ("no more were asked for".to_owned(), "ask for more --messages"),
        None if few.is_some() && wanted >= MESSAGES_LEAST => (
            format!("{} were expected", count_text(wanted)),
            "find out why the server did not answer or deliver",
        ),
        None if is_short => (String::new(), "measure longer, with --duration"),
        None => (String::new(), "measure longer with --duration, or ask for a higher rate"),
    };
    let separator = if why.is_empty() { "" } else { ": " };
    Some(Verdict::new(Judgement::TooShort, format!("{measured}{separator}{why}"), cure))
}

fn generator_bound(evidence: &Evidence) -> Option<Verdict> {
    if is_server_saturated(evidence) {
        return None;
    }
    let mut reasons = Vec::new();
    let busy = evidence.busy_shares.iter().filter(|share| **share > BUSY_SHARE_MAX).count();
    let seconds = evidence.busy_shares.len();
    if busy as f64 > seconds as f64 * BUSY_SECONDS_SHARE_MAX {
        reasons.push(format!(
            "in {busy} of {seconds} seconds a thread ran or waited for a core more than {} of the \
             time",
            percent(BUSY_SHARE_MAX)
        ));
    }
    if let Some(stall) = evidence.loop_stall_p99.filter(|stall| *stall > LOOP_STALL_MAX) {
        reasons.push(format!(
            "the loop stalled for {} at p99, more than {}",
            time(stall),
            time(LOOP_STALL_MAX)
        ));
    }
    // Nothing can be sent on connections that the server has ended.
    let sends = evidence.sends.filter(|_| evidence.error.is_none());
    if let Some(sends) = sends.filter(|sends| sends.is_missed()) {
        reasons.push(format!("it sent {} in time", sends.text()));
    }
    (!reasons.is_empty()).then(|| {
        let reason = format!("loadgen itself was the limit: {}", reasons.join("; "));
        let cure = "give loadgen more --threads or cores of its own, or ask for less; \
                    --server-pid tells whether it was the server after all";
        Verdict::new(Judgement::GeneratorBound, reason, cure)
    })
}

fn target_missed(evidence: &Evidence) -> Option<Verdict> {
    let mut reasons = Vec::new();
    if let Some(sends) = evidence.sends.filter(|sends| sends.is_missed()) {
        reasons.push(format!("the server took {} in time", sends.text()));
    }
    if let Some(deliveries) = evidence.deliveries.filter(|deliveries| {
        let achieved = deliveries.achieved + under_way(deliveries.wanted, evidence);
        Tally { achieved, ..*deliveries }.is_missed()
    }) {
        reasons.push(format!("{} expected deliveries arrived while measuring", deliveries.text()));
    }
    if let Some(openings) = evidence.openings.filter(|openings| openings.is_missed()) {
        reasons.push(format!("{} connections opened in time", openings.text()));
    }
    (!reasons.is_empty()).then(|| {
        let mut reason = format!("the server did not keep up: {}", reasons.join("; "));
        if let Some(share) = evidence.server_share {
            reason.push_str(&format!("; it was {} busy", percent(share)));
        }
        let cure = match &evidence.error {
            Some(error) => {
                reason.push_str(&format!("; the most frequent error was {error}"));
                ERRORS_CURE
            }
            None => "ask for less, or give the server more",
        };
        Verdict::new(Judgement::TargetMissed, reason, cure)
    })
}

/// Returns how many deliveries may be missing at the end although the server keeps up: those
/// expected in one median response time. If the server falls steadily behind, twice as many are
/// missing.
fn under_way(expected: u64, evidence: &Evidence) -> u64 {
    let share = evidence.response_p50.as_secs_f64() / evidence.measured.as_secs_f64();
    (expected as f64 * share.min(1.0)) as u64
}

fn trustworthy(evidence: &Evidence) -> Verdict {
    let mut facts = Vec::new();
    if let Some(busiest) = evidence.busy_shares.iter().copied().reduce(f64::max) {
        facts.push(format!("loadgen's busiest thread was {} busy at most", percent(busiest)));
    }
    if let Some(stall) = evidence.loop_stall_p99 {
        facts.push(format!("its loop stalled for {} at p99", time(stall)));
    }
    if let Some(sends) = evidence.sends {
        facts.push(format!("it sent {} in time", sends.text()));
    }
    if let Some(share) = evidence.server_share.filter(|_| is_server_saturated(evidence)) {
        facts.push(format!("the server was the limit, {} busy", percent(share)));
    }
    if facts.is_empty() {
        facts.push(format!("{} were measured", time(evidence.measured)));
    }
    Verdict { judgement: Judgement::Trustworthy, reason: facts.join(", "), cure: None }
}

fn is_server_saturated(evidence: &Evidence) -> bool {
    evidence.server_share.is_some_and(|share| share >= SERVER_SATURATED_SHARE)
}

fn percent(share: f64) -> String {
    number_text(Unit::Share, share)
}

fn time(duration: Duration) -> String {
    number_text(Unit::Nanos, duration.as_nanos() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Evidence {
        Evidence {
            measured: Duration::from_secs(20),
            messages: Some(20_000),
            busy_shares: vec![0.4; 20],
            loop_stall_p99: Some(Duration::from_micros(120)),
            sends: Some(Tally { wanted: 1_000, achieved: 1_000 }),
            deliveries: Some(Tally { wanted: 20_000, achieved: 20_000 }),
            response_p50: Duration::from_millis(1),
            openings: None,
            server_share: Some(0.5),
            error: None,
            cut: None,
        }
    }

    fn judgement(change: impl FnOnce(&mut Evidence)) -> Judgement {
        let mut evidence = healthy();
        change(&mut evidence);
        judge(&evidence).judgement
    }

    #[test]
    fn a_healthy_run_is_trustworthy_and_says_how_much_room_was_left() {
        let verdict = judge(&healthy());
        assert_eq!((verdict.judgement, verdict.cure), (Judgement::Trustworthy, None));
        assert_eq!(
            verdict.reason,
            "loadgen's busiest thread was 40.0 % busy at most, its loop stalled for 120 µs at \
             p99, it sent 1,000 of 1,000 (100.0 %) in time"
        );
    }

    #[test]
    fn less_than_a_second_or_a_hundred_messages_is_too_short() {
        assert_eq!(judgement(|e| e.measured = Duration::from_millis(899)), Judgement::TooShort);
        assert_eq!(judgement(|e| e.messages = Some(99)), Judgement::TooShort);
        assert_eq!(judgement(|e| e.messages = Some(100)), Judgement::Trustworthy);
        assert_eq!(judgement(|e| e.messages = None), Judgement::Trustworthy);
    }

    #[test]
    fn a_run_that_was_cut_short_says_by_what_and_not_to_measure_longer() {
        let error = || "closed_4403: not for you".to_owned();
        for (cut, reason, cure) in [
            (Cut::NothingOpened(Some(error())), "no connection opened, closed_4403", "URL alone"),
            (Cut::Failed("the probe was lost".to_owned()), "the probe was lost", "URL alone"),
            (Cut::Errors(error()), "most frequent error was closed_4403", "why the server"),
            (Cut::Interrupted, "nothing was measured: ended early by Ctrl-C", "to its end"),
            (Cut::FewAsked, "no more were asked for", "more --messages"),
        ] {
            let verdict = judge(&Evidence {
                measured: Duration::ZERO,
                messages: Some(0),
                cut: Some(cut),
                ..healthy()
            });
            let said = verdict.cure.unwrap();
            assert_eq!(verdict.judgement, Judgement::TooShort);
            assert!(verdict.reason.contains(reason), "{}", verdict.reason);
            assert!(said.contains(cure) && !said.contains("longer"), "{said}");
        }
        let lossy = judge(&Evidence { messages: Some(7), ..healthy() });
        assert!(lossy.reason.ends_with("fewer than 100: 20,000 were expected"), "{lossy:?}");
        let slow = Evidence { messages: Some(7), deliveries: None, ..healthy() };
        assert!(judge(&slow).cure.unwrap().contains("measure longer"));
        // What has cut a run short matters only if too little was measured.
        assert_eq!(judgement(|e| e.cut = Some(Cut::Interrupted)), Judgement::Trustworthy);
    }

    #[test]
    fn the_generator_is_the_limit_when_busy_in_more_than_a_twentieth_of_the_seconds() {
        assert_eq!(judgement(|e| e.busy_shares[3] = 0.99), Judgement::Trustworthy);
        assert_eq!(judgement(|e| e.busy_shares[3..5].fill(0.86)), Judgement::GeneratorBound);
        assert_eq!(judgement(|e| e.busy_shares.fill(0.85)), Judgement::Trustworthy);
    }

    #[test]
    fn the_generator_is_the_limit_when_its_loop_stalls_or_it_sends_too_little() {
        assert_eq!(judgement(|e| e.loop_stall_p99 = Some(LOOP_STALL_MAX)), Judgement::Trustworthy);
        assert_eq!(
            judgement(|e| e.loop_stall_p99 = Some(2 * LOOP_STALL_MAX)),
            Judgement::GeneratorBound
        );
        let sends = |achieved| Some(Tally { wanted: 1_000, achieved });
        assert_eq!(judgement(|e| e.sends = sends(990)), Judgement::Trustworthy);
        assert_eq!(judgement(|e| e.sends = sends(989)), Judgement::GeneratorBound);
    }

    #[test]
    fn what_could_not_be_sent_because_the_server_ended_connections_is_not_the_generators_fault() {
        let verdict = judge(&Evidence {
            sends: Some(Tally { wanted: 1_000, achieved: 500 }),
            error: Some("closed_1012: restarting".to_owned()),
            ..healthy()
        });
        assert_eq!(verdict.judgement, Judgement::TargetMissed);
        assert!(verdict.reason.ends_with("the most frequent error was closed_1012: restarting"));
        assert_eq!(verdict.cure.as_deref(), Some(ERRORS_CURE));
        let few_errors = |e: &mut Evidence| e.error = Some("reset".to_owned());
        assert_eq!(judgement(few_errors), Judgement::Trustworthy);
    }

    #[test]
    fn a_saturated_server_was_the_limit_instead() {
        let busy = |server| {
            judgement(|e| {
                e.busy_shares.fill(1.0);
                e.server_share = server;
            })
        };
        assert_eq!(busy(Some(0.95)), Judgement::Trustworthy);
        assert_eq!(busy(Some(0.94)), Judgement::GeneratorBound);
        assert_eq!(busy(None), Judgement::GeneratorBound);
        let verdict = judge(&Evidence {
            sends: Some(Tally { wanted: 1_000, achieved: 500 }),
            server_share: Some(0.99),
            ..healthy()
        });
        assert_eq!(verdict.judgement, Judgement::TargetMissed);
        assert_eq!(
            verdict.reason,
            "the server did not keep up: the server took 500 of 1,000 (50.0 %) in time; it was \
             99.0 % busy"
        );
    }

    #[test]
    fn deliveries_that_did_not_arrive_in_time_miss_the_target_unless_they_were_under_way() {
        let deliveries = |achieved, p50| {
            judgement(|e| {
                e.deliveries = Some(Tally { wanted: 20_000, achieved });
                e.response_p50 = p50;
            })
        };
        let millis = Duration::from_millis;
        assert_eq!(deliveries(19_800, millis(1)), Judgement::Trustworthy);
        assert_eq!(deliveries(19_700, millis(1)), Judgement::TargetMissed);
        assert_eq!(deliveries(19_700, millis(300)), Judgement::Trustworthy);
        // The server falls behind: 4 % are missing at the end, but the median is 2 % of the 20 s.
        assert_eq!(deliveries(19_200, millis(400)), Judgement::TargetMissed);
    }

    #[test]
    fn connections_that_open_too_slowly_miss_the_target() {
        let openings =
            |achieved| judgement(|e| e.openings = Some(Tally { wanted: 1_000, achieved }));
        assert_eq!(openings(1_000), Judgement::Trustworthy);
        assert_eq!(openings(900), Judgement::TargetMissed);
    }
}
