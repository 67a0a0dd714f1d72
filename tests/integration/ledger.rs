//! After a script of everything that peers do, the metrics of the real command balance, to the
//! unit: connections opened and closed, requests and answers, copies owed and what became of them.

use std::cell::Cell;
use std::collections::BTreeMap;

use fanfare::Value;
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::support::{
    Log, Metrics, Peer, Program, Response, Scraper, UPGRADE, close_frame, frame, request, text,
    upgrade, wait_for,
};

/// What `--max-message-size` and `--channel-buffer` say.
const MESSAGE_BYTES_MAX: usize = 512 * 1024;
const FLAGS: [&str; 8] = [
    "--max-message-size",
    "512KiB",
    "--channel-buffer",
    "1MiB",
    "--ping-interval",
    "1h",
    "--slow-timeout",
    "1h",
];

const CONFIG: &str = "publish-key = 'sesame'\nlog-access = true\n\
    [[channels]]\nmatch = 'limited'\nmessage-rate = 1\n\
    [[channels]]\nmatch = 'silent'\npublish = 'none'\n";

/// The server, and what the script has done to it.
struct Script {
    server: Program,
    log: Log,
    file: NamedTempFile,
    scraper: Scraper,
    publisher: Peer,
    /// How many answers with each status there were to handshakes, and to other requests.
    handshakes: BTreeMap<u16, u64>,
    responses: BTreeMap<u16, u64>,
    /// How many connections were closed with each code, by the server, the client or nobody.
    closed: BTreeMap<(u16, &'static str), u64>,
    /// Copies owed: for each message, as many as there were subscribers.
    copies: u64,
    posted: u64,
    said: u64,
    /// How many access lines with each status there were.
    lines: BTreeMap<u16, u64>,
}

fn counted<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

impl Script {
    fn start(reactors: &str) -> Script {
        let file = NamedTempFile::with_suffix(".toml").unwrap();
        std::fs::write(file.path(), format!("echo = true\n{CONFIG}")).unwrap();
        let path = file.path().to_str().unwrap();
        let flags = [&FLAGS[..], &["--config", path, "--reactors", reactors]].concat();
        let (server, log) = Program::start_with_log(&flags);
        Script {
            scraper: Scraper::connect(server.address),
            publisher: Peer::connect(server.address),
            server,
            log,
            file,
            handshakes: BTreeMap::new(),
            responses: BTreeMap::new(),
            closed: BTreeMap::new(),
            copies: 0,
            posted: 0,
            said: 0,
            lines: BTreeMap::new(),
        }
    }

    /// Scrapes until the metrics are as they should be.
    fn until(&mut self, what: &str, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
        let scrapes = Cell::new(0);
        let metrics = self.scraper.until(what, |metrics| {
            scrapes.set(scrapes.get() + 1);
            is_so(metrics)
        });
        *self.responses.entry(200).or_default() += scrapes.get();
        metrics
    }

    /// Connects a subscriber.
    fn open(&mut self, path: &str) -> Peer {
        self.open_on(Peer::connect(self.server.address), path)
    }

    fn open_on(&mut self, peer: Peer, path: &str) -> Peer {
        counted(&mut self.handshakes, 101);
        peer.open(path)
    }

    /// Tries a handshake that is refused.
    fn refused(&mut self, request: &[u8], status: u16) {
        assert_eq!(Peer::connect(self.server.address).ask(request).status, status);
        counted(&mut self.handshakes, status);
    }

    /// Makes a request on a connection of its own.
    fn ask(&mut self, request: &[u8], status: u16) -> Response {
        let answer = Peer::connect(self.server.address).ask(request);
        assert_eq!(answer.status, status, "{answer:?}");
        counted(&mut self.responses, status);
        answer
    }

