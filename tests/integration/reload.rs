//! Tests of SIGHUP with the real command: what is put into force, what is said, and that nobody
//! loses anything meanwhile.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::{NamedTempFile, TempDir};

use crate::support::{Log, Peer, Program, Scraper, fanfare, request, text};

const RELOADS: u64 = 1_000;

/// A server with a configuration file that the test changes.
struct Configured {
    file: NamedTempFile,
    server: Program,
    log: Log,
}

fn start(text: &str) -> Configured {
    let file = NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    // Nobody is pinged, so that peers hear messages only.
    let flags = ["--config", path, "--reactors", "2", "--ping-interval", "1h"];
    let (server, log) = Program::start_with_log(&flags);
    Configured { file, server, log }
}

impl Configured {
    /// Replaces the file, and has the server read it. Returns the line that the server logs.
    fn reload(&mut self, text: &str) -> String {
        std::fs::write(self.file.path(), text).unwrap();
        self.server.signal(Signal::HUP);
        self.log.wait_for("SIGHUP: ")
    }

    fn post(&self, bearer: &str) -> u16 {
        let headers = format!("Authorization: Bearer {bearer}\r\n");
        Peer::connect(self.server.address).ask(request("POST", "/news", &headers, "a")).status
    }
}

/// Each subscriber counts the messages, which are numbered, until it receives `end`.
fn count_messages(mut subscriber: Peer) -> u64 {
    let mut next = 0;
    loop {
        match subscriber.text().as_str() {
            "end" => return next,
            text => assert_eq!(text, next.to_string(), "in order, without a gap"),
        }
        next += 1;
    }
}

#[test]
fn a_thousand_reloads_under_load_drop_nobody_and_lose_nothing() {
    let mut configured = start("publish = 'all'");
    let address = configured.server.address;
    let subscribers: Vec<_> = (0..20)
        .map(|_| {
            let subscriber = Peer::subscribe(address, "/news");
            thread::spawn(move || count_messages(subscriber))
        })
        .collect();
    let (is_over, published) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let publisher = {
        let (is_over, published) = (Arc::clone(&is_over), Arc::clone(&published));
        thread::spawn(move || {
            // It is subscribed itself, and reads what it has sent before it goes on. So the load is
            // as high as the server makes it.
            let mut peer = Peer::subscribe(address, "/news");
            while !is_over.load(Ordering::SeqCst) {
                let number = published.load(Ordering::SeqCst);
                peer.send(text(&number.to_string()));
                assert_eq!(peer.text(), number.to_string());
                published.store(number + 1, Ordering::SeqCst);
            }
            peer.send(text("end"));
            assert_eq!(peer.text(), "end");
            peer.close();
        })
    };
    for number in 0..RELOADS {
        // Every second one has the reactors review all connections.
        let before = published.load(Ordering::SeqCst);
        let line = configured.reload(&format!(
            "publish = 'all'\nallowed-hosts = 'host-{}.example'\nmessage-rate = {}\n",
            number / 2,
            1_000_000 + number,
        ));
        assert!(line.contains("in force now: "), "{line}");
        while published.load(Ordering::SeqCst) == before {
            thread::yield_now();
        }
    }
    is_over.store(true, Ordering::SeqCst);
    publisher.join().unwrap();
    let published = published.load(Ordering::SeqCst);
    assert!(published >= RELOADS);
    for subscriber in subscribers {
        assert_eq!(subscriber.join().unwrap(), published);
    }
    let metrics = Scraper::connect(address).scrape();
    let reloads = |result: &str| format!("fanfare_config_reloads_total{{result=\"{result}\"}}");
    assert_eq!(metrics.value(&reloads("success")), RELOADS);
    assert_eq!(metrics.value(&reloads("failure")), 0);
    assert_eq!(metrics.value("fanfare_config_last_reload_successful"), 1);
    assert!(metrics.value("fanfare_config_last_reload_success_timestamp_seconds") > 1_700_000_000);
    let by_server = "fanfare_connections_closed_total{code=\"1000\",initiator=\"client\"}";
    assert_eq!(metrics.value(by_server), 1, "the publisher");
    assert_eq!(metrics.sum("fanfare_messages_dropped_total"), 0);
}

