//! The load generator: `loadgen SCENARIO URL [flags]`.
//!
//! ```text
//! main       preflight, one scenario, its report, the exit code        cli  preflight
//! crew       the threads of a run, and whoever watches them            team  watch  usage  process
//! scenario/  what to open, what to send, how to judge it: one file each
//! traffic    what the scenarios that broadcast share                   fanout/  sequence  payload  timeline
//! run        one thread: its turn, and the hooks of a scenario         load  connection  opening  http  clock
//! report/    the result as JSON, and its views                         latency  series  measurement  ends
//! serve/     a reference server to try all of it on
//! ```
//!
//! Below stands `fanfare::protocol` in the role of a client, and nothing else of fanfare.
mod cli;
mod clock;
mod connection;
mod crew;
mod ends;
mod fanout;
mod http;
mod latency;
mod load;
mod measurement;
#[cfg(test)]
mod no_alloc;
mod opening;
mod outcome;
mod payload;
mod preflight;
mod process;
mod random;
mod report;
mod round_trip;
mod run;
mod scenario;
mod sequence;
mod series;
mod serve;
mod stream;
mod target;
mod team;
mod timeline;
mod traffic;
mod usage;
mod watch;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use fanfare::protocol::Opcode;

use crate::cli::{Cli, ReportArgs, Scenario, Verb};
use crate::crew::Finished;
use crate::load::LoadSettings;
use crate::outcome::Ran;
use crate::preflight::Machine;
use crate::process::Process;
use crate::report::view;
use crate::scenario::{Broadcast, Check, Churn, Connect, Hold, RoundTrips};
use crate::target::Target;
use crate::team::Team;
use crate::watch::Watch;

const EXIT_CANNOT_RUN: u8 = 1;
const EXIT_INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches_from(arguments());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let done = match cli.verb {
        Verb::Run(scenario) => run(&scenario, matches.subcommand().map(|(_, flags)| flags)),
        Verb::Serve(args) => serve::serve(args).map(|()| ExitCode::SUCCESS),
        Verb::Report(args) => show(&args),
    };
    done.unwrap_or_else(|reason| {
        eprintln!("loadgen: {reason}");
        ExitCode::from(EXIT_CANNOT_RUN)
    })
}

/// `loadgen URL` is `loadgen check URL`.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    // Of another scheme, too: `check` says what is wrong with it.
    let is_url = |word: &OsString| word.to_str().is_some_and(|word| word.contains("://"));
    if arguments.get(1).is_some_and(is_url) {
        arguments.insert(1, "check".into());
    }
    arguments
}

/// Runs a scenario and reports. The error says why it cannot run.
fn run(scenario: &Scenario, flags: Option<&ArgMatches>) -> Result<ExitCode, String> {
    let common = scenario.common();
    let settings = settings(scenario)?;
    let server = common
        .server_pid
        .map(|pid| Process::find(pid).map_err(|error| format!("--server-pid {pid}: {error}")))
        .transpose()?;
    outcome::prepare(&common.output)?;
    let machine = Machine::prepare();
    for shortcoming in
        machine.shortcomings(scenario.connections(), common.source_ip, common.threads)
    {
        eprintln!("loadgen: {shortcoming}");
    }
    let stop = stop_on_interrupt().map_err(|error| error.to_string())?;
    let watch = Watch {
        name: scenario.name(),
        connections: scenario.connections(),
        server,
        phases: scenario.phases(),
        shows: !common.no_progress,
    };
    let started = std::time::SystemTime::now();
    let go =
        Go { settings: &settings, threads: scenario.threads() as u32, stop: &stop, watch: &watch };
    let ran = match scenario {
        Scenario::Check(args) => go.run(|_| Check::new(&args.common.url, machine, watch.shows)),
        Scenario::Ping(args) => go.run(|team| RoundTrips::ping(args, server, team)),
        Scenario::Echo(args) => go.run(|team| RoundTrips::echo(args, server, team)),
        Scenario::Broadcast(args) => {
            let plan = Broadcast::plan(args, server);
            go.run(|team| Broadcast::new(&plan, team))
        }
        Scenario::Connect(args) => go.run(|team| Connect::new(args, server, team)),
        Scenario::Hold(args) => go.run(|team| Hold::new(args, server, team)),
        Scenario::Churn(args) => {
            let plan = Churn::plan(args, server);
            go.run(|team| Churn::new(args, &plan, team))
        }
    }
    .map_err(|error| error.to_string())?;
    let report = outcome::report(scenario, ran, started, flags);
    outcome::write(&report, &common.output)?;
    Ok(outcome::exit_code(&report, common.strict))
}

/// What every run is given.
struct Go<'a> {
    settings: &'a LoadSettings,
    threads: u32,
    stop: &'a Arc<AtomicBool>,
    watch: &'a Watch,
}

impl Go<'_> {
    fn run<S: run::Scenario + Send>(&self, make: impl Fn(&Team) -> S + Sync) -> io::Result<Ran> {
        let Finished { load, scenario, seconds } =
            crew::run(self.settings, self.threads, Arc::clone(self.stop), self.watch, make)?;
        Ok(Ran::new(&load, scenario, seconds))
    }
}

fn settings(scenario: &Scenario) -> Result<LoadSettings, String> {
    let common = scenario.common();
    let mut target = Target::parse(&common.url, common.insecure)?;
    let mut publish = None;
    match scenario {
        Scenario::Hold(args) => target.channels = args.channels.map(|channels| channels as u32),
        Scenario::Broadcast(args) => {
            let parsed =
                args.publish_url.as_deref().map(|url| Target::parse_http(url, common.insecure));
            publish = parsed.transpose().map_err(|error| format!("--publish-url: {error}"))?;
        }
        Scenario::Check(_)
        | Scenario::Ping(_)
        | Scenario::Echo(_)
        | Scenario::Connect(_)
        | Scenario::Churn(_) => {}
    }
    // They live as long as the process: every handshake points to them.
    let subprotocols: Vec<&'static str> =
        common.subprotocols.iter().map(|name| &*String::leak(name.clone())).collect();
    Ok(LoadSettings {
        target,
        publish,
        sources: common.source_ip,
        headers: common.all_headers(),
        subprotocols: Vec::leak(subprotocols),
        opcode: if common.binary { Opcode::Binary } else { Opcode::Text },
        seed: common.seed,
    })
}

/// Shows a stored report.
fn show(args: &ReportArgs) -> Result<ExitCode, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", args.file.display());
    let text = std::fs::read_to_string(&args.file).map_err(|error| named(&error))?;
    let report = view::load(&text).map_err(|error| named(&error))?;
    outcome::write(&report, &args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Set by the first Ctrl-C; the second ends the process.
fn stop_on_interrupt() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            EXIT_INTERRUPTED,
            Arc::clone(&stop),
        )?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