    /// Publishes by POST to this many subscribers, and waits until every reactor has the message
    /// for its own. The answer counts further ones that the message cuts off on other reactors.
    fn post_and_cut(&mut self, path: &str, message: &str, copies: u64, cut: u64) {
        let key = "Authorization: Bearer sesame\r\n";
        let answer = self.publisher.ask(request("POST", path, key, message));
        let subscribers = subscribers(&answer);
        assert!((copies..=copies + cut).contains(&subscribers), "{copies} + {cut}: {answer:?}");
        assert_eq!(answer.status, if subscribers > 0 { 201 } else { 202 });
        counted(&mut self.responses, answer.status);
        self.posted += 1;
        self.copies += copies;
        let copies = self.copies;
        self.until("every copy to be owed", |metrics| owed(metrics) == copies);
    }

    fn post(&mut self, path: &str, message: &str, copies: u64) {
        self.post_and_cut(path, message, copies, 0);
    }

    /// Waits until the home of a channel knows how many subscribers are left on all reactors.
    fn wait_for_home(&mut self, path: &str, left: u64) {
        wait_for("the home to know who is left", || {
            let answer = self.ask(&request("GET", path, "", ""), 200);
            Some(()).filter(|()| subscribers(&answer) == left)
        });
    }

    /// Has a peer say something on its channel, which has this many subscribers.
    fn say(&mut self, peer: &mut Peer, message: &str, subscribers: u64) {
        peer.send(text(message));
        assert_eq!(peer.text(), message);
        self.said += 1;
        self.copies += subscribers;
    }

    /// Expects a Close frame of the server.
    fn is_closed(&mut self, mut peer: Peer, code: u16) {
        assert_eq!(peer.frame().close().map(|(code, _)| code), Some(code));
        counted(&mut self.closed, (code, "server"));
    }

    fn close(&mut self, peer: Peer) {
        peer.close();
        counted(&mut self.closed, (1000, "client"));
    }

    fn refuse(&mut self) {
        let ask = |headers: &[&str]| {
            let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
            request("GET", "/news", &lines, "")
        };
        let foreign = [&UPGRADE[..], &["Origin: https://elsewhere.example"]].concat();
        self.refused(&ask(&foreign), 403);
        let [upgrade, connection, _, key] = UPGRADE;
        self.refused(&ask(&[upgrade, connection, "Sec-WebSocket-Version: 7", key]), 426);
        self.refused(&ask(&[upgrade, connection, "Sec-WebSocket-Version: 13"]), 400);
        self.refused(&request("GET", "/-/no", &format!("{}\r\n", UPGRADE.join("\r\n")), ""), 404);
        for (asked, status) in [
            (request("GET", "/news", "", ""), 200),
            (request("GET", "/-/healthz", "", ""), 200),
            (request("GET", "/-/no", "", ""), 404),
            (request("PUT", "/news", "", ""), 405),
            (request("POST", "/news", "", "a"), 401),
            (request("POST", "/news", "Authorization: Bearer wrong\r\n", "a"), 401),
            (request("POST", "/news", "Authorization: Bearer sesame\r\n", b"\xff"), 400),
            (request("POST", "/news", "Transfer-Encoding: chunked\r\n", ""), 400),
            (b"GET / HTTP/9\r\n\r\n".to_vec(), 400),
            (request("GET", &format!("/{}", "x".repeat(20_000)), "", ""), 414),
            (request("POST", "/news", "", "x".repeat(MESSAGE_BYTES_MAX + 1)), 413),
        ] {
            self.ask(&asked, status);
        }
        // Nothing is asked on these, so nothing is answered.
        drop(Peer::connect(self.server.address));
        let mut half = Peer::connect(self.server.address);
        half.send("GET /news HT");
    }

