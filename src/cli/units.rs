//! How durations, sizes and limits that can be off are written in flags and files: `25s`, `64KiB`,
//! `off`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, as `65536`, `64KiB` or `64KB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let size: bytesize::ByteSize = text
            .parse()
            .map_err(|_| format!("`{text}` is not a size: write 65536, 64KiB or 1MiB"))?;
        usize::try_from(size.as_u64())
            .map(Size)
            .map_err(|_| format!("`{text}` is more than this machine can hold"))
    }
}

/// In the largest unit that loses nothing, so that it can be read back.
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
        humantime::parse_duration(text)
            .map(Time)
            .map_err(|_| format!("`{text}` is not a duration: write 25s, 500ms or 1m 30s"))
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
        match text.parse() {
            Ok(0) => Err("0 would let nothing through: write off for no limit".to_owned()),
            Ok(number) => Ok(Ceiling(Some(number))),
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

/// A value in a file may stand as a number or as a string; both are read as on the command line.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a string")]
enum Written {
    Number(u64),
    Text(String),
}

fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = match Written::deserialize(deserializer)? {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map_err(serde::de::Error::custom)
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

macro_rules! written_as_in_a_flag {
    ($($unit:ty),*) => {$(
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$unit, D::Error> {
                deserialize(deserializer)
            }
        }
    )*};
}

written_as_in_a_flag!(Size, Time, Ceiling);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_trip_without_loss() {
        for (text, bytes, shown) in [
            ("65536", 65536, "64KiB"),
            ("64KiB", 65536, "64KiB"),
            ("64kib", 65536, "64KiB"),
            ("64 KiB", 65536, "64KiB"),
            ("64KB", 64000, "64000"),
            ("1.5MiB", 1_572_864, "1536KiB"),
            ("65537", 65537, "65537"),
            ("3GiB", 3 << 30, "3GiB"),
            ("0", 0, "0"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(shown.parse(), Ok(size), "{text}");
        }
        for text in ["", "many", "-1", "64XB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_round_trip_without_loss() {
        for (text, milliseconds, shown) in [
            ("25s", 25_000, "25s"),
            ("500ms", 500, "500ms"),
            ("90s", 90_000, "1m 30s"),
            ("1m30s", 90_000, "1m 30s"),
        ] {
            let time: Time = text.parse().unwrap();
            assert_eq!(
                (time.0.as_millis(), time.to_string().as_str()),
                (milliseconds, shown),
                "{text}"
            );
            assert_eq!(shown.parse(), Ok(time), "{text}");
        }
        for text in ["", "25", "soon", "-1s"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_off() {
        assert_eq!("off".parse(), Ok(Ceiling(None)));
        assert_eq!("7".parse(), Ok(Ceiling(Some(7))));
        assert_eq!(Ceiling(None).to_string(), "off");
        for text in ["0", "-1", "many", ""] {
            assert!(text.parse::<Ceiling>().is_err(), "{text}");
        }
    }
}
