//! Makes a server from a [`Config`]: works out the defaults that depend on the machine and on where
//! the server listens, and checks that the values fit together.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fanfare::{
    AddressCounts, BindError, BroadcastOptions, Builder, Closures, LimitsError, OriginPattern,
    PublishPolicy, Server, TlsOptions,
};

use super::certificates::{self, CertificateFlags};
use super::config::{Config, LogFormat};
use super::config_error::ConfigError;
use super::flag_values::{Ceiling, Size};
use super::listen_flag::{self, Reach, SYSTEMD};
use super::{authorizer, resources, rules, run, token_keys};

/// The default limit of connections from one address, if the server can be reached from elsewhere.
/// A large office behind one address fits; a single machine cannot use up all connections.
const CONNECTIONS_PER_IP: u32 = 256;

/// The default limit of wrong credentials from one address, if the server can be reached from
/// elsewhere: more than a person mistypes, and hopeless for who guesses.
const CREDENTIAL_FAILURES_PER_IP: u32 = 20;

/// The default of `--memory-limit`, in percent of the available memory.
const MEMORY_PERCENT: usize = 60;

/// A checked configuration in which every default is worked out.
pub(crate) struct Settings {
    config: Config,
    options: BroadcastOptions,
    reactors: usize,
    max_connections: usize,
    max_connections_per_ip: Option<u32>,
    /// Whether the server was started with such a limit.
    counts_addresses: bool,
    memory_limit: Size,
    /// What its listeners speak TLS by, if any does.
    tls: Option<TlsOptions>,
    /// Who can reach the server by each address for channels.
    reaches: Vec<Reach>,
    is_loopback: bool,
}

impl Settings {
    /// Checks everything that can be checked without listening.
    pub(crate) fn new(config: Config) -> Result<Settings, ConfigError> {
        let memory_limit = config.memory_limit.unwrap_or_else(|| {
            Size(whole_mebibytes(resources::available_memory() / 100 * MEMORY_PERCENT))
        });
        Settings::with_memory(config, memory_limit, None)
    }

    /// Checks another configuration for the server that runs with this one: by default it has the
    /// same memory. Names of addresses that are the same are not looked up again: where the server
    /// listens does not change, and what they mean now is no reason to refuse a reload.
    pub(crate) fn like(&self, config: Config) -> Result<Settings, ConfigError> {
        let memory_limit = config.memory_limit.unwrap_or(self.memory_limit);
        let settings = Settings::with_memory(config, memory_limit, Some(self))?;
        Ok(Settings { counts_addresses: self.counts_addresses, ..settings })
    }