    /// Publishes to subscribers some of which read and some of which do not, until these are cut.
    fn cut_the_slow(&mut self) {
        let (slow, healthy) = (3, 4);
        let stalled: Vec<_> = (0..slow)
            .map(|_| self.open_on(Peer::connect_narrow(self.server.address), "/busy"))
            .collect();
        let mut readers: Vec<_> = (0..healthy).map(|_| self.open("/busy")).collect();
        // Sockets that nobody reads take a part of the first message. With the second one they are
        // less than a megabyte behind, and with the third one they would be more.
        for (kibibytes, copies) in [(400, slow + healthy), (300, slow + healthy), (500, healthy)] {
            let message = "x".repeat(kibibytes * 1024);
            self.post_and_cut("/busy", &message, copies, slow + healthy - copies);
            readers.iter_mut().for_each(|reader| assert!(reader.text() == message));
        }
        let cut = "fanfare_connections_closed_total{code=\"4008\",initiator=\"server\"}";
        self.until("the slow ones to be cut", |metrics| {
            metrics.value(cut) == slow && metrics.value("fanfare_subscriptions") == healthy
        });
        self.wait_for_home("/busy", healthy);
        for (number, mut peer) in stalled.into_iter().enumerate() {
            counted(&mut self.closed, (4008, "server"));
            while number < 2 && peer.frame().close().is_none() {}
        }
        // These are slow too, and go before they are found out.
        let late: Vec<_> = (0..2)
            .map(|_| self.open_on(Peer::connect_narrow(self.server.address), "/busy"))
            .collect();
        let message = "x".repeat(200 * 1024);
        (0..3).for_each(|_| self.post("/busy", &message, healthy + 2));
        for peer in late.into_iter().chain(readers) {
            drop(peer);
            counted(&mut self.closed, (1006, "none"));
        }
    }

    /// Ends connections in every way, and leaves these open.
    fn end_in_every_way(&mut self) -> Vec<Peer> {
        let mut peers: Vec<_> = (0..4).map(|_| self.open("/news")).collect();
        self.post("/news", "to all", 4);
        peers.iter_mut().for_each(|peer| assert_eq!(peer.text(), "to all"));
        let mut last = peers.pop().unwrap();
        self.say(&mut last, "hello", 4);
        peers.iter_mut().for_each(|peer| assert_eq!(peer.text(), "hello"));
        last.send(frame(0x89, "ping"));
        assert_eq!(last.frame().first_byte, 0x8a);
        self.close(last);
        let mut with_code = peers.pop().unwrap();
        with_code.send(close_frame(4321, "bye"));
        assert_eq!(with_code.frame().close(), Some((4321, "bye")));
        // Codes of applications have no counter of their own.
        counted(&mut self.closed, (0, "client"));
        for (bytes, code) in [
            (frame(0x83, ""), 1002),
            (frame(0x81, b"\xff"), 1007),
            (frame(0x81, "x".repeat(MESSAGE_BYTES_MAX + 1)), 1009),
        ] {
            let mut peer = self.open("/news");
            peer.send(bytes);
            self.is_closed(peer, code);
        }
        let mut limited = self.open("/limited");
        self.say(&mut limited, "one", 1);
        limited.send(text("two"));
        self.is_closed(limited, 4429);
        let mut silent = self.open("/silent");
        silent.send(text("not allowed"));
        self.is_closed(silent, 4403);
        self.post("/nobody", "is there", 0);
        peers
    }

    /// Reloads the configuration, by which peers of `/-/echo` have to go.
    fn reload(&mut self) {
        let mut echo = self.open("/-/echo");
        echo.send(text("echo"));
        assert_eq!(echo.text(), "echo");
        std::fs::write(self.file.path(), CONFIG).unwrap();
        self.server.signal(Signal::HUP);
        // When the line is written, all reactors have been told.
        self.read_log("SIGHUP: ");
        self.is_closed(echo, 4403);
        self.refused(&upgrade("/-/echo"), 404);
    }

