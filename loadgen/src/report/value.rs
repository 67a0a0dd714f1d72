//! A value of a report and its form in JSON: bytes and nanoseconds are integers, and a value that
//! was not measured is null. The row's name contains the unit.
use serde_json::{Map, Value as Json, json};

use crate::measure::latency::{Latencies, QUANTILES};

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Count(u64),
    Bytes(u64),
    /// A growth in bytes, which may be negative.
    Growth(i64),
    Nanos(u64),
    PerSecond(f64),
    /// A fraction of 1, shown in percent.
    Share(f64),
    Text(String),
    Flag(bool),
    /// Quantiles and count in nanoseconds, and the histogram as encoded by [`Latencies::encode`].
    Latency(Map<String, Json>),
    /// A value that was not measured.
    Absent,
}

impl From<&Latencies> for Value {
    fn from(latencies: &Latencies) -> Value {
        let histogram = latencies.histogram();
        if histogram.is_empty() {
            return Value::Absent;
        }
        let mut object = Map::new();
        object.insert("count".to_owned(), json!(histogram.len()));
        object.insert("min".to_owned(), json!(histogram.min()));
        for (name, quantile) in QUANTILES {
            object.insert(name.to_owned(), json!(histogram.value_at_quantile(quantile)));
        }
        object.insert("max".to_owned(), json!(histogram.max()));
        object.insert("histogram".to_owned(), json!(latencies.encode()));
        Value::Latency(object)
    }
}

impl Value {
    pub(super) fn to_json(&self) -> Json {
        match self {
            Value::Count(count) => json!(count),
            Value::Bytes(bytes) => json!(bytes),
            Value::Growth(bytes) => json!(bytes),
            Value::Nanos(nanos) => json!(nanos),
            Value::PerSecond(rate) => rounded(*rate, 10.0),
            Value::Share(share) => rounded(*share, 10_000.0),
            Value::Text(text) => json!(text),
            Value::Flag(flag) => json!(flag),
            Value::Latency(object) => Json::Object(object.clone()),
            Value::Absent => Json::Null,
        }
    }
}

/// Rounds to a multiple of 1/`parts`. Whole numbers become integers, infinity and NaN null.
fn rounded(value: f64, parts: f64) -> Json {
    let value = (value * parts).round() / parts;
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares_are_rounded_and_whole_ones_are_integers() {
        assert_eq!(Value::PerSecond(99.96).to_json().to_string(), "100");
        assert_eq!(Value::PerSecond(99.94).to_json().to_string(), "99.9");
        assert_eq!(Value::Share(0.123_456).to_json().to_string(), "0.1235");
        assert_eq!(Value::Share(f64::NAN).to_json(), Json::Null);
    }

    #[test]
    fn a_latency_has_its_summary_and_its_histogram() {
        let mut latencies = Latencies::new();
        latencies.record(1_000);
        let json = Value::from(&latencies).to_json();
        assert_eq!(
            (&json["count"], &json["p99.99"], &json["max"]),
            (&json!(1), &json!(1_000), &json!(1_000))
        );
        let stored = Latencies::decode(json["histogram"].as_str().unwrap()).unwrap();
        assert_eq!(stored.histogram(), latencies.histogram());
        assert_eq!(Value::from(&Latencies::new()).to_json(), Json::Null);
    }
}
