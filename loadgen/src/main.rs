//! The load generator: `loadgen SCENARIO URL [flags]`.
//!
//! ```text
//! main       checks the machine and runs one scenario (outcome: its report, the exit code;
//!            output: where the report goes; command_line: as it was given; stderr: warnings)
//! cli/       the command line
//! scenario/  what to open, what to send, how to judge it: one file each
//! fanout/    publishers and receivers of one channel
//! run/       the threads of a run, their turn, and the hooks of a scenario
//! report/    the result as JSON, and its views
//! check/     compares what was received with what was sent
//! measure/   how long it took, how busy both sides were
//! net/       clock, sockets, TLS, one connection
//!
//! serve/     a reference server to test the generator with; of the folders above it uses only net/
//! bin/floor  a separate program: the least work that a server can do
//! ```
//!
//! No two folders import each other. The load generator uses `fanfare::protocol` in the role of a
//! client, and no other part of fanfare but the grammar of durations, sizes and counts
//! (`fanfare::units`).
//!
//! In an open loop messages are sent at a fixed rate, and latency counts from the moment when a
//! message was due. In a closed loop the next message is sent when earlier ones have been answered
//! or delivered. A turn is one pass of a thread's event loop.
mod check;
mod cli;
mod command_line;
mod fanout;
mod measure;
mod net;
#[cfg(test)]
mod no_alloc;
mod outcome;
mod output;
mod report;
mod run;
mod scenario;
mod serve;
mod stderr;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use fanfare::protocol::Opcode;

use crate::cli::command::{Cli, ReportArgs, ScenarioArgs, Verb};
use crate::fanout::traffic::Traffic;
use crate::measure::machine::Machine;
use crate::measure::process::Process;
use crate::net::interrupt::on_interrupt;
use crate::net::target::Target;
use crate::outcome::RunOutcome;
use crate::report::finished;
use crate::run::load::LoadSettings;
use crate::run::start::Runner;
use crate::run::watch::Watch;
use crate::scenario::check::{Check, ShownWords};
use crate::scenario::{Churn, Connect, Hold, RoundTrips, broadcast, specimen};
use crate::stderr::tell;

const EXIT_CANNOT_RUN: u8 = 1;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches_from(arguments());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let done = match cli.verb {
        Verb::Run(scenario) => run(&scenario, matches.subcommand().map(|(_, flags)| flags)),
        Verb::Serve(args) => serve::server::serve(args).map(|()| ExitCode::SUCCESS),
        Verb::Report(args) => show(&args),
    };
    done.unwrap_or_else(|reason| {
        tell(&format!("loadgen: {reason}"));
        ExitCode::from(EXIT_CANNOT_RUN)
    })
}

/// Returns the arguments, with `loadgen URL` read as `loadgen check URL`.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    // URLs of other schemes are passed on too: `check` explains what is wrong with them.
    let is_url = |word: &OsString| word.to_str().is_some_and(|word| word.contains("://"));
    if arguments.get(1).is_some_and(is_url) {
        arguments.insert(1, "check".into());
    }
    arguments
}