    fn check(&mut self, open: u64) {
        let transport = |name: &str| format!("fanfare_connections{{transport=\"{name}\"}}");
        let (websocket, http) = (transport("websocket"), transport("http"));
        // The scraper and the publisher are connected.
        let metrics = self.until("all others to go", |metrics| {
            metrics.is_settled() && metrics.value(&http) == 2 && metrics.value(&websocket) == open
        });
        let opened = metrics.value("fanfare_connections_opened_total");
        assert_eq!(opened, self.handshakes[&101]);
        assert_eq!(opened - metrics.sum("fanfare_connections_closed_total"), open);
        assert_eq!(metrics.value("fanfare_subscriptions"), open);
        for (expected, name) in
            [(&self.handshakes, "fanfare_handshakes"), (&self.responses, "fanfare_responses")]
        {
            for (status, count) in expected {
                let series = format!("{name}_total{{status=\"{status}\"}}");
                // The page is made before it is counted itself.
                let is_own = *status == 200 && name == "fanfare_responses";
                assert_eq!(metrics.value(&series), count - u64::from(is_own), "{series}");
            }
            let own = u64::from(name == "fanfare_responses");
            let sum: u64 = expected.values().sum();
            assert_eq!(metrics.sum(&format!("{name}_total")), sum - own, "{name}: no others");
        }
        for ((code, initiator), count) in &self.closed {
            let code = if *code == 0 { "other".to_owned() } else { code.to_string() };
            let series = format!(
                "fanfare_connections_closed_total{{code=\"{code}\",initiator=\"{initiator}\"}}"
            );
            assert_eq!(metrics.value(&series), *count, "{series}");
        }
        let closed: u64 = self.closed.values().sum();
        assert_eq!(metrics.sum("fanfare_connections_closed_total"), closed, "no others");
        let published = |source: &str| {
            metrics.value(&format!("fanfare_messages_published_total{{source=\"{source}\"}}"))
        };
        assert_eq!((published("http"), published("websocket")), (self.posted, self.said));
        assert_eq!(owed(&metrics), self.copies, "{metrics:?}");
        assert!(metrics.sum("fanfare_messages_dropped_total") > 0, "slow subscribers were cut");
    }

    /// Reads the log up to this text, and counts the access lines by their statuses.
    fn read_log(&mut self, until: &str) {
        loop {
            let line = self.log.wait_for(" INFO ");
            if let Some((_, rest)) = line.split_once(" status=") {
                let status = rest.split(' ').next().expect("there is a first part");
                counted(&mut self.lines, status.parse().expect("a status"));
            }
            if line.contains(until) {
                return;
            }
        }
    }

    /// Each answer has an access line, and each WebSocket connection that has ended.
    fn check_lines(mut self) {
        self.ask(&request("GET", "/the/last", "", ""), 200);
        self.read_log("/the/last");
        let mut expected = self.responses;
        for (status, count) in self.handshakes.into_iter().filter(|(status, _)| *status != 101) {
            *expected.entry(status).or_default() += count;
        }
        expected.insert(101, self.closed.values().sum());
        assert_eq!(self.lines, expected);
    }
}

/// Returns how many copies there were of all messages.
fn owed(metrics: &Metrics) -> u64 {
    let ended = metrics.value("fanfare_messages_delivered_total");
    ended
        + metrics.sum("fanfare_messages_dropped_total")
        + metrics.value("fanfare_messages_pending")
}

/// Returns the number of subscribers that an answer about a channel tells.
fn subscribers(answer: &Response) -> u64 {
    let body: Value = answer.body.parse().expect("the answer is JSON");
    body["subscribers"].as_u64().expect("a number")
}

fn balances(reactors: &str) {
    let mut script = Script::start(reactors);
    script.refuse();
    script.cut_the_slow();
    let left = script.end_in_every_way();
    script.reload();
    script.check(left.len() as u64);
    left.into_iter().for_each(|peer| script.close(peer));
    script.check(0);
    script.check_lines();
}

#[test]
fn after_a_script_of_everything_the_books_of_one_reactor_balance() {
    balances("1");
}

#[test]
fn after_a_script_of_everything_the_books_of_two_reactors_balance() {
    balances("2");
}
