//! `--threshold 'delivery.p99<20ms'`: conditions on a report, written `[SECTION.]ROW[.STAT] OP
//! VALUE`.
//!
//! A row may be named without its unit. Without a section, the first section that has the row is
//! used. `delivery` means the response, or in a closed loop the service. `errors` is the count of
//! all errors, `errors.CLASS` that of one class. STAT selects a figure of a latency: `count`,
//! `min`, `max` or any percentile, such as `p95`.
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::finished;
use super::units::{Measure, Unit, is_latency, number_text};
use crate::net::ends;

/// Names at least this similar (Jaro-Winkler) to an unknown name are suggested in the error.
const NEAR_LEAST: f64 = 0.75;
const SUGGESTIONS_MAX: usize = 3;

type Comparison = fn(&f64, &f64) -> bool;

/// Longer operators come first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", f64::le),
    (">=", f64::ge),
    ("==", f64::eq),
    ("!=", f64::ne),
    ("<", f64::lt),
    (">", f64::gt),
];

/// Suffixes that a value may have, each with its factor and unit. Plain numbers have no unit.
const SUFFIXES: [(&str, f64, Option<Unit>); 15] = [
    ("", 1.0, None),
    ("k", 1e3, None),
    ("K", 1e3, None),
    ("m", 1e6, None),
    ("M", 1e6, None),
    ("ns", 1.0, Some(Unit::Nanos)),
    ("us", 1e3, Some(Unit::Nanos)),
    ("µs", 1e3, Some(Unit::Nanos)),
    ("ms", 1e6, Some(Unit::Nanos)),
    ("s", 1e9, Some(Unit::Nanos)),
    ("B", 1.0, Some(Unit::Bytes)),
    ("KiB", 1_024.0, Some(Unit::Bytes)),
    ("MiB", 1_048_576.0, Some(Unit::Bytes)),
    ("GiB", 1_073_741_824.0, Some(Unit::Bytes)),
    ("%", 0.01, Some(Unit::Share)),
];

#[derive(Clone, Debug)]
pub(crate) struct Threshold {
    expression: String,
    path: String,
    is_met: Comparison,
    value: f64,
    unit: Option<Unit>,
}

/// The result of comparing a threshold with a report.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    expression: String,
    value: Option<String>,
    pub(super) passed: bool,
    /// Why there was no figure to compare with.
    reason: Option<String>,
}

/// Parses an expression. The error is a readable sentence.
pub(crate) fn parse(text: &str) -> Result<Threshold, String> {
    let expression: String = text.split_whitespace().collect();
    let at = expression
        .find(['<', '>', '=', '!'])
        .ok_or("a comparison is missing, as in response.p99<20ms")?;
    let (path, rest) = expression.split_at(at);
    let (symbol, is_met) = COMPARISONS
        .into_iter()
        .find(|(symbol, _)| rest.starts_with(symbol))
        .ok_or_else(|| format!("unknown comparison {rest:?}: one of < <= > >= == !="))?;
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if !path.split('.').all(is_name) {
        return Err(format!("{path:?} is no name of a figure, as in response.p99 or check.lost"));
    }
    let (value, unit) = parse_value(&rest[symbol.len()..])?;
    Ok(Threshold { path: path.to_owned(), is_met, value, unit, expression })
}

fn parse_value(text: &str) -> Result<(f64, Option<Unit>), String> {
    let end =
        text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 =
        number.parse().map_err(|_| format!("{text:?} is not a number with a unit, as in 20ms"))?;
    let (_, factor, unit) =
        SUFFIXES.into_iter().find(|(name, ..)| *name == suffix).ok_or_else(|| {
            format!("unknown unit {suffix:?}: ns, us, ms, s, k, M, B, KiB, MiB, GiB or %")
        })?;
    Ok((number * factor, unit))
}

/// Why there is no figure to compare with.
enum NoFigure {
    Unmeasured(String),
    Other(String),
}

impl NoFigure {
    fn after_the_run(self) -> String {
        match self {
            NoFigure::Unmeasured(row) => format!("{row} was not measured"),
            NoFigure::Other(reason) => reason,
        }
    }

