//! Compares reports and their views byte for byte with files in `tests/golden`. After an intended
//! change, write the files again with `UPDATE_GOLDEN=1 cargo test -p loadgen` and read the
//! difference.
use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value as Json;

use super::samples;
use crate::report::finished;
use crate::report::gather::Report;
use crate::report::views::{csv, hdr, html, text};

fn compare(name: &str, extension: &str, actual: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
    let path = path.with_extension(extension);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let Some(line) = (1..)
        .zip(expected.lines().zip(actual.lines()))
        .find(|(_, (expected, actual))| expected != actual)
    else {
        assert_eq!(
            actual.len(),
            expected.len(),
            "{}: one is longer than the other",
            path.display()
        );
        return;
    };
    let (number, (expected, actual)) = line;
    panic!("{}:{number}\nexpected {expected}\n  actual {actual}", path.display());
}

#[test]
fn a_built_report_is_the_stored_one_and_so_are_its_views() {
    for (name, report) in samples::all() {
        let stored = format!("{}\n", serde_json::to_string_pretty(&report).unwrap());
        compare(name, "json", &stored);
        let loaded = finished::load(&stored).unwrap();
        assert_eq!(loaded, report, "{name}: storing it must lose nothing");
        compare(name, "txt", &text::render(&loaded));
        compare(name, "html", &html::render(&loaded));
        compare(name, "csv", &csv::render(&loaded));
        if let Some(distribution) = hdr::render(&loaded) {
            compare(name, "hgrm", &distribution);
        }
    }
}

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn compile() -> Schema {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
        let mut schemas = Schemas::new();
        let index = Compiler::new().compile(path.to_str().unwrap(), &mut schemas).unwrap();
        Schema { schemas, index }
    }

    fn validate(&self, report: &Json) -> Result<(), String> {
        self.schemas.validate(report, self.index).map_err(|error| format!("{error:#}"))
    }
}

#[test]
fn every_report_keeps_to_the_schema() {
    let schema = Schema::compile();
    for (name, report) in samples::all() {
        schema.validate(&report).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    schema.validate(&Report::default().finish()).expect("a report without measurements is valid");
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let schema = Schema::compile();
    let [(_, report), ..] = samples::all();
    let breaks: [fn(&mut Json); 8] = [
        |report| drop(report.as_object_mut().unwrap().remove("verdict")),
        |report| report["schema"] = 2.into(),
        |report| report["check"]["lost"] = "none".into(),
        |report| report["latency"]["response_ns"]["p99"] = 1.5.into(),
        |report| {
            drop(report["latency"]["response_ns"].as_object_mut().unwrap().remove("histogram"));
        },
        |report| report["seconds"][0]["phase"] = "lunch".into(),
        |report| report["verdict"]["verdict"] = "fine".into(),
        |report| report["churn"] = 1.into(),
    ];
    for (number, change) in breaks.iter().enumerate() {
        let mut broken = report.clone();
        change(&mut broken);
        assert!(schema.validate(&broken).is_err(), "the schema allows change {number}");
    }
}
