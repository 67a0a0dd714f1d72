//! The command and its scenarios, with the flags of each.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::common::{CommonArgs, OutputArgs, PhaseArgs};
use super::scenarios::{
    BroadcastArgs, CheckArgs, ChurnArgs, ConnectArgs, EchoArgs, HoldArgs, PingArgs,
};

use crate::serve::args::ServeArgs;

/// A load generator for WebSocket servers that counts every delivery.
///
/// `loadgen URL` alone looks at a server and says what to run next. Each scenario's --help has an
/// example.
///
/// Exit codes: 0 pass, 1 cannot run or nothing connected, 2 usage, 3 a delivery check failed, 4
/// generator-bound under --strict, 99 a threshold was missed, 130 second Ctrl-C. The first Ctrl-C
/// ends the run early, drains and reports.
#[derive(Parser, Debug)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    #[command(flatten)]
    Run(Box<ScenarioArgs>),
    /// A reference server to try loadgen on: echo, broadcast or sink, with faults on request
    Serve(ServeArgs),
    /// Show a stored result as text, JSON, CSV or HTML
    Report(ReportArgs),
}

#[derive(Subcommand, Debug)]
pub(crate) enum ScenarioArgs {
    /// Look at a server: handshake, ping, does it echo, does it broadcast; and what to run next
    #[command(after_help = CHECK_EXAMPLE)]
    Check(CheckArgs),
    /// Round trips of control frames: works on any server, with nothing to set up there
    #[command(after_help = PING_EXAMPLE)]
    Ping(PingArgs),
    /// Round trips of messages: every reply is compared with what was sent
    #[command(after_help = ECHO_EXAMPLE)]
    Echo(EchoArgs),
    /// Publishers and subscribers on one channel: every delivery is checked at every receiver
    #[command(after_help = BROADCAST_EXAMPLE)]
    Broadcast(BroadcastArgs),
    /// A storm of openings: handshakes a second and how long each takes, TCP and upgrade apart
    #[command(after_help = CONNECT_EXAMPLE)]
    Connect(ConnectArgs),
    /// Idle connections, and what each costs the server in memory
    #[command(after_help = HOLD_EXAMPLE)]
    Hold(HoldArgs),
    /// Connections that come and go, and subscribers that stop reading, beside healthy ones
    #[command(after_help = CHURN_EXAMPLE)]
    Churn(ChurnArgs),
}

const CHECK_EXAMPLE: &str = "Example:\n  loadgen check ws://127.0.0.1:8080/news";
const PING_EXAMPLE: &str = "Example, 100 connections, 1,000 pings a second between them:\n  \
    loadgen ping ws://127.0.0.1:8080/news -c 100 --rate 1k -d 10s";
const ECHO_EXAMPLE: &str = "Examples, latency at a rate and then the most that goes through:\n  \
    loadgen echo ws://127.0.0.1:9001/ -c 100 --rate 5k --threshold 'response.p99<5ms'\n  \
    loadgen echo ws://127.0.0.1:9001/ -c 100 --inflight 16 --html report.html";
const BROADCAST_EXAMPLE: &str = "Examples, deliveries at a rate and then the most that goes \
    through:\n  \
    loadgen broadcast ws://127.0.0.1:8080/news --subscribers 1k --rate 100 --html report.html\n  \
    loadgen broadcast ws://127.0.0.1:8080/news --subscribers 1k --publishers 16 --saturate";
const CONNECT_EXAMPLE: &str = "Examples, as fast as the server answers and then 2,000 a second:\n  \
    loadgen connect ws://127.0.0.1:8080/news -d 10s\n  \
    loadgen connect ws://127.0.0.1:8080/news -n 20k --connect-rate 2k";
const HOLD_EXAMPLE: &str = "Example, 19,000 connections and the server's memory for each:\n  \
    loadgen hold ws://127.0.0.1:8080/news -c 19k -d 30s --server-pid $(pgrep -n fanfare)";
const CHURN_EXAMPLE: &str = "Example, 100 healthy subscribers at 100 messages a second, 500 \
    visitors a second that stay a second, and 5% of stalled readers:\n  \
    loadgen churn ws://127.0.0.1:8080/news --subscribers 100 --rate 100 --visits 500 \
    --lifetime 1s --slow 5%";

