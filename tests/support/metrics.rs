//! The metrics page, read as a scraper reads it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::{Peer, request, wait_for};

/// A kept-alive connection that asks for nothing but `/-/metrics`.
pub(crate) struct Scraper(Peer);

/// The series of one scrape and their values.
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

    /// Scrapes until the metrics are as they should be.
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, || Some(self.scrape()).filter(|metrics| is_so(metrics)))
    }
}

impl Metrics {
    /// The value of one series, labels and all; 0 if it is not there yet.
    pub(crate) fn value(&self, series: &str) -> u64 {
        self.0.get(series).map_or(0, |value| *value as u64)
    }

    /// The sum over all label values of one metric.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let series = self.0.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        series.map(|(_, value)| *value as u64).sum()
    }

    /// Every copy of every message that was owed has been delivered or was dropped for a reason.
    pub(crate) fn is_settled(&self) -> bool {
        self.value("fanfare_messages_pending") == 0
    }
}
