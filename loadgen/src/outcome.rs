//! What happens after a run: its report is built from the records of all threads and the watcher,
//! and judged. The exit code follows from the report.
use std::io;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::ArgMatches;
use serde_json::Value as Json;

use crate::cli::command::ScenarioArgs;
use crate::cli::common::Verify;
use crate::command_line;
use crate::report::finished;
use crate::report::gather::Report;
use crate::report::second::{Second, SecondPhase};
use crate::report::value::Value;
use crate::report::verdict::{Cut, Evidence, Judgement, Tally, Verdict, judge};
use crate::run::load::Load;
use crate::run::scenario::Scenario;
use crate::run::start::{Finished, Runner};
use crate::run::threads::ThisThread;
use crate::run::watch::Watched;
use crate::stderr::tell;

const EXIT_NOTHING_CONNECTED: u8 = 1;
const EXIT_CHECK_FAILED: u8 = 3;
const EXIT_GENERATOR_BOUND: u8 = 4;
const EXIT_THRESHOLD_MISSED: u8 = 99;

/// The result of a run that is over.
pub(crate) struct RunOutcome {
    report: Report,
    evidence: Evidence,
    was_interrupted: bool,
    /// How many connections were asked for, and how many of them have opened.
    opened: Tally,
    seconds: Vec<Second>,
}

impl RunOutcome {
    /// Runs a scenario on all threads. `make` builds each thread's instance of the scenario.
    pub(crate) fn of<S: Scenario + Send>(
        runner: &Runner,
        make: impl Fn(&ThisThread) -> S + Sync,
    ) -> io::Result<RunOutcome> {
        let Finished { load, mut scenario, seconds } = runner.run(make)?;
        let mut report = Report::default();
        scenario.report(&load, &mut report);
        let work = scenario.work();
        let usage = work.usage.unwrap_or_default();
        let measured = seconds.iter().filter(|second| second.second.phase == SecondPhase::Measure);
        let mut busy_shares: Vec<f64> = measured.map(|second| second.wanting_share).collect();
        if busy_shares.is_empty() {
            busy_shares.push(usage.wanting_share);
        }
        let p50 = scenario.recorder().and_then(|recorder| recorder.total().quantile(0.5));
        let stall_p99 = load.stalls.quantile(0.99);
        let evidence = Evidence {
            measured: Duration::from_nanos(usage.elapsed_nanos),
            messages: Some(work.delivered),
            busy_shares,
            loop_stall_p99: stall_p99.map(Duration::from_nanos),
            sends: Some(Tally { wanted: 0, achieved: work.sent }),
            deliveries: Some(Tally { wanted: work.expected, achieved: work.delivered }),
            response_p50: Duration::from_nanos(p50.unwrap_or(0)),
            openings: None,
            server_share: usage.server.map(|server| server.saturation),
            error: load.ends.most_frequent(),
            cut: cut(&load, &report),
        };
        let with_latency = |Watched { second, .. }: Watched| {
            let recorder = scenario.recorder();
            let nanos = recorder.and_then(|recorder| recorder.of_second(second.second as u32));
            let [p50_ns, p99_ns, max_ns] = nanos.map_or([None; 3], |nanos| nanos.map(Some));
            Second { p50_ns, p99_ns, max_ns, ..second }
        };
        let seconds = seconds.into_iter().map(with_latency).collect();
        let counts = load.all_counts();
        Ok(RunOutcome {
            report,
            evidence,
            was_interrupted: load.is_stopping() && !load.thread.has_failed(),
            opened: Tally { wanted: counts.wanted, achieved: counts.opened },
            seconds,
        })
    }
}

/// Returns what has kept a run from measuring, if it is known without the command line.
fn cut(load: &Load, report: &Report) -> Option<Cut> {
    let counts = load.all_counts();
    if counts.wanted > 0 && counts.opened == 0 {
        return Some(Cut::NothingOpened(load.ends.most_frequent()));
    }
    match report.first_failure().filter(|_| load.thread.has_failed()) {
        Some(failure) => Some(Cut::Failed(failure.to_owned())),
        None => load.is_stopping().then_some(Cut::Interrupted),
    }
}

