//! Rules for the channels that a pattern covers: who may publish and subscribe, how fast, and what
//! happens to slow subscribers.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::hub::{ChannelName, SlowPolicies, SlowPolicy};

use super::channel_pattern::ChannelPattern;
use super::policies::{PublishPolicy, SubscribePolicy};

/// The most rules. Each request for a channel is compared with them, one after the other.
pub(crate) const RULES_MAX: usize = 100;

/// What holds for the channels that a pattern covers. What a rule leaves unset is as for channels
/// without a rule.
///
/// ```
/// use fanfare::{BroadcastOptions, ChannelRule, ChannelRules, PublishPolicy};
///
/// let mut announcements = ChannelRule::new("announcements/**".parse()?);
/// announcements.publish = Some(PublishPolicy::None);
/// let options = BroadcastOptions {
///     channel_rules: ChannelRules::new([announcements])?,
///     ..BroadcastOptions::default()
/// };
/// assert!(options.channel_rules.of("announcements/today").is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRule {
    /// The names of the channels.
    pub pattern: ChannelPattern,
    /// Who may publish, over a WebSocket and by `POST` alike. The publish key may in any case.
    pub publish: Option<PublishPolicy>,
    /// Who may subscribe, and read the channel by `GET`.
    pub subscribe: Option<SubscribePolicy>,
    /// How many messages a second each connection may send.
    pub message_rate: Option<MessageRate>,
    /// What happens to a subscriber that falls too far behind.
    pub slow_policy: Option<SlowPolicy>,
}

impl ChannelRule {
    /// Makes a rule that sets nothing yet.
    #[must_use]
    pub const fn new(pattern: ChannelPattern) -> ChannelRule {
        ChannelRule {
            pattern,
            publish: None,
            subscribe: None,
            message_rate: None,
            slow_policy: None,
        }
    }
}

/// A limit of how many messages a second a connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRate {
    /// No limit.
    Off,
    /// So many.
    PerSecond(NonZeroU32),
}

/// The rules for channels, in their order: of those that cover a channel, the first one counts, and
/// no other. A clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelRules(Arc<[ChannelRule]>);

/// There are more rules than the 100 that a server may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRules;

impl fmt::Display for TooManyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there may be {RULES_MAX} rules for channels")
    }
}

impl std::error::Error for TooManyRules {}

impl ChannelRules {
    /// Gathers rules.
    ///
    /// # Errors
    ///
    /// There are more than 100.
    pub fn new(rules: impl IntoIterator<Item = ChannelRule>) -> Result<ChannelRules, TooManyRules> {
        let rules: Arc<[ChannelRule]> = rules.into_iter().take(RULES_MAX + 1).collect();
        if rules.len() > RULES_MAX { Err(TooManyRules) } else { Ok(ChannelRules(rules)) }
    }

    /// Returns the rule of a channel, which is the first one whose pattern covers the name.
    #[must_use]
    pub fn of(&self, channel: &str) -> Option<&ChannelRule> {
        self.0.iter().find(|rule| rule.pattern.matches(channel))
    }

    /// Returns all rules.
    #[must_use]
    pub fn as_slice(&self) -> &[ChannelRule] {
        &self.0
    }

    /// Returns what the hub asks for the slow policy of a channel; `None` if no rule sets one.
    pub(crate) fn slow_policies(&self) -> Option<SlowPolicies> {
        let rules = self.clone();
        let of = move |name: ChannelName<'_>| rules.of(name.as_str())?.slow_policy;
        self.0.iter().any(|rule| rule.slow_policy.is_some()).then(|| SlowPolicies::new(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str) -> ChannelRule {
        ChannelRule::new(pattern.parse().unwrap())
    }

    #[test]
    fn the_first_rule_that_covers_a_channel_counts_alone() {
        let first = ChannelRule { slow_policy: Some(SlowPolicy::Skip), ..rule("chat/1") };
        let second = ChannelRule { publish: Some(PublishPolicy::None), ..rule("chat/*") };
        let rules = ChannelRules::new([first.clone(), second.clone()]).unwrap();
        assert_eq!(rules.of("chat/1"), Some(&first), "and it sets no `publish`");
        assert_eq!(rules.of("chat/2"), Some(&second));
        assert_eq!(rules.of("chat"), None);
        let policies = rules.slow_policies().unwrap();
        let policy = |channel| policies.of(ChannelName::parse(channel).unwrap());
        assert_eq!(policy("chat/1"), Some(SlowPolicy::Skip));
        assert_eq!((policy("chat/2"), policy("chat")), (None, None));
        assert!(ChannelRules::new([second]).unwrap().slow_policies().is_none());
    }

    #[test]
    fn there_are_a_hundred_rules_at_most() {
        let rules = |number: usize| ChannelRules::new(std::iter::repeat_n(rule("a"), number));
        assert_eq!(rules(100).unwrap().as_slice().len(), 100);
        assert_eq!(rules(101), Err(TooManyRules));
        assert_eq!(ChannelRules::new(std::iter::repeat(rule("a"))), Err(TooManyRules));
    }
}