    fn with_memory(
        config: Config,
        memory_limit: Size,
        running: Option<&Settings>,
    ) -> Result<Settings, ConfigError> {
        let same = running.filter(|running| {
            let Config { listen, admin_listen, .. } = &running.config;
            (listen, admin_listen) == (&config.listen, &config.admin_listen)
        });
        let reaches = match same {
            Some(running) => running.reaches.clone(),
            None => listen_flag::check(&config)?,
        };
        listen_flag::check_proxies(&config)?;
        let made = running.filter(|running| running.config.tls_self_signed);
        let made = made.and_then(|running| running.tls.as_ref()?.certificates.first());
        let tls = CertificateFlags::of(&config).read(made)?;
        let is_loopback = !reaches.contains(&Reach::Everywhere);
        let has_proxies = !config.trusted_proxies.is_empty() || reaches.contains(&Reach::File);
        // Then clients on other machines can be told apart by their addresses.
        let limits_addresses = !is_loopback || has_proxies;
        for host in &config.allowed_hosts {
            check_host(host)?;
        }
        if let Some(name) = &config.token_cookie {
            check_cookie(name)?;
        }
        for name in &config.subprotocols {
            check_subprotocol(name)?;
        }
        let Ceiling(per_ip) = config
            .max_connections_per_ip
            .unwrap_or(Ceiling(limits_addresses.then_some(CONNECTIONS_PER_IP)));
        let Ceiling(failures_per_ip) = config
            .credential_failures_per_ip
            .unwrap_or(Ceiling(limits_addresses.then_some(CREDENTIAL_FAILURES_PER_IP)));
        let expires_at = tls.as_ref().and_then(TlsOptions::expires_at);
        // Every limit counts: with a large `--max-message-size`, for example, each reactor takes
        // more memory.
        let reactors =
            config.reactors.unwrap_or_else(|| limits(&config, memory_limit).reactor_count());
        let settings = Settings {
            options: BroadcastOptions {
                credential_failures_per_ip: failures_per_ip,
                certificate_expires_at: expires_at.map(|time| time.as_secs()),
                ..options(&config, memory_limit)?
            },
            reactors,
            max_connections: config.max_connections.unwrap_or_else(|| {
                resources::connections_max(resources::open_files_max(), reactors)
            }),
            max_connections_per_ip: per_ip,
            counts_addresses: per_ip.is_some(),
            memory_limit,
            tls,
            reaches,
            is_loopback,
            config,
        };
        let builder = settings.builder();
        builder.check().map_err(|error| settings.explain(error))?;
        if same.is_none() {
            match builder.check_addresses() {
                // They are handed over when the server starts.
                Err(BindError::NoAddress) if settings.takes_sockets() => {}
                checked => checked.map_err(|error| ConfigError::Rule(run::explain(&error)))?,
            }
        }
        Ok(settings)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn options(&self) -> &BroadcastOptions {
        &self.options
    }

    /// Returns what the listeners speak TLS by, if any does.
    pub(crate) fn tls(&self) -> Option<&TlsOptions> {
        self.tls.as_ref()
    }

    /// Returns true if the connections of each address are counted.
    pub(crate) fn counts_addresses(&self) -> bool {
        self.counts_addresses
    }

    /// Takes away the limit of connections of each address. Returns false if there is none.
    pub(crate) fn lift_address_limit(&mut self) -> bool {
        self.max_connections_per_ip.take().is_some()
    }

    /// Returns the server's builder, without a handler.
    pub(crate) fn builder(&self) -> Builder<Closures> {
        limits(&self.config, self.memory_limit)
            .reactors(self.reactors)
            .max_connections(self.max_connections)
            .max_connections_per_ip(self.max_connections_per_ip)
    }

    /// Returns true if the server listens on sockets that the service manager hands over.
    pub(crate) fn takes_sockets(&self) -> bool {
        self.config.listen.iter().any(|address| address == SYSTEMD)
    }

    /// Returns warnings about settings that work but may be a mistake.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.is_loopback
            && let Some(warning) = exposure(&self.options)
        {
            warnings.push(warning.to_owned());
        }
        let signs_in = self.has_tokens() || self.asks_application();
        let trusts_loopback =
            self.config.trusted_proxies.iter().any(|one| one.contains(Ipv4Addr::LOCALHOST.into()));
        if !self.options.allowed_hosts.is_empty()
            && self.options.publish_key.is_none()
            && !signs_in
            && !trusts_loopback
        {
            warnings.push(
                "--allowed-hosts without a --publish-key: whoever reaches this server under such a \
                 name through a proxy on this machine may publish, unless the proxy adds \
                 X-Forwarded-For or is in --trusted-proxies"
                    .to_owned(),
            );
        }
        let takes_any_page = self.options.allowed_origins.iter().any(OriginPattern::is_any);
        if takes_any_page && self.is_loopback && !signs_in {
            warnings.push(
                "--allowed-origins '*' without tokens: every page that is open in a browser on \
                 this machine, of whatever site, may do what this machine may; list the origins of \
                 your pages, or set a --jwt-secret"
                    .to_owned(),
            );
        }
        if self.options.publish == Some(PublishPolicy::Token) && !signs_in {
            warnings.push(
                "--publish token without a --jwt-secret, --jwt-public-key or --authorize-url: \
                 nobody can publish over a WebSocket"
                    .to_owned(),
            );
        }
        warnings.extend(self.tls.iter().flat_map(certificates::warnings));
        let has_key = self.options.publish_key.is_some();
        warnings.extend(rules::warnings(&self.config, has_key));
        if self.max_connections as u64 > resources::open_files_max() {
            warnings.push(format!(
                "--max-connections {} is more than the {} files that this process may open: raise \
                 the limit (ulimit -n)",
                self.max_connections,
                resources::open_files_max()
            ));
        }
        warnings
    }

