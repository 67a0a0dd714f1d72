//! Which faults to cause, by `--fault` and a seed, and the ledger of those that happened.
use std::fmt;
use std::time::Duration;

use fanfare::protocol::CloseCode;
use serde::Serialize;

use crate::net::clock::parse_duration;
use crate::net::random::Random;

/// Probability 1. Probabilities are stored as multiples of 2^-53, which is as fine as a double
/// allows, and are compared without rounding.
const CERTAIN: u64 = 1 << 53;

/// What may happen to one copy of a message on its way to one receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Drop,
    Duplicate,
    /// The copy is sent after the one that follows it.
    Reorder,
    /// One of its bits is flipped.
    Corrupt,
}

/// The faults under their names in `--fault`. [`FaultPlan::draw`] goes through them in this order.
const FAULTS: [(&str, Fault); 4] = [
    ("drop", Fault::Drop),
    ("dup", Fault::Duplicate),
    ("reorder", Fault::Reorder),
    ("corrupt", Fault::Corrupt),
];

/// The server does nothing at all for a while, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stall {
    /// When it begins, counted from the first message.
    pub(crate) after: Duration,
    pub(crate) length: Duration,
}

/// `close=CODE@N`: each receiver is closed with `code` after that many messages to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CloseAfter {
    pub(crate) code: CloseCode,
    pub(crate) messages: u64,
}

/// Everything that `--fault` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FaultPlan {
    /// The probability of each of [`FAULTS`]. Invariant: the sum is at most [`CERTAIN`].
    rates: [u64; FAULTS.len()],
    pub(crate) stall: Option<Stall>,
    pub(crate) close: Option<CloseAfter>,
}

impl FaultPlan {
    /// Parses `drop=0.01,stall=2s@10s,…`. The error is a readable text.
    pub(crate) fn parse(text: &str) -> Result<FaultPlan, String> {
        let mut plan = FaultPlan::default();
        for part in text.split(',') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("{part:?}: a fault is name=value"))?;
            let is_new = match name {
                "stall" => plan.stall.replace(parse_stall(value)?).is_none(),
                "close" => plan.close.replace(parse_close(value)?).is_none(),
                _ => {
                    let at =
                        FAULTS.iter().position(|(known, _)| *known == name).ok_or_else(|| {
                            format!(
                                "unknown fault {name:?}: drop, dup, reorder, corrupt, stall or \
                        close"
                            )
                        })?;
                    std::mem::replace(&mut plan.rates[at], parse_rate(value)?) == 0
                }
            };
            if !is_new {
                return Err(format!("{name} is given twice"));
            }
        }
        if plan.rates.iter().sum::<u64>() > CERTAIN {
            return Err(
                "the probabilities add up to more than 1, and a copy has at most one fault"
                    .to_owned(),
            );
        }
        Ok(plan)
    }

    /// Returns true if copies may be changed, left out or delayed, or are counted for `close=`.
    pub(crate) fn touches_copies(&self) -> bool {
        self.close.is_some() || self.rates != [0; FAULTS.len()]
    }

    /// Draws a random fault for one copy. Returns `None` if it has none.
    pub(crate) fn draw(&self, random: &mut Random) -> Option<Fault> {
        let mut drawn = random.next() >> 11;
        for (rate, (_, fault)) in self.rates.iter().zip(FAULTS) {
            if drawn < *rate {
                return Some(fault);
            }
            drawn -= rate;
        }
        None
    }
}

fn parse_rate(value: &str) -> Result<u64, String> {
    let rate: f64 = value.parse().map_err(|_| format!("{value:?} is not a probability"))?;
    if !(0.0..=1.0).contains(&rate) {
        return Err(format!("{value} is not a probability: between 0 and 1"));
    }
    Ok((rate * CERTAIN as f64) as u64)
}

fn parse_stall(value: &str) -> Result<Stall, String> {
    let (length, after) = value.split_once('@').ok_or("a stall is LENGTH@AFTER, as in 2s@10s")?;
    Ok(Stall { length: parse_duration(length)?, after: parse_duration(after)? })
}

fn parse_close(value: &str) -> Result<CloseAfter, String> {
    let (code, messages) =
        value.split_once('@').ok_or("a close is CODE@MESSAGES, as in 4008@100")?;
    let code =
        code.parse().map(CloseCode::new).map_err(|_| format!("{code:?} is not a close code"))?;
    if !code.is_allowed_on_wire() {
        return Err(format!("{code} may not stand in a Close frame"));
    }
    let messages =
        messages.parse().map_err(|_| format!("{messages:?} is not a number of messages"))?;
    Ok(CloseAfter { code, messages })
}

/// Flips the lowest bit of one byte: of a letter or digit that `chosen` selects, or of the last
/// byte if there is none. The length stays the same and a text stays valid UTF-8, because the last
/// byte is ASCII or the last of its character, and only the second byte of a character has a
/// restricted range. Returns false if `payload` is empty.
pub(crate) fn corrupt(payload: &mut [u8], chosen: u64) -> bool {
    if payload.is_empty() {
        return false;
    }
    let start = (chosen % payload.len() as u64) as usize;
    let (before, after) = payload.split_at(start);
    let found = after.iter().chain(before).position(u8::is_ascii_alphanumeric);
    let at = found.map_or(payload.len() - 1, |distance| (start + distance) % payload.len());
    payload[at] ^= 1;
    true
}

