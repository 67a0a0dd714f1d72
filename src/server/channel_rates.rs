//! The message rates of rules, by number: a session has one byte for the rate of its connection.

use super::channel_rules::{MessageRate, RULES_MAX};

/// The number of a rate; zero: as for channels without a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateNumber(u8);

/// Every rate that a rule has set since the server was started, so that a number keeps its rate
/// when other rules come into force.
#[derive(Debug, Default)]
pub(crate) struct ChannelRates(Vec<MessageRate>);

impl ChannelRates {
    /// To be called before other rules come into force. If there may be no numbers for their rates,
    /// which takes many reloads with ever other rates, forgets all and returns true. Then every
    /// peer must be judged again, and may have another rate until it is, which takes a second.
    pub(crate) fn make_room(&mut self) -> bool {
        let is_short = self.0.len() + RULES_MAX > usize::from(u8::MAX);
        if is_short {
            self.0.clear();
        }
        is_short
    }

    /// Returns the number of the rate that a channel's rule sets.
    pub(crate) fn number_of(&mut self, rate: Option<MessageRate>) -> RateNumber {
        let Some(rate) = rate else { return RateNumber::default() };
        let place = self.0.iter().position(|own| *own == rate).unwrap_or_else(|| {
            self.0.push(rate);
            self.0.len() - 1
        });
        RateNumber(place as u8 + 1)
    }

    /// Returns a limit, which is `default` if the channel's rule sets none.
    pub(crate) fn per_second(&self, number: RateNumber, default: Option<u32>) -> Option<u32> {
        let Some(place) = number.0.checked_sub(1) else { return default };
        match self.0.get(usize::from(place)) {
            Some(MessageRate::PerSecond(number)) => Some(number.get()),
            Some(MessageRate::Off) => None,
            None => default,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(number: u32) -> Option<MessageRate> {
        NonZeroU32::new(number).map(MessageRate::PerSecond)
    }

    #[test]
    fn a_number_keeps_its_rate() {
        let mut rates = ChannelRates::default();
        let unset = rates.number_of(None);
        let off = rates.number_of(Some(MessageRate::Off));
        assert!(!rates.make_room());
        let numbers: Vec<_> = (1..=155).map(|number| rates.number_of(rate(number))).collect();
        assert_eq!(rates.number_of(rate(7)), numbers[6]);
        assert_eq!(
            (rates.per_second(unset, Some(9)), rates.per_second(unset, None)),
            (Some(9), None)
        );
        assert_eq!(rates.per_second(off, Some(9)), None);
        for (number, expected) in numbers.into_iter().zip(1..) {
            assert_eq!(rates.per_second(number, Some(9)), Some(expected));
        }
        assert!(rates.make_room() && !rates.make_room());
        let next = rates.number_of(rate(1_000));
        assert_eq!(rates.per_second(next, None), Some(1_000), "there is room again");
    }
}
