//! The configuration. One struct is the list of flags, the schema of the file and the result.
//!
//! The command line overrides the environment, and the environment overrides the file.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use fanfare::protocol::CompressionOptions;
use fanfare::{
    AuthorizeUrl, IpNetwork, OriginPattern, PublishKey, PublishPolicy, Reject, SlowPolicy,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::de::DeTable;

use super::channel_table::ChannelTable;
use super::config_error::ConfigError;
use super::config_file::ConfigFile;
use super::flag_values::{
    Ceiling, FileMode, Size, Time, count, count_in_file, some_count_in_file, trimmed,
};
use super::text_file;

/// Every setting of `fanfare serve`. A value that is not set has a default that depends on the
/// machine or on where the server listens; [`Settings`](super::settings::Settings) works out these
/// defaults.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Address to listen on; may be given several times: HOST:PORT, unix:PATH, tls:ADDR (TLS),
    /// proxy:ADDR (PROXY protocol 2, from --trusted-proxies), proxy+tls:ADDR (both), systemd
    /// (sockets handed over); with a certificate tls:127.0.0.1:8443 by default [default:
    /// 127.0.0.1:8080]
    #[arg(
        long,
        value_name = "ADDR",
        value_delimiter = ',',
        value_parser = trimmed::<String>,
        help_heading = "Listening"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) listen: Vec<String>,

    /// Separate address for health and metrics, open to every client that can reach it [default:
    /// none; they are served where the channels are]
    #[arg(long, value_name = "ADDR", help_heading = "Listening")]
    pub(crate) admin_listen: Option<String>,

    /// Threads, one listening socket each [default: the number of cores; fewer if --memory-limit is
    /// small]
    #[arg(long, value_name = "N", help_heading = "Listening")]
    pub(crate) reactors: Option<usize>,

    /// Connections at once [default: the open-file limit - 128, or half of it if that is more]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Listening")]
    #[serde(deserialize_with = "some_count_in_file")]
    pub(crate) max_connections: Option<usize>,

    /// Connections at once from one IPv4 address or IPv6 /64 [default: 256; off on
    /// loopback without --trusted-proxies]
    #[arg(long, value_name = "N|off", help_heading = "Listening")]
    pub(crate) max_connections_per_ip: Option<Ceiling>,

    /// Who may open the sockets of unix:PATH, as for chmod [default: 660]
    #[arg(long, value_name = "MODE", help_heading = "Listening")]
    pub(crate) socket_mode: FileMode,

    /// Proxies in front of the server, as addresses or ranges (10.0.0.0/8): what they tell of a
    /// client in X-Forwarded-For and X-Forwarded-Proto is believed [default: none]
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = trimmed::<IpNetwork>,
        help_heading = "Listening"
    )]
    #[serde(deserialize_with = "one_or_many", serialize_with = "as_texts")]
    pub(crate) trusted_proxies: Vec<IpNetwork>,

    /// Connections taken per second [default: off]
    #[arg(long, value_name = "N|off", help_heading = "Listening")]
    pub(crate) accept_rate: Ceiling,

    /// The certificate of addresses that speak TLS: a PEM file with it and those that have signed
    /// it. May be given several times: a client is shown one for the name that it asks for, or else
    /// the first. If there is a file FILE.ocsp, it is stapled
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) tls_cert: Vec<PathBuf>,

    /// The private key of the certificate, in PEM; one for each --tls-cert, in the same order
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) tls_key: Vec<PathBuf>,

    /// A PEM file with authorities: a client needs a certificate that one of them has signed
    /// [default: clients need none]
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// Make a certificate at each start, for a first try: clients trust it only if they are told to
    #[arg(
        long,
        value_name = "BOOL",
        help_heading = "TLS",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) tls_self_signed: bool,

    /// Who may publish over a WebSocket [default: whom a token allows it; where none are needed, a
    /// peer on this machine]
    #[arg(long, value_name = "WHO", help_heading = "Access")]
    pub(crate) publish: Option<PublishPolicy>,

    /// The key that a POST must bear (Authorization: Bearer KEY) [default: none, and only this
    /// machine may POST]
    #[arg(long, value_name = "KEY", hide_env_values = true, help_heading = "Access")]
    #[serde(skip_serializing)]
    pub(crate) publish_key: Option<Secret>,

    /// A file that holds the publish key
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub(crate) publish_key_file: Option<PathBuf>,

    /// A secret that tokens (JWT, HS256) are signed with, 32 bytes or more; may be given several
    /// times. With a key of this kind, whoever subscribes, reads or publishes needs a token
    /// [default: none]
    #[arg(long, value_name = "SECRET", hide_env_values = true, help_heading = "Tokens")]
    #[serde(skip_serializing, deserialize_with = "secrets")]
    pub(crate) jwt_secret: Vec<Secret>,

    /// A file that holds such a secret; may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Tokens")]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) jwt_secret_file: Vec<PathBuf>,

    /// A file with the public key of whoever signs tokens (RS256, ES256 or EdDSA): PEM, or a JSON
    /// Web Key Set; may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Tokens")]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) jwt_public_key: Vec<PathBuf>,

    /// The issuer that a token must name (iss) [default: any, or none]
    #[arg(long, value_name = "TEXT", help_heading = "Tokens")]
    pub(crate) jwt_issuer: Option<String>,

    /// The audience that a token must name (aud) [default: none, and a token must name none]
    #[arg(long, value_name = "TEXT", help_heading = "Tokens")]
    pub(crate) jwt_audience: Option<String>,

    /// How long a token is taken after it has expired (exp), and before it begins (nbf), because
    /// clocks differ [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Tokens")]
    pub(crate) jwt_leeway: Time,

    /// Take a token from this cookie too [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Tokens")]
    pub(crate) token_cookie: Option<String>,

    /// Take a token from the query too (?token=TOKEN), which proxies write to their logs
    #[arg(
        long,
        value_name = "BOOL",
        help_heading = "Tokens",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) token_query: bool,

    /// URL (http://) of an application that is asked whether a peer may connect: by a GET with the
    /// headers of the handshake [default: none]
    #[arg(long, value_name = "URL", help_heading = "Access")]
    pub(crate) authorize_url: Option<AuthorizeUrl>,

    /// How long its answer may take in all [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = "Access")]
    pub(crate) authorize_timeout: Time,

    /// Names under which this server is reached, besides localhost, IP addresses and the hosts of
    /// --allowed-origins; browsers that use another name get 403 [default: none]
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = trimmed::<String>,
        help_heading = "Access"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) allowed_hosts: Vec<String>,

    /// Origins of web pages that may connect: https://example.com, https://*.example.com, *
    /// [default: same origin]
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = trimmed::<OriginPattern>,
        help_heading = "Access"
    )]
    #[serde(deserialize_with = "one_or_many", serialize_with = "as_texts")]
    pub(crate) allowed_origins: Vec<OriginPattern>,

    /// Subprotocols that are chosen if a client offers them, for clients that need one; *: the
    /// first that it offers [default: none]
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = trimmed::<String>,
        help_heading = "Access"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) subprotocols: Vec<String>,

    /// Wrong keys and tokens from one IPv4 address or IPv6 /64 in a minute; then 429 for the rest
    /// of it [default: 20; off on loopback without --trusted-proxies]
    #[arg(long, value_name = "N|off", help_heading = "Access")]
    pub(crate) credential_failures_per_ip: Option<Ceiling>,

    /// WebSockets that one IPv4 address or IPv6 /64 may open in a minute; then 429 for the rest of
    /// it [default: off]
    #[arg(long, value_name = "N|off", help_heading = "Access")]
    pub(crate) openings_per_ip: Ceiling,

    /// Refuse an upgrade with its HTTP status, or with 101 and a close code that scripts can see
    /// [default: http]
    #[arg(long, value_name = "HOW", help_heading = "Access")]
    pub(crate) reject: Reject,

    /// Messages a second that each connection may send [default: off]
    #[arg(long, value_name = "N|off", help_heading = "Access")]
    pub(crate) message_rate: Ceiling,

    /// Serve an echo at /-/echo
    #[arg(
        long,
        value_name = "BOOL",
        help_heading = "Access",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) echo: bool,

    /// The largest message [default: 64KiB]
    #[arg(long, value_name = "SIZE", help_heading = "Channels")]
    pub(crate) max_message_size: Size,

    /// Channels at once; channels without subscribers are dropped for new ones [default: 1000000]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Channels")]
    #[serde(deserialize_with = "count_in_file")]
    pub(crate) max_channels: usize,

    /// Memory for channels, logs (three quarters) and what connections hold; beyond it: 503, 1013
    /// [default: 60 % of what is available]
    #[arg(long, value_name = "SIZE", help_heading = "Channels")]
    pub(crate) memory_limit: Option<Size>,

    /// How far a subscriber may fall behind, per channel [default: 1MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Channels")]
    pub(crate) channel_buffer: Size,

    /// What happens to a subscriber that falls further behind [default: disconnect]
    #[arg(long, value_name = "WHAT", help_heading = "Channels")]
    pub(crate) slow_policy: SlowPolicy,

    /// How long a subscriber may accept nothing while bytes wait for it [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Channels")]
    pub(crate) slow_timeout: Time,

    /// Compress messages for clients that offer it (permessage-deflate): shared compresses each
    /// message once for all of them [default: off]
    #[arg(long, value_name = "HOW", help_heading = "Compression")]
    pub(crate) compression: Compression,

    /// Messages smaller than this are sent as they are [default: 256]
    #[arg(long, value_name = "SIZE", help_heading = "Compression")]
    pub(crate) compression_min_size: Size,

    /// How far back compression looks: 2^N bytes, from 9 to 15. Clients that ask for less get no
    /// compression [default: 12]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(9..=15),
        help_heading = "Compression"
    )]
    pub(crate) compression_window: u8,

    /// From 1, the fastest, to 9, which takes the most time [default: 6]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(1..=9),
        help_heading = "Compression"
    )]
    pub(crate) compression_level: u8,

    /// From accept to the end of the request's head [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "Times")]
    pub(crate) handshake_timeout: Time,

    /// Between two pings, give or take a fifth [default: 25s]
    #[arg(long, value_name = "TIME", help_heading = "Times")]
    pub(crate) ping_interval: Time,

    /// From a ping to its pong [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Times")]
    pub(crate) pong_timeout: Time,

    /// How long an HTTP connection may wait for its next request [default: 1m]
    #[arg(long, value_name = "TIME", help_heading = "Times")]
    pub(crate) idle_timeout: Time,

    /// How long connections may take to end after SIGTERM or SIGINT; 0s cuts them off at once
    /// [default: 20s]
    #[arg(long, value_name = "TIME", help_heading = "Times")]
    pub(crate) drain_timeout: Time,

    /// How log lines are written [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "Logging")]
    pub(crate) log_format: LogFormat,

    /// Log each request when it is answered, and each WebSocket connection when it has ended, with
    /// its status or close code, how long it took, and its bytes
    #[arg(
        long,
        value_name = "BOOL",
        help_heading = "Logging",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) log_access: bool,

    /// Log each connection, message, custom event and close; lines that cannot be written in time
    /// are dropped, and counted in the metrics
    #[arg(
        long,
        value_name = "BOOL",
        help_heading = "Logging",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) log_events: bool,

    /// The rules for channels, which only a file can have. They come last, because in a file tables
    /// follow everything else.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) channels: Vec<ChannelTable>,

    /// Where things stand in the file.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) file: ConfigFile,
}

