//! The figures of one moment, read from the text of `/-/metrics`.

use std::collections::HashMap;
use std::time::Instant;

/// The metrics of one answer.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// When they were asked for.
    pub(super) at: Instant,
    /// By name with labels, as in `fanfare_connections{transport="http"}`.
    series: HashMap<String, f64>,
}

/// The metric that every fanfare has.
const BUILD: &str = "fanfare_build_info";

impl Figures {
    /// Reads the text. Returns `None` if it is not that of a fanfare.
    pub(super) fn read(text: &str, at: Instant) -> Option<Figures> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        let figures = Figures { at, series: series.collect() };
        figures.version().map(|_| ()).map(|()| figures)
    }

    /// Returns which fanfare it is.
    pub(super) fn version(&self) -> Option<&str> {
        let (_, version) = self.labelled(BUILD, "version").next()?;
        Some(version)
    }

    /// Returns the value of a metric without labels.
    pub(super) fn of(&self, name: &str) -> Option<f64> {
        self.series.get(name).copied()
    }

    /// Returns the value of a metric with this one label; 0 if there is none.
    pub(super) fn with(&self, name: &str, label: &str, value: &str) -> f64 {
        self.of(&format!("{name}{{{label}=\"{value}\"}}")).unwrap_or_default()
    }

    /// Returns the sum of a metric over all its labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let is_of = |series: &str| series.split('{').next() == Some(name);
        self.series.iter().filter(|(series, _)| is_of(series)).map(|(_, value)| value).sum()
    }

    /// Returns each value of a metric with this one label, and the value of the label.
    pub(super) fn labelled<'f>(
        &'f self,
        name: &'f str,
        label: &'f str,
    ) -> impl Iterator<Item = (f64, &'f str)> {
        self.series.iter().filter_map(move |(series, value)| {
            let labels = series.strip_prefix(name)?.strip_prefix('{')?.strip_suffix('}')?;
            let text = labels.strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"')?;
            Some((*value, text))
        })
    }

    /// Returns the buckets of a histogram: each bound in seconds, and how many were not longer.
    pub(super) fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = self
            .labelled(&name, "le")
            .filter_map(|(count, bound)| Some((bound.parse().ok()?, count)))
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_name_and_label() {
        let text = "# TYPE fanfare_build info\nfanfare_build_info{version=\"1.2\"} 1\n\
            a 2.5\nb{x=\"one\"} 3\nb{x=\"two\"} 4\n\
            h_bucket{le=\"+Inf\"} 9\nh_bucket{le=\"0.1\"} 5\nh_bucket{le=\"0.01\"} 2\n# EOF\n";
        let figures = Figures::read(text, Instant::now()).unwrap();
        assert_eq!(figures.version(), Some("1.2"));
        assert_eq!((figures.of("a"), figures.of("c")), (Some(2.5), None));
        assert_eq!((figures.with("b", "x", "two"), figures.sum("b")), (4.0, 7.0));
        assert_eq!(figures.buckets("h"), [(0.01, 2.0), (0.1, 5.0), (f64::INFINITY, 9.0)]);
        assert!(Figures::read("up 1\n", Instant::now()).is_none(), "another program");
    }
}
