//! The command line: `loadgen SCENARIO URL [flags]`. What a value may look like stands in
//! `units.rs`.
mod units;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use units::{Amount, duration};

use crate::payload::Sizes;
use crate::report::thresholds::{self, Threshold};
use crate::serve::ServeArgs;
use crate::target::Sources;
use units::{
    amount, connections, connections_or_none, header, inflight, messages, published_sizes,
    publishers, rate, rate_or_none, share, size, sizes, threads,
};

/// Openings a second where nothing else is asked for: a server's queue of openings holds them.
pub(crate) const CONNECT_RATE: u64 = 1_000;

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
    Run(Box<Scenario>),
    /// A reference server to try loadgen on: echo, broadcast or sink, with faults on request
    Serve(ServeArgs),
    /// Show a stored result as text, JSON, CSV or HTML
    Report(ReportArgs),
}

#[derive(Subcommand, Debug)]
pub(crate) enum Scenario {
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
const BROADCAST_EXAMPLE: &str = "Examples, deliveries at a rate and then the most that goes through:\n  \
    loadgen broadcast ws://127.0.0.1:8080/news --subscribers 1k --rate 100 --html report.html\n  \
    loadgen broadcast ws://127.0.0.1:8080/news --subscribers 1k --publishers 16 --saturate";
const CONNECT_EXAMPLE: &str = "Examples, as fast as the server answers and then 2,000 a second:\n  \
    loadgen connect ws://127.0.0.1:8080/news -d 10s\n  \
    loadgen connect ws://127.0.0.1:8080/news -n 20k --connect-rate 2k";
const HOLD_EXAMPLE: &str = "Example, 19,000 connections and the server's memory for each:\n  \
    loadgen hold ws://127.0.0.1:8080/news -c 19k --hold 30s --server-pid $(pgrep -n fanfare)";
const CHURN_EXAMPLE: &str = "Example, 100 healthy subscribers at 100 messages a second, 500 visitors a second that stay a \
    second, and 5% of stalled readers:\n  \
    loadgen churn ws://127.0.0.1:8080/news --subscribers 100 --rate 100 --visits 500 --lifetime 1s --slow 5%";

impl Scenario {
    pub(crate) fn common(&self) -> &CommonArgs {
        match self {
            Scenario::Check(args) => &args.common,
            Scenario::Ping(args) => &args.common,
            Scenario::Echo(args) => &args.common,
            Scenario::Broadcast(args) => &args.common,
            Scenario::Connect(args) => &args.common,
            Scenario::Hold(args) => &args.common,
            Scenario::Churn(args) => &args.common,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Scenario::Check(_) => "check",
            Scenario::Ping(_) => "ping",
            Scenario::Echo(_) => "echo",
            Scenario::Broadcast(_) => "broadcast",
            Scenario::Connect(_) => "connect",
            Scenario::Hold(_) => "hold",
            Scenario::Churn(_) => "churn",
        }
    }

    /// How many connections the run holds at once, at most.
    pub(crate) fn connections(&self) -> u64 {
        match self {
            Scenario::Check(_) => 2,
            Scenario::Ping(args) => args.round_trips.connections,
            Scenario::Echo(args) => args.round_trips.connections,
            Scenario::Broadcast(args) => args.subscribers + args.publishers,
            Scenario::Connect(args) => args.common.connect_concurrency,
            Scenario::Hold(args) => args.connections,
            Scenario::Churn(args) => {
                let visitors = (args.visits as f64 * args.lifetime.as_secs_f64()).ceil() as u64;
                args.subscribers
                    + args.slow_count()
                    + args.storm
                    + visitors
                    + args.common.connect_concurrency
                    + 1
            }
        }
    }

    /// As many as are asked for, but none without a connection: what is to be sent is shared among
    /// them.
    pub(crate) fn threads(&self) -> u64 {
        match self {
            Scenario::Check(_) => 1,
            Scenario::Ping(_)
            | Scenario::Echo(_)
            | Scenario::Broadcast(_)
            | Scenario::Connect(_)
            | Scenario::Hold(_)
            | Scenario::Churn(_) => self.common().threads.min(self.connections()),
        }
    }

    /// Messages or openings a second that are asked for, of the whole run; `None` for a closed
    /// loop.
    pub(crate) fn rate(&self) -> Option<u64> {
        match self {
            Scenario::Ping(args) => args.round_trips.rate,
            Scenario::Echo(args) => args.round_trips.rate,
            Scenario::Broadcast(args) => args.pacing.open_rate(),
            Scenario::Churn(args) => Some(args.rate),
            Scenario::Connect(args) => args.common.connect_rate.filter(|rate| *rate > 0),
            Scenario::Check(_) | Scenario::Hold(_) => None,
        }
    }