    /// Returns the configuration as a file; comments show the defaults that were worked out.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = self.config.to_toml();
        let mut comment = |is_open: bool, key: &str, value: &dyn std::fmt::Display| {
            if is_open {
                text.push_str(&format!("# {key} is not set: here it comes to {value}\n"));
            }
        };
        let config = &self.config;
        comment(config.reactors.is_none(), "reactors", &self.reactors);
        comment(config.max_connections.is_none(), "max-connections", &self.max_connections);
        let per_ip = Ceiling(self.max_connections_per_ip);
        comment(config.max_connections_per_ip.is_none(), "max-connections-per-ip", &per_ip);
        let failures = Ceiling(self.options.credential_failures_per_ip);
        comment(
            config.credential_failures_per_ip.is_none(),
            "credential-failures-per-ip",
            &failures,
        );
        comment(config.memory_limit.is_none(), "memory-limit", &self.memory_limit);
        let publish = match (self.has_tokens(), self.asks_application()) {
            (true, _) => "token",
            (false, true) => "what the application allows",
            (false, false) => "all for a peer on this machine, token for others",
        };
        comment(config.publish.is_none(), "publish", &publish);
        text
    }

    /// Turns an error of the library into one that names the flags.
    fn explain(&self, error: LimitsError) -> ConfigError {
        let Config { max_message_size, channel_buffer, .. } = &self.config;
        ConfigError::Rule(match error {
            LimitsError::NoReactor => {
                "--reactors must be at least 1: leave it out for one on each core".to_owned()
            }
            LimitsError::TooManyReactors => {
                "--reactors must be at most 256: more than one on each core is of no use".to_owned()
            }
            LimitsError::NoMessage => "--max-message-size must be at least 1".to_owned(),
            LimitsError::MessageTooLarge => "--max-message-size must be at most 1GiB".to_owned(),
            LimitsError::NoConnection => "--max-connections must be at least 1".to_owned(),
            LimitsError::NoChannel => "--max-channels must be at least 1".to_owned(),
            LimitsError::BufferTooSmall => format!(
                "--channel-buffer ({channel_buffer}) must be at least twice --max-message-size \
                 ({max_message_size}): set --channel-buffer {} or more",
                Size(max_message_size.0.saturating_mul(2))
            ),
            LimitsError::MemoryTooSmall if self.reactors > 1 => format!(
                "--memory-limit ({}) is shared out among {} reactors, which is too little for the \
                 channels and what the reactors send each other: set --memory-limit {} or more, or \
                 fewer --reactors",
                self.memory_limit,
                self.reactors,
                Size(self.builder().memory_limit_min().next_multiple_of(1 << 20))
            ),
            LimitsError::MemoryTooSmall => format!(
                "--memory-limit ({}) must be at least --channel-buffer ({channel_buffer})",
                self.memory_limit
            ),
            LimitsError::CompressionOutOfRange => {
                "--compression-window must be from 9 to 15, and --compression-level from 1 to 9"
                    .to_owned()
            }
            LimitsError::NoTime => {
                "--handshake-timeout, --idle-timeout, --ping-interval, --pong-timeout and \
                 --slow-timeout must not be zero"
                    .to_owned()
            }
        })
    }

    /// Returns what a POST must bear, for the example in the first log line.
    pub(crate) fn needed_bearer(&self) -> Option<&'static str> {
        match (&self.options.publish_key, self.has_tokens()) {
            (Some(_), _) => Some("KEY"),
            (None, true) => Some("TOKEN"),
            (None, false) => self.asks_application().then_some("KEY"),
        }
    }

    /// Returns what the first log line says if nobody can publish by POST.
    pub(crate) fn key_hint(&self) -> &'static str {
        match self.asks_application() && self.options.publish_key.is_none() {
            true => "; to publish by POST, add a --publish-key",
            false => "",
        }
    }

    /// Returns true if there are keys for tokens.
    pub(crate) fn has_tokens(&self) -> bool {
        !self.options.jwt_keys.is_empty()
    }

    /// Returns true if an application decides who may connect.
    pub(crate) fn asks_application(&self) -> bool {
        self.options.authorizer.is_some()
    }

    pub(crate) fn log_format(&self) -> LogFormat {
        self.config.log_format
    }

    /// Returns the count of log lines that were dropped, which the metrics show.
    pub(crate) fn log_lines_dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.options.log_lines_dropped)
    }

    /// Returns what the first log line says to users who will open the server under a host name
    /// that it does not know.
    pub(crate) fn host_hint(&self) -> &'static str {
        let knows_names =
            !self.options.allowed_hosts.is_empty() || !self.options.allowed_origins.is_empty();
        if self.is_loopback || knows_names {
            ""
        } else {
            "; to open it under a host name instead of an IP address, add --allowed-hosts NAME"
        }
    }
}