    fn before_the_run(self) -> String {
        match self {
            NoFigure::Unmeasured(row) => format!("{row} is not measured in this run"),
            NoFigure::Other(reason) => reason,
        }
    }
}

impl Threshold {
    /// Checks before the run that there will be a figure to compare with. `specimen` is a report
    /// that has a figure wherever this run will have one. The error is a readable text.
    pub(crate) fn check(&self, specimen: &Json) -> Result<(), String> {
        let wrong = |reason: String| format!("--threshold '{}': {reason}", self.expression);
        match self.path.strip_prefix("errors.") {
            Some(class) if ends::is_class(class) => self.check_unit(Unit::Count).map_err(wrong),
            Some(class) => Err(wrong(unknown_class(class))),
            None => figure(specimen, &self.path)
                .map_err(NoFigure::before_the_run)
                .and_then(|(_, unit)| self.check_unit(unit))
                .map_err(wrong),
        }
    }

    pub(super) fn judge(&self, report: &Json) -> Judged {
        let expression = self.expression.clone();
        match figure(report, &self.path)
            .map_err(NoFigure::after_the_run)
            .and_then(|(number, unit)| self.check_unit(unit).map(|()| (number, unit)))
        {
            Ok((number, unit)) => {
                let value = Some(number_text(unit, number));
                Judged {
                    expression,
                    value,
                    passed: (self.is_met)(&number, &self.value),
                    reason: None,
                }
            }
            Err(reason) => Judged { expression, value: None, passed: false, reason: Some(reason) },
        }
    }

    /// Checks that the unit of the threshold's value fits that of the row. Bytes and shares may be
    /// plain numbers. A time needs a unit, because a plain number is unlikely to mean nanoseconds.
    fn check_unit(&self, row: Unit) -> Result<(), String> {
        let path = &self.path;
        match (row, self.unit) {
            (Unit::Count | Unit::Bytes | Unit::Share, None) => Ok(()),
            (row, Some(unit)) if row == unit => Ok(()),
            (Unit::Count, Some(_)) => Err(format!("{path} is a plain number")),
            (Unit::Nanos, _) => Err(format!("{path} is a time: it needs ns, us, ms or s")),
            (Unit::Bytes, Some(_)) => Err(format!("{path} is in bytes")),
            (Unit::Share, Some(_)) => Err(format!("{path} is a share, as in 85%")),
        }
    }
}

/// Returns the number at `path` and its unit, or why there is none.
fn figure(report: &Json, path: &str) -> Result<(f64, Unit), NoFigure> {
    let other = |reason| Err(NoFigure::Other(reason));
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if first == "errors" {
        return Ok((errors(report, rest), Unit::Count));
    }
    let sections: Vec<(&str, &Map<String, Json>)> = finished::sections(report).collect();
    let (sections, path) = match sections.iter().find(|(name, _)| *name == first) {
        Some(_) if rest.is_empty() => {
            return other(format!("{first} is a section: say {first}.ROW"));
        }
        Some(section) => (vec![*section], rest),
        None => (sections, path),
    };
    let (row, stat) = path.split_once('.').map_or((path, None), |(row, stat)| (row, Some(stat)));
    let row = match row {
        "delivery" if finished::is_closed_loop(report) => "service",
        "delivery" => "response",
        other => other,
    };
    let exact = sections.iter().find_map(|(_, rows)| rows.get_key_value(row));
    let (name, value) = exact
        .or_else(|| {
            sections
                .iter()
                .flat_map(|(_, rows)| *rows)
                .find(|(name, _)| Measure::of(name).is_called(row))
        })
        .ok_or_else(|| NoFigure::Other(missing(row, &sections)))?;
    let unit = Measure::of(name).unit;
    match (value, stat) {
        (Json::Null, _) => Err(NoFigure::Unmeasured(row.to_owned())),
        (Json::Number(number), None) => Ok((number.as_f64().unwrap_or(f64::NAN), unit)),
        (Json::Object(_), None) if is_latency(value) => {
            other(format!("{row} is a latency: say {row}.p99"))
        }
        (Json::Object(_), Some(stat)) if is_latency(value) => {
            latency_stat(row, value, stat).map_err(NoFigure::Other)
        }
        (Json::Number(_), Some(stat)) => other(format!("{row} is one number and has no {stat}")),
        (Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_), _) => {
            other(format!("{row} is not a number"))
        }
    }
}