    /// How long it goes on opening or sending.
    pub(crate) fn duration(&self) -> Option<Duration> {
        match self {
            Scenario::Connect(args) => Some(args.duration),
            Scenario::Check(_) | Scenario::Hold(_) => None,
            Scenario::Ping(_) | Scenario::Echo(_) | Scenario::Broadcast(_) | Scenario::Churn(_) => {
                self.phases().map(|phases| phases.duration)
            }
        }
    }

    /// Whether it is about how long something takes, and how that is asked for.
    pub(crate) fn loop_name(&self) -> Option<&'static str> {
        match self {
            Scenario::Check(_) | Scenario::Hold(_) => None,
            Scenario::Ping(_)
            | Scenario::Echo(_)
            | Scenario::Broadcast(_)
            | Scenario::Connect(_)
            | Scenario::Churn(_) => Some(if self.rate().is_some() { "open" } else { "closed" }),
        }
    }

    /// Warm-up and measuring, of those that have them.
    pub(crate) fn phases(&self) -> Option<PhaseArgs> {
        match self {
            Scenario::Ping(args) => Some(args.round_trips.phases),
            Scenario::Echo(args) => Some(args.round_trips.phases),
            Scenario::Broadcast(args) => Some(args.phases),
            Scenario::Churn(args) => Some(args.phases),
            Scenario::Check(_) | Scenario::Connect(_) | Scenario::Hold(_) => None,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CommonArgs {
    /// `ws://HOST[:PORT][/PATH]`, or `wss://`
    pub(crate) url: String,
    /// Threads, each with its share of the connections; give each a core
    #[arg(short = 't', long, default_value = "1", value_parser = threads)]
    pub(crate) threads: u64,
    /// Openings per second; 0 for as fast as the server answers [default: 1k, and 0 for `connect`]
    #[arg(long, value_parser = rate_or_none)]
    pub(crate) connect_rate: Option<u64>,
    /// Openings under way at once
    #[arg(long, default_value_t = 256, value_parser = connections)]
    pub(crate) connect_concurrency: u64,
    /// Connect from this address, or from all of this IPv4 network in turn (127.0.0.0/8 needs no
    /// set-up)
    #[arg(short = 'b', long, value_name = "IP|CIDR", value_parser = Sources::parse)]
    pub(crate) source_ip: Option<Sources>,
    /// A header of the opening handshake, "Name: value"; repeatable
    #[arg(short = 'H', long = "header", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Offer this subprotocol; repeatable
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,
    /// The Origin header, as a browser sends it
    #[arg(long)]
    pub(crate) origin: Option<String>,
    /// Sends `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "TOKEN", env = "LOADGEN_BEARER", hide_env_values = true)]
    pub(crate) bearer: Option<String>,
    /// wss: take any certificate
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// How long what is under way may take to arrive at the end
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// The server's process, for its processor time and memory
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// full: contents and sequences; count: sequences, not contents; off: nothing is judged
    #[arg(long, value_enum, default_value_t = Verify::Full)]
    pub(crate) verify: Verify,
    /// Send binary messages
    #[arg(long, conflicts_with = "text")]
    pub(crate) binary: bool,
    /// Send text messages, which is the default
    #[arg(long)]
    pub(crate) text: bool,
    /// Makes masking keys, nonces and choices repeatable
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Fails the run (exit 99) unless it holds: 'response.p99<20ms', 'lost==0'; repeatable
    #[arg(long = "threshold", value_name = "EXPRESSION", value_parser = thresholds::parse)]
    pub(crate) thresholds: Vec<Threshold>,
    /// Exit 4 when loadgen itself was the limit
    #[arg(long)]
    pub(crate) strict: bool,
    /// A name for this run, kept in its report
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// No live view
    #[arg(long)]
    pub(crate) no_progress: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl CommonArgs {
    /// The headers of each opening, those with a flag of their own included.
    pub(crate) fn all_headers(&self) -> Vec<(String, String)> {
        let origin = self.origin.iter().map(|origin| ("Origin".to_owned(), origin.clone()));
        let bearer =
            self.bearer.iter().map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
        self.headers.iter().cloned().chain(origin).chain(bearer).collect()
    }
}

/// Where the report goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The report goes into this file instead of standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Also writes the report with its plots as one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Also writes the latency distribution as HdrHistogram's plotters read it
    #[arg(long, value_name = "FILE")]
    pub(crate) hdr: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  loadgen echo ws://127.0.0.1:9001/ --format json -o run.json\n  \
    loadgen report run.json --html run.html"
)]
pub(crate) struct ReportArgs {
    /// A report in JSON
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Verify {
    Full,
    Count,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Csv,
}

/// The phases of a run that measures traffic.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PhaseArgs {
    /// How long to measure
    #[arg(short = 'd', long, default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Traffic before measuring
    #[arg(short = 'W', long, default_value = "2s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Measuring ends when so many messages are sent, if that comes first
    #[arg(short = 'n', long, value_parser = messages)]
    pub(crate) messages: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RoundTripArgs {
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[arg(short = 'c', long, default_value_t = 100, value_parser = connections)]
    pub(crate) connections: u64,
    /// Open loop: messages per second of all connections together
    #[arg(short = 'R', long, value_parser = rate)]
    pub(crate) rate: Option<u64>,
    /// Closed loop: messages under way on each connection
    #[arg(long, default_value_t = 1, value_parser = inflight, conflicts_with = "rate")]
    pub(crate) inflight: u64,
}

#[derive(Args, Debug)]
pub(crate) struct PingArgs {
    #[command(flatten)]
    pub(crate) round_trips: RoundTripArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) round_trips: RoundTripArgs,
    /// Payload bytes of a message, or a range of sizes, 16..1k
    #[arg(short = 's', long, default_value = "64", value_parser = sizes)]
    pub(crate) size: Sizes,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// When publishers send.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PacingArgs {
    /// Open loop: messages per second of all publishers together
    #[arg(short = 'R', long, default_value = "100", value_parser = rate, conflicts_with = "saturate")]
    pub(crate) rate: u64,
    /// Closed loop, as fast as all deliveries return
    #[arg(long)]
    pub(crate) saturate: bool,
    /// Closed loop: messages of each publisher under way until all receivers have them
    #[arg(long, default_value_t = 1, value_parser = inflight, requires = "saturate")]
    pub(crate) inflight: u64,
    /// Closed loop: send all of --inflight in one write, when all receivers have all of the last
    /// ones
    #[arg(long, requires = "saturate")]
    pub(crate) pipeline: bool,
}

impl PacingArgs {
    pub(crate) fn open_rate(&self) -> Option<u64> {
        (!self.saturate).then_some(self.rate)
    }
}

#[derive(Args, Debug)]
pub(crate) struct BroadcastArgs {
    #[arg(long, default_value_t = 100, value_parser = connections_or_none)]
    pub(crate) subscribers: u64,
    /// Connections that publish, and are subscribers too
    #[arg(long, default_value_t = 1, value_parser = publishers)]
    pub(crate) publishers: u64,
    /// Publish by POST to this http:// URL; publishers then receive nothing
    #[arg(long, value_name = "URL")]
    pub(crate) publish_url: Option<String>,
    /// Payload bytes of a message, or a range of sizes, 40..1k
    #[arg(short = 's', long, default_value = "64", value_parser = published_sizes)]
    pub(crate) size: Sizes,
    #[command(flatten)]
    pub(crate) pacing: PacingArgs,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ConnectArgs {
    /// How long connections are opened
    #[arg(short = 'd', long, default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Ends when so many were opened, if that comes first
    #[arg(short = 'n', long, value_parser = messages)]
    pub(crate) connections: Option<u64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct HoldArgs {
    #[arg(short = 'c', long, default_value_t = 1_000, value_parser = connections)]
    pub(crate) connections: u64,
    /// Spread over this many channels: connection n goes to PATH-(n mod N)
    #[arg(long, value_parser = connections)]
    pub(crate) channels: Option<u64>,
    /// How long to hold all of them
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) hold: Duration,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ChurnArgs {
    /// Healthy subscribers, whose deliveries are timed and checked
    #[arg(long, default_value_t = 100, value_parser = connections)]
    pub(crate) subscribers: u64,
    /// Payload bytes of a message, or a range of sizes, 40..1k
    #[arg(short = 's', long, default_value = "64", value_parser = published_sizes)]
    pub(crate) size: Sizes,
    /// Messages per second
    #[arg(short = 'R', long, default_value = "100", value_parser = rate)]
    pub(crate) rate: u64,
    /// Connections per second that open, stay for --lifetime, and leave; 0 for none
    #[arg(long, default_value = "100", value_parser = rate_or_none)]
    pub(crate) visits: u64,
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) lifetime: Duration,
    /// How many of them leave by a reset; the others leave by the closing handshake
    #[arg(long, default_value = "50%", value_parser = share)]
    pub(crate) reset_fraction: f64,
    /// Connections that are reset at once in the middle of the run, and come back at once
    #[arg(long, default_value_t = 0, value_parser = connections_or_none)]
    pub(crate) storm: u64,
    /// Further subscribers that read nothing after the 101: how many, or a share of --subscribers
    #[arg(long, default_value = "0", value_name = "N|SHARE%", value_parser = amount)]
    pub(crate) slow: Amount,
    /// Receive buffer of each slow connection. Left to the kernel it grows to megabytes, which on
    /// loopback count as the same machine's TCP memory as the server's
    #[arg(long, default_value = "4KiB", value_parser = size)]
    pub(crate) slow_buffer: usize,
    /// At the end the slow ones read on: each must find messages without a gap, then either all of
    /// them or Close 4008
    #[arg(long)]
    pub(crate) wake: bool,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl ChurnArgs {
    pub(crate) fn slow_count(&self) -> u64 {
        self.slow.of(self.subscribers)
    }
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
