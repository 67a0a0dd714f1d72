//! SIGHUP: reads the configuration again, and puts into force what can change while the server
//! serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ArgMatches;
use fanfare::{BroadcastOptions, Reloader, ServerTls, SharedOptions};
use tracing::{info, warn};

use super::config::Config;
use super::config_changes::{NEED_RESTART, changed_keys, keep_what_needs_a_restart};
use super::flag_values::Ceiling;
use super::log_format::LogFormatSwitch;
use super::settings::Settings;
use super::{sources, systemd};

/// What is needed to reload a server that serves.
pub(crate) struct Reload {
    /// The command line, which is read again together with the file and the environment.
    pub(crate) matches: ArgMatches,
    /// What is in force.
    pub(crate) settings: Settings,
    pub(crate) options: SharedOptions,
    /// What the listeners speak TLS by, if any does.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) reloader: Reloader,
    pub(crate) log_format: LogFormatSwitch,
}

impl Reload {
    /// Reads the configuration again. If it is good, puts it into force, and says in one line what
    /// has changed and what needs a restart. If it is bad, says in one line what is wrong with it,
    /// and nothing changes.
    pub(crate) fn run(&mut self, is_ending: &AtomicBool) {
        if !is_ending.load(Ordering::SeqCst) {
            systemd::tell_reloading();
        }
        let figures = Arc::clone(&self.options.current().reloads);
        let status = match self.reload() {
            Ok(text) => {
                figures.note_success();
                info!("SIGHUP: {text}");
                text
            }
            Err(error) => {
                figures.note_failure();
                warn!("SIGHUP: nothing has changed, because the configuration is bad: {error}");
                "the last reload has failed: see the log".to_owned()
            }
        };
        if !is_ending.load(Ordering::SeqCst) {
            systemd::tell_ready(&status);
        }
    }

    /// Returns what has changed, or what is wrong with the configuration.
    fn reload(&mut self) -> Result<String, String> {
        let (new, sources) = sources::read(&self.matches).map_err(|error| error.to_string())?;
        let running = self.settings.config();
        // The new configuration must be good as a whole, so that a restart with it would work.
        self.settings.like(new.clone()).map_err(|error| sources.explain(&error))?;
        let keys = changed_keys(running, &new);
        let (mut left, mut changed): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| NEED_RESTART.contains(&key.as_str()));
        let mut merged = new;
        keep_what_needs_a_restart(&mut merged, running);
        if !self.settings.counts_addresses() && sets_address_limit(&merged) {
            merged.max_connections_per_ip = running.max_connections_per_ip;
            changed.retain(|key| key != ADDRESS_LIMIT);
            left.push(ADDRESS_LIMIT.to_owned());
        }
        let mut merged = self.settings.like(merged).map_err(|error| {
            format!("{}; this needs a restart: {}", sources.explain(&error), left.join(", "))
        })?;
        // By default there is a limit behind proxies, and these may have come with this file.
        if !self.settings.counts_addresses() && merged.lift_address_limit() {
            left.push(ADDRESS_LIMIT.to_owned());
        }
        add_changed_files(&mut changed, self.settings.options(), merged.options());
        self.replace_certificates(&mut changed, &merged)?;
        let options = self.options.current();
        self.options.replace(BroadcastOptions {
            memory_limit: options.memory_limit,
            log_lines_dropped: Arc::clone(&options.log_lines_dropped),
            credential_failures: options.credential_failures.clone(),
            openings: options.openings.clone(),
            reloads: Arc::clone(&options.reloads),
            ..merged.options().clone()
        });
        merged.builder().apply_to(&self.reloader).map_err(|error| error.to_string())?;
        self.log_format.set(merged.log_format());
        let former = self.settings.warnings();
        for warning in merged.warnings().iter().filter(|warning| !former.contains(warning)) {
            warn!("{warning}");
        }
        self.settings = merged;
        Ok(outcome(&changed, &left))
    }

    /// Puts certificates and authorities into force, for connections that are accepted from now on.
    fn replace_certificates(
        &self,
        changed: &mut Vec<String>,
        merged: &Settings,
    ) -> Result<(), String> {
        let (Some(tls), Some(new)) = (&self.tls, merged.tls()) else { return Ok(()) };
        if self.settings.tls() == Some(new) {
            return Ok(());
        }
        tls.replace(new).map_err(|error| error.to_string())?;
        if !changed.iter().any(|key| key.starts_with("tls-")) {
            changed.push("the contents of the files of certificates".to_owned());
        }
        Ok(())
    }
}

/// The limit of connections from one address. It needs a restart only if there was none at the
/// start: the connections of each address were not counted then.
const ADDRESS_LIMIT: &str = "max-connections-per-ip";

fn sets_address_limit(config: &Config) -> bool {
    matches!(config.max_connections_per_ip, Some(Ceiling(Some(_))))
}

/// Adds the files of keys whose contents have changed, if the settings that name them have not.
fn add_changed_files(
    changed: &mut Vec<String>,
    before: &BroadcastOptions,
    after: &BroadcastOptions,
) {
    let is_named =
        |changed: &[String], start: &str| changed.iter().any(|key| key.starts_with(start));
    if before.publish_key != after.publish_key && !is_named(changed, "publish-key") {
        changed.push("the contents of publish-key-file".to_owned());
    }
    let names_keys = is_named(changed, "jwt-secret") || is_named(changed, "jwt-public-key");
    if before.jwt_keys != after.jwt_keys && !names_keys {
        changed.push("the contents of the files with keys of tokens".to_owned());
    }
}

/// Returns the text of the line about a good configuration.
fn outcome(changed: &[String], left: &[String]) -> String {
    let changed = match changed {
        [] => "the configuration was read again, and nothing has changed".to_owned(),
        keys => format!("the configuration was read again; in force now: {}", keys.join(", ")),
    };
    match left {
        [] => changed,
        keys => {
            format!("{changed}; left as it was, because it needs a restart: {}", keys.join(", "))
        }
    }
}
