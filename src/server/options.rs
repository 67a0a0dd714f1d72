//! What an operator decides about a [`Broadcast`](super::Broadcast) server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::origin::OriginPattern;
use super::publish_key::PublishKey;

/// The rules of a [`Broadcast`](super::Broadcast) server. By default only connections from loopback
/// may publish.
#[derive(Clone, Debug, Default)]
pub struct BroadcastOptions {
    /// Which peers may publish over a WebSocket. Unset: peers on this machine.
    pub publish: Option<PublishPolicy>,
    /// The key that every POST must bear. Unset: only this machine may POST.
    pub publish_key: Option<PublishKey>,
    /// The names by which this server is known, besides `localhost`, IP addresses and the hosts in
    /// `allowed_origins`. A request with another name in Host is refused if it could come from a
    /// web page that has pointed its own name to this server.
    pub allowed_hosts: Vec<String>,
    /// The origins of web pages that may subscribe and publish; empty: only pages that this
    /// server's host has served.
    pub allowed_origins: Vec<OriginPattern>,
    /// How an upgrade is refused.
    pub reject: Reject,
    /// Messages per second that each connection may send; up to one second's worth may arrive in
    /// one burst.
    pub message_rate: Option<u32>,
    /// Whether `/-/echo` is served.
    pub echo: bool,
    /// Whether connections, messages and custom events are logged.
    pub log_events: bool,
    /// The limit of the memory for channels, as it was given to the builder. Shown as the metric
    /// `fanfare_memory_limit_bytes`; unset: not shown.
    pub memory_limit: Option<usize>,
    /// How many log lines the program has dropped, because nothing read its log. Shown as the
    /// metric `fanfare_log_lines_dropped_total`.
    pub log_lines_dropped: Arc<AtomicU64>,
}

/// Which peers may publish over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum, serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(rename_all = "lowercase"))]
pub enum PublishPolicy {
    /// No peer: publishing is by POST only.
    None,
    /// Peers that present a token (this version has no tokens yet, so no peer).
    Token,
    /// Every subscriber, on its own channel.
    All,
}

/// How an upgrade is refused when the peer lacks the rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum, serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(rename_all = "lowercase"))]
pub enum Reject {
    /// With the HTTP status, which browsers hide from scripts.
    #[default]
    Http,
    /// With 101 and a close code, whose reason browsers show to scripts.
    Close,
}
