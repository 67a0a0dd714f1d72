//! A report as one HTML file that loads nothing from a network: the verdict first, then key
//! figures, plots and tables. The template library escapes text from outside, and a content
//! security policy also forbids scripts.
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value as Json;

use super::figures;
use super::plot::{COLOURS, Plot};
use crate::report::finished;
use crate::report::units::{Measure, count_text, value_text};
use crate::report::verdict::Judgement;

const STYLE: &str = include_str!("page.css");
const SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Renders the page. Line ends are included to make two pages easy to compare.
pub(crate) fn render(report: &Json) -> String {
    let run = &report["run"];
    let (scenario, url) = (finished::text_of(run, "scenario"), finished::text_of(run, "url"));
    let conclusion = finished::conclusion(report);
    let mut facts = vec![format!("loadgen {}", finished::text_of(report, "loadgen"))];
    facts.extend(finished::circumstances(report));
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8"; "\n"
                meta http-equiv="Content-Security-Policy" content=(SECURITY_POLICY); "\n"
                meta name="viewport" content="width=device-width, initial-scale=1"; "\n"
                meta name="color-scheme" content="light dark"; "\n"
                title { "loadgen " (scenario) " " (url) ": " (conclusion) } "\n"
                style { "\n" (PreEscaped(STYLE)) } "\n"
            } "\n"
            body {
                main {
                    header {
                        h1 { (scenario) " " span { (url) } } "\n"
                        p { (facts.join(" · ")) } "\n"
                    } "\n"
                    (verdict(report, &conclusion))
                    (key_figures(report))
                    (plots(&figures::all(report)))
                    (latencies(report))
                    (sections(report))
                    (errors(report))
                    (notes_and_command(report))
                    (seconds(report))
                } "\n"
            } "\n"
        } "\n"
    };
    page.into_string()
}

fn verdict(report: &Json, conclusion: &str) -> Markup {
    let verdict = &report["verdict"];
    let is_passed = finished::outcome(report) == finished::Outcome::Passed;
    let is_trustworthy = verdict["verdict"] == Judgement::Trustworthy.name();
    let class = match (is_passed, is_trustworthy) {
        (true, true) => "good",
        (true, false) => "doubtful",
        (false, _) => "bad",
    };
    let thresholds = finished::thresholds(report);
    html! {
        section class={ "verdict " (class) } {
            p.conclusion { (conclusion) " " span { (finished::text_of(verdict, "verdict")) } } "\n"
            @for (name, label) in [("reason", ""), ("cure", "Cure: ")] {
                @let text = finished::text_of(verdict, name);
                @if !text.is_empty() { p { (label) (text) } "\n" }
            }
            (list(&finished::sentences(report, "failures")))
            @if !thresholds.is_empty() {
                ul.thresholds {
                    @for threshold in thresholds {
                        @let passed = threshold.passed;
                        @let (class, mark) = if passed { ("met", '✓') } else { ("missed", '✗') };
                        li class=(class) {
                            (mark) " " code { (threshold.expression) } " "
                            span { (threshold.value) }
                        } "\n"
                    }
                } "\n"
            }
        } "\n"
    }
}

/// Returns the figures that a reader looks for first, if they were measured.
fn key_figures(report: &Json) -> Markup {
    let figure = |section: &str, row: &str| {
        let value = report[section].get(row).filter(|value| !value.is_null())?;
        Some(value_text(row, value))
    };
    let plain = |section: &str, row: &str| Some((figure(section, row)?, None));
    let of = |section: &str, row: &str, wanted: &str| {
        Some((figure(section, row)?, figure(section, wanted)))
    };
    let latency =
        ["response_ns", "service_ns"].into_iter().find(|row| !report["latency"][*row].is_null());
    let stat =
        |stat: &str| Some((value_text("stat_ns", report["latency"][latency?].get(stat)?), None));
    let kind = if latency == Some("service_ns") { "service time" } else { "response" };
    let errors: u64 = finished::errors(report).iter().map(|error| error.count).sum();
    let cards = [
        ("delivered".to_owned(), of("throughput", "delivered", "expected")),
        ("lost".to_owned(), plain("check", "lost")),
        (format!("{kind} p50"), stat("p50")),
        (format!("{kind} p99"), stat("p99")),
        (format!("{kind} max"), stat("max")),
        ("delivered per second".to_owned(), plain("throughput", "delivered_per_second")),
        ("connections".to_owned(), of("connect", "opened", "wanted")),
        ("errors".to_owned(), Some((count_text(errors), None))),
        ("memory per connection".to_owned(), plain("slope", "resident_per_connection_bytes")),
        ("loadgen, busiest thread".to_owned(), plain("cpu", "busiest_thread_share")),
        ("server per message".to_owned(), plain("cpu", "server_ns_per_message")),
    ];
    let measured = cards.into_iter().filter_map(|(label, value)| Some((label, value?)));
    html! {
        dl.key {
            @for (label, (value, wanted)) in measured {
                @let is_bad = ["lost", "errors"].contains(&label.as_str()) && value != "0";
                div {
                    dt { (label) }
                    dd class=[is_bad.then_some("missed")] {
                        (value) @if let Some(wanted) = wanted { " " small { "of " (wanted) } }
                    }
                } "\n"
            }
        } "\n"
    }
}

