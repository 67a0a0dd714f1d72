//! Reads a row's unit from its name, which alone determines it, and formats figures as text.
use serde_json::Value as Json;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Count,
    Nanos,
    Bytes,
    /// A fraction of 1.
    Share,
}

/// A row's name in parts: `server_ns_per_message` is `server`, in nanoseconds, per `message`.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Measure<'a> {
    pub(super) unit: Unit,
    /// `server` in the example.
    bare: &'a str,
    /// `message` in the example.
    per: Option<&'a str>,
}

impl<'a> Measure<'a> {
    pub(super) fn of(name: &'a str) -> Measure<'a> {
        let (base, per) = match name.rsplit_once("_per_") {
            Some((base, per)) if !per.contains('_') => (base, Some(per)),
            Some(_) | None => (name, None),
        };
        let (bare, unit) = match base.rsplit_once('_') {
            Some((bare, "ns")) => (bare, Unit::Nanos),
            Some((bare, "bytes")) => (bare, Unit::Bytes),
            Some((bare, "share")) => (bare, Unit::Share),
            Some(_) | None => (base, Unit::Count),
        };
        Measure { unit, bare, per }
    }

    /// Returns the name in words, `server per message`. The unit is shown with the figure instead.
    pub(super) fn label(&self) -> String {
        let mut label = plain(self.bare).replace('_', " ");
        if let Some(per) = self.per {
            label.push_str(" per ");
            label.push_str(&plain(per));
        }
        label
    }

    /// Returns true if `name` names this row, with or without its unit.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.label().replace(' ', "_") == name || self.bare == name && self.per == Some("second")
    }
}

/// Formats a number of this unit.
pub(super) fn number_text(unit: Unit, number: f64) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    let size = number.abs();
    let text = match unit {
        Unit::Count if size < 100.0 && size.fract() != 0.0 => format!("{size:.1}"),
        Unit::Count => count_text(size.round() as u64),
        Unit::Nanos => nanos_text(size),
        Unit::Bytes => bytes_text(size),
        Unit::Share => format!("{:.1} %", size * 100.0),
    };
    format!("{sign}{text}")
}

/// Formats a count with commas between thousands.
pub(super) fn count_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn nanos_text(nanos: f64) -> String {
    match nanos {
        ..999.5 => format!("{nanos:.0} ns"),
        ..999.5e3 => three_digits(nanos / 1e3, "µs"),
        ..999.5e6 => three_digits(nanos / 1e6, "ms"),
        _ => three_digits(nanos / 1e9, "s"),
    }
}

fn bytes_text(bytes: f64) -> String {
    const KIB: f64 = 1_024.0;
    match bytes {
        ..1_023.5 => format!("{bytes:.0} B"),
        ..1_048_064.0 => three_digits(bytes / KIB, "KiB"),
        ..1_073_217_536.0 => three_digits(bytes / KIB / KIB, "MiB"),
        _ => three_digits(bytes / KIB / KIB / KIB, "GiB"),
    }
}

fn three_digits(value: f64, unit: &str) -> String {
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// Formats the value of a row. A latency is formatted as one line;
/// [`latencies`](super::finished::latencies) returns it as columns of a table.
pub(super) fn value_text(name: &str, value: &Json) -> String {
    match value {
        Json::Null => "not measured".to_owned(),
        Json::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Json::Number(number) => {
            number_text(Measure::of(name).unit, number.as_f64().unwrap_or(f64::NAN))
        }
        Json::String(text) => plain(text),
        Json::Object(latency) if is_latency(value) => {
            let of = |stat: &str| {
                latency.get(stat).and_then(Json::as_f64).map_or("-".to_owned(), nanos_text)
            };
            let count = latency.get("count").and_then(Json::as_u64).unwrap_or(0);
            format!(
                "p50 {}, p99 {}, max {}, of {}",
                of("p50"),
                of("p99"),
                of("max"),
                count_text(count)
            )
        }
        Json::Object(_) | Json::Array(_) => plain(&value.to_string()),
    }
}

pub(super) fn is_latency(value: &Json) -> bool {
    value.get("histogram").is_some()
}

/// Returns text from outside on one line, without characters that control a terminal.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(name: &str, value: &Json) -> String {
        format!("{}: {}", Measure::of(name).label(), value_text(name, value))
    }

    #[test]
    fn names_tell_units_and_labels() {
        assert_eq!(told("server_ns_per_message", &json!(3_100)), "server per message: 3.10 µs");
        assert_eq!(
            told("resident_per_connection_bytes", &json!(-2)),
            "resident per connection: -2 B"
        );
        assert_eq!(
            told("payload_bytes_per_second", &json!(65_536)),
            "payload per second: 64.0 KiB"
        );
        assert_eq!(told("sent_per_second", &json!(99.5)), "sent per second: 99.5");
        assert_eq!(told("busiest_thread_share", &json!(0.423)), "busiest thread: 42.3 %");
        assert_eq!(told("lost", &json!(1_234_567)), "lost: 1,234,567");
    }

    #[test]
    fn figures_have_three_digits_and_never_a_thousand_of_a_unit() {
        let nanos = [0.0, 999.0, 999_400.0, 999_600.0, 12_345_678.0, 1.8e9, 3_600e9];
        assert_eq!(
            nanos.map(|nanos| number_text(Unit::Nanos, nanos)).join(" "),
            "0 ns 999 ns 999 µs 1.00 ms 12.3 ms 1.80 s 3600 s"
        );
        let bytes = [0.0, 1_023.0, 1_024.0, 10_485_760.0, 3e9];
        assert_eq!(
            bytes.map(|bytes| number_text(Unit::Bytes, bytes)).join(" "),
            "0 B 1023 B 1.00 KiB 10.0 MiB 2.79 GiB"
        );
        assert_eq!([0, 999, 1_000, 123_456].map(count_text).join(" "), "0 999 1,000 123,456");
    }

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(plain("bell\x07 \x1b[31mred\nline"), "bell\\u{7} \\u{1b}[31mred\\nline");
    }
}
