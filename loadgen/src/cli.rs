//! The command line. Numbers are bounded here, so that nothing below has to ask whether it can hold them.
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::payload::HEAD_BYTES;
use crate::target::Sources;

/// Largest message: what a frame header of this side and one read buffer handle without growing absurdly.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Connections of one kind. A process has at most some hundred thousand files.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// Publishers: each costs every receiver four bytes.
const PUBLISHERS_MAX: u64 = 1_000;
const INFLIGHT_MAX: u64 = 65_536;
/// Events a second, of any kind.
const RATE_MAX: u64 = 10_000_000;

/// A load generator for WebSocket servers that counts every delivery.
///
/// Exit codes: 0 pass, 1 cannot run, 2 usage, 3 a check failed, 130 second Ctrl-C. The first Ctrl-C ends the run
/// early and reports.
#[derive(Parser, Debug)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Scenario {
    /// Closed loop of round trips: every reply is compared with what was sent, in order
    Echo(EchoArgs),
    /// Publishers and subscribers on one channel: every delivery is checked at every receiver
    Broadcast(BroadcastArgs),
    /// Idle subscribers, and what each costs the server in memory
    Idle(IdleArgs),
    /// Subscribers that never read, beside healthy ones
    Stall(StallArgs),
    /// Connections that come and go, beside healthy ones
    Churn(ChurnArgs),
}

impl Scenario {
    pub(crate) fn common(&self) -> &CommonArgs {
        match self {
            Scenario::Echo(args) => &args.common,
            Scenario::Broadcast(args) => &args.common,
            Scenario::Idle(args) => &args.common,
            Scenario::Stall(args) => &args.common,
            Scenario::Churn(args) => &args.common,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Scenario::Echo(_) => "echo",
            Scenario::Broadcast(_) => "broadcast",
            Scenario::Idle(_) => "idle",
            Scenario::Stall(_) => "stall",
            Scenario::Churn(_) => "churn",
        }
    }

    /// How many connections the run holds at once, at most.
    pub(crate) fn connections(&self) -> u64 {
        match self {
            Scenario::Echo(args) => args.connections,
            Scenario::Broadcast(args) => args.subscribers + args.publishers,
            Scenario::Idle(args) => args.connections,
            Scenario::Stall(args) => args.stalled + args.healthy + 1,
            Scenario::Churn(args) => args.healthy + args.storm + args.common.connect_concurrency + 1,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct CommonArgs {
    /// `ws://HOST[:PORT][/PATH]`
    pub(crate) url: String,
    /// Openings per second; without it, as fast as the server answers
    #[arg(long, value_parser = rate)]
    pub(crate) connect_rate: Option<u64>,
    /// Openings under way at once
    #[arg(long, default_value_t = 256, value_parser = connections)]
    pub(crate) connect_concurrency: u64,
    /// Connect from this address, or from all of this IPv4 network in turn (127.0.0.0/8 needs no set-up)
    #[arg(short = 'b', long, value_name = "IP|CIDR", value_parser = Sources::parse)]
    pub(crate) source_ip: Option<Sources>,
    /// A header of the opening handshake, "Name: value"; repeatable
    #[arg(short = 'H', long = "header", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// How long what is under way may take to arrive at the end
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// The server's process, for its processor time and memory
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// full: contents and sequences; count: sequences, not contents; off: nothing is judged
    #[arg(long, value_enum, default_value_t = Verify::Full)]
    pub(crate) verify: Verify,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Makes masking keys, nonces and choices repeatable
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
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
}

/// The phases of a run that measures traffic.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PhaseArgs {
    /// How long to measure
    #[arg(short = 'd', long, default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Traffic before measuring
    #[arg(short = 'W', long, default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[arg(short = 'c', long, default_value_t = 100, value_parser = connections)]
    pub(crate) connections: u64,
    /// Payload bytes of a message
    #[arg(short = 's', long, default_value = "64", value_parser = size)]
    pub(crate) size: usize,
    /// Messages under way on each connection
    #[arg(long, default_value_t = 1, value_parser = inflight)]
    pub(crate) inflight: u64,
}

#[derive(Args, Debug)]
pub(crate) struct BroadcastArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[arg(long, default_value_t = 100, value_parser = connections_or_none)]
    pub(crate) subscribers: u64,
    /// Connections that publish, and are subscribers too
    #[arg(long, default_value_t = 1, value_parser = publishers)]
    pub(crate) publishers: u64,
    /// Payload bytes of a message
    #[arg(short = 's', long, default_value = "64", value_parser = published_size)]
    pub(crate) size: usize,
    /// Closed loop: messages of each publisher under way until all receivers have them
    #[arg(long, default_value_t = 1, value_parser = inflight, conflicts_with = "rate")]
    pub(crate) inflight: u64,
    /// Closed loop: send all of --inflight in one write, when all receivers have all of the last ones
    #[arg(long, conflicts_with = "rate")]
    pub(crate) burst: bool,
    /// Open loop: messages per second of all publishers together
    #[arg(short = 'R', long, value_parser = rate)]
    pub(crate) rate: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[arg(short = 'c', long, default_value_t = 1_000, value_parser = connections)]
    pub(crate) connections: u64,
    /// Spread over this many channels: connection n goes to PATH-(n mod N)
    #[arg(long, value_parser = connections)]
    pub(crate) channels: Option<u64>,
    /// How long to hold all of them
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) hold: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct StallArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    /// Subscribers that read nothing after the 101
    #[arg(long, default_value_t = 100, value_parser = connections_or_none)]
    pub(crate) stalled: u64,
    #[arg(long, default_value_t = 50, value_parser = connections)]
    pub(crate) healthy: u64,
    /// Payload bytes of a message
    #[arg(short = 's', long, default_value = "1KiB", value_parser = published_size)]
    pub(crate) size: usize,
    /// Messages per second
    #[arg(short = 'R', long, default_value_t = 1_000, value_parser = rate)]
    pub(crate) rate: u64,
    /// Receive buffer of each stalled connection. Left to the kernel it grows to megabytes, which on loopback count
    /// as the same machine's TCP memory as the server's
    #[arg(long, default_value = "4KiB", value_parser = size)]
    pub(crate) stalled_buffer: usize,
    /// At the end the stalled ones read on: each must find messages without a gap, then either all of them or
    /// Close 4008
    #[arg(long)]
    pub(crate) wake: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ChurnArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[arg(long, default_value_t = 100, value_parser = connections)]
    pub(crate) healthy: u64,
    /// Payload bytes of a message
    #[arg(short = 's', long, default_value = "64", value_parser = published_size)]
    pub(crate) size: usize,
    /// Messages per second
    #[arg(short = 'R', long, default_value_t = 60, value_parser = rate)]
    pub(crate) rate: u64,
    /// Connections per second that open, read the 101 and leave; 0 for none
    #[arg(long, default_value_t = 100, value_parser = rate_or_none)]
    pub(crate) churn_rate: u64,
    /// How many of them leave by a reset; the others leave by the closing handshake
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub(crate) reset_fraction: f64,
    /// Connections that are reset at once in the middle of the run, and come back at once
    #[arg(long, default_value_t = 0, value_parser = connections_or_none)]
    pub(crate) storm: u64,
}