fn plots(plots: &[Plot]) -> Markup {
    let drawn = |plot: &Plot| {
        let label = format!("<svg role=\"img\" aria-label=\"{}\" ", plot.title);
        PreEscaped(plot.draw().replacen("<svg ", &label, 1))
    };
    html! {
        @if !plots.is_empty() {
            section.plots {
                @for plot in plots {
                    figure {
                        figcaption { b { (plot.title) } "\n"
                            @for (at, line) in plot.lines.iter().enumerate() {
                                span { i class={ "line" (at % COLOURS.len()) } {} (line.name) } "\n"
                            }
                            @if !plot.shaded.is_empty() {
                                span { i.shade {} "not measured" } "\n"
                            }
                        } "\n"
                        (drawn(plot))
                    } "\n"
                }
            } "\n"
        }
    }
}

fn latencies(report: &Json) -> Markup {
    let is_closed = finished::is_closed_loop(report);
    let title = if is_closed { "Service time of a closed loop" } else { "Latency" };
    let rows = finished::latencies(report);
    html! {
        @if !rows.is_empty() {
            section {
                h2 { (title) } "\n"
                div.wide { table.figures {
                    tr { th {} @for column in finished::latency_columns() { th { (column) } } } "\n"
                    @for (label, figures) in rows {
                        tr { th { (label) } @for figure in figures { td { (figure) } } } "\n"
                    }
                } } "\n"
                @for caveat in finished::latency_caveats(report) { p { (caveat) } "\n" }
            } "\n"
        }
    }
}

fn sections(report: &Json) -> Markup {
    let tables = finished::sections(report)
        .filter(|(name, _)| *name != "latency")
        .map(|(name, rows)| (finished::title(name), finished::rows(name, rows)))
        .chain([("Settings".to_owned(), finished::settings(report))]);
    html! {
        div.sections {
            @for (title, rows) in tables.filter(|(_, rows)| !rows.is_empty()) {
                section {
                    h2 { (title) } "\n"
                    table {
                        @for (label, value) in rows { tr { th { (label) } td { (value) } } "\n" }
                    } "\n"
                } "\n"
            }
        } "\n"
    }
}

fn errors(report: &Json) -> Markup {
    let errors = finished::errors(report);
    html! {
        @if !errors.is_empty() {
            section {
                h2 { "Errors" } "\n"
                div.wide { table {
                    tr { th { "class" } th { "count" } th { "the first one said" } } "\n"
                    @for error in errors {
                        @let count = count_text(error.count);
                        tr { th { (error.class) } td { (count) } td { (error.first) } } "\n"
                    }
                } } "\n"
            } "\n"
        }
    }
}

fn notes_and_command(report: &Json) -> Markup {
    let notes = finished::sentences(report, "notes");
    let command = finished::text_of(&report["run"], "command");
    html! {
        @if !notes.is_empty() {
            section { h2 { "Notes" } "\n" (list(&notes)) } "\n"
        }
        @if !command.is_empty() {
            section { h2 { "Command" } "\n" pre { (command) } "\n" } "\n"
        }
    }
}

fn seconds(report: &Json) -> Markup {
    let seconds = report["seconds"].as_array().map_or(&[][..], Vec::as_slice);
    let columns = || seconds[0].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let figure = |second: &Json, column: &str| match &second[column] {
        Json::Null => String::new(),
        value => value_text(column, value),
    };
    html! {
        @if seconds.first().is_some_and(Json::is_object) {
            details {
                summary { "Each second" } "\n"
                div.wide { table.figures {
                    tr { @for column in columns() { th { (Measure::of(column).label()) } } } "\n"
                    @for second in seconds {
                        tr { @for column in columns() { td { (figure(second, column)) } } } "\n"
                    }
                } } "\n"
            } "\n"
        }
    }
}

fn list(sentences: &[String]) -> Markup {
    html! {
        @if !sentences.is_empty() {
            ul { @for sentence in sentences { li { (sentence) } "\n" } } "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOSTILE: &str = "</title><script>alert(\"1\")</script><img src='x' onerror=alert(2)>";

    /// Returns a report in which every key and every text tries to inject markup.
    fn hostile() -> Json {
        json!({
            "loadgen": HOSTILE,
            "run": {"scenario": HOSTILE, "url": HOSTILE, "command": HOSTILE, "label": HOSTILE,
                    "loop": HOSTILE, "settings": {HOSTILE: HOSTILE}},
            "connect": {"opened": HOSTILE, "wanted": HOSTILE},
            "throughput": {"delivered_per_second": HOSTILE},
            "latency": {"response_ns": {"p50": HOSTILE, "p99": HOSTILE, "histogram": HOSTILE},
                        HOSTILE: {"histogram": ""}},
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
