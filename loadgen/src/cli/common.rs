//! Flags that several scenarios have.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{CONNECTIONS_MAX, INFLIGHT_MAX, MESSAGES_MAX, RATE_MAX, THREADS_MAX, number};
use crate::net::clock::parse_duration;
use crate::net::request::{Header, is_token};
use crate::net::target::{ServerUrl, Sources};
use crate::net::tls::Trust;
use crate::report::thresholds::{self, Threshold};

/// Default number of connections opened per second. A server's accept queue holds about this many.
pub(crate) const CONNECT_RATE: u64 = 1_000;

#[derive(Args, Clone, Debug)]
pub(crate) struct CommonArgs {
    /// `ws://HOST[:PORT][/PATH]`, or `wss://`
    #[arg(value_parser = ServerUrl::parse)]
    pub(crate) url: ServerUrl,
    /// Threads, each with its share of the connections; give each a core
    #[arg(short = 't', long, default_value = "1", value_parser = number(1, THREADS_MAX))]
    pub(crate) threads: u64,
    /// Openings per second; 0 for as fast as the server answers [default: 1k, and 0 for `connect`]
    #[arg(long, value_parser = number(0, RATE_MAX))]
    pub(crate) connect_rate: Option<u64>,
    /// Openings under way at once
    #[arg(long, default_value_t = 256, value_parser = number(1, CONNECTIONS_MAX))]
    pub(crate) connect_concurrency: u64,
    /// Connect from this address, or from all of this IPv4 network in turn (127.0.0.0/8 needs no
    /// set-up)
    #[arg(short = 'b', long, value_name = "IP|CIDR", value_parser = Sources::parse)]
    pub(crate) source_ip: Option<Sources>,
    /// A header of the opening handshake, "Name: value", in place of loadgen's own if it has one of
    /// that name; repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
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
    /// wss: a PEM file with the authorities to trust, or with the server's certificate itself, in
    /// place of those that this system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,
    /// How long to wait at the end for messages that are still under way
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
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
    /// Returns whose certificates are trusted.
    pub(crate) fn trust(&self) -> Trust<'_> {
        match (self.insecure, &self.cacert) {
            (true, _) => Trust::Any,
            (false, Some(path)) => Trust::File(path),
            (false, None) => Trust::System,
        }
    }

    /// Checks what goes into requests as text. The error is a readable text without any value,
    /// because it may be a secret.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.subprotocols.iter().all(|name| is_token(name)) {
            return Err("--subprotocol: a name of letters, digits and marks such as . or -".into());
        }
        let is_on_one_line = |token: &String| token.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.bearer.iter().all(is_on_one_line) {
            return Err("--bearer: a token has no spaces, no line breaks and no accents".into());
        }
        self.all_headers().map(drop)
    }

    /// Returns the headers of each request that are not loadgen's own. A flag such as `--origin` is
    /// ignored if `--header` has a header of the same name.
    pub(crate) fn all_headers(&self) -> Result<Vec<Header>, String> {
        let given = self.headers.iter().map(|header| Header::parse(header));
        let mut headers: Vec<Header> =
            given.collect::<Result<_, _>>().map_err(|error| format!("--header: {error}"))?;
        let origin = self.origin.as_ref().map(|origin| ("--origin", "Origin", origin.clone()));
        let bearer = self.bearer.as_ref().filter(|token| !token.is_empty());
        let bearer = bearer.map(|token| ("--bearer", "Authorization", format!("Bearer {token}")));
        for (flag, name, value) in origin.into_iter().chain(bearer) {
            let header = Header::parse(&format!("{name}: {value}"))
                .map_err(|error| format!("{flag}: {error}"))?;
            if !headers.iter().any(|header| header.name().eq_ignore_ascii_case(name)) {
                headers.push(header);
            }
        }
        Ok(headers)
    }
}

/// Where the report goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    /// Format of the report on standard output [default: text]; with -o, that of the file, and
    /// nothing is on standard output
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Also writes the report into this file, as its name ends: .json, .html, .csv, .hgrm, or else
    /// text
    #[arg(short = 'o', long, value_name = "FILE", value_parser = file)]
    pub(crate) output: Option<PathBuf>,
    /// Also writes the report with its plots as one HTML file
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) html: Option<PathBuf>,
    /// Also writes the latency distribution as HdrHistogram's plotters read it
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) hdr: Option<PathBuf>,
}

/// Reads the name of a file to write.
fn file(name: &str) -> Result<PathBuf, String> {
    match name {
        "-" => Err("the report is on the standard output anyway: choose its --format".to_owned()),
        name => Ok(name.into()),
    }
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
    #[arg(short = 'd', long, default_value = "10s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Traffic before measuring
    #[arg(short = 'W', long, default_value = "2s", value_parser = parse_duration)]
    pub(crate) warmup: Duration,
    /// Ends when this many messages are sent, if that comes first
    #[arg(short = 'n', long, value_parser = number(1, MESSAGES_MAX))]
    pub(crate) messages: Option<u64>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RoundTripArgs {
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    /// Connections at once
    #[arg(short = 'c', long, default_value_t = 100, value_parser = number(1, CONNECTIONS_MAX))]
    pub(crate) connections: u64,
    /// Open loop: messages per second of all connections together
    #[arg(short = 'R', long, value_parser = number(1, RATE_MAX))]
    pub(crate) rate: Option<u64>,
    /// Closed loop: messages under way on each connection
    #[arg(long, default_value_t = 1, conflicts_with = "rate")]
    #[arg(value_parser = number(1, INFLIGHT_MAX))]
    pub(crate) inflight: u64,
}

/// When publishers send.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PacingArgs {
    /// Open loop: messages per second of all publishers together
    #[arg(short = 'R', long, default_value = "100", conflicts_with = "saturate")]
    #[arg(value_parser = number(1, RATE_MAX))]
    pub(crate) rate: u64,
    /// Closed loop, as fast as all deliveries return
    #[arg(long)]
    pub(crate) saturate: bool,
    /// Closed loop: messages of each publisher under way until all receivers have them
    #[arg(long, default_value_t = 1, value_parser = number(1, INFLIGHT_MAX), requires = "saturate")]
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