/// Runs a scenario and reports. The error says why it cannot run.
fn run(scenario: &ScenarioArgs, flags: Option<&ArgMatches>) -> Result<ExitCode, String> {
    if let Err(reason) = check_usage(scenario) {
        Cli::command().error(ErrorKind::ValueValidation, reason).exit();
    }
    let common = scenario.common();
    let settings = settings(scenario)?;
    let server = common
        .server_pid
        .map(|pid| Process::find(pid).map_err(|error| format!("--server-pid {pid}: {error}")))
        .transpose()?;
    output::prepare(&common.output)?;
    let machine = Machine::prepare();
    let shortcomings =
        machine.shortcomings(scenario.connections(), common.source_ip, common.threads);
    for shortcoming in unknown_variables(std::env::vars_os()).chain(shortcomings) {
        tell(&format!("loadgen: {shortcoming}"));
    }
    let stop = on_interrupt().map_err(|error| error.to_string())?;
    let watch = Watch {
        name: scenario.name(),
        connections: scenario.connections(),
        server,
        phases: scenario.phases(),
        shows: !common.no_progress,
    };
    let started = std::time::SystemTime::now();
    let runner = Runner { settings, threads: scenario.threads() as u32, stop, watch };
    let ran = match scenario {
        ScenarioArgs::Check(args) => {
            let shown = ShownWords {
                program: command_line::program(),
                url: command_line::quoted(&args.common.url.to_string()),
                flags: flags.map_or(String::new(), |flags| {
                    command_line::connection_flags(scenario.name(), flags)
                }),
                omission: flags.and_then(command_line::omission),
            };
            RunOutcome::of(&runner, |_| Check::new(shown.clone(), machine, !common.no_progress))
        }
        ScenarioArgs::Ping(args) => {
            RunOutcome::of(&runner, |thread| RoundTrips::ping(args, server, thread))
        }
        ScenarioArgs::Echo(args) => {
            RunOutcome::of(&runner, |thread| RoundTrips::echo(args, server, thread))
        }
        ScenarioArgs::Broadcast(args) => {
            let plan = broadcast::plan(args, server);
            RunOutcome::of(&runner, |thread| Traffic::new(&plan, thread, &[]))
        }
        ScenarioArgs::Connect(args) => {
            RunOutcome::of(&runner, |thread| Connect::new(args, server, thread))
        }
        ScenarioArgs::Hold(args) => {
            RunOutcome::of(&runner, |thread| Hold::new(args, server, thread))
        }
        ScenarioArgs::Churn(args) => {
            let plan = Churn::plan(args, server);
            RunOutcome::of(&runner, |thread| Churn::new(args, &plan, thread))
        }
    }
    .map_err(|error| error.to_string())?;
    let report = outcome::report(scenario, ran, started, flags);
    for failure in output::write(&report, &common.output) {
        tell(&format!("loadgen: {failure}"));
    }
    Ok(outcome::exit_code(&report, common.strict))
}

/// Returns a sentence about each variable that looks like a setting of loadgen and is none, because
/// a misspelt one has no effect.
fn unknown_variables(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = String> {
    variables
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("LOADGEN_") && name != "LOADGEN_BEARER")
        .map(|name| format!("the variable {name} has no effect; LOADGEN_BEARER is the only one"))
}

/// Checks what the parser of the command line cannot check. The error is a readable text.
fn check_usage(scenario: &ScenarioArgs) -> Result<(), String> {
    scenario.check()?;
    if output::wants_latency(&scenario.common().output) && scenario.loop_name().is_none() {
        return Err(format!("`{}` measures no latency for --hdr", scenario.name()));
    }
    let specimen = specimen::of(scenario);
    scenario.common().thresholds.iter().try_for_each(|threshold| threshold.check(&specimen))
}

fn settings(scenario: &ScenarioArgs) -> Result<LoadSettings, String> {
    let common = scenario.common();
    let mut target = Target::find(&common.url, common.source_ip, common.trust())?;
    let mut publish = None;
    match scenario {
        ScenarioArgs::Hold(args) => target.channels = args.channels.map(|channels| channels as u32),
        ScenarioArgs::Broadcast(args) => {
            let found = args
                .publish_url
                .as_ref()
                .map(|url| Target::find(url, common.source_ip, common.trust()));
            publish = found.transpose().map_err(|error| format!("--publish-url: {error}"))?;
        }
        ScenarioArgs::Check(_)
        | ScenarioArgs::Ping(_)
        | ScenarioArgs::Echo(_)
        | ScenarioArgs::Connect(_)
        | ScenarioArgs::Churn(_) => {}
    }
    Ok(LoadSettings {
        target,
        publish,
        sources: common.source_ip,
        headers: common.all_headers()?,
        subprotocols: common.subprotocols.clone(),
        opcode: if common.binary { Opcode::Binary } else { Opcode::Text },
        seed: common.seed,
    })
}

/// Shows a stored report.
fn show(args: &ReportArgs) -> Result<ExitCode, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", args.file.display());
    let text = std::fs::read_to_string(&args.file).map_err(|error| named(&error))?;
    let report = finished::load(&text).map_err(|error| named(&error))?;
    match output::write(&report, &args.output).into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::SUCCESS),
    }
}
