//! A report as one HTML file that asks no network for anything: the verdict first, then key
//! figures, plots, tables. Text from outside is escaped, and a content security policy forbids
//! scripts all the same.
use std::fmt::Write as _;

use serde_json::Value as Json;

use super::figures;
use super::plot::{COLOURS, Plot};
use crate::report::finished;
use crate::report::units::Measure;
use crate::report::units::{count_text, plain, value_text};
use crate::report::verdict::Judgement;

const STYLE: &str = include_str!("page.css");

pub(crate) fn render(report: &Json) -> String {
    let mut out = String::new();
    head(&mut out, report);
    verdict(&mut out, report);
    key_figures(&mut out, report);
    plots(&mut out, &figures::all(report));
    latencies(&mut out, report);
    sections(&mut out, report);
    lists(&mut out, report);
    seconds(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(out: &mut String, report: &Json) {
    let run = &report["run"];
    let (scenario, url) =
        (escape(&finished::text_of(run, "scenario")), escape(&finished::text_of(run, "url")));
    let _ = writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>loadgen {scenario} {url}: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>",
        finished::conclusion(report)
    );
    let _ = writeln!(out, "<header>\n<h1>{scenario} <span>{url}</span></h1>");
    let version = format!("loadgen {}", finished::text_of(report, "loadgen"));
    let facts: Vec<String> = [version]
        .into_iter()
        .chain(finished::circumstances(report))
        .map(|fact| escape(&fact))
        .collect();
    let _ = writeln!(out, "<p>{}</p>\n</header>", facts.join(" · "));
}

fn verdict(out: &mut String, report: &Json) {
    let verdict = &report["verdict"];
    let is_passed = finished::outcome(report) == finished::Outcome::Passed;
    let is_trustworthy = verdict["verdict"] == Judgement::Trustworthy.name();
    let class = match (is_passed, is_trustworthy) {
        (true, true) => "good",
        (true, false) => "doubtful",
        (false, _) => "bad",
    };
    let _ = writeln!(out, "<section class=\"verdict {class}\">");
    let (conclusion, judgement) =
        (finished::conclusion(report), escape(&finished::text_of(verdict, "verdict")));
    let _ = writeln!(out, "<p class=\"conclusion\">{conclusion} <span>{judgement}</span></p>");
    for (name, label) in [("reason", ""), ("cure", "Cure: ")] {
        let text = finished::text_of(verdict, name);
        if !text.is_empty() {
            let _ = writeln!(out, "<p>{label}{}</p>", escape(&text));
        }
    }
    list(out, &finished::failures(report));
    let thresholds = finished::thresholds(report);
    if !thresholds.is_empty() {
        out.push_str("<ul class=\"thresholds\">\n");
        for threshold in thresholds {
            let (class, mark) = if threshold.passed { ("met", '✓') } else { ("missed", '✗') };
            let (expression, value) = (escape(&threshold.expression), escape(&threshold.value));
            let _ = writeln!(
                out,
                "<li class=\"{class}\">{mark} <code>{expression}</code> <span>{value}</span></li>"
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

/// The few figures that a reader looks for first; those that were measured.
fn key_figures(out: &mut String, report: &Json) {
    let figure = |section: &str, row: &str| {
        let value = report[section].get(row).filter(|value| !value.is_null())?;
        Some(escape(&value_text(row, value)))
    };
    let of = |section: &str, row: &str, wanted: &str| match figure(section, wanted) {
        Some(wanted) => Some(format!("{} <small>of {wanted}</small>", figure(section, row)?)),
        None => figure(section, row),
    };
    let latency =
        ["response_ns", "service_ns"].into_iter().find(|row| !report["latency"][*row].is_null());
    let stat =
        |stat: &str| Some(escape(&value_text("stat_ns", report["latency"][latency?].get(stat)?)));
    let kind = if latency == Some("service_ns") { "service time" } else { "response" };
    let errors: u64 = finished::errors(report).iter().map(|error| error.count).sum();
    let cards = [
        ("delivered".to_owned(), of("throughput", "delivered", "expected")),
        ("lost".to_owned(), figure("check", "lost")),
        (format!("{kind} p50"), stat("p50")),
        (format!("{kind} p99"), stat("p99")),
        (format!("{kind} max"), stat("max")),
        ("delivered per second".to_owned(), figure("throughput", "delivered_per_second")),
        ("connections".to_owned(), of("connect", "opened", "wanted")),
        ("errors".to_owned(), Some(count_text(errors))),
        ("memory per connection".to_owned(), figure("slope", "resident_per_connection_bytes")),
        ("loadgen, busiest thread".to_owned(), figure("cpu", "busiest_thread_share")),
        ("server per message".to_owned(), figure("cpu", "server_ns_per_message")),
    ];
    out.push_str("<dl class=\"key\">\n");
    for (label, value) in cards {
        let Some(value) = value else { continue };
        let is_bad = ["lost", "errors"].contains(&label.as_str()) && value != "0";
        let class = if is_bad { " class=\"missed\"" } else { "" };
        let _ = writeln!(out, "<div><dt>{label}</dt><dd{class}>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
}

fn plots(out: &mut String, plots: &[Plot]) {
    if plots.is_empty() {
        return;
    }
    out.push_str("<section class=\"plots\">\n");
    for plot in plots {
        let title = escape(plot.title);
        let _ = writeln!(out, "<figure>\n<figcaption><b>{title}</b>");
        for (at, line) in plot.lines.iter().enumerate() {
            let (colour, name) = (at % COLOURS.len(), escape(&line.name));
            let _ = writeln!(out, "<span><i class=\"line{colour}\"></i>{name}</span>");
        }
        if !plot.shaded.is_empty() {
            out.push_str("<span><i class=\"shade\"></i>not measured</span>\n");
        }
        let svg =
            plot.draw().replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
        let _ = writeln!(out, "</figcaption>\n{svg}</figure>");
    }
    out.push_str("</section>\n");
}

fn latencies(out: &mut String, report: &Json) {
    let rows = finished::latencies(report);
    if rows.is_empty() {
        return;
    }
    let title =
        if finished::is_closed_loop(report) { "Service time of a closed loop" } else { "Latency" };
    let _ =
        writeln!(out, "<section>\n<h2>{title}</h2>\n<div class=\"wide\"><table class=\"figures\">");
    let columns: String =
        finished::latency_columns().iter().map(|column| format!("<th>{column}</th>")).collect();
    let _ = writeln!(out, "<tr><th></th>{columns}</tr>");
    for (label, figures) in rows {
        let figures: String =
            figures.iter().map(|figure| format!("<td>{}</td>", escape(figure))).collect();
        let _ = writeln!(out, "<tr><th>{}</th>{figures}</tr>", escape(&label));
    }
    out.push_str("</table></div>\n");
    for caveat in finished::latency_caveats(report) {
        let _ = writeln!(out, "<p>{}</p>", escape(&caveat));
    }
    out.push_str("</section>\n");
}

fn sections(out: &mut String, report: &Json) {
    out.push_str("<div class=\"sections\">\n");
    for (name, rows) in finished::sections(report).filter(|(name, _)| *name != "latency") {
        pairs(out, &finished::title(name), &finished::rows(name, rows));
    }
    pairs(out, "Settings", &finished::settings(report));
    out.push_str("</div>\n");
}

fn pairs(out: &mut String, title: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let _ = writeln!(out, "<section>\n<h2>{}</h2>\n<table>", escape(title));
    for (label, value) in pairs {
        let _ = writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(label), escape(value));
    }
    out.push_str("</table>\n</section>\n");
}

fn lists(out: &mut String, report: &Json) {
    let errors = finished::errors(report);
    if !errors.is_empty() {
        out.push_str("<section>\n<h2>Errors</h2>\n<div class=\"wide\"><table>\n");
        out.push_str("<tr><th>class</th><th>count</th><th>the first one said</th></tr>\n");
        for error in errors {
            let (class, count, first) =
                (escape(&error.class), count_text(error.count), escape(&error.first));
            let _ = writeln!(out, "<tr><th>{class}</th><td>{count}</td><td>{first}</td></tr>");
        }
        out.push_str("</table></div>\n</section>\n");
    }
    let notes = finished::notes(report);
    if !notes.is_empty() {
        out.push_str("<section>\n<h2>Notes</h2>\n");
        list(out, &notes);
        out.push_str("</section>\n");
    }
    let command = finished::text_of(&report["run"], "command");
    if !command.is_empty() {
        let _ = writeln!(
            out,
            "<section>\n<h2>Command</h2>\n<pre>{}</pre>\n</section>",
            escape(&command)
        );
    }
}

fn seconds(out: &mut String, report: &Json) {
    let seconds = report["seconds"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(columns) = seconds.first().and_then(Json::as_object) else { return };
    out.push_str(
        "<details>\n<summary>Each second</summary>\n<div class=\"wide\"><table class=\"figures\">\n<tr>",
    );
    for column in columns.keys() {
        let _ = write!(out, "<th>{}</th>", escape(&Measure::of(column).label()));
    }
    out.push_str("</tr>\n");
    for second in seconds {
        out.push_str("<tr>");
        for column in columns.keys() {
            let value = &second[column.as_str()];
            let text = if value.is_null() { String::new() } else { value_text(column, value) };
            let _ = write!(out, "<td>{}</td>", escape(&text));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n</details>\n");
}

fn list(out: &mut String, sentences: &[String]) {
    if !sentences.is_empty() {
        let items: String =
            sentences.iter().map(|sentence| format!("<li>{}</li>\n", escape(sentence))).collect();
        let _ = writeln!(out, "<ul>\n{items}</ul>");
    }
}

/// For the inside of an element and of a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOSTILE: &str = "</title><script>alert(\"1\")</script><img src='x' onerror=alert(2)>";

    /// A report in which every key and every text is hostile.
    fn hostile() -> Json {
        json!({
            "loadgen": HOSTILE,
            "run": {"scenario": HOSTILE, "url": HOSTILE, "command": HOSTILE, "label": HOSTILE, "loop": HOSTILE,
                    "settings": {HOSTILE: HOSTILE}},
            "connect": {"opened": HOSTILE, "wanted": HOSTILE},
            "throughput": {"delivered_per_second": HOSTILE},
            "latency": {"response_ns": {"p50": HOSTILE, "p99": HOSTILE, "histogram": HOSTILE}, HOSTILE: {"histogram": ""}},
            "check": {"lost": HOSTILE},
            HOSTILE: {HOSTILE: HOSTILE},
            "errors": [{"class": HOSTILE, "count": 1, "first": HOSTILE}],
            "seconds": [{HOSTILE: HOSTILE, "second": 1, "open": 1}],
            "verdict": {"verdict": HOSTILE, "reason": HOSTILE, "cure": HOSTILE},
            "thresholds": [{"expression": HOSTILE, "value": HOSTILE, "passed": false}],
            "failures": [HOSTILE],
            "notes": [HOSTILE],
        })
    }

    #[test]
    fn text_from_outside_stays_text() {
        let page = render(&hostile());
        assert!(
            !page.contains("<script")
                && !page.contains("<img")
                && page.matches("</title>").count() == 1
        );
        assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"));
    }

    #[test]
    fn the_page_asks_no_network_for_anything() {
        let page = render(&hostile()).replace("http://www.w3.org/2000/svg", "");
        for asking in ["http://", "https://", "url(", "@import", "<link"] {
            assert!(!page.contains(asking), "{asking}");
        }
    }

    #[test]
    fn the_style_sheet_finds_every_colour_of_a_plot() {
        for (at, colour) in COLOURS.iter().enumerate() {
            let stroke = format!("[stroke=\"#{:02X}{:02X}{:02X}\"]", colour.0, colour.1, colour.2);
            assert!(
                STYLE.contains(&format!("{stroke} {{ stroke: var(--line{at}); }}")),
                "{stroke}"
            );
            assert!(STYLE.contains(&format!(".line{at} {{ background: var(--line{at}); }}")));
        }
    }

    #[test]
    fn what_is_no_report_is_still_shown_without_a_panic() {
        for report in
            [json!({}), json!([]), json!({"latency": 3, "errors": {}, "seconds": [1], "run": []})]
        {
            assert!(render(&report).ends_with("</html>\n"));
        }
    }
}
