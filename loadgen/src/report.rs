//! The result of a run: sections of named values, as text for people and as one JSON object. Both are made of the
//! same rows, so neither can say what the other does not.
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::latency::{Latencies, LatencySummary, QUANTILES};

/// In JSON a value is an integer of bytes or nanoseconds, and its name says which; what was not measured is null.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Count(u64),
    Bytes(u64),
    /// A growth, which may be negative.
    Growth(i64),
    Nanos(u64),
    PerSecond(f64),
    /// Of 1; shown in percent.
    Share(f64),
    Text(String),
    Latency(LatencySummary),
    /// Not measured.
    Absent,
}

impl From<&Latencies> for Value {
    fn from(latencies: &Latencies) -> Value {
        latencies.summary().map_or(Value::Absent, Value::Latency)
    }
}

#[derive(Default)]
pub(crate) struct Section {
    rows: Vec<(String, Value)>,
}

impl Section {
    /// `name` is the key in JSON: snake case, its unit last, so that it is the same whether measured or not. The text
    /// has it in words, without the unit.
    pub(crate) fn row(&mut self, name: impl Into<String>, value: Value) -> &mut Section {
        self.rows.push((name.into(), value));
        self
    }

    pub(crate) fn optional(&mut self, name: &str, value: Option<Value>) -> &mut Section {
        self.row(name, value.unwrap_or(Value::Absent))
    }
}

#[derive(Default)]
pub(crate) struct Report {
    sections: Vec<(&'static str, Section)>,
    /// Set with `--verify off`: what would fail is only noted.
    judges_nothing: bool,
    failures: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    /// The section of this name, made when it is not there.
    pub(crate) fn section(&mut self, name: &'static str) -> &mut Section {
        let at = self.sections.iter().position(|(found, _)| *found == name).unwrap_or_else(|| {
            self.sections.push((name, Section::default()));
            self.sections.len() - 1
        });
        &mut self.sections[at].1
    }

    pub(crate) fn judge_nothing(&mut self) {
        self.judges_nothing = true;
    }

    /// A check that the run did not pass; it sets the exit code.
    pub(crate) fn fail(&mut self, sentence: String) {
        if self.judges_nothing { &mut self.notes } else { &mut self.failures }.push(sentence);
    }

    /// Fails with `sentence` after the count, unless that is zero.
    pub(crate) fn fail_if_any(&mut self, count: u64, sentence: &str) {
        if count > 0 {
            self.fail(format!("{count} {sentence}"));
        }
    }

    /// Something a reader must know to judge the figures.
    pub(crate) fn note(&mut self, sentence: String) {
        self.notes.push(sentence);
    }

    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for (name, section) in &self.sections {
            let _ = writeln!(out, "{}", name.to_uppercase());
            let width = section.rows.iter().map(|(name, _)| label(name).len()).max().unwrap_or(0);
            for (name, value) in &section.rows {
                let _ = writeln!(out, "  {:width$}  {}", label(name), text_of(value));
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "NOTE  {note}");
        }
        for failure in &self.failures {
            let _ = writeln!(out, "FAILED  {failure}");
        }
        if self.passed() {
            out.push_str("PASSED\n");
        }
        out
    }

    pub(crate) fn to_json(&self) -> Json {
        let mut object = Map::new();
        for (name, section) in &self.sections {
            let rows = section.rows.iter().map(|(name, value)| (name.clone(), json_of(value)));
            object.insert((*name).to_owned(), Json::Object(rows.collect()));
        }
        object.insert("passed".to_owned(), json!(self.passed()));
        object.insert("failures".to_owned(), json!(self.failures));
        object.insert("notes".to_owned(), json!(self.notes));
        Json::Object(object)
    }
}

/// What a name ends in when its value has this unit.
const UNITS: [&str; 4] = ["_bytes", "_ns", "_per_second", "_share"];

fn label(name: &str) -> String {
    let bare = UNITS.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    bare.replace('_', " ")
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Count(count) => json!(count),
        Value::Bytes(bytes) => json!(bytes),
        Value::Growth(bytes) => json!(bytes),
        Value::Nanos(nanos) => json!(nanos),
        Value::PerSecond(rate) => json!(rate.round() as u64),
        Value::Share(share) => json!(share),
        Value::Text(text) => json!(text),
        Value::Latency(summary) => json_of_latency(summary),
        Value::Absent => Json::Null,
    }
}

fn json_of_latency(summary: &LatencySummary) -> Json {
    let mut object = Map::new();
    object.insert("count".to_owned(), json!(summary.count));
    object.insert("min".to_owned(), json!(summary.min_nanos));
    for ((name, _), nanos) in QUANTILES.iter().zip(summary.quantile_nanos) {
        object.insert((*name).to_owned(), json!(nanos));
    }
    object.insert("max".to_owned(), json!(summary.max_nanos));
    Json::Object(object)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Count(count) => count.to_string(),
        Value::Bytes(bytes) => bytes_text(*bytes),
        Value::Growth(bytes) => {
            format!("{}{}", if *bytes < 0 { '-' } else { '+' }, bytes_text(bytes.unsigned_abs()))
        }
        Value::Nanos(nanos) => nanos_text(*nanos),
        Value::PerSecond(rate) => format!("{rate:.0}/s"),
        Value::Share(share) => format!("{:.1} %", share * 100.0),
        Value::Text(text) => text.clone(),
        Value::Latency(summary) => {
            let mut out = format!("min {}", nanos_text(summary.min_nanos));
            for ((name, _), nanos) in QUANTILES.iter().zip(summary.quantile_nanos) {
                let _ = write!(out, "  {name} {}", nanos_text(nanos));
            }
            let _ = write!(out, "  max {}  of {}", nanos_text(summary.max_nanos), summary.count);
            out
        }
        Value::Absent => "not measured".to_owned(),
    }
}

fn nanos_text(nanos: u64) -> String {
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.2} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value / 1e6),
        1_000_000_000.. => format!("{:.3} s", value / 1e9),
    }
}

fn bytes_text(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{:.1} KiB", value / 1024.0),
        10_485_760.. => format!("{:.1} MiB", value / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        let section = report.section("check");
        section.row("lost", Value::Count(2)).row("took_ns", Value::Nanos(1_500));
        section.row("grown_bytes", Value::Growth(-2)).row("unknown_ns", Value::Absent);
        report
    }

    #[test]
    fn json_has_integers_with_units_in_their_names_and_null_for_absent() {
        assert_eq!(
            report().to_json().to_string(),
            r#"{"check":{"grown_bytes":-2,"lost":2,"took_ns":1500,"unknown_ns":null},"failures":[],"notes":[],"passed":true}"#
        );
    }

    #[test]
    fn text_says_the_same() {
        let mut report = report();
        report.fail_if_any(0, "never said");
        report.fail_if_any(2, "messages were lost");
        let expected = "CHECK\n  lost     2\n  took     1.50 µs\n  grown    -2 B\n  unknown  not measured\n\
                        FAILED  2 messages were lost\n";
        assert_eq!(report.to_text(), expected);
        assert!(!report.passed());
    }
}
