//! What is plotted of a report: which rows, on which axes. Plots without data are left out.
use serde_json::Value as Json;

use super::plot::{Axis, Line, Plot};
use crate::report::finished;
use crate::report::units::{Unit, count_text, number_text};

/// Two rates that differ by a larger factor get separate plots: the lower would be a flat line.
const ONE_AXIS_RATIO_MAX: f64 = 10.0;
/// Factor from the highest value to the end of the axis, so that no line lies on the edge.
const HEADROOM: f64 = 1.05;
/// Points of a percentile curve for each tenfold increase of 1/(1-q).
const STEPS_PER_NINE: u32 = 40;

pub(super) fn all(report: &Json) -> Vec<Plot> {
    let seconds = Seconds::of(report);
    let mut plots = Vec::new();
    plots.extend(latency_over_time(report, &seconds));
    plots.extend(percentile_curve(report));
    plots.extend(rates(&seconds));
    plots.extend(processors(&seconds));
    plots.extend(connections(&seconds));
    plots
}

struct Seconds<'a>(&'a [Json]);

impl<'a> Seconds<'a> {
    fn of(report: &'a Json) -> Seconds<'a> {
        Seconds(report["seconds"].as_array().map_or(&[], Vec::as_slice))
    }

    /// Returns a line that shows one field over time. `name` stands in the legend.
    fn line(&self, field: &str, name: &str) -> Line {
        let points = self
            .0
            .iter()
            .filter_map(|second| Some((second["second"].as_f64()?, second[field].as_f64())));
        Line { name: name.to_owned(), points: points.collect() }
    }

    fn axis(&self) -> Axis {
        let numbers = || self.0.iter().filter_map(|second| second["second"].as_f64());
        let (from, to) = (numbers().fold(f64::INFINITY, f64::min), numbers().fold(0.0, f64::max));
        Axis::whole("seconds since the start", from.min(to), to, |value| format!("{value:.0}"))
    }

    /// Returns the spans that were not measured: connecting, warm-up and drain.
    fn unmeasured(&self) -> Vec<(f64, f64)> {
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for second in self.0.iter().filter(|second| second["phase"] != "measure") {
            let Some(at) = second["second"].as_f64() else { continue };
            match spans.last_mut() {
                Some((_, to)) if *to == at - 0.5 => *to = at + 0.5,
                Some(_) | None => spans.push((at - 0.5, at + 0.5)),
            }
        }
        spans
    }

    fn plot(&self, title: &'static str, y: Axis, lines: Vec<Line>) -> Plot {
        Plot { title, x: self.axis(), y, lines, shaded: self.unmeasured() }
    }
}

fn latency_over_time(report: &Json, seconds: &Seconds<'_>) -> Option<Plot> {
    let names = [("p50_ns", "p50"), ("p99_ns", "p99"), ("max_ns", "max")];
    let lines = drawable(names.map(|(field, name)| seconds.line(field, name)));
    let (min, max) = bounds(&lines)?;
    let (title, what) = match finished::is_closed_loop(report) {
        true => ("Service time, closed loop", "service time"),
        false => ("Latency over time", "latency"),
    };
    Some(seconds.plot(title, Axis::logarithmic(what, min, max, nanos_tick), lines))
}

fn percentile_curve(report: &Json) -> Option<Plot> {
    let rows = report["latency"].as_object()?;
    let mut inverse_max: f64 = 1.0;
    let mut lines = Vec::new();
    for (name, latency) in rows {
        let Some(latencies) = finished::decoded(latency) else { continue };
        let histogram = latencies.histogram();
        let count = histogram.len() as f64;
        inverse_max = inverse_max.max(count);
        let steps = (count.log10() * f64::from(STEPS_PER_NINE)).ceil() as u32;
        let points = (0..=steps).map(|step| {
            let inverse = 10_f64.powf(f64::from(step) / f64::from(STEPS_PER_NINE)).min(count);
            (inverse, Some(histogram.value_at_quantile(1.0 - 1.0 / inverse) as f64))
        });
        lines.push(Line { name: finished::latency_label(report, name), points: points.collect() });
    }
    let (min, max) = bounds(&lines)?;
    let (title, what) = match finished::is_closed_loop(report) {
        true => ("Service time by percentile", "service time"),
        false => ("Latency by percentile", "latency"),
    };
    Some(Plot {
        title,
        x: Axis::quantiles("share of messages that took no longer", inverse_max),
        y: Axis::logarithmic(what, min, max, nanos_tick),
        lines,
        shaded: Vec::new(),
    })
}

fn rates(seconds: &Seconds<'_>) -> Vec<Plot> {
    let (sent, delivered) = (seconds.line("sent", "sent"), seconds.line("delivered", "delivered"));
    let of = |line: &Line| heights(line).fold(0.0, f64::max);
    let (sent_max, delivered_max) = (of(&sent), of(&delivered));
    let axis = |max: f64| Axis::linear("messages per second", max * HEADROOM, count_tick);
    if sent_max.max(delivered_max) == 0.0 {
        Vec::new()
    } else if sent_max == 0.0 || delivered_max / sent_max > ONE_AXIS_RATIO_MAX {
        vec![
            seconds.plot("Deliveries", axis(delivered_max), vec![delivered]),
            seconds.plot("Messages sent", axis(sent_max), vec![sent]),
        ]
    } else {
        vec![seconds.plot("Messages", axis(sent_max.max(delivered_max)), vec![sent, delivered])]
    }
}

fn processors(seconds: &Seconds<'_>) -> Option<Plot> {
    let names = [("loadgen_share", "loadgen"), ("server_share", "server")];
    let lines = drawable(names.map(|(field, name)| seconds.line(field, name)));
    let (_, max) = bounds(&lines)?;
    let axis =
        Axis::linear("share of one core", max.max(1.0), |share| format!("{:.0} %", share * 100.0));
    Some(seconds.plot("Processor, busiest thread", axis, lines))
}

fn connections(seconds: &Seconds<'_>) -> Option<Plot> {
    let lines = vec![seconds.line("open", "open")];
    let (_, max) = bounds(&lines).filter(|(_, max)| *max > 0.0)?;
    Some(seconds.plot(
        "Connections",
        Axis::linear("open connections", max * HEADROOM, count_tick),
        lines,
    ))
}

fn drawable<const N: usize>(lines: [Line; N]) -> Vec<Line> {
    lines.into_iter().filter(|line| heights(line).next().is_some()).collect()
}

/// Returns the least and the greatest y value, or `None` if there are no values.
fn bounds(lines: &[Line]) -> Option<(f64, f64)> {
    let values = || lines.iter().flat_map(heights);
    values().next()?;
    Some((values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max)))
}