impl Default for Config {
    fn default() -> Config {
        let seconds = |seconds| Time(Duration::from_secs(seconds));
        Config {
            listen: vec!["127.0.0.1:8080".to_owned()],
            admin_listen: None,
            reactors: None,
            max_connections: None,
            max_connections_per_ip: None,
            socket_mode: FileMode(0o660),
            trusted_proxies: Vec::new(),
            accept_rate: Ceiling(None),
            tls_cert: Vec::new(),
            tls_key: Vec::new(),
            tls_client_ca: None,
            tls_self_signed: false,
            publish: None,
            publish_key: None,
            publish_key_file: None,
            jwt_secret: Vec::new(),
            jwt_secret_file: Vec::new(),
            jwt_public_key: Vec::new(),
            jwt_issuer: None,
            jwt_audience: None,
            jwt_leeway: seconds(30),
            token_cookie: None,
            token_query: false,
            authorize_url: None,
            authorize_timeout: seconds(1),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            subprotocols: Vec::new(),
            credential_failures_per_ip: None,
            openings_per_ip: Ceiling(None),
            reject: Reject::Http,
            message_rate: Ceiling(None),
            echo: false,
            max_message_size: Size(64 << 10),
            max_channels: 1_000_000,
            memory_limit: None,
            channel_buffer: Size(1 << 20),
            slow_policy: SlowPolicy::Disconnect,
            slow_timeout: seconds(10),
            compression: Compression::Off,
            compression_min_size: Size(CompressionOptions::default().message_bytes_min),
            compression_window: CompressionOptions::default().window_bits,
            compression_level: CompressionOptions::default().level,
            handshake_timeout: seconds(5),
            ping_interval: seconds(25),
            pong_timeout: seconds(10),
            idle_timeout: seconds(60),
            drain_timeout: seconds(20),
            log_format: LogFormat::Text,
            log_access: false,
            log_events: false,
            channels: Vec::new(),
            file: ConfigFile::default(),
        }
    }
}

