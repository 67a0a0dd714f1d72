//! What two configurations differ in, and what of it needs a restart.

use super::config::{Config, Secret};

/// The settings that a server cannot change while it serves: it has made its sockets, threads,
/// buffers and logs by them, and peers have agreed on compression.
pub(crate) const NEED_RESTART: [&str; 13] = [
    "listen",
    "admin-listen",
    "socket-mode",
    "reactors",
    "max-message-size",
    "max-channels",
    "memory-limit",
    "channel-buffer",
    "slow-policy",
    "compression",
    "compression-min-size",
    "compression-window",
    "compression-level",
];

/// Gives those settings the values that they have in `running`.
pub(crate) fn keep_what_needs_a_restart(config: &mut Config, running: &Config) {
    config.listen.clone_from(&running.listen);
    config.admin_listen.clone_from(&running.admin_listen);
    config.socket_mode = running.socket_mode;
    config.reactors = running.reactors;
    config.max_message_size = running.max_message_size;
    config.max_channels = running.max_channels;
    config.memory_limit = running.memory_limit;
    config.channel_buffer = running.channel_buffer;
    config.slow_policy = running.slow_policy;
    config.compression = running.compression;
    config.compression_min_size = running.compression_min_size;
    config.compression_window = running.compression_window;
    config.compression_level = running.compression_level;
}

/// Returns the names of the settings that differ.
pub(crate) fn changed_keys(one: &Config, other: &Config) -> Vec<String> {
    // Numbers, texts and lists of them can always be written.
    let table = |config| toml::Table::try_from(config).unwrap_or_default();
    let (first, second) = (table(one), table(other));
    let mut keys: Vec<_> = first.keys().chain(second.keys()).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| first.get(key) != second.get(key));
    // Secrets are left out of the tables.
    let texts = |secrets: &[Secret]| -> Vec<String> {
        secrets.iter().map(|Secret(text)| text.clone()).collect()
    };
    if texts(one.publish_key.as_slice()) != texts(other.publish_key.as_slice()) {
        keys.push("publish-key".to_owned());
    }
    if texts(&one.jwt_secret) != texts(&other.jwt_secret) {
        keys.push("jwt-secret".to_owned());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in which every setting has another value than by default.
    const OTHER: &str = r#"
        listen = "127.0.0.1:1"
        admin-listen = "127.0.0.1:2"
        reactors = 3
        max-connections = 17
        max-connections-per-ip = 7
        accept-rate = 7
        socket-mode = "600"
        trusted-proxies = "10.0.0.1"
        tls-cert = "other"
        tls-key = "other"
        tls-client-ca = "other"
        tls-self-signed = true
        credential-failures-per-ip = 7
        openings-per-ip = 7
        publish = "all"
        publish-key = "other"
        publish-key-file = "other"
        jwt-secret = "other"
        jwt-secret-file = "other"
        jwt-public-key = "other"
        jwt-issuer = "other"
        jwt-audience = "other"
        jwt-leeway = "1s"
        token-cookie = "other"
        token-query = true
        authorize-url = "http://other.example/"
        authorize-timeout = "7s"
        allowed-hosts = "other"
        allowed-origins = "https://other.example"
        reject = "close"
        message-rate = 7
        echo = true
        max-message-size = 7
        max-channels = 7
        memory-limit = "777MiB"
        channel-buffer = "777KiB"
        slow-policy = "skip"
        slow-timeout = "7s"
        compression = "shared"
        compression-min-size = 7
        compression-window = 10
        compression-level = 7
        handshake-timeout = "7s"
        ping-interval = "7s"
        pong-timeout = "7s"
        idle-timeout = "7s"
        drain-timeout = "7s"
        log-format = "json"
        log-access = true
        log-events = true
        subprotocols = "other"
        [[channels]]
        match = "other"
    "#;

    #[test]
    fn every_setting_is_either_reloaded_or_kept_and_named() {
        let (other, default): (Config, _) = (toml::from_str(OTHER).unwrap(), Config::default());
        let all: toml::Table = toml::from_str(OTHER).unwrap();
        let mut changed = changed_keys(&default, &other);
        changed.sort_unstable();
        assert_eq!(changed, all.keys().cloned().collect::<Vec<_>>());
        // Whoever adds a setting has to add it above, and to think of what a reload does with it.
        let known = toml::Table::try_from(&Config { reactors: Some(1), ..other.clone() }).unwrap();
        assert!(known.keys().all(|key| all.contains_key(key)), "{known:?}");
        let mut merged = other;
        keep_what_needs_a_restart(&mut merged, &default);
        let mut reloaded = changed_keys(&default, &merged);
        reloaded.extend(NEED_RESTART.map(str::to_owned));
        reloaded.sort_unstable();
        assert_eq!(reloaded, changed);
    }

    #[test]
    fn the_same_settings_do_not_differ() {
        let other: Config = toml::from_str(OTHER).unwrap();
        assert_eq!(changed_keys(&other, &other.clone()), Vec::<String>::new());
    }
}
