//! The notation of durations, sizes, counts, optional limits and lists in flags and files: `25s`,
//! `64KiB`, `20k`, `off`, `one, other`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fanfare::units::{parse_count, parse_duration, parse_size};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Parses one item of a list, in which there may be spaces around the commas.
pub(crate) fn trimmed<T: FromStr<Err: fmt::Display>>(item: &str) -> Result<T, String> {
    item.trim().parse().map_err(|error: T::Err| error.to_string())
}

/// A number of bytes, as `65536`, `64KiB` or `64KB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        parse_size(text).map(Size)
    }
}

/// Writes the largest unit that is exact, so that the text can be read back.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A time, as `25s`, `1m 30s` or `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Time, String> {
        parse_duration(text).map(Time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A limit that can be switched off: a number, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ceiling(pub(crate) Option<u32>);

impl FromStr for Ceiling {
    type Err = String;

    fn from_str(text: &str) -> Result<Ceiling, String> {
        if text == "off" {
            return Ok(Ceiling(None));
        }
        match parse_count(text).map(u32::try_from) {
            Ok(Ok(0)) => Err("0 would let nothing through: write off for no limit".to_owned()),
            Ok(Ok(number)) => Ok(Ceiling(Some(number))),
            Ok(Err(_)) => Err(format!("`{text}` is too much: write off for no limit")),
            Err(_) => Err(format!("`{text}` is neither a number nor off")),
        }
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("off"),
        }
    }
}

/// Who may read and write a file, in octal digits as for chmod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileMode(pub(crate) u32);

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<FileMode, String> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777);
        let is_of_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        match mode.filter(|_| is_of_digits) {
            Some(mode) => Ok(FileMode(mode)),
            None => Err(format!("`{text}` is not a mode: write 660 for the user and the group")),
        }
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// Reads a count of things, as `1000`, `1k` or `1.5M`.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    usize::try_from(parse_count(text)?).map_err(|_| format!("`{text}` is too much"))
}

/// Reads a [`count`] from a file.
pub(crate) fn count_in_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(&text(deserializer)?).map_err(serde::de::Error::custom)
}

/// Reads a [`count`] from a file, for a setting that has no default.
pub(crate) fn some_count_in_file<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<usize>, D::Error> {
    count_in_file(deserializer).map(Some)
}

/// A value in a file may be a number or a string; both are parsed as on the command line.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a string")]
enum Written {
    Number(u64),
    Text(String),
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    })
}

fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(
    deserializer: D,
) -> Result<T, D::Error> {
    text(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Ceiling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => serializer.serialize_u32(number),
            None => serializer.collect_str(self),
        }
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! written_as_in_a_flag {
    ($($unit:ty),*) => {$(
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$unit, D::Error> {
                deserialize(deserializer)
            }
        }
    )*};
}

written_as_in_a_flag!(Size, Time, Ceiling, FileMode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_trip_without_loss() {
        for (bytes, shown) in [
            (65536, "64KiB"),
            (64000, "64000"),
            (1_572_864, "1536KiB"),
            (65537, "65537"),
            (3 << 30, "3GiB"),
            (0, "0"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
            assert_eq!(shown.parse(), Ok(Size(bytes)));
        }
    }

    #[test]
    fn durations_round_trip_without_loss() {
        assert_eq!("25".parse(), Ok(Time(Duration::from_secs(25))), "a number alone is seconds");
        for (milliseconds, shown) in [(25_000, "25s"), (500, "500ms"), (90_000, "1m 30s")] {
            let time = Time(Duration::from_millis(milliseconds));
            assert_eq!(time.to_string(), shown);
            assert_eq!(shown.parse(), Ok(time));
        }
    }

    #[test]
    fn a_count_may_have_a_unit_in_a_flag_and_in_a_file() {
        #[derive(Deserialize)]
        struct File {
            #[serde(deserialize_with = "count_in_file")]
            channels: usize,
            #[serde(default, deserialize_with = "some_count_in_file")]
            connections: Option<usize>,
        }
        assert_eq!(count("1.5M"), Ok(1_500_000));
        let file: File = toml::from_str("channels = '20k'\nconnections = 7").unwrap();
        assert_eq!((file.channels, file.connections), (20_000, Some(7)));
        let file: File = toml::from_str("channels = 1").unwrap();
        assert_eq!((file.channels, file.connections), (1, None));
        assert!(count("-1").is_err() && toml::from_str::<File>("channels = 1.5").is_err());
    }

    #[test]
    fn a_mode_is_octal_and_has_nothing_but_rights() {
        for (text, mode) in [("660", 0o660), ("0600", 0o600), ("777", 0o777), ("0o666", 0o666)] {
            assert_eq!(text.parse(), Ok(FileMode(mode)), "{text}");
        }
        assert_eq!(FileMode(0o60).to_string(), "060");
        for text in ["", "1777", "680", "rw", "-1", "+660", "0o"] {
            assert!(text.parse::<FileMode>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_off() {
        assert_eq!("off".parse(), Ok(Ceiling(None)));
        assert_eq!("7".parse(), Ok(Ceiling(Some(7))));
        assert_eq!("1.5k".parse(), Ok(Ceiling(Some(1_500))));
        assert_eq!(Ceiling(None).to_string(), "off");
        for text in ["0", "-1", "many", "", "9G"] {
            assert!(text.parse::<Ceiling>().is_err(), "{text}");
        }
    }
}