fn latency_stat(row: &str, latency: &Json, stat: &str) -> Result<(f64, Unit), String> {
    let unit = if stat == "count" { Unit::Count } else { Unit::Nanos };
    if let Some(number) = latency.get(stat).and_then(Json::as_f64) {
        return Ok((number, unit));
    }
    let percentile = stat.strip_prefix('p').and_then(|percentile| percentile.parse::<f64>().ok());
    let Some(percentile) = percentile.filter(|percentile| (0.0..=100.0).contains(percentile))
    else {
        return Err(format!("{row} has no {stat}: count, min, max or a percentile such as p99"));
    };
    let latencies = finished::decoded(latency)
        .ok_or_else(|| format!("the histogram of {row} cannot be read"))?;
    Ok((latencies.histogram().value_at_percentile(percentile) as f64, Unit::Nanos))
}

fn errors(report: &Json, class: &str) -> f64 {
    let errors = report["errors"].as_array().into_iter().flatten();
    let counted = errors.filter(|error| class.is_empty() || error["class"] == class);
    counted.filter_map(|error| error["count"].as_f64()).sum()
}

fn missing(row: &str, sections: &[(&str, &Map<String, Json>)]) -> String {
    let names = sections
        .iter()
        .flat_map(|(section, rows)| rows.iter().map(move |(name, _)| (section, name)))
        .map(|(section, name)| {
            let bare = Measure::of(name).label().replace(' ', "_");
            let nearness = [name, &bare]
                .map(|name| strsim::jaro_winkler(name, row))
                .into_iter()
                .fold(0.0, f64::max);
            (nearness, format!("{section}.{name}"))
        });
    format!("the report has no {row}{}", suggestions(names))
}

fn unknown_class(class: &str) -> String {
    let names =
        ends::CLASSES.iter().map(|name| (strsim::jaro_winkler(name, class), (*name).to_owned()));
    format!(
        "there is no class of errors {class}{}; a close by the server is closed_ and its code, as \
         in errors.closed_1006",
        suggestions(names)
    )
}