/// Counts of what the server did. A copy (a message for one receiver) and its fault are counted
/// when queued, and subtracted if the connection ends before the kernel has taken all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Ledger {
    /// Connections that were upgraded.
    pub(crate) connections: u64,
    pub(crate) messages_in: u64,
    pub(crate) copies: u64,
    pub(crate) dropped: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    /// Receivers that were too far behind and were closed with 1013.
    pub(crate) closed_behind: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Ledger {
    pub(crate) fn faults(&mut self, fault: Fault) -> &mut u64 {
        match fault {
            Fault::Drop => &mut self.dropped,
            Fault::Duplicate => &mut self.duplicated,
            Fault::Reorder => &mut self.reordered,
            Fault::Corrupt => &mut self.corrupted,
        }
    }
}

impl fmt::Display for Ledger {
    /// Writes the ledger as one line of JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).expect("numbers under fixed names"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_list_of_faults() {
        let plan =
            FaultPlan::parse("drop=0.5,dup=0.25,reorder=0,stall=2s@10s,close=4008@100").unwrap();
        assert_eq!(plan.rates, [CERTAIN / 2, CERTAIN / 4, 0, 0]);
        assert_eq!(
            plan.stall,
            Some(Stall { length: Duration::from_secs(2), after: Duration::from_secs(10) })
        );
        assert_eq!(plan.close, Some(CloseAfter { code: CloseCode::SLOW_CONSUMER, messages: 100 }));
        assert!(plan.touches_copies());
        assert!(!FaultPlan::parse("stall=1ms@0s").unwrap().touches_copies());
    }

    #[test]
    fn refuses_a_list_and_says_why() {
        for (text, reason) in [
            ("", "name=value"),
            ("drop", "name=value"),
            ("lose=0.1", "unknown fault"),
            ("drop=x", "not a probability"),
            ("drop=NaN", "between 0 and 1"),
            ("drop=-0.1", "between 0 and 1"),
            ("drop=0.6,dup=0.6", "more than 1"),
            ("drop=0.1,drop=0.1", "twice"),
            ("stall=2s", "LENGTH@AFTER"),
            ("stall=2x@10", "not a duration"),
            ("stall=1s@25h", "24 hours"),
            ("stall=1s@1s,stall=1s@2s", "twice"),
            ("close=1005@1", "may not"),
            ("close=4008", "CODE@MESSAGES"),
        ] {
            let error = FaultPlan::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn faults_come_at_their_rates_and_by_the_seed() {
        let plan = FaultPlan::parse("drop=0.01,dup=0.005,reorder=0.02,corrupt=0.1").unwrap();
        let draws = |seed| {
            let mut random = Random::new(seed);
            (0..1_000_000).map(|_| plan.draw(&mut random)).collect::<Vec<_>>()
        };
        let drawn = draws(3);
        for (fault, expected) in [
            (Fault::Drop, 10_000),
            (Fault::Duplicate, 5_000),
            (Fault::Reorder, 20_000),
            (Fault::Corrupt, 100_000),
        ] {
            let count = drawn.iter().filter(|one| **one == Some(fault)).count() as i64;
            assert!((count - expected).abs() < expected / 10, "{fault:?} {count}");
        }
        assert_eq!(drawn, draws(3));
        assert_ne!(drawn, draws(4));
    }

    #[test]
    fn certain_faults_always_come_and_impossible_ones_never() {
        let mut random = Random::new(1);
        let certain = FaultPlan::parse("dup=1").unwrap();
        assert!((0..10_000).all(|_| certain.draw(&mut random) == Some(Fault::Duplicate)));
        assert!((0..10_000).all(|_| FaultPlan::default().draw(&mut random).is_none()));
    }

    #[test]
    fn corruption_flips_one_bit_and_leaves_text_valid() {
        for text in
            ["m0001.zZ9", "\u{1F600}é", "\u{e000}", "\u{d7ff}\u{10ffff}", "\"{}\"", "a", "€ 5"]
        {
            for chosen in 0..64 {
                let mut bytes = text.as_bytes().to_vec();
                assert!(corrupt(&mut bytes, chosen));
                assert!(std::str::from_utf8(&bytes).is_ok(), "{text} {chosen}");
                let flipped: u32 =
                    bytes.iter().zip(text.as_bytes()).map(|(a, b)| (a ^ b).count_ones()).sum();
                assert_eq!((bytes.len(), flipped), (text.len(), 1));
            }
        }
        assert!(!corrupt(&mut [], 0));
    }

    #[test]
    fn the_ledger_is_one_line_of_json() {
        let ledger = Ledger { copies: 3, bytes_out: 18, ..Ledger::default() };
        let value: serde_json::Value = serde_json::from_str(&ledger.to_string()).unwrap();
        assert_eq!((value["copies"].as_u64(), value["bytes_out"].as_u64()), (Some(3), Some(18)));
        assert_eq!(value.as_object().unwrap().len(), 10);
    }
}
