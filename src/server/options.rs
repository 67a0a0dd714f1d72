//! What an operator decides about a [`Broadcast`](super::Broadcast) server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::address_counts::AddressCounts;
use super::authorizer::Authorizer;
use super::channel_rules::ChannelRules;
use super::jwt_key::JwtKey;
use super::origin::OriginPattern;
use super::policies::PublishPolicy;
use super::publish_key::PublishKey;
use super::reload_figures::ReloadFigures;

/// The rules of a [`Broadcast`](super::Broadcast) server. By default only connections from loopback
/// may publish.
#[derive(Clone, Debug)]
pub struct BroadcastOptions {
    /// Which peers may publish over a WebSocket. Unset: those whose token allows it; without
    /// `jwt_keys`, peers on this machine.
    pub publish: Option<PublishPolicy>,
    /// The key that every POST must bear. Unset: only this machine may POST.
    pub publish_key: Option<PublishKey>,
    /// The keys of tokens (JWT). If there are any, whoever subscribes, reads a channel or publishes
    /// needs a token, on this machine too; but for a POST the publish key will do as well.
    pub jwt_keys: Vec<JwtKey>,
    /// The issuer that a token must name (`iss`). Unset: any, or none.
    pub jwt_issuer: Option<String>,
    /// The audience that a token must name (`aud`), alone or among others. Unset: it must name
    /// none (RFC 7519 section 4.1.3).
    pub jwt_audience: Option<String>,
    /// How far the clock of whoever makes the tokens may be off: how long a token is taken after
    /// `exp`, and before `nbf`. Default 30 s.
    pub jwt_leeway: Duration,
    /// The name of the cookie in which a token may come. Unset: none. It counts only for pages
    /// whose origin is this server's own, or allowed by another entry than `*`.
    pub token_cookie: Option<String>,
    /// Whether a token may come in the query, as `?token=…`. Proxies write queries to their logs.
    pub token_query: bool,
    /// How many wrong keys and tokens may come from one IPv4 address or IPv6 /64 in a minute; after
    /// that its requests with credentials are answered 429 for the rest of that minute, unchecked.
    /// Unset: any number.
    pub credential_failures_per_ip: Option<u32>,
    /// What has been counted for that limit, for all reactors together.
    pub credential_failures: AddressCounts,
    /// How many WebSockets one IPv4 address or IPv6 /64 may open in a minute; further handshakes
    /// are answered 429 for the rest of that minute. Unset: any number.
    pub openings_per_ip: Option<u32>,
    /// What has been counted for that limit, for all reactors together.
    pub openings: AddressCounts,
    /// The application that is asked about each handshake, instead of checking a token. Its answer
    /// says which channels the peer may subscribe and publish to. It is not asked about a channel
    /// to which a rule lets everybody subscribe. Reading a channel by GET and publishing by POST
    /// take the publish key then, or a token if there are `jwt_keys` too.
    pub authorizer: Option<Authorizer>,
    /// The names by which this server is known, besides `localhost`, IP addresses and the hosts in
    /// `allowed_origins`. A request with another name in Host is refused if it could come from a
    /// web page that has pointed its own name to this server.
    pub allowed_hosts: Vec<String>,
    /// The origins of web pages that may subscribe and publish; empty: only pages that this
    /// server's host has served.
    pub allowed_origins: Vec<OriginPattern>,
    /// The subprotocols that are chosen if a client offers them; `*`: the first that it offers. On
    /// channels they change nothing. `bearer`, and the token behind it, never count as one.
    pub subprotocols: Vec<String>,
    /// How an upgrade is refused.
    pub reject: Reject,
    /// Messages per second that each connection may send; up to one second's worth may arrive in
    /// one burst.
    pub message_rate: Option<u32>,
    /// Rules for channels. Each of the options above counts where the rule of a channel does not
    /// set the same.
    pub channel_rules: ChannelRules,
    /// Whether `/-/echo` is served.
    pub echo: bool,
    /// Whether requests that were answered, and connections that have ended, are logged.
    pub log_access: bool,
    /// Whether connections, messages and custom events are logged.
    pub log_events: bool,
    /// The limit of the memory for channels, as it was given to the builder. Shown as the metric
    /// `fanfare_memory_limit_bytes`; unset: not shown.
    pub memory_limit: Option<usize>,
    /// When the first of the certificates expires by which TLS is spoken, in seconds since
    /// 1970-01-01 UTC. Shown as the metric `fanfare_tls_certificate_expires_timestamp_seconds`;
    /// unset: not shown.
    pub certificate_expires_at: Option<u64>,
    /// How many log lines the program has dropped, because nothing read its log. Shown as the
    /// metric `fanfare_log_lines_dropped_total`.
    pub log_lines_dropped: Arc<AtomicU64>,
    /// How often the program has read its configuration again. Shown as the metrics
    /// `fanfare_config_…`.
    pub reloads: Arc<ReloadFigures>,
}

