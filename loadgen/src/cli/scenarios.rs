//! The flags of each scenario.
use std::time::Duration;

use clap::Args;

use super::common::{CommonArgs, PacingArgs, PhaseArgs, RoundTripArgs};
use super::values::{
    Amount, CONNECTIONS_MAX, MESSAGES_MAX, PUBLISHERS_MAX, RATE_MAX, amount, number, share, size,
    sizes,
};
use crate::check::payload::{HEAD_BYTES, Sizes};
use crate::net::clock::parse_duration;
use crate::net::target::ServerUrl;

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
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
    #[arg(short = 's', long, default_value = "64", value_parser = sizes(1))]
    pub(crate) size: Sizes,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BroadcastArgs {
    /// Connections at once: the publishers, and the rest are subscribers [default: the publishers
    /// and --subscribers]
    #[arg(short = 'c', long, conflicts_with = "subscribers")]
    #[arg(value_parser = number(1, CONNECTIONS_MAX))]
    connections: Option<u64>,
    /// Connections that only receive
    #[arg(long, default_value_t = 100, value_parser = number(0, CONNECTIONS_MAX))]
    subscribers: u64,
    /// Connections that publish, and are subscribers too
    #[arg(long, default_value_t = 1, value_parser = number(1, PUBLISHERS_MAX))]
    pub(crate) publishers: u64,
    /// Publish by POST to this http:// URL; publishers then receive nothing
    #[arg(long, value_name = "URL", value_parser = ServerUrl::parse_http)]
    pub(crate) publish_url: Option<ServerUrl>,
    /// Payload bytes of a message, or a range of sizes, 40..1k
    #[arg(short = 's', long, default_value = "64", value_parser = sizes(HEAD_BYTES))]
    pub(crate) size: Sizes,
    #[command(flatten)]
    pub(crate) pacing: PacingArgs,
    #[command(flatten)]
    pub(crate) phases: PhaseArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl BroadcastArgs {
    pub(crate) fn subscriber_count(&self) -> u64 {
        let others = |connections: u64| connections.saturating_sub(self.publishers);
        self.connections.map_or(self.subscribers, others)
    }

    /// Checks that `--connections` leaves room for the publishers.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.connections.filter(|connections| *connections < self.publishers) {
            Some(few) => {
                Err(format!("--connections {few}: there are {} publishers", self.publishers))
            }
            None => Ok(()),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct ConnectArgs {
    /// Connections at once, being opened or closed: another word for --connect-concurrency
    #[arg(short = 'c', long, conflicts_with = "connect_concurrency")]
    #[arg(value_parser = number(1, CONNECTIONS_MAX))]
    connections: Option<u64>,
    /// How long to measure
    #[arg(short = 'd', long, default_value = "10s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Ends when this many openings have begun, if that comes first
    #[arg(short = 'n', long = "messages", visible_alias = "openings", value_name = "OPENINGS")]
    #[arg(value_parser = number(1, MESSAGES_MAX))]
    pub(crate) openings: Option<u64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl ConnectArgs {
    /// Returns how many openings may be under way at once.
    pub(crate) fn concurrency(&self) -> u64 {
        self.connections.unwrap_or(self.common.connect_concurrency)
    }
}

#[derive(Args, Debug)]
pub(crate) struct HoldArgs {
    /// Connections at once
    #[arg(short = 'c', long, default_value_t = 1_000, value_parser = number(1, CONNECTIONS_MAX))]
    pub(crate) connections: u64,
    /// Spread over this many channels: connection n goes to PATH-(n mod N)
    #[arg(long, value_parser = number(1, CONNECTIONS_MAX))]
    pub(crate) channels: Option<u64>,
    /// How long to measure: all of them are held for this long
    #[arg(short = 'd', long, visible_alias = "hold", default_value = "10s")]
    #[arg(value_parser = parse_duration)]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ChurnArgs {
    /// Connections at once, besides those that come, go or stall: the publisher, and the rest are
    /// healthy subscribers [default: 101]
    #[arg(short = 'c', long, conflicts_with = "subscribers")]
    #[arg(value_parser = number(2, CONNECTIONS_MAX))]
    connections: Option<u64>,
    /// Healthy subscribers, whose deliveries are timed and checked
    #[arg(long, default_value_t = 100, value_parser = number(1, CONNECTIONS_MAX))]
    subscribers: u64,
    /// Payload bytes of a message, or a range of sizes, 40..1k
    #[arg(short = 's', long, default_value = "64", value_parser = sizes(HEAD_BYTES))]
    pub(crate) size: Sizes,
    /// Messages per second
    #[arg(short = 'R', long, default_value = "100", value_parser = number(1, RATE_MAX))]
    pub(crate) rate: u64,
    /// Connections per second that open, stay for --lifetime, and leave; 0 for none
    #[arg(long, default_value = "100", value_parser = number(0, RATE_MAX))]
    pub(crate) visits: u64,
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// The share of these connections that leave by a reset; the others use the closing handshake
    #[arg(long, default_value = "50%", value_parser = share)]
    pub(crate) reset_fraction: f64,
    /// Connections that are reset at once in the middle of the run, and come back at once
    #[arg(long, default_value_t = 0, value_parser = number(0, CONNECTIONS_MAX))]
    pub(crate) storm: u64,
    /// Further subscribers that read nothing after the 101: how many, or a share of --subscribers
    #[arg(long, default_value = "0", value_name = "N|SHARE%", value_parser = amount)]
    pub(crate) slow: Amount,
    /// Receive buffer of each slow connection. The kernel would let it grow to megabytes, and on
    /// loopback these come out of the same TCP memory as the server's
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
    pub(crate) fn subscriber_count(&self) -> u64 {
        self.connections.map_or(self.subscribers, |connections| connections - 1)
    }

    pub(crate) fn slow_count(&self) -> u64 {
        self.slow.of(self.subscriber_count())
    }
}