#[test]
fn a_thousand_bad_files_change_nothing_and_each_is_told_once_with_line_and_key() {
    let good = "publish-key = 'one'\nallowed-origins = 'https://a.example'\n";
    let mut configured = start(good);
    let mut subscriber = Peer::subscribe(configured.server.address, "/news");
    let path = configured.file.path().display().to_string();
    let bad = [
        ("\npublish-kee = 'two'\n", "line 2", "publish-kee"),
        ("publish-key = 'two'\npong-timeout = -25\n", "line 2", "pong-timeout"),
        ("publish-key = 'two'\nallowed-origins = ['example.com']\n", "line 2", "allowed-origins"),
        ("publish-key = 'two'\n\nmax-message-size = '1GiB'\n", "line 3", "max-message-size"),
        ("publish-key = 'two'\nlisten = [\n", "line", "line"),
        ("publish-key = 'two'\n\n\ntoken-query = true\n", "line 4", "token-query"),
        ("publish-key = 'two words'\n", "line 1", "publish-key"),
        ("allowed-hosts = 'https://a.example'\n", "line 1", "allowed-hosts"),
    ];
    for number in 0..RELOADS {
        let (text, place, key) = bad[number as usize % bad.len()];
        let line = configured.reload(text);
        let is_whole =
            [&path, "nothing has changed", place, key].iter().all(|one| line.contains(one));
        assert!(is_whole && !line.contains("two"), "{text}: {line}");
    }
    // Nothing else has been said.
    configured.server.signal(Signal::USR1);
    let line = configured.log.wait_for("");
    assert!(line.contains("SIGUSR1"), "{line}");
    assert_eq!((configured.post("one"), configured.post("two")), (201, 401));
    assert_eq!(subscriber.text(), "a");
    std::fs::remove_file(configured.file.path()).unwrap();
    configured.server.signal(Signal::HUP);
    assert!(configured.log.wait_for("SIGHUP: ").contains(&path));
    let metrics = Scraper::connect(configured.server.address).scrape();
    let failed = "fanfare_config_reloads_total{result=\"failure\"}";
    assert_eq!(metrics.value(failed), RELOADS + 1);
    assert_eq!(metrics.value("fanfare_config_last_reload_successful"), 0);
    let line = configured.reload(good);
    assert!(line.contains("nothing has changed") && !line.contains("bad"), "{line}");
}

#[test]
fn what_needs_a_restart_is_named_and_left_as_it_is() {
    let mut configured = start("publish-key = 'one'\n");
    let line = configured.reload(
        "publish-key = 'two'\nmax-channels = 7\nmemory-limit = '99MiB'\n\
         max-connections-per-ip = 5\nmax-connections = 55\n",
    );
    assert!(line.contains("in force now: max-connections, publish-key;"), "{line}");
    let left = "it needs a restart: max-channels, memory-limit, max-connections-per-ip\n";
    assert!(line.ends_with(left), "{line}");
    assert_eq!((configured.post("one"), configured.post("two")), (401, 202));
    let memory_limit = || {
        let metrics = Scraper::connect(configured.server.address).scrape();
        metrics.value("fanfare_memory_limit_bytes")
    };
    assert_ne!(memory_limit(), 99 << 20);
    let line = configured.reload("publish-key = 'two'\n");
    assert!(line.contains("in force now: max-connections\n"), "{line}");
}

#[test]
fn proxies_and_limits_of_their_clients_are_reloaded() {
    let key = "publish-key = 'one'\n";
    let mut configured = start(&format!("{key}max-connections-per-ip = 9\n"));
    let address = configured.server.address;
    let ask = |method: &str, bearer: &str, client: &str| {
        let headers = format!("Authorization: Bearer {bearer}\r\nX-Forwarded-For: {client}\r\n");
        Peer::connect(address).ask(request(method, "/news", &headers, "")).status
    };
    // Nobody is believed yet, and nobody is slowed: the server is for this machine alone.
    let guesses: Vec<u16> = (0..4).map(|_| ask("POST", "guess", "203.0.113.1")).collect();
    assert_eq!(guesses, [401; 4]);
    let behind = format!("{key}max-connections-per-ip = 1\ntrusted-proxies = '127.0.0.1'\n");
    let line = configured.reload(&format!("{behind}credential-failures-per-ip = 2\n"));
    let changed = "in force now: credential-failures-per-ip, max-connections-per-ip, \
                   trusted-proxies\n";
    assert!(line.ends_with(changed), "{line}");
    let statuses: Vec<u16> = (0..3).map(|_| ask("POST", "guess", "203.0.113.1")).collect();
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(ask("POST", "one", "203.0.113.2"), 202, "who guesses harms nobody else");
    // The count stands a reload, and the limit can be raised or lifted meanwhile.
    let more = format!("{behind}credential-failures-per-ip = 3\n");
    assert!(configured.reload(&more).ends_with("in force now: credential-failures-per-ip\n"));
    let statuses: Vec<u16> = (0..2).map(|_| ask("POST", "guess", "203.0.113.1")).collect();
    assert_eq!(statuses, [401, 429]);
    configured.reload(&format!("{behind}credential-failures-per-ip = 'off'\n"));
    assert_eq!(ask("POST", "one", "203.0.113.1"), 202);
    let line = configured.reload(&format!("{behind}socket-mode = '600'\n"));
    assert!(line.ends_with("because it needs a restart: socket-mode\n"), "{line}");
}

