//! Reads the metrics page as a scraper does.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::{Peer, request, wait_for};

/// A connection that stays open and only requests `/-/metrics`.
pub(crate) struct Scraper(Peer);

/// The values of one scrape, by series (a metric's name with its labels).
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Scraper {
    pub(crate) fn connect(address: SocketAddr) -> Scraper {
        Scraper(Peer::connect(address))
    }

    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Scraper {
        Scraper(Peer::connect_from(source, address))
    }

    pub(crate) fn scrape(&mut self) -> Metrics {
        let page = self.0.ask(request("GET", "/-/metrics", "", ""));
        assert_eq!(page.status, 200);
        assert!(page.body.ends_with("# EOF\n"), "OpenMetrics ends with EOF: {}", page.body);
        let lines = page.body.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a series and its value");
            (name.to_owned(), value.parse().expect("a value is a number"))
        });
        Metrics(series.collect())
    }

    /// Scrapes until the metrics fulfil the condition.
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, || Some(self.scrape()).filter(|metrics| is_so(metrics)))
    }
}

impl Metrics {
    /// Returns the value of one series, named with its labels; 0 if it does not exist yet.
    pub(crate) fn value(&self, series: &str) -> u64 {
        self.0.get(series).map_or(0, |value| *value as u64)
    }

    /// Returns the sum of a metric over all its labels.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let series = self.0.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        series.map(|(_, value)| *value as u64).sum()
    }

    /// Returns true if every copy of every message has been delivered or dropped.
    pub(crate) fn is_settled(&self) -> bool {
        self.value("fanfare_messages_pending") == 0
    }
}
