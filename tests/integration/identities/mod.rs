//! Tables of who may do what: tokens, origins and rules for channels, each with the exact status
//! and metric.

mod cors;
mod guessing;
mod limits;
mod making;
mod origins;
mod reloads;
mod rules;
mod sources;
mod tokens;

use std::net::SocketAddr;

use crate::support::{Metrics, Peer, Scraper, UPGRADE, request};

const REASONS: [&str; 24] = [
    "malformed",
    "too_large",
    "slow_request",
    "missing_credentials",
    "bad_credentials",
    "expired",
    "forbidden_origin",
    "forbidden_host",
    "forbidden_channel",
    "forbidden_publish",
    "forbidden_metrics",
    "not_found",
    "method",
    "declined",
    "authorizer",
    "address_limit",
    "credential_limit",
    "opening_limit",
    "connection_limit",
    "channel_limit",
    "memory",
    "draining",
    "untrusted_proxy",
    "proxy_header",
];

/// What a server answers: the status, and the reason under which a refusal is counted.
pub(crate) type Outcome = (u16, Option<&'static str>);

/// Sends requests, each on a connection of its own, and looks at what it counts.
pub(crate) struct Asker {
    address: SocketAddr,
    scraper: Scraper,
    before: Metrics,
}

impl Asker {
    pub(crate) fn new(address: SocketAddr) -> Asker {
        Asker::with_admin(address, address)
    }

    /// Makes one that scrapes at another address.
    fn with_admin(address: SocketAddr, admin: SocketAddr) -> Asker {
        let mut scraper = Scraper::connect(admin);
        let before = scraper.scrape();
        Asker { address, scraper, before }
    }

    /// Sends `WS /path`, `GET /path` or `POST /path` with these header lines. Returns the outcome,
    /// and the peer, from which the answer was read. Fails if anything else is counted than the
    /// answer and one reason, or if the answer contains the secret.
    pub(crate) fn ask(
        &mut self,
        line: &str,
        headers: &str,
        secret: &str,
    ) -> (Outcome, String, Peer) {
        let (method, target) = line.split_once(' ').unwrap();
        let upgrade: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
        let is_websocket = method == "WS";
        let bytes = match is_websocket {
            true => request("GET", target, &format!("{upgrade}{headers}"), ""),
            false => request(method, target, headers, if method == "POST" { "hello" } else { "" }),
        };
        let mut peer = Peer::connect(self.address);
        let answer = peer.ask(bytes);
        let shown = format!("{answer:?}");
        assert!(secret.is_empty() || !shown.contains(secret), "{line}: {shown}");
        let after = self.scraper.scrape();
        let rise = |series: &str| after.value(series) - self.before.value(series);
        let of_reason =
            |reason: &str| rise(&format!("fanfare_rejects_total{{reason=\"{reason}\"}}"));
        let counted: Vec<_> = REASONS.into_iter().filter(|reason| of_reason(reason) > 0).collect();
        let total = after.sum("fanfare_rejects_total") - self.before.sum("fanfare_rejects_total");
        assert_eq!(total, counted.len() as u64, "{line}: each is counted once");
        assert!(counted.len() <= 1, "{line}: {counted:?}");
        // A head that is no request is not a handshake either.
        if is_websocket && ![400, 431].contains(&answer.status) {
            let series = format!("fanfare_handshakes_total{{status=\"{}\"}}", answer.status);
            assert_eq!(rise(&series), 1, "{line} {series}");
        }
        self.before = after;
        ((answer.status, counted.first().copied()), shown, peer)
    }
}
