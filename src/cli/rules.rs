//! The rules for channels of a configuration: made from the tables in the file, and checked.

use std::num::NonZeroU32;

use fanfare::{
    ChannelRule, ChannelRules, JwtKey, MessageRate, PublishPolicy, RuleFault, SubscribePolicy,
};
use toml::Spanned;

use super::channel_table::ChannelTable;
use super::config::Config;
use super::config_error::ConfigError;
use super::flag_values::Ceiling;

/// Makes the rules of the tables in the file, and checks that each may count, and that they do not
/// contradict each other.
pub(crate) fn rules(
    config: &Config,
    keys: &[JwtKey],
    asks_application: bool,
) -> Result<ChannelRules, ConfigError> {
    let rules = config.channels.iter().map(|table| {
        match (keys.is_empty(), asks_application) {
            (true, false) => check_without_credentials(config, table)?,
            (true, true) => check_with_application(config, table)?,
            (false, _) => {}
        }
        Ok(rule(table))
    });
    let rules = rules.collect::<Result<Vec<ChannelRule>, ConfigError>>()?;
    let rules = ChannelRules::new(rules)
        .map_err(|error| ConfigError::Rule(format!("[[channels]]: {error}")))?;
    match rules.fault() {
        None => Ok(rules),
        Some(fault) => Err(explain(config, &fault)),
    }
}

/// Checks a rule of a server on which nobody signs in.
fn check_without_credentials(config: &Config, table: &ChannelTable) -> Result<(), ConfigError> {
    let needs_keys = |key: &str| {
        format!(
            "{key} = \"token\" without a key for tokens: nobody could have one; give a \
             --jwt-secret, --jwt-secret-file or --jwt-public-key, or an --authorize-url"
        )
    };
    if let Some(value) = &table.publish
        && *value.get_ref() == PublishPolicy::Token
    {
        return Err(config.file.error(value.span(), needs_keys("publish")));
    }
    if let Some(value) = &table.subscribe
        && *value.get_ref() == SubscribePolicy::Token
    {
        return Err(config.file.error(value.span(), needs_keys("subscribe")));
    }
    Ok(())
}

/// Checks a rule of a server that asks an application.
fn check_with_application(config: &Config, table: &ChannelTable) -> Result<(), ConfigError> {
    if let (Some(subscribe), Some(publish)) = (&table.subscribe, &table.publish)
        && *subscribe.get_ref() == SubscribePolicy::All
        && *publish.get_ref() == PublishPolicy::Token
    {
        let text = "publish = \"token\" where subscribe = \"all\": the application is not asked \
                    about a channel to which everybody may subscribe, so nobody could publish \
                    there; leave out subscribe, or set publish to \"all\" or \"none\"";
        return Err(config.file.error(publish.span(), text.to_owned()));
    }
    Ok(())
}

fn rule(table: &ChannelTable) -> ChannelRule {
    let ChannelTable { pattern, publish, subscribe, message_rate, slow_policy } = table;
    ChannelRule {
        pattern: pattern.get_ref().clone(),
        publish: publish.as_ref().map(|value| *value.get_ref()),
        subscribe: subscribe.as_ref().map(|value| *value.get_ref()),
        message_rate: message_rate.as_ref().map(|value| rate(*value.get_ref())),
        slow_policy: slow_policy.as_ref().map(|value| *value.get_ref()),
    }
}

fn rate(Ceiling(limit): Ceiling) -> MessageRate {
    limit.and_then(NonZeroU32::new).map_or(MessageRate::Off, MessageRate::PerSecond)
}

/// Says where a mistake is, and what to do.
fn explain(config: &Config, fault: &RuleFault) -> ConfigError {
    let pattern = |rule: usize| config.channels[rule].pattern.get_ref();
    let line = |rule: usize| config.file.line(config.channels[rule].pattern.span());
    let (rule, text) = match fault {
        RuleFault::NoChannel { rule } => (
            *rule,
            format!(
                "match = \"{}\" covers no channel: a name has no control characters and does not \
                 begin with -/",
                pattern(*rule)
            ),
        ),
        RuleFault::NeverFirst { rule, covered_by: Some(earlier) } => (
            *rule,
            format!(
                "match = \"{}\" never counts, because \"{}\" in line {} covers all of its channels \
                 and comes first: move it in front of that rule, or leave it out",
                pattern(*rule),
                pattern(*earlier),
                line(*earlier)
            ),
        ),
        RuleFault::NeverFirst { rule, covered_by: None } => (
            *rule,
            format!(
                "match = \"{}\" never counts, because the rules before it cover all of its \
                 channels together: move it in front of them, or leave it out",
                pattern(*rule)
            ),
        ),
        RuleFault::Contradiction { first, second, channel, key } => (
            *second,
            format!(
                "match = \"{}\" contradicts \"{}\" in line {}: both cover the channel {channel}, \
                 each sets {key} to another value, and neither is an exception to the other; put a \
                 rule for the channels that both cover in front of them",
                pattern(*second),
                pattern(*first),
                line(*first)
            ),
        ),
    };
    config.file.error(config.channels[rule].pattern.span(), text)
}

/// Returns warnings about rules that work but may be a mistake.
pub(crate) fn warnings(config: &Config, has_key: bool) -> Vec<String> {
    let all = config.channels.iter().filter_map(|table| table.publish.as_ref());
    let closed = all.filter(|value| !has_key && *value.get_ref() == PublishPolicy::None);
    let warning = |value: &Spanned<PublishPolicy>| {
        let place = config.file.place(value.span());
        format!("{place}: publish = \"none\" without a --publish-key: no client can publish there")
    };
    closed.map(warning).collect()
}
