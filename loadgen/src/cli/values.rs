//! What a value on the command line may look like: numbers with `k` and `M`, sizes, shares.
//! All values are bounded here, so that later code need not check them.
use fanfare::units::{parse_count, parse_size};

use crate::check::payload::Sizes;

/// Largest message. It fits in one frame and in a read buffer of reasonable size.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The most connections that one option may ask for. A process can usually have fewer files open,
/// so that limit applies first.
pub(super) const CONNECTIONS_MAX: u64 = 1_000_000;
/// The most publishers. Each of them costs four bytes of memory for every receiver.
pub(super) const PUBLISHERS_MAX: u64 = 1_000;
pub(super) const INFLIGHT_MAX: u64 = 65_536;
/// The most messages or openings per second.
pub(super) const RATE_MAX: u64 = 10_000_000;
/// The most messages or openings of a run. They are numbered with 32 bits.
pub(super) const MESSAGES_MAX: u64 = u32::MAX as u64;
/// The most threads. Each should have a core, and few machines have more.
pub(super) const THREADS_MAX: u64 = 256;

/// Returns a parser of a whole number, with `k` or `M` for thousands and millions.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| parse_number(text, least, most)
}

fn parse_number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let value = parse_count(text)?;
    let fits = (least..=most).contains(&value);
    if fits { Ok(value) } else { Err(format!("between {least} and {most}")) }
}

/// Returns a parser of `64`, `16KiB`, or a range `16..1k`, which includes both ends. No size may be
/// below `least`.
pub(super) fn sizes(least: usize) -> impl Fn(&str) -> Result<Sizes, String> + Clone {
    move |text| {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let sizes = Sizes { least: parse_bytes(from, least)?, most: parse_bytes(to, least)? };
        let is_range = sizes.least <= sizes.most;
        if is_range { Ok(sizes) } else { Err("the smaller size comes first".to_owned()) }
    }
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    parse_bytes(text, 1)
}

fn parse_bytes(text: &str, least: usize) -> Result<usize, String> {
    let value = parse_size(text)?;
    let fits = (least..=MESSAGE_BYTES_MAX).contains(&value);
    if fits { Ok(value) } else { Err(format!("between {least} and {MESSAGE_BYTES_MAX} bytes")) }
}

/// Parses a share as a fraction of 1, or as a percentage with `%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (digits, whole) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let value: f64 = digits.trim().parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=whole).contains(&value) {
        Ok(value / whole)
    } else {
        Err("between 0 and 1, or 0% and 100%".to_owned())
    }
}

/// A count, or with `%` a share of another number.
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
        parse_number(text, 0, CONNECTIONS_MAX).map(Amount::Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_sizes_and_times_with_units() {
        assert_eq!(number(1, CONNECTIONS_MAX)("19k"), Ok(19_000));
        assert_eq!(size("16KiB"), Ok(16_384));
        assert_eq!(size("32"), Ok(32));
        assert_eq!(sizes(1)("16..1k"), Ok(Sizes { least: 16, most: 1_000 }));
        assert_eq!(amount("5%").map(|amount| amount.of(1_000)), Ok(50));
        assert_eq!(amount("12").map(|amount| amount.of(1_000)), Ok(12));
        assert_eq!(number(1, RATE_MAX)("1M"), Ok(1_000_000));
    }

    #[test]
    fn refuses_what_is_out_of_bounds_or_ambiguous() {
        assert!(["0", "2m", "-1"].iter().all(|text| number(1, CONNECTIONS_MAX)(text).is_err()));
        assert!(sizes(40)("39").is_err() && size("17MiB").is_err() && size("1X").is_err());
        assert!(
            number(1, RATE_MAX)("99999999999999999999").is_err()
                && number(1, RATE_MAX)("999999999999999m").is_err()
        );
        assert!(
            sizes(1)("2..1").is_err()
                && share("101%").is_err()
                && share("1.5").is_err()
                && share("NaN").is_err()
        );
    }
}