impl ScenarioArgs {
    pub(crate) fn common(&self) -> &CommonArgs {
        match self {
            ScenarioArgs::Check(args) => &args.common,
            ScenarioArgs::Ping(args) => &args.common,
            ScenarioArgs::Echo(args) => &args.common,
            ScenarioArgs::Broadcast(args) => &args.common,
            ScenarioArgs::Connect(args) => &args.common,
            ScenarioArgs::Hold(args) => &args.common,
            ScenarioArgs::Churn(args) => &args.common,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            ScenarioArgs::Check(_) => "check",
            ScenarioArgs::Ping(_) => "ping",
            ScenarioArgs::Echo(_) => "echo",
            ScenarioArgs::Broadcast(_) => "broadcast",
            ScenarioArgs::Connect(_) => "connect",
            ScenarioArgs::Hold(_) => "hold",
            ScenarioArgs::Churn(_) => "churn",
        }
    }

    /// Returns the largest number of connections that the run has open at the same time.
    pub(crate) fn connections(&self) -> u64 {
        match self {
            ScenarioArgs::Check(_) => 2,
            ScenarioArgs::Ping(args) => args.round_trips.connections,
            ScenarioArgs::Echo(args) => args.round_trips.connections,
            ScenarioArgs::Broadcast(args) => args.subscriber_count() + args.publishers,
            ScenarioArgs::Connect(args) => args.concurrency(),
            ScenarioArgs::Hold(args) => args.connections,
            ScenarioArgs::Churn(args) => {
                let visitors = (args.visits as f64 * args.lifetime.as_secs_f64()).ceil() as u64;
                args.subscriber_count()
                    + args.slow_count()
                    + args.storm
                    + visitors
                    + args.common.connect_concurrency
                    + 1
            }
        }
    }

    /// Returns the number of threads: as many as were asked for, but not more than connections,
    /// because each thread needs at least one.
    pub(crate) fn threads(&self) -> u64 {
        let is_check = matches!(self, ScenarioArgs::Check(_));
        if is_check { 1 } else { self.common().threads.min(self.connections()) }
    }

    /// Returns how many messages or openings per second were asked for in the whole run; `None` for
    /// a closed loop.
    pub(crate) fn rate(&self) -> Option<u64> {
        match self {
            ScenarioArgs::Ping(args) => args.round_trips.rate,
            ScenarioArgs::Echo(args) => args.round_trips.rate,
            ScenarioArgs::Broadcast(args) => args.pacing.open_rate(),
            ScenarioArgs::Churn(args) => Some(args.rate),
            ScenarioArgs::Connect(args) => args.common.connect_rate.filter(|rate| *rate > 0),
            ScenarioArgs::Check(_) | ScenarioArgs::Hold(_) => None,
        }
    }

    /// Returns the number of messages or openings with which the run ends; `None` without such a
    /// limit.
    pub(crate) fn messages(&self) -> Option<u64> {
        match self {
            ScenarioArgs::Connect(args) => args.openings,
            other => other.phases().and_then(|phases| phases.messages),
        }
    }

    /// Checks the flags against each other, and texts that go into requests.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let ScenarioArgs::Broadcast(args) = self {
            args.check()?;
        }
        if self.duration().is_some_and(|duration| duration.is_zero()) {
            return Err("--duration 0 measures nothing: give a second or more".to_owned());
        }
        self.common().check()
    }

    /// Returns how long the run opens connections or sends messages.
    pub(crate) fn duration(&self) -> Option<Duration> {
        match self {
            ScenarioArgs::Connect(args) => Some(args.duration),
            other => other.phases().map(|phases| phases.duration),
        }
    }

    /// Returns "open" or "closed" for a scenario that measures durations, and `None` for others.
    pub(crate) fn loop_name(&self) -> Option<&'static str> {
        let name = if self.rate().is_some() { "open" } else { "closed" };
        self.duration().map(|_| name)
    }

    /// Returns warm-up and measuring times, if the scenario has them.
    pub(crate) fn phases(&self) -> Option<PhaseArgs> {
        match self {
            ScenarioArgs::Ping(args) => Some(args.round_trips.phases),
            ScenarioArgs::Echo(args) => Some(args.round_trips.phases),
            ScenarioArgs::Broadcast(args) => Some(args.phases),
            ScenarioArgs::Churn(args) => Some(args.phases),
            ScenarioArgs::Check(_) | ScenarioArgs::Connect(_) | ScenarioArgs::Hold(_) => None,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  loadgen echo ws://127.0.0.1:9001/ -o run.json\n  \
    loadgen report run.json --html run.html")]
pub(crate) struct ReportArgs {
    /// A report in JSON
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
