//! What happens after a run: its report is built from the records of all threads and the watcher,
//! judged and written. The exit code follows from the report.
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory as _};
use serde_json::Value as Json;

use crate::cli::command::{Cli, ScenarioArgs};
use crate::cli::common::{Format, OutputArgs, Verify};
use crate::report::finished;
use crate::report::gather::Report;
use crate::report::second::{Second, SecondPhase};
use crate::report::value::Value;
use crate::report::verdict::{Evidence, Judgement, Tally, Verdict, judge};
use crate::report::views::{csv, hdr, html, text};
use crate::run::scenario::Scenario;
use crate::run::start::{Finished, Runner};
use crate::run::threads::ThisThread;
use crate::run::watch::Watched;

const EXIT_NOTHING_CONNECTED: u8 = 1;
const EXIT_CHECK_FAILED: u8 = 3;
const EXIT_GENERATOR_BOUND: u8 = 4;
const EXIT_THRESHOLD_MISSED: u8 = 99;

/// Flags that may hold a secret. Reports do not contain them, because reports are shown to others.
const SECRET_FLAGS: [&str; 2] = ["headers", "bearer"];

/// The result of a run that is over.
pub(crate) struct RunOutcome {
    report: Report,
    evidence: Evidence,
    was_interrupted: bool,
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
        };
        let with_latency = |Watched { second, .. }: Watched| {
            let recorder = scenario.recorder();
            let nanos = recorder.and_then(|recorder| recorder.of_second(second.second as u32));
            let [p50_ns, p99_ns, max_ns] = nanos.map_or([None; 3], |nanos| nanos.map(Some));
            Second { p50_ns, p99_ns, max_ns, ..second }
        };
        let seconds = seconds.into_iter().map(with_latency).collect();
        Ok(RunOutcome {
            report,
            evidence,
            was_interrupted: load.is_stopping() && !load.thread.has_failed(),
            seconds,
        })
    }
}

/// Builds the finished report as JSON.
pub(crate) fn report(
    scenario: &ScenarioArgs,
    ran: RunOutcome,
    started: SystemTime,
    flags: Option<&ArgMatches>,
) -> Json {
    let RunOutcome { mut report, evidence, was_interrupted, seconds } = ran;
    let common = scenario.common();
    if common.verify == Verify::Off {
        report.judge_nothing();
    }
    let since_epoch = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let command = flags.map(|flags| command_line(scenario.name(), &common.url, flags));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    report
        .section("run")
        .row("scenario", Value::Text(scenario.name().to_owned()))
        .row("url", Value::Text(common.url.clone()))
        .optional("command", command.map(Value::Text))
        .optional("label", common.label.clone().map(Value::Text))
        .row("seed", Value::Count(common.seed))
        .row("cores", Value::Count(cores))
        .row("threads", Value::Count(scenario.threads()))
        .row("started_unix_ms", Value::Count(since_epoch.as_millis() as u64))
        .optional("loop", scenario.loop_name().map(|name| Value::Text(name.to_owned())));
    report.settings = flags.map(|flags| given(scenario.name(), flags)).unwrap_or_default();
    report.seconds = seconds;
    report.verdict = Some(verdict(scenario, evidence));
    report.thresholds.clone_from(&common.thresholds);
    if was_interrupted {
        report.note("ended early by Ctrl-C".to_owned());
    }
    report.finish()
}

/// Judges if the result can be trusted. An open loop must have sent what was due; a closed loop has
/// no such target.
fn verdict(scenario: &ScenarioArgs, mut evidence: Evidence) -> Verdict {
    if scenario.loop_name().is_none() {
        return Verdict {
            judgement: Judgement::Trustworthy,
            reason: "nothing was timed that depends on how fast loadgen is".to_owned(),
            cure: None,
        };
    }
    let duration = scenario.duration().unwrap_or_default();
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
            let bound = scenario.phases().and_then(|phases| phases.messages).unwrap_or(u64::MAX);
            evidence.sends = evidence.sends.map(|sends| Tally { wanted: due.min(bound), ..sends });
        }
        None => (evidence.sends, evidence.deliveries) = (None, None),
    }
    judge(&evidence)
}

