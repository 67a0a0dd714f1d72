//! Tests that send raw bytes and compare the exact answer. A row is one such input. Each must be
//! counted once, under the right reason, and the server must serve an honest client afterwards.

mod frames;
mod limits;
mod overload;
mod requests;

use crate::support::{Metrics, Peer, Running, Scraper, close_frame, request, text};

/// Where a refusal must be counted.
#[derive(Clone, Copy)]
pub(crate) enum Counted {
    /// In `fanfare_rejects_total` with this reason.
    Reject(&'static str),
    /// Like `Reject`, and in `fanfare_handshakes_total` with the status of the answer.
    Handshake(&'static str),
    /// In `fanfare_rejects_total` with this reason, although the connection goes on.
    Refused(&'static str),
}

/// A server whose metrics are compared before and after each row.
pub(crate) struct Watched {
    pub(crate) server: Running,
    scraper: Scraper,
    /// How many messages the honest clients have published so far.
    published: u64,
}

impl Watched {
    fn new(server: Running) -> Watched {
        let scraper = Scraper::connect(server.address);
        Watched { server, scraper, published: 0 }
    }

    /// Waits until everything before is counted, because each reactor updates its figures at the
    /// end of its turn. Returns the metrics.
    fn before(&mut self) -> Metrics {
        let published = self.published;
        self.scraper.until("the last row is counted", |metrics| {
            metrics.value("fanfare_connections{transport=\"websocket\"}") == 0
                && metrics.sum("fanfare_messages_published_total") == published
        })
    }

    /// Runs one row. Compares the status of its answer, and what was counted, with what is
    /// expected.
    fn check(&mut self, name: &str, counted: Counted, row: impl FnOnce(&mut Peer) -> u16) {
        let before = self.before();
        let mut peer = Peer::connect(self.server.address);
        let status = row(&mut peer);
        drop(peer);
        let after = self.scraper.until(name, |after| counted.is_in(&before, after));
        assert_counted(name, &before, &after, counted, status);
        self.serves_an_honest_client(name);
    }

    fn serves_an_honest_client(&mut self, after: &str) {
        let mut subscriber = Peer::subscribe(self.server.address, "/honest");
        let answer = Peer::connect(self.server.address).ask(request("POST", "/honest", "", after));
        assert_eq!(answer.status, 201, "after {after}: {answer:?}");
        assert_eq!(subscriber.text(), after);
        subscriber.send(text("said by the client"));
        assert_eq!(subscriber.text(), "said by the client", "after {after}");
        subscriber.close();
        self.published += 2;
    }

    /// Runs one row of frames. The server must close the connection with this code and a reason.
    fn check_close(&mut self, name: &str, path: &str, code: u16, row: impl FnOnce(&mut Peer)) {
        let before = self.before();
        let mut peer = Peer::subscribe(self.server.address, path);
        row(&mut peer);
        let frame = peer.frame();
        let (found, reason) =
            frame.close().unwrap_or_else(|| panic!("{name}: {frame:?} is no close"));
        assert_eq!(found, code, "{name}: {reason}");
        assert!(!reason.is_empty(), "{name}: a close says why");
        peer.end();
        let closed = |metrics: &Metrics| metrics.sum("fanfare_connections_closed_total");
        let after = self.scraper.until(name, |after| closed(after) > closed(&before));
        let grown = |metric: &str| after.sum(metric) - before.sum(metric);
        let series =
            format!("fanfare_connections_closed_total{{code=\"{code}\",initiator=\"server\"}}");
        assert_eq!(after.value(&series) - before.value(&series), 1, "{name}: {series}");
        assert_eq!(grown("fanfare_connections_closed_total"), 1, "{name}: closed once");
        assert_eq!(grown("fanfare_connections_opened_total"), 1, "{name}: opened once");
        assert_eq!(grown("fanfare_rejects_total"), 0, "{name}: it had been let in");
        assert_eq!(grown("fanfare_messages_published_total"), 0, "{name}: nothing was published");
        self.serves_an_honest_client(name);
    }
}

impl Counted {
    /// Returns the reason of the refusal, and how many handshakes it counts as.
    fn parts(self) -> (&'static str, u64) {
        match self {
            Counted::Reject(reason) | Counted::Refused(reason) => (reason, 0),
            Counted::Handshake(reason) => (reason, 1),
        }
    }

    /// Returns true if both figures have grown between two scrapes. A reactor may publish its
    /// figures after it has counted the refusal and before it has counted the handshake.
    fn is_in(self, before: &Metrics, after: &Metrics) -> bool {
        let (_, handshakes) = self.parts();
        let grown = |metric: &str| after.sum(metric) - before.sum(metric);
        grown("fanfare_rejects_total") >= 1 && grown("fanfare_handshakes_total") >= handshakes
    }
}

/// Checks that between two scrapes exactly one request was refused, for the expected reason.
fn assert_counted(name: &str, before: &Metrics, after: &Metrics, counted: Counted, status: u16) {
    let grown = |series: &str| after.value(series) - before.value(series);
    let grown_in_all = |metric: &str| after.sum(metric) - before.sum(metric);
    let (reason, handshakes) = counted.parts();
    assert_eq!(grown_in_all("fanfare_rejects_total"), 1, "{name}: rejects");
    let series = format!("fanfare_rejects_total{{reason=\"{reason}\"}}");
    assert_eq!(grown(&series), 1, "{name}: {series}");
    assert_eq!(grown_in_all("fanfare_handshakes_total"), handshakes, "{name}: handshakes");
    let series = format!("fanfare_handshakes_total{{status=\"{status}\"}}");
    assert_eq!(grown(&series), handshakes, "{name}: {series}");
    assert_eq!(grown_in_all("fanfare_connections_opened_total"), 0, "{name}: nobody was let in");
    assert_eq!(
        grown_in_all("fanfare_messages_published_total"),
        0,
        "{name}: nothing was published"
    );
}

#[test]
fn an_honest_close_is_counted_under_its_own_code_and_the_client() {
    let mut watched = Watched::new(Running::broadcast());
    for (frame, answer, code) in [
        (close_frame(1000, ""), Some((1000, "")), "1000"),
        (close_frame(1001, "leaving"), Some((1001, "leaving")), "1001"),
        (close_frame(3000, "a framework's"), Some((3000, "a framework's")), "other"),
        (close_frame(4999, "our own"), Some((4999, "our own")), "other"),
        (crate::support::frame(0x88, ""), Some((1000, "")), "1005"),
    ] {
        let before = watched.before();
        let mut peer = Peer::subscribe(watched.server.address, "/news");
        peer.send(frame);
        assert_eq!(peer.frame().close(), answer);
        peer.end();
        let series =
            format!("fanfare_connections_closed_total{{code=\"{code}\",initiator=\"client\"}}");
        watched.scraper.until(&series, |after| after.value(&series) == before.value(&series) + 1);
    }
    let before = watched.before();
    drop(Peer::subscribe(watched.server.address, "/news"));
    let lost = "fanfare_connections_closed_total{code=\"1006\",initiator=\"none\"}";
    watched.scraper.until("the loss", |metrics| metrics.value(lost) == before.value(lost) + 1);
}
