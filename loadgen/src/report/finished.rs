//! How the views read a finished report. The report may be a stored file that somebody has edited,
//! so no code here relies on the presence of a key.
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value as Json};

use super::schema::SCHEMA;
use super::units::{Measure, count_text, is_latency, number_text, plain, value_text};
use super::verdict::Judgement;
use crate::measure::latency::{Latencies, QUANTILES};

/// Milliseconds from 1970 to the year 10000. Later moments are not shown as dates.
const UNIX_MILLIS_END: u64 = 253_402_300_800_000;

/// Objects at the top level of a report that are not sections of figures.
const NOT_SECTIONS: [&str; 2] = ["run", "verdict"];
/// In these sections, rows that were not measured (null) are not shown. Every report has these
/// rows, and most scenarios do not measure all of them.
const QUIET_SECTIONS: [&str; 4] = ["connect", "throughput", "check", "cpu"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Passed,
    /// A delivery check failed. Thresholds are then not considered.
    CheckFailed,
    ThresholdMissed,
}

pub(crate) fn outcome(report: &Json) -> Outcome {
    if !sentences(report, "failures").is_empty() {
        Outcome::CheckFailed
    } else if missed_thresholds(report) > 0 {
        Outcome::ThresholdMissed
    } else {
        Outcome::Passed
    }
}

pub(crate) fn is_generator_bound(report: &Json) -> bool {
    report["verdict"]["verdict"] == Judgement::GeneratorBound.name()
}

/// Parses a stored report. The error says why the text is not a report.
pub(crate) fn load(text: &str) -> Result<Json, String> {
    let report: Json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    match report.get("schema").and_then(Json::as_u64) {
        Some(SCHEMA) if report.get("loadgen").is_some() => Ok(report),
        Some(other) if other > SCHEMA => {
            Err(format!("a report of schema {other}; this loadgen reads {SCHEMA}"))
        }
        Some(_) | None => Err("not a report of loadgen".to_owned()),
    }
}

/// Returns all sections of figures in their order.
pub(super) fn sections(report: &Json) -> impl Iterator<Item = (&str, &Map<String, Json>)> {
    let entries = report.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.as_str(), value.as_object()?)))
        .filter(|(name, _)| !NOT_SECTIONS.contains(name))
}

pub(super) fn is_closed_loop(report: &Json) -> bool {
    report["run"]["loop"] == "closed"
}

/// Decodes the histogram of one latency. Returns `None` if it is missing or empty.
pub(super) fn decoded(latency: &Json) -> Option<Latencies> {
    let latencies = Latencies::decode(latency["histogram"].as_str()?).ok()?;
    (!latencies.histogram().is_empty()).then_some(latencies)
}

/// Returns text from outside on one line, without characters that control a terminal.
pub(crate) fn on_one_line(text: &str) -> String {
    plain(text)
}

/// Returns the text `name` of `object` without control characters; empty if there is none.
pub(super) fn text_of(object: &Json, name: &str) -> String {
    object[name].as_str().map(plain).unwrap_or_default()
}

/// Returns facts about a run besides scenario and URL: label, start, loop, cores, threads, seed.
pub(super) fn circumstances(report: &Json) -> Vec<String> {
    let run = &report["run"];
    let count = |name: &str| run[name].as_u64();
    let plural = |count: u64, one: &str| {
        format!("{} {one}{}", count_text(count), if count == 1 { "" } else { "s" })
    };
    let label = run["label"].as_str().map(plain);
    let started =
        count("started_unix_ms").filter(|millis| *millis < UNIX_MILLIS_END).map(|millis| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            humantime::format_rfc3339_seconds(time)
                .to_string()
                .replace('T', " ")
                .replace('Z', " UTC")
        });
    let open_or_closed = run["loop"].as_str().map(|kind| format!("{} loop", plain(kind)));
    let cores = count("cores").map(|cores| plural(cores, "core"));
    let threads = count("threads").map(|threads| plural(threads, "thread"));
    let seed = count("seed").map(|seed| format!("seed {seed}"));
    [label, started, open_or_closed, cores, threads, seed].into_iter().flatten().collect()
}

pub(super) fn settings(report: &Json) -> Vec<(String, String)> {
    let settings = report["run"]["settings"].as_object().into_iter().flatten();
    settings.map(|(flag, value)| (plain(flag), value_text(flag, value))).collect()
}

/// Returns the heading of a section.
pub(super) fn title(section: &str) -> String {
    let words = plain(section).replace('_', " ");
    let mut letters = words.chars();
    match (section, letters.next()) {
        ("cpu", _) => "CPU".to_owned(),
        (_, Some(first)) => first.to_uppercase().chain(letters).collect(),
        (_, None) => words,
    }
}

/// Returns the rows of a section as labels and figures.
pub(super) fn rows(section: &str, rows: &Map<String, Json>) -> Vec<(String, String)> {
    let is_quiet = QUIET_SECTIONS.contains(&section);
    let is_known = |name: &str| rows.get(name).is_some_and(|value| !value.is_null());
    let mut out: Vec<(String, String)> = rows
        .iter()
        .filter(|(_, value)| !(is_quiet && value.is_null()))
        .filter_map(|(name, value)| {
            let text = value_text(name, value);
            let text = match (section, name.as_str()) {
                ("connect", "wanted") if is_known("opened") => return None,
                ("connect", "opened") if is_known("wanted") => of(&text, rows, "wanted"),
                ("throughput", "expected") if is_known("delivered") => return None,
                ("throughput", "delivered") if is_known("expected") => of(&text, rows, "expected"),
                _ => text,
            };
            Some((Measure::of(name).label(), text))
        })
        .collect();
    if section == "cpu" && is_known("measured_ns") && !is_known("server_share") {
        out.push(("server".to_owned(), "not measured: --server-pid does".to_owned()));
    }
    out
}

