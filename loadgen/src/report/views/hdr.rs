//! The percentile distribution of one latency in HdrHistogram's text format (`.hgrm`), which its
//! plotters read. Values are in milliseconds.
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::Value as Json;

use crate::report::finished;

/// Lines per halving of the distance to 100 %, as HdrHistogram prints by default.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
const NANOS_PER_MILLI: f64 = 1e6;

/// Renders the distribution of response times, or else of service times; `None` without either.
pub(crate) fn render(report: &Json) -> Option<String> {
    let latencies = ["response_ns", "service_ns"]
        .iter()
        .find_map(|row| finished::decoded(&report["latency"][*row]))?;
    Some(distribution(latencies.histogram()))
}

fn distribution(histogram: &Histogram<u64>) -> String {
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let millis = step.value_iterated_to().min(histogram.max()) as f64 / NANOS_PER_MILLI;
        let quantile = step.quantile_iterated_to();
        let _ = write!(out, "{millis:12.3} {quantile:14.12} {total:10}");
        // At 100 % the last column would be infinite, so it is left out.
        if quantile < 1.0 {
            let _ = write!(out, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        out.push('\n');
    }
    let (mean, deviation) =
        (histogram.mean() / NANOS_PER_MILLI, histogram.stdev() / NANOS_PER_MILLI);
    let _ = writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let max = histogram.max() as f64 / NANOS_PER_MILLI;
    let _ = writeln!(out, "#[Max     = {max:12.3}, Total count    = {:12}]", histogram.len());
    // With d significant digits, a bucket has 2 * 10^d sub-buckets, rounded up to a power of two.
    let places = (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    let _ = writeln!(out, "#[Buckets = {:12}, SubBuckets     = {places:12}]", histogram.buckets());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::Latencies;
    use crate::report::gather::Report;
    use crate::report::value::Value;

    fn report(row: &str) -> Json {
        let mut latencies = Latencies::new();
        (1..=1_000).for_each(|millis| latencies.record(millis * 1_000_000));
        let mut report = Report::default();
        report.section("latency").row(row, Value::from(&latencies));
        report.finish()
    }

    #[test]
    fn goes_from_the_least_to_the_greatest_value() {
        let text = render(&report("response_ns")).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0], ["1.000", "0.000000000000", "1", "1.00"]);
        let half = rows.iter().find(|row| row[1] == "0.500000000000").unwrap();
        assert_eq!((half[2], half[3]), ("500", "2.00"));
        assert_eq!(rows.last().unwrap()[1..], ["1.000000000000", "1000"]);
        assert!(text.contains("Total count    =         1000]"));
    }

    #[test]
    fn a_closed_loop_has_its_service_time_and_nothing_has_nothing() {
        assert!(render(&report("service_ns")).is_some());
        assert!(render(&report("send_delay_ns")).is_none());
    }
}