#[test]
fn a_limit_that_a_reload_would_bring_by_default_is_named_if_it_needs_a_restart() {
    let mut configured = start("");
    let line = configured.reload("trusted-proxies = '127.0.0.1'\n");
    let told = "in force now: trusted-proxies; left as it was, because it needs a restart: \
                max-connections-per-ip\n";
    assert!(line.ends_with(told), "{line}");
    let line = configured.reload("trusted-proxies = '127.0.0.1'\nmax-connections-per-ip = 'off'\n");
    assert!(line.ends_with("in force now: max-connections-per-ip\n"), "{line}");
}

#[test]
fn the_contents_of_key_files_and_the_form_of_the_log_are_reloaded() {
    let directory = TempDir::new().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "one\n").unwrap();
    let text = format!("publish-key-file = '{}'\n", key.display());
    let mut configured = start(&text);
    assert_eq!((configured.post("one"), configured.post("two")), (202, 401));
    std::fs::write(&key, "two\n").unwrap();
    let line = configured.reload(&text);
    assert!(line.contains("in force now: the contents of publish-key-file"), "{line}");
    assert_eq!((configured.post("one"), configured.post("two")), (401, 202));
    let line = configured.reload(&format!("{text}log-format = 'json'\nlog-events = true\n"));
    assert!(line.starts_with('{') && line.contains("log-events, log-format"), "{line}");
    let peer = Peer::subscribe(configured.server.address, "/news");
    let line = configured.log.wait_for("news");
    assert!(line.starts_with('{'), "{line}");
    peer.close();
    let line = configured.reload(&text);
    assert!(!line.starts_with('{'), "{line}");
}

#[test]
fn who_is_no_longer_allowed_is_told_so_and_who_signs_in_again_is_let_in() {
    let secrets = ["1".repeat(32), "2".repeat(32)];
    let tokens = secrets.clone().map(|secret| {
        let flags = ["token", "--jwt-secret", &secret, "--subscribe", "news"];
        String::from_utf8(fanfare(&flags).output().unwrap().stdout).unwrap().trim().to_owned()
    });
    let [old, new] = &secrets;
    let mut configured = start(&format!("jwt-secret = '{old}'\n"));
    let open = |configured: &Configured, token: &str| {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let headers = format!("{upgrade}Authorization: Bearer {token}\r\n");
        let mut peer = Peer::connect(configured.server.address);
        (peer.ask(request("GET", "/news", &headers, "")).status, peer)
    };
    let (status, mut first) = open(&configured, &tokens[0]);
    assert_eq!((status, open(&configured, &tokens[1]).0), (101, 401));
    let line = configured.reload(&format!("jwt-secret = ['{old}', '{new}']\n"));
    assert!(line.contains("in force now: jwt-secret") && !line.contains(new), "{line}");
    let (status, _second) = open(&configured, &tokens[1]);
    assert_eq!(status, 101);
    configured.reload(&format!("jwt-secret = '{new}'\n"));
    let frame = first.frame();
    let reason = "no key fits the alg and kid of the token";
    assert_eq!(frame.close(), Some((4401, reason)), "{frame:?}");
    assert_eq!((open(&configured, &tokens[0]).0, open(&configured, &tokens[1]).0), (401, 101));
}

#[test]
fn systemd_is_told_of_a_reload_from_its_begin_to_its_end_good_or_bad() {
    let directory = TempDir::new().unwrap();
    let (path, file) = (directory.path().join("notify"), directory.path().join("fanfare.toml"));
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut message = [0; 4096];
        let length = manager.recv(&mut message).expect("the service manager is told something");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    std::fs::write(&file, "").unwrap();
    let mut command = fanfare(&["--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &path);
    let (server, log) = Program::run(command);
    log.read_in_background();
    assert!(told().starts_with("READY=1\n"));
    for (text, status) in [("echo = true", "in force now: echo"), ("echo = 1", "has failed")] {
        std::fs::write(&file, text).unwrap();
        server.signal(Signal::HUP);
        let begin = told();
        let clock = begin.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::trim);
        assert!(clock.is_some_and(|clock| clock.parse::<u64>().is_ok()), "{begin}");
        let end = told();
        assert!(end.starts_with("READY=1\nSTATUS=") && end.contains(status), "{end}");
    }
}
