//! What an operator decides about a [`Broadcast`](super::Broadcast) server.

use super::origin::OriginPattern;
use super::publish_key::PublishKey;

/// The rules of a [`Broadcast`](super::Broadcast) server. The default is what suits a program on
/// the same machine: whatever comes from loopback may publish, nothing else may.
#[derive(Clone, Debug, Default)]
pub struct BroadcastOptions {
    /// Who may publish over a WebSocket. Unset: peers on this machine.
    pub publish: Option<PublishPolicy>,
    /// The key that every POST must bear. Unset: only this machine may POST.
    pub publish_key: Option<PublishKey>,
    /// The host names, besides `localhost`, under which peers on this machine may ask for it. Not
    /// used with a `publish_key`.
    pub allowed_hosts: Vec<String>,
    /// The origins of web pages that may subscribe and publish; empty: the page's own server only.
    pub allowed_origins: Vec<OriginPattern>,
    /// How an upgrade is refused.
    pub reject: Reject,
    /// Messages a second that each connection may send; a second's worth may come at once.
    pub message_rate: Option<u32>,
    /// Whether `/-/echo` is served.
    pub echo: bool,
    /// Whether connections, messages and custom events are logged.
    pub log_events: bool,
}

/// Who may publish over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum, serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(rename_all = "lowercase"))]
pub enum PublishPolicy {
    /// Nobody: only by POST.
    None,
    /// Whoever shows a token (this version knows no tokens yet: nobody).
    Token,
    /// Every subscriber, on its own channel.
    All,
}

/// How an upgrade is refused for want of rights.
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