fn heights(line: &Line) -> impl Iterator<Item = f64> {
    line.points.iter().filter_map(|(_, y)| *y)
}

/// Formats a tick. Ticks are 1, 2 or 5 times a power of ten, so no decimals are needed.
fn nanos_tick(nanos: f64) -> String {
    let text = number_text(Unit::Nanos, nanos);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}")
}

fn count_tick(count: f64) -> String {
    if count.fract() == 0.0 { count_text(count as u64) } else { format!("{count:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn titles(report: &Json) -> Vec<&'static str> {
        all(report).iter().map(|plot| plot.title).collect()
    }

    #[test]
    fn nothing_measured_is_nothing_plotted() {
        assert!(titles(&json!({})).is_empty());
        assert!(
            titles(&json!({"seconds": [{"second": 0, "open": 0, "sent": 0}, 7], "latency": 1}))
                .is_empty()
        );
    }

    #[test]
    fn figures_beyond_reason_are_drawn_without_a_panic() {
        for figure in [json!(0), json!(-1), json!(1e300), json!(u64::MAX)] {
            let second = json!({
                "second": figure, "open": figure, "sent": figure, "delivered": figure,
                "p50_ns": figure, "p99_ns": figure, "max_ns": figure,
                "loadgen_share": figure, "server_share": figure,
            });
            for plot in all(&json!({ "seconds": [second, {"second": 0}, second] })) {
                plot.draw();
            }
        }
    }

    #[test]
    fn a_fan_out_has_an_axis_for_each_rate() {
        let of = |delivered: u64| {
            let second =
                json!({"second": 0, "phase": "measure", "sent": 10, "delivered": delivered});
            json!({ "seconds": [second] })
        };
        assert_eq!(titles(&of(1_000)), ["Deliveries", "Messages sent"]);
        assert_eq!(titles(&of(10)), ["Messages"]);
    }

    #[test]
    fn unmeasured_seconds_are_shaded_in_one_piece() {
        let second = |second: u64, phase: &str| json!({"second": second, "phase": phase});
        let seconds =
            [second(0, "connect"), second(1, "warmup"), second(2, "measure"), second(3, "drain")];
        assert_eq!(Seconds(&seconds).unmeasured(), [(-0.5, 1.5), (2.5, 3.5)]);
    }
}
