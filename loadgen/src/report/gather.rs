//! Collects the contents of a report during a run and at its end.
use super::schema::{NOT_SECTIONS, SCHEMA, SECTIONS};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::second::Second;
use super::thresholds::Threshold;
use super::units::count_text;
use super::value::Value;
use super::verdict::Verdict;

#[derive(Default)]
pub(crate) struct Section {
    rows: Vec<(String, Value)>,
}

impl Section {
    /// Adds a row. `name` is its key in JSON, in snake case. It contains the unit, because the
    /// value may be null.
    pub(crate) fn row(&mut self, name: impl Into<String>, value: Value) -> &mut Section {
        self.rows.push((name.into(), value));
        self
    }

    pub(crate) fn optional(&mut self, name: &str, value: Option<Value>) -> &mut Section {
        self.row(name, value.unwrap_or(Value::Absent))
    }
}

#[derive(Serialize)]
struct ErrorClass {
    class: String,
    count: u64,
    first: String,
}

/// Collects the contents of a report during a run and at its end.
#[derive(Default)]
pub(crate) struct Report {
    sections: Vec<(&'static str, Section)>,
    /// All flags with their values, given or default. The report contains them, so: no secrets.
    pub(crate) settings: Vec<(String, String)>,
    errors: Vec<ErrorClass>,
    pub(crate) seconds: Vec<Second>,
    /// Whether the figures can be trusted, and why. `None` means that nothing was measured.
    pub(crate) verdict: Option<Verdict>,
    /// Conditions that the finished report must meet.
    pub(crate) thresholds: Vec<Threshold>,
    /// Set by `--verify off`: failures are written as notes.
    judges_nothing: bool,
    failures: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    /// Returns the section with this name, and creates it if it does not exist.
    pub(crate) fn section(&mut self, name: &'static str) -> &mut Section {
        debug_assert!(!NOT_SECTIONS.contains(&name), "{name} is no section of rows");
        let at = self.sections.iter().position(|(found, _)| *found == name).unwrap_or_else(|| {
            self.sections.push((name, Section::default()));
            self.sections.len() - 1
        });
        &mut self.sections[at].1
    }

    /// Adds `count` errors of one class, such as `closed_4008`, with the text of the first of them.
    pub(crate) fn error(&mut self, class: impl Into<String>, count: u64, first: impl Into<String>) {
        self.errors.push(ErrorClass { class: class.into(), count, first: first.into() });
    }

    pub(crate) fn judge_nothing(&mut self) {
        self.judges_nothing = true;
        self.notes.append(&mut self.failures);
    }

    /// Records a failed check, which sets the exit code, or only a note with `--verify off`.
    pub(crate) fn fail(&mut self, sentence: String) {
        if self.judges_nothing { &mut self.notes } else { &mut self.failures }.push(sentence);
    }

    pub(crate) fn first_failure(&self) -> Option<&str> {
        self.failures.first().map(String::as_str)
    }

    /// If `count` is not zero, records a failed check: the count, followed by `sentence`.
    pub(crate) fn fail_if_any(&mut self, count: u64, sentence: &str) {
        if count > 0 {
            self.fail(format!("{} {sentence}", count_text(count)));
        }
    }

    /// Adds a row to the section `check`, and fails the run unless `count` is zero.
    pub(crate) fn check(&mut self, name: &str, count: u64, sentence: &str) {
        self.section("check").row(name, Value::Count(count));
        self.fail_if_any(count, sentence);
    }

    /// Adds something that a reader must know to judge the figures.
    pub(crate) fn note(&mut self, sentence: String) {
        self.notes.push(sentence);
    }

    /// Returns the finished report. Rows that were not measured are null.
    pub(crate) fn finish(mut self) -> Json {
        let mut object = Map::new();
        object.insert("loadgen".to_owned(), json!(env!("CARGO_PKG_VERSION")));
        object.insert("schema".to_owned(), json!(SCHEMA));
        for (name, rows) in SECTIONS {
            let section = self.take_section(name);
            object.insert(name.to_owned(), object_of(rows, &section));
            if name == "check" {
                object.insert("errors".to_owned(), json!(self.errors));
            }
        }
        object["run"]["settings"] =
            self.settings.iter().map(|(flag, value)| (flag.clone(), json!(value))).collect();
        let memory = self.take_section("memory");
        object.insert("memory".to_owned(), object_of(&[], &memory));
        for (name, section) in &self.sections {
            object.insert((*name).to_owned(), object_of(&[], section));
        }
        object.insert(
            "seconds".to_owned(),
            self.seconds.iter().copied().map(Second::to_json).collect(),
        );
        object.insert(
            "verdict".to_owned(),
            self.verdict.unwrap_or_else(Verdict::nothing_measured).to_json(),
        );
        let mut report = Json::Object(object);
        let judged: Vec<_> =
            self.thresholds.iter().map(|threshold| threshold.judge(&report)).collect();
        let passed = self.failures.is_empty() && judged.iter().all(|judged| judged.passed);
        report["thresholds"] = json!(judged);
        report["passed"] = json!(passed);
        report["failures"] = json!(self.failures);
        report["notes"] = json!(self.notes);
        report
    }

    fn take_section(&mut self, name: &str) -> Section {
        let at = self.sections.iter().position(|(found, _)| *found == name);
        at.map(|at| self.sections.remove(at).1).unwrap_or_default()
    }
}

fn object_of(rows: &[&str], section: &Section) -> Json {
    let mut object: Map<String, Json> =
        rows.iter().map(|name| ((*name).to_owned(), Json::Null)).collect();
    object.extend(section.rows.iter().map(|(name, value)| (name.clone(), value.to_json())));
    Json::Object(object)
}

#[cfg(test)]
mod tests {
    use super::super::thresholds::parse;
    use super::*;

    fn keys(object: &Json) -> Vec<&str> {
        object.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_order_is_that_of_the_schema_whatever_the_order_of_reporting() {
        let mut report = Report::default();
        report.section("churn").row("left", Value::Count(3));
        report
            .section("check")
            .row("own_copies", Value::Text("yes".to_owned()))
            .row("lost", Value::Count(2));
        let json = report.finish();
        assert_eq!(
            keys(&json).join(" "),
            "loadgen schema run connect throughput latency check errors cpu memory churn seconds \
             verdict thresholds passed failures notes"
        );
        assert_eq!(
            json["check"].to_string(),
            "{\"lost\":2,\"duplicated\":null,\"reordered\":null,\"corrupt\":null,\
             \"unexpected\":null,\"own_copies\":\"yes\"}"
        );
        assert_eq!(json["verdict"]["verdict"], "too short");
    }

    #[test]
    fn a_missed_threshold_fails_a_report_whose_checks_have_passed() {
        let mut report = Report::default();
        report.section("check").row("lost", Value::Count(2));
        report.thresholds.push(parse("lost==0").unwrap());
        let json = report.finish();
        assert_eq!((&json["passed"], &json["failures"]), (&json!(false), &json!([])));
    }

    #[test]
    fn with_verify_off_what_would_fail_is_a_note() {
        let mut report = Report::default();
        report.fail_if_any(2_000, "deliveries were lost");
        report.judge_nothing();
        report.fail_if_any(0, "are never told");
        report.fail_if_any(3_000, "were duplicated");
        let json = report.finish();
        let notes = json!(["2,000 deliveries were lost", "3,000 were duplicated"]);
        assert_eq!((&json["passed"], &json["notes"]), (&json!(true), &notes));
    }
}