/// Returns a builder with the addresses, and with every limit whose default is not worked out.
fn limits(config: &Config, memory_limit: Size) -> Builder<Closures> {
    let addresses = config.listen.iter().filter(|address| *address != SYSTEMD);
    let builder = addresses.fold(Server::builder(), Builder::listen);
    let builder = config.admin_listen.iter().fold(builder, Builder::admin_listen);
    builder
        .trusted_proxies(config.trusted_proxies.iter().copied())
        .socket_mode(config.socket_mode.0)
        .accept_rate(config.accept_rate.0)
        .max_message_size(config.max_message_size.0)
        .max_channels(config.max_channels)
        .memory_limit(memory_limit.0)
        .channel_buffer(config.channel_buffer.0)
        .slow_policy(config.slow_policy)
        .compression(config.compression())
        .slow_timeout(config.slow_timeout.0)
        .handshake_timeout(config.handshake_timeout.0)
        .ping_interval(config.ping_interval.0)
        .pong_timeout(config.pong_timeout.0)
        .idle_timeout(config.idle_timeout.0)
        .drain_timeout(config.drain_timeout.0)
}

fn options(config: &Config, memory_limit: Size) -> Result<BroadcastOptions, ConfigError> {
    let jwt_keys = token_keys::keys(config)?;
    let authorizer = authorizer::authorizer(config, !jwt_keys.is_empty())?;
    let channel_rules = rules::rules(config, &jwt_keys, authorizer.is_some())?;
    Ok(BroadcastOptions {
        publish: config.publish,
        publish_key: config.publish_key()?,
        jwt_keys,
        jwt_issuer: config.jwt_issuer.clone(),
        jwt_audience: config.jwt_audience.clone(),
        jwt_leeway: config.jwt_leeway.0,
        token_cookie: config.token_cookie.clone(),
        token_query: config.token_query,
        authorizer,
        allowed_hosts: config.allowed_hosts.clone(),
        allowed_origins: config.allowed_origins.clone(),
        subprotocols: config.subprotocols.clone(),
        channel_rules,
        reject: config.reject,
        message_rate: config.message_rate.0,
        echo: config.echo,
        log_access: config.log_access,
        log_events: config.log_events,
        memory_limit: Some(memory_limit.0),
        log_lines_dropped: Arc::default(),
        reloads: Arc::default(),
        // The caller works them out.
        credential_failures_per_ip: None,
        certificate_expires_at: None,
        credential_failures: AddressCounts::default(),
        openings_per_ip: config.openings_per_ip.0,
        openings: AddressCounts::default(),
    })
}

/// Returns a warning for a server that can be reached from other machines, if it has no publish key
/// or lets every peer publish.
fn exposure(options: &BroadcastOptions) -> Option<&'static str> {
    if !options.jwt_keys.is_empty() || options.authorizer.is_some() {
        return None;
    }
    match (options.publish, options.publish_key.is_some()) {
        (Some(PublishPolicy::All), false) => Some(
            "listening beyond this machine without authentication, and with --publish all: whoever \
             reaches the address may subscribe and publish over a WebSocket; --publish none keeps \
             them from publishing, and a --publish-key lets those publish by POST who have it",
        ),
        (Some(PublishPolicy::All), true) => Some(
            "listening beyond this machine with --publish all: whoever reaches the address may \
             publish over a WebSocket, because only a POST needs the --publish-key; --publish none \
             keeps them from it",
        ),
        (None | Some(PublishPolicy::None | PublishPolicy::Token), false) => Some(
            "listening beyond this machine without authentication: whoever reaches the address may \
             subscribe; publishing from elsewhere is refused until there is a --publish-key",
        ),
        (None | Some(PublishPolicy::None | PublishPolicy::Token), true) => None,
    }
}