/// Returns the flags of a scenario, without those that may hold a secret.
fn flags_of(scenario: &str) -> Vec<Arg> {
    let cli = Cli::command();
    let flags = cli.find_subcommand(scenario).into_iter().flat_map(clap::Command::get_arguments);
    flags.filter(|flag| !SECRET_FLAGS.contains(&flag.get_id().as_str())).cloned().collect()
}

/// Returns all flags with their values, given or by default, without those that may be secret.
fn given(scenario: &str, values: &ArgMatches) -> Vec<(String, String)> {
    let flags = flags_of(scenario);
    let ids = flags.iter().map(|flag| flag.get_id().as_str()).filter(|id| *id != "url");
    ids.filter_map(|id| {
        let words = values.try_get_raw(id).ok()??;
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        Some((id.replace('_', "-"), words.join(" ")))
    })
    .collect()
}

/// Returns the command line without secrets, so that the run can be repeated from its report.
fn command_line(scenario: &str, url: &str, values: &ArgMatches) -> String {
    let mut words = vec![scenario.to_owned(), url.to_owned()];
    for flag in flags_of(scenario) {
        let id = flag.get_id().as_str();
        let is_given = values.value_source(id) == Some(ValueSource::CommandLine);
        let Some(name) = flag.get_long().filter(|_| is_given) else { continue };
        if matches!(flag.get_action(), ArgAction::SetTrue) {
            words.push(format!("--{name}"));
            continue;
        }
        let given = values.get_raw_occurrences(id).into_iter().flatten().flatten();
        words.extend(given.map(|word| format!("--{name} {}", quoted(&word.to_string_lossy()))));
    }
    words.join(" ")
}

/// Quotes a word so that a shell reads it as one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,%=+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Checks before the run that the report can be written, so that no finished report is lost.
pub(crate) fn prepare(output: &OutputArgs) -> Result<(), String> {
    for path in [&output.output, &output.html, &output.hdr].into_iter().flatten() {
        std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Writes the report in every format and to every file that was asked for.
pub(crate) fn write(report: &Json, output: &OutputArgs) -> Result<(), String> {
    let rendered = match output.format {
        Format::Text => text::render(report),
        Format::Json => format!("{report:#}\n"),
        Format::Csv => csv::render(report),
    };
    match &output.output {
        Some(path) => write_file(path, &rendered)?,
        None => print(&rendered)?,
    }
    if let Some(path) = &output.html {
        write_file(path, &html::render(report))?;
    }
    if let Some(path) = &output.hdr {
        let distribution = hdr::render(report).ok_or("--hdr: this run has measured no latency")?;
        write_file(path, &distribution)?;
    }
    Ok(())
}

/// Prints to standard output. It is no error if the reader has closed the pipe.
fn print(text: &str) -> Result<(), String> {
    use std::io::Write as _;
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn exit_code(report: &Json, is_strict: bool) -> ExitCode {
    if report["connect"]["opened"] == 0 {
        eprintln!("loadgen: nothing connected");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_what_was_given_and_no_secret() {
        let line = "loadgen broadcast ws://h/x --rate 5 -kH Authorization:secret --bearer secret \
                    --threshold lost<3 --binary";
        let matches = Cli::command().get_matches_from(line.split(' '));
        let (name, flags) = matches.subcommand().unwrap();
        let command = command_line(name, "ws://h/x", flags);
        assert_eq!(command, "broadcast ws://h/x --rate 5 --insecure --binary --threshold 'lost<3'");
        assert!(given(name, flags).iter().all(|(_, value)| !value.contains("secret")));
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_see_more_in_them() {
        assert_eq!(
            [quoted("16..1k"), quoted("a b"), quoted("it's"), quoted("")],
            ["16..1k", "'a b'", "'it'\\''s'", "''"]
        );
    }
}
