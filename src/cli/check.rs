//! `fanfare check`: is the configuration good, and what holds for a channel?

use std::io::{self, Write};

use clap::{ArgMatches, Args, ValueEnum};
use fanfare::{ChannelName, PublishPolicy, SubscribePolicy};
use toml::Spanned;

use super::channel_table::ChannelTable;
use super::config::Config;
use super::settings::Settings;
use super::sources::{self, Sources};
use super::terminal::print;

/// Check the configuration that `serve` would use; exit with 1 if it is bad
#[derive(Args)]
pub(crate) struct Check {
    /// Say which rule applies to this channel, and where each of its settings comes from
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    channel: Option<String>,
}

impl Check {
    pub(crate) fn run(&self, matches: &ArgMatches) -> Result<(), String> {
        let (config, sources) = sources::read(matches).map_err(|error| error.to_string())?;
        let settings = Settings::new(config).map_err(|error| sources.explain(&error))?;
        for warning in settings.warnings() {
            // Warnings go to standard error, because standard output may carry the configuration.
            let _ = writeln!(io::stderr(), "warning: {warning}");
        }
        if sources.print_config {
            return print(|out| out.write_all(settings.to_toml().as_bytes()));
        }
        match &self.channel {
            Some(channel) => {
                let text = about(channel, &settings, &sources)?;
                print(|out| out.write_all(text.as_bytes()))
            }
            None => print(|out| writeln!(out, "the configuration is valid")),
        }
    }
}

/// Says what holds for a channel, and why.
fn about(channel: &str, settings: &Settings, sources: &Sources) -> Result<String, String> {
    let wrong = |text: String| format!("--channel {channel}: {text}");
    ChannelName::parse(channel).map_err(|error| wrong(error.to_string()))?;
    if channel.starts_with("-/") {
        return Err(wrong("paths under /-/ are reserved".to_owned()));
    }
    let config = settings.config();
    let covers = |table: &&ChannelTable| table.pattern.get_ref().matches(channel);
    let mut covering = config.channels.iter().filter(covers);
    let rule = covering.next();
    let place = |table: &ChannelTable| {
        let pattern = &table.pattern;
        format!("\"{}\" ({})", pattern.get_ref(), config.file.place(pattern.span()))
    };
    let mut text = match rule {
        Some(rule) => format!("{channel}: the rule {}\n", place(rule)),
        None => format!("{channel}: no rule covers it, so the flags count\n"),
    };
    for other in covering {
        text.push_str(&format!("  {} covers it too, but comes later\n", place(other)));
    }
    for (key, value, origin) in values(rule, settings, sources) {
        text.push_str(&format!("  {key:<12} = {value:<10}  {origin}\n"));
    }
    Ok(text)
}

/// What is shown where the application decides.
const BY_APPLICATION: &str = "asked";

/// Returns each setting, its value and where that comes from.
fn values(
    rule: Option<&ChannelTable>,
    settings: &Settings,
    sources: &Sources,
) -> [(&'static str, String, String); 4] {
    let config = settings.config();
    let (has_tokens, asks) = (settings.has_tokens(), settings.asks_application());
    let by_keys = match (has_tokens, asks) {
        (true, _) => "default: there are keys for tokens",
        (false, true) => "default: there is an --authorize-url",
        (false, false) => "default: there are no keys for tokens",
    };
    let by_flag = |key: &str| sources.origin_of(key);
    let publish = match config.publish {
        Some(policy) => (name(&policy), by_flag("publish")),
        None if has_tokens => (name(&PublishPolicy::Token), by_keys.to_owned()),
        None if asks => (BY_APPLICATION.to_owned(), by_keys.to_owned()),
        None => ("(this machine)".to_owned(), "default: a peer on this machine may".to_owned()),
    };
    let subscribe = match (has_tokens, asks) {
        (true, _) => (name(&SubscribePolicy::Token), by_keys.to_owned()),
        (false, true) => (BY_APPLICATION.to_owned(), by_keys.to_owned()),
        (false, false) => (name(&SubscribePolicy::All), by_keys.to_owned()),
    };
    let rate = (config.message_rate.to_string(), by_flag("message-rate"));
    let slow_policy = (name(&config.slow_policy), by_flag("slow-policy"));
    let own = |table: Option<(String, String)>, other: (String, String)| table.unwrap_or(other);
    let (publish, subscribe, rate, slow_policy) = (
        own(rule.and_then(|rule| set(&rule.publish, config, name)), publish),
        own(rule.and_then(|rule| set(&rule.subscribe, config, name)), subscribe),
        own(rule.and_then(|rule| set(&rule.message_rate, config, ToString::to_string)), rate),
        own(rule.and_then(|rule| set(&rule.slow_policy, config, name)), slow_policy),
    );
    [
        ("publish", publish.0, publish.1),
        ("subscribe", subscribe.0, subscribe.1),
        ("message-rate", rate.0, rate.1),
        ("slow-policy", slow_policy.0, slow_policy.1),
    ]
}

/// Returns the value that a rule sets, and where.
fn set<T>(
    value: &Option<Spanned<T>>,
    config: &Config,
    shown: impl Fn(&T) -> String,
) -> Option<(String, String)> {
    let value = value.as_ref()?;
    Some((shown(value.get_ref()), config.file.place(value.span())))
}

/// Returns a value as it is written in a flag and in the file.
fn name<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