/// Rounds down to whole mebibytes, but at least one, for people to read.
fn whole_mebibytes(bytes: usize) -> usize {
    (bytes >> 20 << 20).max(1 << 20)
}

/// Returns true if a text is a token of RFC 2616 section 2.2.
fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}

/// Checks the name of a subprotocol (RFC 6455 section 4.1, item 10: a token).
fn check_subprotocol(name: &str) -> Result<(), ConfigError> {
    let wrong = |what: &str| Err(ConfigError::Rule(format!("--subprotocols {name}: {what}")));
    if name == "bearer" {
        return wrong(
            "this is how a client hands over a token; it is chosen where tokens are taken",
        );
    }
    if name.starts_with("fanfare.") {
        return wrong("this version speaks no protocol of its own");
    }
    match is_token(name) {
        true => Ok(()),
        false => wrong("this is neither the name of a subprotocol, such as chat, nor *"),
    }
}

/// Checks the name of a cookie (RFC 6265 section 4.1.1: a token).
fn check_cookie(name: &str) -> Result<(), ConfigError> {
    if !is_token(name) {
        return Err(ConfigError::Rule(format!(
            "--token-cookie {name}: this is not the name of a cookie, such as session"
        )));
    }
    Ok(())
}

fn check_host(host: &str) -> Result<(), ConfigError> {
    // Browsers send a name that is not ASCII in its encoded form, which begins with `xn--`.
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_of_name) {
        return Err(ConfigError::Rule(format!(
            "--allowed-hosts {host}: a host is a name alone, in ASCII (xn--…), without scheme, \
             port or *, as in dev.example.com"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::flag_values::Time;
    use super::*;

    fn settings(change: impl FnOnce(&mut Config)) -> Result<Settings, String> {
        let mut config = Config::default();
        change(&mut config);
        Settings::new(config).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_work_and_warn_of_nothing() {
        let settings = settings(|_| {}).unwrap();
        assert!(settings.is_loopback);
        assert_eq!(settings.max_connections_per_ip, None);
        assert_eq!(settings.warnings(), Vec::<String>::new());
    }

    #[test]
    fn a_reload_looks_up_no_names_of_addresses_that_are_the_same() {
        let mut running = settings(|_| {}).unwrap();
        running.config.listen = vec!["a-name-that-is-gone.invalid:80".into()];
        let new = Config { listen: running.config.listen.clone(), ..Config::default() };
        assert!(running.like(new.clone()).is_ok());
        let other = Config { admin_listen: Some("127.0.0.1:0".into()), ..new };
        assert!(running.like(other).is_err(), "a restart with it would fail");
    }

    #[test]
    fn a_server_for_everyone_is_warned_of_and_limited_per_address() {
        let open = settings(|config| config.listen = vec!["0.0.0.0:0".into()]).unwrap();
        assert_eq!(open.max_connections_per_ip, Some(CONNECTIONS_PER_IP));
        assert!(open.warnings()[0].contains("without authentication"));
        let off = settings(|config| {
            config.listen = vec!["127.0.0.1:0".into(), "[::]:0".into()];
            config.max_connections_per_ip = Some(Ceiling(None));
        });
        assert_eq!(off.unwrap().max_connections_per_ip, None);
    }

    #[test]
    fn behind_a_trusted_proxy_clients_are_limited_per_address_on_loopback_too() {
        let behind = settings(|config| {
            config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            config.allowed_hosts = vec!["live.example.com".into()];
        });
        let behind = behind.unwrap();
        assert_eq!(behind.max_connections_per_ip, Some(CONNECTIONS_PER_IP));
        assert_eq!(behind.warnings(), Vec::<String>::new(), "it tells who is elsewhere");
    }

    #[test]
    fn publishing_by_everyone_is_warned_of_with_and_without_a_key() {
        let warnings = |publish, key: Option<&str>| {
            let settings = settings(|config| {
                config.listen = vec!["0.0.0.0:0".into()];
                config.publish = publish;
                config.publish_key = key.map(|key| key.parse().unwrap());
            });
            settings.unwrap().warnings().join("\n")
        };
        use fanfare::PublishPolicy::{All, None as Nobody};
        assert!(warnings(Some(All), None).contains("subscribe and publish"));
        assert!(warnings(Some(All), Some("key")).contains("--publish all"));
        for publish in [None, Some(Nobody)] {
            assert!(warnings(publish, None).contains("publishing from elsewhere is refused"));
            assert_eq!(warnings(publish, Some("key")), "");
        }
    }

    #[test]
    fn names_that_a_proxy_on_this_machine_could_pass_on_are_warned_of_without_a_key() {
        let warnings = |key: Option<&str>| {
            let settings = settings(|config| {
                config.allowed_hosts = vec!["live.example.com".into()];
                config.publish_key = key.map(|key| key.parse().unwrap());
            });
            settings.unwrap().warnings().join("\n")
        };
        assert!(warnings(None).contains("through a proxy on this machine"));
        assert_eq!(warnings(Some("key")), "");
    }

    #[test]
    fn that_every_page_counts_as_this_machine_is_warned_of_without_tokens() {
        let warnings = |origin: &str, secret: Option<&str>| {
            let settings = settings(|config| {
                config.allowed_origins = vec![origin.parse().unwrap()];
                config.jwt_secret = secret.map(|text| text.parse().unwrap()).into_iter().collect();
            });
            settings.unwrap().warnings().join("\n")
        };
        assert!(warnings("*", None).contains("every page"));
        assert_eq!(warnings("*", Some(&"x".repeat(32))), "");
        assert_eq!(warnings("https://*.example.com", None), "");
    }

    #[test]
    fn a_server_that_asks_an_application_is_not_open() {
        let settings = settings(|config| {
            config.listen = vec!["0.0.0.0:0".into()];
            config.authorize_url = "http://127.0.0.1:8000/".parse().ok();
            config.publish = Some(PublishPolicy::Token);
        });
        let settings = settings.unwrap();
        assert_eq!(settings.warnings(), Vec::<String>::new());
        assert!(settings.key_hint().contains("--publish-key"));
        assert!(settings.to_toml().contains("authorize-url = \"http://127.0.0.1:8000/\""));
    }

    #[test]
    fn what_does_not_go_together_is_said_with_the_way_out() {
        let error = settings(|config| config.max_message_size = Size(1 << 20)).err().unwrap();
        assert!(error.contains("--channel-buffer 2MiB"), "{error}");
        let error = settings(|config| config.memory_limit = Some(Size(1000))).err().unwrap();
        assert!(error.contains("--memory-limit (1000)"), "{error}");
        let error = settings(|config| {
            config.memory_limit = Some(Size(3 << 20));
            config.reactors = Some(3);
        });
        let error = error.err().unwrap();
        assert!(error.contains("3 reactors") && error.contains("fewer --reactors"), "{error}");
        let (_, rest) = error.split_once("set --memory-limit ").unwrap();
        let enough = settings(|config| {
            config.memory_limit = Some(rest.split(' ').next().unwrap().parse().unwrap());
            config.reactors = Some(3);
        });
        assert!(enough.is_ok(), "what is said helps");
        for (reactors, rule) in [(0, "at least 1"), (257, "at most 256")] {
            let error = settings(|config| config.reactors = Some(reactors)).err().unwrap();
            assert!(error.contains("--reactors") && error.contains(rule), "{error}");
        }
    }

    #[test]
    fn a_small_memory_has_few_reactors_by_default_and_a_given_number_stands() {
        let small = settings(|config| config.memory_limit = Some(Size(1 << 20))).unwrap();
        assert_eq!(small.reactors, 1);
        assert!(small.to_toml().contains("\n# reactors is not set: here it comes to 1\n"));
        let given = settings(|config| config.reactors = Some(3)).unwrap();
        assert_eq!(given.reactors, 3);
        assert!(given.to_toml().contains("\nreactors = 3\n"));
    }

    #[test]
    fn whatever_the_limits_the_default_number_of_reactors_goes_with_them() {
        for (memory, message, buffer) in [
            (64 << 20, 16 << 20, 32 << 20),
            (64 << 20, 1 << 20, 2 << 20),
            (32 << 20, 16 << 20, 32 << 20),
            (1 << 20, 64 << 10, 1 << 20),
            (2 << 30, 512 << 20, 1 << 30),
        ] {
            let settings = settings(|config| {
                config.memory_limit = Some(Size(memory));
                config.max_message_size = Size(message);
                config.channel_buffer = Size(buffer);
            });
            assert_eq!(settings.err(), None, "{memory} {message} {buffer}");
        }
    }

    #[test]
    fn a_time_of_zero_is_refused_where_nothing_could_be_done_in_it() {
        let zero = Time(std::time::Duration::ZERO);
        let times: [fn(&mut Config) -> &mut Time; 5] = [
            |config| &mut config.slow_timeout,
            |config| &mut config.idle_timeout,
            |config| &mut config.handshake_timeout,
            |config| &mut config.ping_interval,
            |config| &mut config.pong_timeout,
        ];
        for time in times {
            let error = settings(|config| *time(config) = zero).err().unwrap();
            assert!(error.contains("--slow-timeout must not be zero"), "{error}");
        }
        assert!(settings(|config| config.drain_timeout = zero).is_ok(), "it cuts off at once");
    }

    #[test]
    fn the_same_address_twice_is_an_error_of_the_configuration() {
        for (listen, admin) in [
            (&["127.0.0.1:8080", "127.0.0.1:8080"][..], None),
            (&["0.0.0.0:8080", "127.0.0.1:8080"], None),
            (&["127.0.0.1:8080"], Some("127.0.0.1:8080")),
        ] {
            let error = settings(|config| {
                config.listen = listen.iter().map(|address| (*address).to_owned()).collect();
                config.admin_listen = admin.map(str::to_owned);
            });
            let error = error.err().unwrap();
            assert!(error.contains("127.0.0.1:8080") && error.contains("once"), "{error}");
        }
        let both = settings(|config| {
            config.listen = vec!["0.0.0.0:8080".into(), "[::]:8080".into()];
        });
        assert_eq!(both.err(), None);
    }

    #[test]
    fn a_server_for_everyone_that_knows_no_name_says_how_to_tell_it_one() {
        let hint = |listen: &str, hosts: &[&str], origins: &[&str]| {
            let settings = settings(|config| {
                config.listen = vec![listen.to_owned()];
                config.allowed_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
                config.allowed_origins = origins.iter().map(|one| one.parse().unwrap()).collect();
            });
            settings.unwrap().host_hint().contains("--allowed-hosts")
        };
        assert!(hint("0.0.0.0:8080", &[], &[]));
        assert!(!hint("127.0.0.1:8080", &[], &[]));
        assert!(!hint("0.0.0.0:8080", &["a.example"], &[]));
        assert!(!hint("0.0.0.0:8080", &[], &["https://a.example"]));
    }

    #[test]
    fn an_address_without_host_or_port_is_explained() {
        for address in ["8080", ":8080", "localhost", "tls:8080", "1.2.3.4:99999", ""] {
            let error = settings(|config| config.listen = vec![address.into()]).err();
            assert!(error.is_some_and(|error| error.contains("127.0.0.1:8080")), "{address}");
        }
    }

    #[test]
    fn an_allowed_host_is_a_name_alone() {
        for host in
            ["", "http://a.example", "a.example:80", "*.example", "a b", "b\u{fc}cher.example"]
        {
            assert!(settings(|config| config.allowed_hosts = vec![host.into()]).is_err(), "{host}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let settings = settings(|config| {
            config.allowed_origins = vec!["https://*.example.com".parse().unwrap()];
            config.message_rate = Ceiling(Some(7));
            config.trusted_proxies = vec!["10.1.2.3/8".parse().unwrap()];
            config.memory_limit = Some(Size(3 << 20));
        });
        let text = settings.unwrap().to_toml();
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(config.to_toml(), toml::to_string(&config).unwrap());
        assert!(text.starts_with(&config.to_toml()), "{text}");
        assert!(text.contains("message-rate = 7"), "{text}");
        assert!(text.contains(r#"trusted-proxies = ["10.0.0.0/8"]"#), "{text}");
    }
}
