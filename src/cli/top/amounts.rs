//! Numbers, bytes and times as people read them: short, and with their unit.

/// Returns a number with three digits or so: `0.4`, `12`, `3.5k`, `120M`.
pub(super) fn number(value: f64) -> String {
    scaled(value, 1000.0, &["", "k", "M", "G", "T"])
}

/// Returns a number of bytes: `512 B`, `1.5 KiB`, `12 MiB`.
pub(super) fn bytes(value: f64) -> String {
    scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB"])
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let (mut value, mut place) = (value.max(0.0), 0);
    // What would be rounded up to a thousand has the next unit already.
    while value >= step - 0.5 && place + 1 < units.len() {
        value /= step;
        place += 1;
    }
    let digits = usize::from(value < 9.95 && value.fract() > 0.0);
    format!("{value:.digits$}{}", units[place])
}

/// Returns a time in seconds: `85 µs`, `1.2 ms`, `3.4 s`.
pub(super) fn seconds(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 0.9995 => (value, "s"),
        value if value >= 0.000_999_5 => (value * 1e3, "ms"),
        value => (value * 1e6, "\u{b5}s"),
    };
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {unit}")
}

/// Returns how long something has lasted: `45s`, `3m 20s`, `2h 5m`, `12d 3h`.
pub(super) fn age(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{}d {}h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_have_their_unit() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (0.5, "0.5"),
            (7.0, "7"),
            (9.96, "10"),
            (12.4, "12"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (1234.0, "1.2k"),
            (45_678.0, "46k"),
            (2.5e9, "2.5G"),
        ] {
            assert_eq!(number(value), text);
        }
        for (value, text) in
            [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (12e6, "11 MiB")]
        {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [
            (0.0, "0.0 \u{b5}s"),
            (85e-6, "85 \u{b5}s"),
            (0.0012, "1.2 ms"),
            (0.25, "250 ms"),
            (3.4, "3.4 s"),
        ] {
            assert_eq!(seconds(value), text);
        }
        for (value, text) in [(5, "5s"), (200, "3m 20s"), (7500, "2h 5m"), (270_000, "3d 3h")] {
            assert_eq!(age(value), text);
        }
    }
}
