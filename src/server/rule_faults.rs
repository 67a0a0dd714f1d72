//! Mistakes in rules for channels: rules that never count, and rules that contradict each other.

use super::channel_pattern::ChannelPattern;
use super::channel_rules::{ChannelRule, ChannelRules};
use super::pattern_search::{Effort, NameFound, find_name};

/// A mistake in [`ChannelRules`]. Rules are told by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleFault {
    /// The pattern covers no name that a channel can have.
    NoChannel {
        /// The rule.
        rule: usize,
    },
    /// Rules before this one cover all of its channels, so it never counts.
    NeverFirst {
        /// The rule.
        rule: usize,
        /// The rule that covers all of its channels; `None` if it takes several.
        covered_by: Option<usize>,
    },
    /// Two rules that meet say different things: both cover some channels, each covers others that
    /// the other does not, and they set the same key to different values. So neither is an
    /// exception to the other, and whoever reads the later one alone is misled. A rule in front of
    /// both, for the channels where they meet, settles it.
    Contradiction {
        /// The rule that counts where they meet.
        first: usize,
        /// The other one.
        second: usize,
        /// A channel that both cover.
        channel: String,
        /// The key that they set to different values, as it is written in the file.
        key: &'static str,
    },
}

impl ChannelRules {
    /// Returns the first mistake in the rules. Patterns with many stars can meet in so many ways
    /// that nobody could decide in time; then the search is given up after about a second, and
    /// `None` may be returned although there is one.
    ///
    /// ```
    /// use fanfare::{ChannelRule, ChannelRules, RuleFault};
    ///
    /// let rules = ["chat/**", "chat/staff"].map(|text| text.parse().map(ChannelRule::new));
    /// let rules: Result<Vec<_>, _> = rules.into_iter().collect();
    /// let fault = ChannelRules::new(rules?)?.fault();
    /// assert_eq!(fault, Some(RuleFault::NeverFirst { rule: 1, covered_by: Some(0) }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fault(&self) -> Option<RuleFault> {
        let (rules, effort) = (self.as_slice(), &mut Effort::new());
        (0..rules.len()).find_map(|second| {
            never_counts(rules, second, effort).or_else(|| {
                (0..second).find_map(|first| contradiction(rules, first, second, effort))
            })
        })
    }
}

/// Returns why a rule never counts, if it does not.
fn never_counts(rules: &[ChannelRule], rule: usize, effort: &mut Effort) -> Option<RuleFault> {
    let own = &rules[rule].pattern;
    let before: Vec<&ChannelPattern> = rules[..rule].iter().map(|one| &one.pattern).collect();
    if find_name(&[own], &[], effort) == NameFound::Nothing {
        return Some(RuleFault::NoChannel { rule });
    }
    if find_name(&[own], &before, effort) != NameFound::Nothing {
        return None;
    }
    let covered_by = before.iter().position(|one| is_covered(own, one, effort));
    Some(RuleFault::NeverFirst { rule, covered_by })
}

fn contradiction(
    rules: &[ChannelRule],
    first: usize,
    second: usize,
    effort: &mut Effort,
) -> Option<RuleFault> {
    let key = difference(&rules[first], &rules[second])?;
    let [one, other] = [first, second].map(|index| &rules[index].pattern);
    let before: Vec<&ChannelPattern> = rules[..first].iter().map(|one| &one.pattern).collect();
    let found = find_name(&[one, other], &before, effort);
    let NameFound::Name(channel) = found else { return None };
    // The first is an exception to the second.
    if is_covered(one, other, effort) {
        return None;
    }
    Some(RuleFault::Contradiction { first, second, channel, key })
}

fn is_covered(pattern: &ChannelPattern, by: &ChannelPattern, effort: &mut Effort) -> bool {
    find_name(&[pattern], &[by], effort) == NameFound::Nothing
}

/// Returns a key that both rules set, to different values.
fn difference(one: &ChannelRule, other: &ChannelRule) -> Option<&'static str> {
    fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.zip(other).is_some_and(|(one, other)| one != other)
    }
    [
        ("publish", differ(one.publish, other.publish)),
        ("subscribe", differ(one.subscribe, other.subscribe)),
        ("message-rate", differ(one.message_rate, other.message_rate)),
        ("slow-policy", differ(one.slow_policy, other.slow_policy)),
    ]
    .into_iter()
    .find_map(|(key, differs)| differs.then_some(key))
}

#[cfg(test)]
mod tests {
    use super::super::policies::PublishPolicy;
    use super::*;

    /// Makes rules from lines of a pattern and, for most, whom the rule lets publish.
    fn fault(lines: &[(&str, Option<PublishPolicy>)]) -> Option<RuleFault> {
        let rule = |(text, publish): &(&str, _)| ChannelRule {
            publish: *publish,
            ..ChannelRule::new(text.parse().unwrap())
        };
        ChannelRules::new(lines.iter().map(rule)).unwrap().fault()
    }

    #[test]
    fn a_rule_never_counts_if_others_before_it_cover_its_channels() {
        assert_eq!(fault(&[]), None);
        assert_eq!(fault(&[("chat/1", None), ("chat/*", None), ("**", None)]), None);
        for (lines, expected) in [
            (&["a", "a"][..], RuleFault::NeverFirst { rule: 1, covered_by: Some(0) }),
            (&["b", "**", "chat/*"], RuleFault::NeverFirst { rule: 2, covered_by: Some(1) }),
            (
                &["*", "/", "/**", "**/", "**/**", "**"],
                RuleFault::NeverFirst { rule: 5, covered_by: None },
            ),
            (&["-/metrics"], RuleFault::NoChannel { rule: 0 }),
        ] {
            let lines: Vec<_> = lines.iter().map(|text| (*text, None)).collect();
            assert_eq!(fault(&lines), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn rules_contradict_each_other_where_they_meet_and_neither_is_an_exception() {
        let (all, none) = (Some(PublishPolicy::All), Some(PublishPolicy::None));
        let (one, other) = (("chat/*", all), ("*/staff", none));
        let meet = |first| RuleFault::Contradiction {
            first,
            second: first + 1,
            channel: "chat/staff".to_owned(),
            key: "publish",
        };
        assert_eq!(fault(&[one, other]), Some(meet(0)));
        assert_eq!(fault(&[("news", all), one, other]), Some(meet(1)));
        assert_eq!(fault(&[("chat/staff", none), one, other]), None, "the first settles it");
        assert_eq!(fault(&[("chat/*", all), ("*/staff", all)]), None, "they say the same");
        assert_eq!(fault(&[("chat/*", all), ("*/staff", None)]), None, "only one says it");
        assert_eq!(fault(&[("chat/staff", none), ("chat/*", all)]), None, "an exception");
        assert_eq!(fault(&[("chat/*", all), ("news/*", none)]), None, "they do not meet");
    }
}