impl Config {
    /// Reads a file. Keys that it leaves out have their defaults. Returns the line of each key too.
    pub(crate) fn read(path: &Path) -> Result<(Config, Vec<(String, usize)>), ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let text = text_file::read(path).map_err(failed)?;
        let read: Result<Config, _> = toml::from_str(&text);
        let config = read.map_err(|error| ConfigError::parse(path, &text, error))?;
        Ok((Config { file: ConfigFile::new(path, &text), ..config }, lines(&text)))
    }

    /// Returns the text of a file that [`read`](Config::read) accepts, with every setting but the
    /// publish key and the secrets of tokens.
    pub(crate) fn to_toml(&self) -> String {
        // Serialization of strings, numbers and lists of them cannot fail.
        let mut text = toml::to_string(self).unwrap_or_default();
        if self.publish_key.is_some() {
            text.push_str("# publish-key is set; it is not shown\n");
        }
        if !self.jwt_secret.is_empty() {
            text.push_str("# jwt-secret is set; it is not shown\n");
        }
        text
    }

    /// Returns how messages are compressed, if they are.
    pub(crate) fn compression(&self) -> Option<CompressionOptions> {
        (self.compression == Compression::Shared).then_some(CompressionOptions {
            level: self.compression_level,
            window_bits: self.compression_window,
            message_bytes_min: self.compression_min_size.0,
        })
    }

    /// Returns the publish key, given directly or in a file.
    pub(crate) fn publish_key(&self) -> Result<Option<PublishKey>, ConfigError> {
        let Some((key, place)) = self.publish_key_text()? else { return Ok(None) };
        PublishKey::new(&key).map(Some).map_err(|error| ConfigError::Key { place, error })
    }

    /// Returns the publish key as it is sent, and where it is set.
    pub(crate) fn publish_key_text(&self) -> Result<Option<(String, String)>, ConfigError> {
        let (key, place) = match (&self.publish_key, &self.publish_key_file) {
            (Some(_), Some(_)) => return Err(ConfigError::TwoKeys),
            (Some(Secret(key)), None) => (key.clone(), "--publish-key".to_owned()),
            (None, Some(path)) => {
                let failed = |source| ConfigError::Read { path: path.clone(), source };
                let text = text_file::read(path).map_err(failed)?;
                (text.trim_end().to_owned(), format!("--publish-key-file {}", path.display()))
            }
            (None, None) => return Ok(None),
        };
        Ok(Some((key, place)))
    }
}

