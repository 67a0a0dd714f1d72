//! How durations and sizes are written in flags and files. The commands of this repository read
//! them with these two functions, so that `1m 30s` and `64KiB` mean the same to all of them.

use std::time::Duration;

/// Reads a duration such as `25s`, `1m 30s` or `500us`. A number without a unit is an error.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a duration: write 25s, 500ms or 1m 30s"))
}

/// Reads a number of bytes such as `65536`, `64KiB` (65,536) or `64KB` and `64k` (64,000).
pub fn parse_size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize =
        text.parse().map_err(|_| format!("`{text}` is not a size: write 65536, 64KiB or 1MiB"))?;
    usize::try_from(size.as_u64())
        .map_err(|_| format!("`{text}` is more than this machine can hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_of_one_unit_and_of_several() {
        let micros = |text| parse_duration(text).map(|duration| duration.as_micros());
        for (text, expected) in [
            ("0s", 0),
            ("500us", 500),
            ("1500ms", 1_500_000),
            ("007s", 7_000_000),
            ("2m", 120_000_000),
            ("1m 30s", 90_000_000),
            ("1m30s", 90_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(micros(text), Ok(expected), "{text}");
        }
        for text in ["", "25", "soon", "-1s", "s", "99999999999999999999s"] {
            assert!(parse_duration(text).unwrap_err().contains("write 25s"), "{text}");
        }
    }

    #[test]
    fn reads_sizes_with_binary_and_decimal_units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("0064", 64),
            ("64B", 64),
            ("64KiB", 65_536),
            ("64kib", 65_536),
            ("64 KiB", 65_536),
            ("1k", 1_000),
            ("1K", 1_000),
            ("64KB", 64_000),
            ("1.5MiB", 1_572_864),
            ("3GiB", 3 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "many", "-1", "64XB", "KiB"] {
            assert!(parse_size(text).unwrap_err().contains("write 65536"), "{text}");
        }
    }
}
