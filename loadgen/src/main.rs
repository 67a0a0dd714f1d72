//! The load generator: `loadgen SCENARIO URL [flags]`.
//!
//! ```text
//! main       preflight, one scenario, its report, the exit code        cli
//! scenario/  what to open, what to send, how to judge it: one file each
//! traffic    what the scenarios that broadcast share                    fanout  sequence  payload  timeline
//! run        the turn, and the hooks of a scenario                      load  connection  opening
//! report     sections of named values, as text and JSON                 latency  ends  process
//! ```
//!
//! Below stands `fanfare::protocol` in the role of a client, and nothing else of fanfare.
mod cli;
mod clock;
mod connection;
mod ends;
mod fanout;
mod latency;
mod load;
mod opening;
mod payload;
mod preflight;
mod process;
mod random;
mod report;
mod run;
mod scenario;
mod sequence;
mod target;
mod timeline;
mod traffic;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser as _;

use crate::cli::{Cli, Format, Scenario, Verify};
use crate::load::Load;
use crate::process::ServerProcess;
use crate::report::{Report, Value};
use crate::scenario::{Broadcast, Churn, Echo, Idle, Stall};
use crate::target::Target;

const EXIT_CANNOT_RUN: u8 = 1;
const EXIT_CHECK_FAILED: u8 = 3;
const EXIT_INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.scenario) {
        Ok((report, opened)) => {
            match cli.scenario.common().format {
                Format::Text => print!("{}", report.to_text()),
                Format::Json => println!("{}", report.to_json()),
            }
            match (opened, report.passed()) {
                (0, _) => {
                    eprintln!("loadgen: nothing connected");
                    ExitCode::from(EXIT_CANNOT_RUN)
                }
                (_, true) => ExitCode::SUCCESS,
                (_, false) => ExitCode::from(EXIT_CHECK_FAILED),
            }
        }
        Err(reason) => {
            eprintln!("loadgen: {reason}");
            ExitCode::from(EXIT_CANNOT_RUN)
        }
    }
}

/// The report, and how many connections ever were open. The error says why it cannot run.
fn run(scenario: &Scenario) -> Result<(Report, u64), String> {
    let common = scenario.common();
    let mut target = Target::parse(&common.url).map_err(|error| error.to_string())?;
    if let Scenario::Idle(args) = scenario {
        target.channels = args.channels.map(|channels| channels as u32);
    }
    let server = common
        .server_pid
        .map(|pid| ServerProcess::find(pid).map_err(|error| format!("--server-pid {pid}: {error}")))
        .transpose()?;
    for warning in preflight::prepare(scenario.connections(), common.source_ip) {
        eprintln!("loadgen: {warning}");
    }
    let failed = |error: io::Error| error.to_string();
    let stop = stop_on_interrupt().map_err(failed)?;
    let mut load =
        Load::new(target, common.source_ip, common.headers.clone(), common.seed, stop).map_err(failed)?;
    let mut report = Report::default();
    if common.verify == Verify::Off {
        report.judge_nothing();
    }
    report
        .section("run")
        .row("loadgen", Value::Text(env!("CARGO_PKG_VERSION").to_owned()))
        .row("scenario", Value::Text(scenario.name().to_owned()))
        .row("url", Value::Text(common.url.clone()))
        .row("command", Value::Text(command_line()));
    match scenario {
        Scenario::Echo(args) => drive(&mut load, Echo::new(args, server), &mut report),
        Scenario::Broadcast(args) => drive(&mut load, Broadcast::new(args, server), &mut report),
        Scenario::Idle(args) => drive(&mut load, Idle::new(args, server), &mut report),
        Scenario::Stall(args) => drive(&mut load, Stall::new(args, server), &mut report),
        Scenario::Churn(args) => drive(&mut load, Churn::new(args, server), &mut report),
    }
    .map_err(failed)?;
    if load.is_stopping() {
        report.note("ended early by Ctrl-C".to_owned());
    }
    Ok((report, load.opened()))
}

fn drive<S: run::Scenario>(load: &mut Load, mut scenario: S, report: &mut Report) -> io::Result<()> {
    run::run(load, &mut scenario)?;
    scenario.report(load, report);
    Ok(())
}

/// What was asked for, so that a stored report can be run again. A header may hold a secret and is left out.
fn command_line() -> String {
    let mut words = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        if word == "-H" || word == "--header" {
            arguments.next();
        } else if !word.starts_with("--header=") && !word.starts_with("-H") {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Set by the first Ctrl-C; the second ends the process.
fn stop_on_interrupt() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
