//! A report as text without colours. Every figure stands on the line of its name.
use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value as Json;

use crate::report::finished;
use crate::report::units::count_text;

const INDENT: &str = "  ";
/// Settings are wrapped to lines of this many columns.
const COLUMNS: usize = 100;

pub(crate) fn render(report: &Json) -> String {
    let mut out = String::new();
    header(&mut out, report);
    for (name, rows) in finished::sections(report) {
        if name == "latency" {
            latency(&mut out, report);
        } else {
            section(&mut out, name, &finished::rows(name, rows));
        }
        if name == "check" {
            errors(&mut out, report);
        }
    }
    verdict(&mut out, report);
    thresholds(&mut out, report);
    sentences(&mut out, "NOTES", &finished::sentences(report, "notes"));
    sentences(&mut out, "FAILURES", &finished::sentences(report, "failures"));
    let _ = writeln!(out, "\n{}", finished::conclusion(report));
    out
}

fn header(out: &mut String, report: &Json) {
    let run = &report["run"];
    let (version, scenario, url) = (
        finished::text_of(report, "loadgen"),
        finished::text_of(run, "scenario"),
        finished::text_of(run, "url"),
    );
    let _ = writeln!(out, "loadgen {version}  {scenario}  {url}");
    let circumstances = finished::circumstances(report);
    if !circumstances.is_empty() {
        let _ = writeln!(out, "{INDENT}{}", circumstances.join(" · "));
    }
    let command = finished::text_of(run, "command");
    if !command.is_empty() {
        let _ = writeln!(out, "{INDENT}{command}");
    }
    let mut line = String::new();
    for (flag, value) in finished::settings(report) {
        let setting = format!("{flag}={value}");
        if !line.is_empty() && line.len() + setting.len() > COLUMNS {
            let _ = writeln!(out, "{}", line.trim_end());
            line.clear();
        }
        line.push_str(INDENT);
        line.push_str(&setting);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "{line}");
    }
}

fn section(out: &mut String, name: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    heading(out, &finished::title(name).to_uppercase());
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    for (label, text) in rows {
        let _ = writeln!(out, "{INDENT}{label:width$}  {text}");
    }
}

fn latency(out: &mut String, report: &Json) {
    let latencies = finished::latencies(report);
    if latencies.is_empty() {
        return;
    }
    heading(
        out,
        if finished::is_closed_loop(report) { "SERVICE TIME OF A CLOSED LOOP" } else { "LATENCY" },
    );
    let columns = finished::latency_columns();
    let rows =
        latencies.into_iter().map(|(label, figures)| [label].into_iter().chain(figures).collect());
    table(out, [""].into_iter().chain(columns).map(str::to_owned).collect(), rows);
    for caveat in finished::latency_caveats(report) {
        let _ = writeln!(out, "{INDENT}{caveat}");
    }
}

fn errors(out: &mut String, report: &Json) {
    let errors = finished::errors(report);
    if errors.is_empty() {
        return;
    }
    heading(out, "ERRORS");
    let class = errors.iter().map(|error| error.class.chars().count()).max().unwrap_or(0);
    let count = errors.iter().map(|error| count_text(error.count).len()).max().unwrap_or(0);
    for error in errors {
        let line = format!(
            "{INDENT}{:class$}  {:>count$}  {}",
            error.class,
            count_text(error.count),
            error.first
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn verdict(out: &mut String, report: &Json) {
    let verdict = &report["verdict"];
    heading(out, &format!("VERDICT: {}", finished::text_of(verdict, "verdict")));
    for (name, label) in [("reason", ""), ("cure", "cure: ")] {
        let text = finished::text_of(verdict, name);
        if !text.is_empty() {
            let _ = writeln!(out, "{INDENT}{label}{text}");
        }
    }
}

fn thresholds(out: &mut String, report: &Json) {
    let thresholds = finished::thresholds(report);
    if thresholds.is_empty() {
        return;
    }
    heading(out, "THRESHOLDS");
    let width =
        thresholds.iter().map(|threshold| threshold.expression.chars().count()).max().unwrap_or(0);
    for threshold in thresholds {
        let mark = if threshold.passed { '✓' } else { '✗' };
        let _ =
            writeln!(out, "{INDENT}{mark} {:width$}  {}", threshold.expression, threshold.value);
    }
}

fn sentences(out: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    heading(out, title);
    for sentence in sentences {
        let _ = writeln!(out, "{INDENT}{sentence}");
    }
}

fn heading(out: &mut String, title: &str) {
    let _ = writeln!(out, "\n{title}");
}

/// Appends a table: labels aligned to the left, figures to the right, and no lines between them.
fn table(out: &mut String, header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding(if at == 0 { (INDENT.len() as u16, 0) } else { (2, 0) });
        column.set_cell_alignment(if at == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    let _ = writeln!(out, "{}", table.trim_fmt());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_report_is_still_shown_without_a_panic() {
        for report in
            [json!({}), json!([]), json!({"latency": 3, "errors": {}, "seconds": [1], "run": []})]
        {
            assert!(render(&report).ends_with("PASSED\n"));
        }
    }

    #[test]
    fn a_closed_loop_never_shows_latency() {
        let latency = json!({"service_ns": {"p50": 1_000, "histogram": ""}});
        let report = json!({"run": {"loop": "closed"}, "latency": latency});
        let text = render(&report);
        assert!(!text.contains("LATENCY") && text.contains("not latency at a rate"), "{text}");
        assert!(text.contains("service (closed loop)"));
    }
}
