//! How durations, sizes and counts are written in flags and files. The commands of this repository
//! read them with these functions, so that `1m 30s`, `64KiB` and `20k` mean the same to all.

use std::time::Duration;

/// Reads a duration such as `25s`, `1m 30s`, `1.5h` or `500us`. A number alone is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let read = || {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        if !unit.is_empty() && !number.contains('.') {
            return humantime::parse_duration(text).ok();
        }
        // humantime reads neither a number without a unit nor a fraction. A fraction is read here,
        // and only in a duration of one unit.
        let one = match unit {
            "" => Duration::from_secs(1),
            _ if unit.contains(|c: char| c.is_ascii_digit()) => return None,
            _ => humantime::parse_duration(&format!("1{unit}")).ok()?,
        };
        Duration::try_from_secs_f64(number.parse::<f64>().ok()? * one.as_secs_f64()).ok()
    };
    read().ok_or_else(|| format!("`{text}` is not a duration: write 25s, 500ms or 1m 30s"))
}

/// Reads a number of bytes such as `65536`, `64KiB` (65,536) or `64KB` and `64k` (64,000).
pub fn parse_size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize =
        text.parse().map_err(|_| format!("`{text}` is not a size: write 65536, 64KiB or 1MiB"))?;
    usize::try_from(size.as_u64())
        .map_err(|_| format!("`{text}` is more than this machine can hold"))
}

/// Reads a whole number such as `20000`, `20k` or `1.5M`: `k`, `M` and `G` are a thousand, a
/// million and a thousand millions, in upper or lower case.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let read = || {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let zeros = match unit {
            "" => 0,
            "k" | "K" => 3,
            "m" | "M" => 6,
            "g" | "G" => 9,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let scaled = digits.checked_mul(10_u128.pow(zeros))?;
        let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let is_whole = scaled.is_multiple_of(divisor);
        is_whole.then(|| u64::try_from(scaled / divisor).ok()).flatten()
    };
    read().ok_or_else(|| format!("`{text}` is not a whole number: write 20000, 20k or 1.5M"))
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
            ("36h", 129_600_000_000),
            ("1.5s", 1_500_000),
            ("0.5h", 1_800_000_000),
            ("2.5 ms", 2_500),
        ] {
            assert_eq!(micros(text), Ok(expected), "{text}");
        }
        for text in ["", "soon", "-1", "-1s", "s", ".s", "1.5h 30m", "1.2.3s", "5 apples"] {
            assert!(parse_duration(text).unwrap_err().contains("write 25s"), "{text}");
        }
        for text in ["99999999999999999999", "99999999999999999999s", "1e3"] {
            assert!(parse_duration(text).unwrap_err().contains("write 25s"), "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_seconds() {
        let millis = |text| parse_duration(text).map(|duration| duration.as_millis());
        for (text, expected) in [("0", 0), ("25", 25_000), ("007", 7_000), ("0.25", 250)] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn reads_counts_with_units_in_either_case() {
        for (text, count) in [
            ("0", 0),
            ("007", 7),
            ("20k", 20_000),
            ("20K", 20_000),
            ("1M", 1_000_000),
            ("1m", 1_000_000),
            ("2G", 2_000_000_000),
            ("1.5M", 1_500_000),
            ("1.0", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_count(text), Ok(count), "{text}");
        }
        let long = format!("1.{}k", "0".repeat(60));
        for text in
            ["", "k", ".", "-1", "1.5", "1.2345k", "1kk", "5s", "18446744073709551616", &long]
        {
            assert!(parse_count(text).unwrap_err().contains("write 20000"), "{text}");
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