impl Default for BroadcastOptions {
    fn default() -> BroadcastOptions {
        BroadcastOptions {
            publish: None,
            publish_key: None,
            jwt_keys: Vec::new(),
            jwt_issuer: None,
            jwt_audience: None,
            jwt_leeway: JWT_LEEWAY,
            token_cookie: None,
            token_query: false,
            credential_failures_per_ip: None,
            credential_failures: AddressCounts::default(),
            openings_per_ip: None,
            openings: AddressCounts::default(),
            authorizer: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            subprotocols: Vec::new(),
            reject: Reject::Http,
            message_rate: None,
            channel_rules: ChannelRules::default(),
            echo: false,
            log_access: false,
            log_events: false,
            log_lines_dropped: Arc::default(),
            reloads: Arc::default(),
            memory_limit: None,
            certificate_expires_at: None,
        }
    }
}

impl BroadcastOptions {
    /// Returns true if other options may decide otherwise on a peer that is connected. (The message
    /// rate and what is logged come into force without that.)
    pub(crate) fn may_judge_otherwise(&self, other: &BroadcastOptions) -> bool {
        // All fields are named, so that a new one is thought of here too.
        let BroadcastOptions {
            publish,
            publish_key,
            jwt_keys,
            jwt_issuer,
            jwt_audience,
            jwt_leeway,
            token_cookie,
            token_query,
            credential_failures_per_ip: _,
            credential_failures: _,
            openings_per_ip: _,
            openings: _,
            authorizer,
            allowed_hosts,
            allowed_origins,
            reject: _,
            subprotocols: _,
            message_rate: _,
            channel_rules,
            echo,
            log_access: _,
            log_events: _,
            memory_limit: _,
            certificate_expires_at: _,
            log_lines_dropped: _,
            reloads: _,
        } = self;
        *publish != other.publish
            || *publish_key != other.publish_key
            || *jwt_keys != other.jwt_keys
            || *jwt_issuer != other.jwt_issuer
            || *jwt_audience != other.jwt_audience
            || *jwt_leeway != other.jwt_leeway
            || *token_cookie != other.token_cookie
            || *token_query != other.token_query
            // What another application would say is not known.
            || authorizer.is_some() != other.authorizer.is_some()
            || *allowed_hosts != other.allowed_hosts
            || *allowed_origins != other.allowed_origins
            || *channel_rules != other.channel_rules
            || *echo != other.echo
    }

    /// Returns true if tokens are needed.
    pub(crate) fn takes_tokens(&self) -> bool {
        !self.jwt_keys.is_empty()
    }

    /// Returns true if a peer must sign in, by a token or with the application.
    pub(crate) fn takes_credentials(&self) -> bool {
        self.takes_tokens() || self.authorizer.is_some()
    }
}

/// Clocks that are kept by NTP differ by less.
const JWT_LEEWAY: Duration = Duration::from_secs(30);

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