/// Formats a figure together with its target, for example "990 of 1000 expected".
fn of(text: &str, rows: &Map<String, Json>, name: &str) -> String {
    format!(
        "{text} of {} {name}",
        rows.get(name).map_or(String::new(), |value| value_text(name, value))
    )
}

/// Returns the column headings of [`latencies`].
pub(super) fn latency_columns() -> Vec<&'static str> {
    let quantiles = QUANTILES.iter().map(|(name, _)| *name);
    ["min"].into_iter().chain(quantiles).chain(["max", "count"]).collect()
}

/// Returns the measured latencies as labels and figures.
pub(super) fn latencies(report: &Json) -> Vec<(String, Vec<String>)> {
    let rows = report["latency"].as_object().into_iter().flatten();
    rows.filter(|(_, latency)| is_latency(latency))
        .map(|(name, latency)| {
            let figure = |column: &&str| {
                let unit = if *column == "count" { "count" } else { "value_ns" };
                latency[*column]
                    .as_f64()
                    .map_or("-".to_owned(), |n| number_text(Measure::of(unit).unit, n))
            };
            (latency_label(report, name), latency_columns().iter().map(figure).collect())
        })
        .collect()
}

pub(super) fn latency_label(report: &Json, name: &str) -> String {
    let label = Measure::of(name).label();
    if is_closed_loop(report) { format!("{label} (closed loop)") } else { label }
}

/// Returns sentences that a reader must know to understand the latencies.
pub(super) fn latency_caveats(report: &Json) -> Vec<String> {
    let mut caveats = Vec::new();
    if is_closed_loop(report) {
        let caveat =
            "a closed loop waits for the server: these are service times, not latency at a rate";
        caveats.push(caveat.to_owned());
    }
    let errors: u64 = errors(report).iter().map(|error| error.count).sum();
    if errors > 0 {
        caveats.push(format!("{} errors are not among them", count_text(errors)));
    }
    caveats
}

pub(super) struct ErrorRow {
    pub(super) class: String,
    pub(super) count: u64,
    pub(super) first: String,
}

pub(super) fn errors(report: &Json) -> Vec<ErrorRow> {
    let errors = report["errors"].as_array().into_iter().flatten();
    errors
        .map(|error| ErrorRow {
            class: text_of(error, "class"),
            count: error["count"].as_u64().unwrap_or(0),
            first: text_of(error, "first"),
        })
        .collect()
}

pub(super) struct JudgedThreshold {
    pub(super) expression: String,
    /// The figure, or the reason why there is none.
    pub(super) value: String,
    pub(super) passed: bool,
}

pub(super) fn thresholds(report: &Json) -> Vec<JudgedThreshold> {
    let thresholds = report["thresholds"].as_array().into_iter().flatten();
    thresholds
        .map(|threshold| {
            let value = threshold["value"].as_str().or(threshold["reason"].as_str());
            JudgedThreshold {
                expression: text_of(threshold, "expression"),
                value: plain(value.unwrap_or_default()),
                passed: threshold["passed"] == true,
            }
        })
        .collect()
}

fn missed_thresholds(report: &Json) -> usize {
    thresholds(report).iter().filter(|threshold| !threshold.passed).count()
}

/// Returns the sentences of the report's list `name`, which is `failures` or `notes`.
pub(super) fn sentences(report: &Json, name: &str) -> Vec<String> {
    let sentences = report[name].as_array().into_iter().flatten();
    sentences.filter_map(Json::as_str).map(plain).collect()
}

/// Returns `PASSED`, or `FAILED` with the number of failed checks and missed thresholds.
pub(super) fn conclusion(report: &Json) -> String {
    let plural = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let failed = [
        plural(sentences(report, "failures").len(), "check"),
        plural(missed_thresholds(report), "threshold"),
    ];
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    if failed.is_empty() { "PASSED".to_owned() } else { format!("FAILED: {}", failed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_reports_of_this_schema_are_loaded() {
        assert!(load(r#"{"loadgen":"0.1.0","schema":1}"#).is_ok());
        assert_eq!(load("{}").unwrap_err(), "not a report of loadgen");
        assert_eq!(load(r#"{"schema":1}"#).unwrap_err(), "not a report of loadgen");
        let newer = load(r#"{"loadgen":"9.0.0","schema":2}"#);
        assert_eq!(newer.unwrap_err(), "a report of schema 2; this loadgen reads 1");
        assert!(load("[").unwrap_err().starts_with("not JSON"));
    }

    #[test]
    fn a_failed_check_weighs_more_than_a_missed_threshold() {
        let report = |failures: Json, passed: bool| {
            let thresholds = json!([{ "passed": passed }]);
            json!({ "failures": failures, "thresholds": thresholds })
        };
        assert_eq!(outcome(&report(json!([]), true)), Outcome::Passed);
        assert_eq!(outcome(&report(json!([]), false)), Outcome::ThresholdMissed);
        assert_eq!(outcome(&report(json!(["x"]), false)), Outcome::CheckFailed);
        assert_eq!(conclusion(&report(json!(["x", "y"]), false)), "FAILED: 2 checks, 1 threshold");
        assert_eq!(conclusion(&report(json!([]), true)), "PASSED");
    }

    #[test]
    fn what_was_achieved_is_never_shown_without_what_was_wanted() {
        let section = json!({"wanted": 1_000, "opened": 990, "failed": 10, "tcp_ns": null});
        let rows = rows("connect", section.as_object().unwrap());
        let rows: Vec<String> =
            rows.into_iter().map(|(label, text)| format!("{label} {text}")).collect();
        assert_eq!(rows, ["opened 990 of 1,000 wanted", "failed 10"]);
    }
}