/// Builds the finished report as JSON.
pub(crate) fn report(
    scenario: &ScenarioArgs,
    ran: RunOutcome,
    started: SystemTime,
    flags: Option<&ArgMatches>,
) -> Json {
    let RunOutcome { mut report, evidence, was_interrupted, opened, seconds } = ran;
    let common = scenario.common();
    if common.verify == Verify::Off {
        report.judge_nothing();
    }
    let since_epoch = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let url = common.url.to_string();
    let program = command_line::program();
    let command = flags.map(|flags| command_line::repeated(&program, scenario.name(), &url, flags));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    report
        .section("run")
        .row("scenario", Value::Text(scenario.name().to_owned()))
        .row("url", Value::Text(url))
        .optional("command", command.map(Value::Text))
        .optional("label", common.label.clone().map(Value::Text))
        .row("seed", Value::Count(common.seed))
        .row("cores", Value::Count(cores))
        .row("threads", Value::Count(scenario.threads()))
        .row("started_unix_ms", Value::Count(since_epoch.as_millis() as u64))
        .optional("loop", scenario.loop_name().map(|name| Value::Text(name.to_owned())));
    report.settings =
        flags.map(|flags| command_line::settings(scenario.name(), flags)).unwrap_or_default();
    report.seconds = seconds;
    report.verdict = Some(verdict(scenario, evidence, opened));
    report.thresholds.clone_from(&common.thresholds);
    if was_interrupted {
        report.note("ended early by Ctrl-C".to_owned());
    }
    if let Some(omission) = flags.and_then(command_line::omission) {
        report.note(omission);
    }
    report.finish()
}

/// Judges if the result can be trusted. An open loop must have sent what was due; a closed loop has
/// no such target.
fn verdict(scenario: &ScenarioArgs, mut evidence: Evidence, opened: Tally) -> Verdict {
    if scenario.loop_name().is_none() && !matches!(evidence.cut, Some(Cut::NothingOpened(_))) {
        if matches!(scenario, ScenarioArgs::Hold(_)) && opened.is_missed() {
            return Verdict::not_held(opened, evidence.error.as_deref());
        }
        return Verdict {
            judgement: Judgement::Trustworthy,
            reason: "nothing was timed that depends on how fast loadgen is".to_owned(),
            cure: None,
        };
    }
    let duration = scenario.duration().unwrap_or_default();
    evidence.cut = evidence.cut.or_else(|| {
        let sent = evidence.sends.map_or(0, |sends| sends.achieved);
        let few_asked = scenario.messages().is_some_and(|messages| messages <= sent);
        if few_asked { Some(Cut::FewAsked) } else { evidence.error.clone().map(Cut::Errors) }
    });
    match scenario.rate() {
        // All openings that were due are wanted, even those that a slow server has delayed.
        Some(rate) if matches!(scenario, ScenarioArgs::Connect(_)) => {
            let due = (rate as f64 * duration.as_secs_f64()) as u64;
            let bound = evidence.deliveries.map_or(0, |deliveries| deliveries.wanted);
            let achieved = evidence.messages.unwrap_or(0);
            evidence.openings = Some(Tally { wanted: due.min(bound), achieved });
            (evidence.sends, evidence.deliveries) = (None, None);
        }
        Some(rate) => {
            // The measured span is longer if messages were late, and shorter after Ctrl-C.
            let asked = duration.min(evidence.measured);
            let due = (rate as f64 * asked.as_secs_f64()).round() as u64;
            let bound = scenario.messages().unwrap_or(u64::MAX);
            evidence.sends = evidence.sends.map(|sends| Tally { wanted: due.min(bound), ..sends });
        }
        None => (evidence.sends, evidence.deliveries) = (None, None),
    }
    judge(&evidence)
}

pub(crate) fn exit_code(report: &Json, is_strict: bool) -> ExitCode {
    if report["connect"]["opened"] == 0 {
        tell("loadgen: nothing connected");
        return ExitCode::from(EXIT_NOTHING_CONNECTED);
    }
    match finished::outcome(report) {
        finished::Outcome::CheckFailed => ExitCode::from(EXIT_CHECK_FAILED),
        _ if is_strict && finished::is_generator_bound(report) => {
            ExitCode::from(EXIT_GENERATOR_BOUND)
        }
        finished::Outcome::ThresholdMissed => ExitCode::from(EXIT_THRESHOLD_MISSED),
        finished::Outcome::Passed => ExitCode::SUCCESS,
    }
}