/// Returns the keys of a file that is valid, each with its line.
fn lines(text: &str) -> Vec<(String, usize)> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let keys = table.get_ref().keys();
    keys.map(|key| (key.get_ref().to_string(), line(key.span().start))).collect()
}

/// Whether messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    /// No client gets compressed messages
    Off,
    /// Each message is compressed once, whoever reads it
    Shared,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The publish key, or the secret of tokens: a text that is never shown.
#[derive(Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Secret(pub(crate) String);

/// The error does not quote the value, because a number without quotes may be the secret.
impl TryFrom<toml::Value> for Secret {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Secret, Self::Error> {
        match value {
            toml::Value::String(text) => Ok(Secret(text)),
            _ => Err("expected a string in quotes"),
        }
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Secret, Self::Err> {
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Writes a list of values as their texts.
fn as_texts<S: Serializer>(values: &[impl Display], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

/// Reads one secret or a list of them. The error does not quote the value.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    let all = match toml::Value::deserialize(deserializer)? {
        toml::Value::Array(all) => all,
        one => vec![one],
    };
    all.into_iter().map(|one| Secret::try_from(one).map_err(D::Error::custom)).collect()
}

/// A list with one member may be written without the brackets.
fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a string or a list of strings")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    texts
        .iter()
        .map(|text| trimmed(text).map_err(|error| D::Error::custom(format!("`{text}`: {error}"))))
        .collect()
}
