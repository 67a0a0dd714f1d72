//! What a value on the command line may look like: numbers with `k` and `m`, sizes, shares, headers.
//! Bounded here, so that nothing below has to ask whether it can hold them.
use fanfare::units::parse_size;

use crate::check::payload::{HEAD_BYTES, Sizes};

/// Largest message: what a frame header of this side and one read buffer handle without growing
/// absurdly.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Connections of one kind. A process has at most some hundred thousand files.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// Publishers: each costs every receiver four bytes.
const PUBLISHERS_MAX: u64 = 1_000;
const INFLIGHT_MAX: u64 = 65_536;
/// Events a second, of any kind.
const RATE_MAX: u64 = 10_000_000;
/// More threads than any machine has cores for.
const THREADS_MAX: u64 = 256;

pub(super) fn connections(text: &str) -> Result<u64, String> {
    number(text, 1, CONNECTIONS_MAX)
}

pub(super) fn connections_or_none(text: &str) -> Result<u64, String> {
    number(text, 0, CONNECTIONS_MAX)
}

pub(super) fn publishers(text: &str) -> Result<u64, String> {
    number(text, 1, PUBLISHERS_MAX)
}

pub(super) fn inflight(text: &str) -> Result<u64, String> {
    number(text, 1, INFLIGHT_MAX)
}

pub(super) fn rate(text: &str) -> Result<u64, String> {
    number(text, 1, RATE_MAX)
}

pub(super) fn rate_or_none(text: &str) -> Result<u64, String> {
    number(text, 0, RATE_MAX)
}

/// A whole number, with `k` or `m` for thousands and millions.
fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        _ => return Err(format!("unknown unit {unit:?}: k or m")),
    };
    let number: u64 = digits.parse().map_err(|_| "a whole number is needed".to_owned())?;
    let value = number.saturating_mul(factor);
    let fits = (least..=most).contains(&value);
    if fits { Ok(value) } else { Err(format!("between {least} and {most}")) }
}

pub(super) fn threads(text: &str) -> Result<u64, String> {
    number(text, 1, THREADS_MAX)
}

pub(super) fn messages(text: &str) -> Result<u64, String> {
    number(text, 1, u64::from(u32::MAX))
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    sized(text, 1)
}

/// `64`, `16KiB`, or a range `16..1k`, both ends included.
pub(super) fn sizes(text: &str) -> Result<Sizes, String> {
    sizes_from(text, 1)
}

pub(super) fn published_sizes(text: &str) -> Result<Sizes, String> {
    sizes_from(text, HEAD_BYTES)
}

fn sizes_from(text: &str, least: usize) -> Result<Sizes, String> {
    let (least_text, most_text) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (sized(least_text, least)?, sized(most_text, least)?);
    if from <= to {
        Ok(Sizes { least: from, most: to })
    } else {
        Err("the smaller size comes first".to_owned())
    }
}

fn sized(text: &str, least: usize) -> Result<usize, String> {
    let value = parse_size(text)?;
    let fits = (least..=MESSAGE_BYTES_MAX).contains(&value);
    if fits { Ok(value) } else { Err(format!("between {least} and {MESSAGE_BYTES_MAX} bytes")) }
}

/// A share of 1, or of 100 with `%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (digits, whole) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let value: f64 = digits.trim().parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=whole).contains(&value) {
        Ok(value / whole)
    } else {
        Err("between 0 and 1, or 0% and 100%".to_owned())
    }
}

/// How many of some number: a count, or a share with `%`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Amount {
    Count(u64),
    Share(f64),
}

impl Amount {
    pub(crate) fn of(self, total: u64) -> u64 {
        match self {
            Amount::Count(count) => count,
            Amount::Share(share) => (total as f64 * share).round() as u64,
        }
    }
}

pub(super) fn amount(text: &str) -> Result<Amount, String> {
    if text.ends_with('%') {
        share(text).map(Amount::Share)
    } else {
        connections_or_none(text).map(Amount::Count)
    }
}

/// `Name: value`, without what would end the line.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is \"Name: value\"")?;
    let is_clean =
        |part: &str| !part.is_empty() && !part.bytes().any(|byte| byte.is_ascii_control());
    let (name, value) = (name.trim(), value.trim());
    if is_clean(name) && is_clean(value) && !name.contains(' ') {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err("a header is \"Name: value\", on one line".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_sizes_and_times_with_units() {
        assert_eq!(connections("19k"), Ok(19_000));
        assert_eq!(size("16KiB"), Ok(16_384));
        assert_eq!(size("32"), Ok(32));
        assert_eq!(sizes("16..1k"), Ok(Sizes { least: 16, most: 1_000 }));
        assert_eq!(amount("5%").map(|amount| amount.of(1_000)), Ok(50));
        assert_eq!(amount("12").map(|amount| amount.of(1_000)), Ok(12));
        assert_eq!(
            header("Authorization: Bearer a:b"),
            Ok(("Authorization".into(), "Bearer a:b".into()))
        );
    }

    #[test]
    fn refuses_what_is_out_of_bounds_or_ambiguous() {
        assert!(
            connections("0").is_err() && connections("2m").is_err() && connections("-1").is_err()
        );
        assert!(published_sizes("39").is_err() && size("17MiB").is_err() && size("1X").is_err());
        assert!(rate("99999999999999999999").is_err() && rate("999999999999999m").is_err());
        assert!(
            sizes("2..1").is_err()
                && share("101%").is_err()
                && share("1.5").is_err()
                && share("NaN").is_err()
        );
        assert!(header("no colon").is_err() && header("a: b\r\nc: d").is_err());
    }
}