fn connections(text: &str) -> Result<u64, String> {
    number(text, 1, CONNECTIONS_MAX)
}

fn connections_or_none(text: &str) -> Result<u64, String> {
    number(text, 0, CONNECTIONS_MAX)
}

fn publishers(text: &str) -> Result<u64, String> {
    number(text, 1, PUBLISHERS_MAX)
}

fn inflight(text: &str) -> Result<u64, String> {
    number(text, 1, INFLIGHT_MAX)
}

fn rate(text: &str) -> Result<u64, String> {
    number(text, 1, RATE_MAX)
}

fn rate_or_none(text: &str) -> Result<u64, String> {
    number(text, 0, RATE_MAX)
}

/// A whole number, with `k` or `m` for thousands and millions.
fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let (digits, unit) = split_unit(text);
    let factor = match unit {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        _ => return Err(format!("unknown unit {unit:?}: k or m")),
    };
    let value = whole(digits)?.saturating_mul(factor);
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("between {least} and {most}")) }
}

fn size(text: &str) -> Result<usize, String> {
    sized(text, 1)
}

fn published_size(text: &str) -> Result<usize, String> {
    sized(text, HEAD_BYTES)
}

/// Bytes, with `k` for 1000 and `KiB`, `MiB`.
fn sized(text: &str, least: usize) -> Result<usize, String> {
    let (digits, unit) = split_unit(text);
    let factor = match unit {
        "" | "B" => 1,
        "k" => 1_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(format!("unknown unit {unit:?}: k, KiB or MiB")),
    };
    let value = usize::try_from(whole(digits)?.saturating_mul(factor)).unwrap_or(usize::MAX);
    let fits = (least..=MESSAGE_BYTES_MAX).contains(&value);
    if fits { Ok(value) } else { Err(format!("between {least} and {MESSAGE_BYTES_MAX} bytes")) }
}

/// A time with its unit: `us`, `ms`, `s` or `m`. At most an hour.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split_unit(text);
    let micros = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return Err("a time needs its unit: us, ms, s or m".to_owned()),
    };
    let value = Duration::from_micros(whole(digits)?.saturating_mul(micros));
    if value <= Duration::from_secs(3_600) { Ok(value) } else { Err("at most an hour".to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("between 0 and 1".to_owned()) }
}

/// `Name: value`, without what would end the line.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is \"Name: value\"")?;
    let is_clean = |part: &str| !part.is_empty() && !part.bytes().any(|byte| byte.is_ascii_control());
    let (name, value) = (name.trim(), value.trim());
    if is_clean(name) && is_clean(value) && !name.contains(' ') {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err("a header is \"Name: value\", on one line".to_owned())
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn whole(digits: &str) -> Result<u64, String> {
    digits.parse().map_err(|_| "a whole number is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_numbers_sizes_and_times_with_units() {
        assert_eq!(connections("19k"), Ok(19_000));
        assert_eq!(size("16KiB"), Ok(16_384));
        assert_eq!(size("32"), Ok(32));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(header("Authorization: Bearer a:b"), Ok(("Authorization".into(), "Bearer a:b".into())));
    }

    #[test]
    fn refuses_what_is_out_of_bounds_or_ambiguous() {
        assert!(connections("0").is_err() && connections("2m").is_err() && connections("-1").is_err());
        assert!(published_size("39").is_err() && size("17MiB").is_err() && size("1K").is_err());
        assert!(duration("5").is_err() && duration("61m").is_err());
        assert!(rate("99999999999999999999").is_err() && rate("999999999999999m").is_err());
        assert!(share("1.5").is_err() && share("NaN").is_err());
        assert!(header("no colon").is_err() && header("a: b\r\nc: d").is_err());
    }
}