/// Returns the end of a sentence with the nearest of these names, if some are near.
fn suggestions(names: impl Iterator<Item = (f64, String)>) -> String {
    let mut near: Vec<_> = names.filter(|(nearness, _)| *nearness >= NEAR_LEAST).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let names: Vec<String> = near.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { format!("; near it are {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::Latencies;
    use crate::report::gather::Report;
    use crate::report::value::Value;

    fn report(closed: bool) -> Json {
        let mut latencies = Latencies::new();
        (1..=1_000).for_each(|millis| latencies.record(millis * 1_000_000));
        let mut report = Report::default();
        report
            .section("run")
            .row("loop", Value::Text(if closed { "closed" } else { "open" }.to_owned()));
        let row = if closed { "service_ns" } else { "response_ns" };
        report.section("latency").row(row, Value::from(&latencies));
        report.section("connect").row("failed", Value::Count(1));
        report.section("throughput").row("delivered_per_second", Value::PerSecond(12_000.0));
        report.section("throughput").row("payload_bytes", Value::Bytes(2_048));
        report
            .section("check")
            .row("lost", Value::Count(0))
            .row("own_copies", Value::Text("yes".to_owned()));
        report.section("cpu").row("server_ns_per_message", Value::Nanos(3_100));
        report.section("cpu").row("busiest_thread_share", Value::Share(0.42));
        report.error("closed_4008", 3, "too slow");
        report.error("reset", 1, "");
        report.finish()
    }

    fn judge(expression: &str) -> Judged {
        parse(expression).unwrap().judge(&report(false))
    }

    #[test]
    fn rows_are_found_with_and_without_section_and_unit() {
        for met in [
            "delivery.p99<1s",
            "response.p99 <= 992ms",
            "latency.response_ns.p99.9>990ms",
            "response.p95>=949ms",
            "response.p95<=951ms",
            "response.count==1k",
            "lost==0",
            "check.lost == 0",
            "delivered_per_second>10k",
            "connect.failed!=0",
            "server_ns_per_message<10us",
            "server_per_message<10us",
            "payload<=2KiB",
            "payload_bytes<2049",
            "busiest_thread<85%",
            "busiest_thread<0.5",
            "errors==4",
            "errors.closed_4008==3",
            "errors.refused==0",
        ] {
            let judged = judge(met);
            assert!(judged.passed, "{met}: {judged:?}");
        }
        assert!(!judge("response.p99<20ms").passed);
        assert_eq!(judge("response.p50<20ms").value.as_deref(), Some("500 ms"));
    }

    #[test]
    fn delivery_is_the_service_time_in_a_closed_loop() {
        let closed = report(true);
        assert!(parse("delivery.p99<1s").unwrap().judge(&closed).passed);
        let response = parse("response.p99<1s").unwrap().judge(&closed);
        assert_eq!(response.reason.as_deref(), Some("response was not measured"));
    }

    #[test]
    fn what_cannot_be_compared_fails_and_says_why() {
        for (expression, reason) in [
            ("losst==0", "the report has no losst; near it are check.lost"),
            ("connect.fialed==0", "the report has no fialed; near it are connect.failed"),
            ("zzz==0", "the report has no zzz"),
            ("duplicated==0", "duplicated was not measured"),
            ("response<1s", "response is a latency: say response.p99"),
            ("response.q99<1s", "response has no q99: count, min, max or a percentile such as p99"),
            ("response.p99<20", "response.p99 is a time: it needs ns, us, ms or s"),
            ("lost.p99==0", "lost is one number and has no p99"),
            ("lost<1ms", "lost is a plain number"),
            ("own_copies==1", "own_copies is not a number"),
            ("check==0", "check is a section: say check.ROW"),
        ] {
            let judged = judge(expression);
            assert_eq!(
                (judged.passed, judged.value, judged.reason.as_deref()),
                (false, None, Some(reason))
            );
        }
    }

    #[test]
    fn what_names_no_figure_of_a_run_is_known_before_it() {
        let specimen = report(false);
        let check = |expression| parse(expression).unwrap().check(&specimen);
        for good in ["lost==0", "delivery.p99<1s", "errors==0", "errors.closed_4008==0"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (expression, reason) in [
            ("losst==0", "--threshold 'losst==0': the report has no losst; near it are check.lost"),
            ("service.p99<1s", "service is not measured in this run"),
            ("response.p99<20", "response.p99 is a time: it needs ns, us, ms or s"),
            ("response.p999<1s", "response has no p999: count, min, max or a percentile"),
            ("errors.rest==0", "there is no class of errors rest; near it are reset"),
            ("errors.closed_400==0", "there is no class of errors closed_400"),
            ("errors.reset<1ms", "errors.reset is a plain number"),
        ] {
            let error = check(expression).unwrap_err();
            assert!(error.contains(reason), "{expression}: {error}");
        }
    }

    #[test]
    fn expressions_that_make_no_sense_are_refused() {
        for (expression, error) in [
            ("lost", "a comparison is missing, as in response.p99<20ms"),
            ("lost=0", "unknown comparison \"=0\": one of < <= > >= == !="),
            ("<20ms", "\"\" is no name of a figure, as in response.p99 or check.lost"),
            ("a..b<1", "\"a..b\" is no name of a figure, as in response.p99 or check.lost"),
            ("lost==", "\"\" is not a number with a unit, as in 20ms"),
            ("lost==many", "\"many\" is not a number with a unit, as in 20ms"),
            ("p99<20min", "unknown unit \"min\": ns, us, ms, s, k, M, B, KiB, MiB, GiB or %"),
        ] {
            assert_eq!(parse(expression).unwrap_err(), error);
        }
    }
}
