//! SIGHUP reads certificates, keys, OCSP responses and authorities again.

use std::thread;

use rustix::process::Signal;
use rustls::HandshakeKind;
use rustls::version::TLS13;
use tungstenite::Message;

use super::TlsServer;
use super::authority::{Authority, Files};
use super::tls_client::{TlsClient, certificate_of, config};
use crate::support::Scraper;

const SWAPS: u64 = 1_000;

impl TlsServer {
    /// Has the server read its files again. Returns the line that it logs.
    fn reload(&mut self) -> String {
        self.program.signal(Signal::HUP);
        self.log.wait_for("SIGHUP: ")
    }
}

/// Puts the files of one certificate in the place of another's.
fn replace(place: &Files, by: &Files) {
    std::fs::copy(&by.certificate, &place.certificate).unwrap();
    std::fs::copy(&by.key, &place.key).unwrap();
}

#[test]
fn a_renewed_certificate_counts_for_new_connections_and_old_ones_stay() {
    let authority = Authority::new();
    let files = authority.server("a", &["a.example"]);
    let (first, second) =
        (authority.server("b", &["a.example"]), authority.server("c", &["a.example"]));
    replace(&files, &first);
    let mut server = TlsServer::start(&files.flags());
    let config = config(&[&TLS13], None);
    let mut old = TlsClient::connect(server.tls, "a.example", &config, b"").unwrap();
    assert_eq!(old.get("/-/healthz", "").unwrap().0, 200);
    let line = server.reload();
    assert!(line.contains("nothing has changed"), "{line}");
    replace(&files, &second);
    authority.make_ocsp_response(&files);
    let line = server.reload();
    assert!(line.contains("in force now: the contents of the files of certificates"), "{line}");
    let fresh = super::tls_client::config(&[&TLS13], None);
    let new = TlsClient::connect(server.tls, "a.example", &fresh, b"").unwrap();
    assert_eq!(new.certificate(), certificate_of(&second));
    assert_eq!(old.get("/-/healthz", "").unwrap().0, 200);
    // A ticket of before is as good as ever.
    let resumed = TlsClient::connect(server.tls, "a.example", &config, b"").unwrap();
    assert_eq!(resumed.stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn bad_files_change_nothing_and_are_told_and_counted() {
    let authority = Authority::new();
    let files = authority.server("a", &["a.example"]);
    let good = authority.server("b", &["a.example"]);
    replace(&files, &good);
    let mut server = TlsServer::start(&files.flags());
    let other = authority.server("c", &["a.example"]);
    let config = config(&[&TLS13], None);
    let breaks: [(&dyn Fn(), &str); 3] = [
        (&|| std::fs::write(&files.certificate, "").unwrap(), "BEGIN CERTIFICATE"),
        (&|| drop(std::fs::copy(&other.certificate, &files.certificate)), "does not belong"),
        (&|| std::fs::remove_file(&files.key).unwrap(), "No such file"),
    ];
    for (number, (break_them, what)) in (1..).zip(breaks) {
        break_them();
        let line = server.reload();
        assert!(line.contains("nothing has changed") && line.contains(what), "{line}");
        let client = TlsClient::connect(server.tls, "a.example", &config, b"").unwrap();
        assert_eq!(client.certificate(), certificate_of(&good));
        let metrics = Scraper::connect(server.program.address).scrape();
        let failed = "fanfare_config_reloads_total{result=\"failure\"}";
        assert_eq!(metrics.value(failed), number);
        replace(&files, &good);
    }
}

#[test]
fn where_certificates_are_needed_each_connection_shows_one() {
    let (ours, another) = (Authority::new(), Authority::new());
    let files = ours.server("a", &["a.example"]);
    let ca = ours.path("clients.pem");
    std::fs::copy(ours.certificate(), &ca).unwrap();
    let flags = [&files.flags()[..], &["--tls-client-ca", ca.to_str().unwrap()]].concat();
    let mut server = TlsServer::start(&flags);
    let config = config(&[&TLS13], Some(&ours.client("client")));
    let address = server.tls;
    let kind = || {
        let mut client = TlsClient::connect(address, "a.example", &config, b"")?;
        client.get("/-/healthz", "")?;
        Ok::<_, std::io::Error>(client.stream.conn.handshake_kind())
    };
    assert_eq!(kind().unwrap(), Some(HandshakeKind::Full));
    assert_eq!(kind().unwrap(), Some(HandshakeKind::Full), "there are no tickets");
    std::fs::copy(another.certificate(), &ca).unwrap();
    let line = server.reload();
    assert!(line.contains("the files of certificates"), "{line}");
    assert!(kind().is_err(), "the client's certificate is one of another authority now");
}

/// Receives numbered messages until `end`. Returns how many.
fn count_messages(stream: TlsClient) -> u64 {
    let request = "wss://a.example/news";
    let mut socket = tungstenite::client(request, stream.stream).unwrap().0;
    let mut next = 0;
    loop {
        match socket.read().unwrap() {
            Message::Text(text) if text.as_str() == "end" => return next,
            Message::Text(text) => assert_eq!(text.as_str(), next.to_string(), "in order"),
            _ => continue,
        }
        next += 1;
    }
}

#[test]
fn a_thousand_certificates_under_load_drop_nobody() {
    let authority = Authority::new();
    let files = authority.server("a", &["a.example"]);
    let two = [authority.server("b", &["a.example"]), authority.server("c", &["a.example"])];
    replace(&files, &two[0]);
    // Nobody is pinged, so that peers hear messages only.
    let flags =
        ["--reactors=2", "--publish=all", "--allowed-hosts=a.example", "--ping-interval=1h"];
    let mut server = TlsServer::start(&[&files.flags()[..], &flags].concat());
    let config = config(&[&TLS13], None);
    let connect = |address| TlsClient::connect(address, "a.example", &config, b"").unwrap();
    let subscribers: Vec<_> = (0..10)
        .map(|_| {
            let client = connect(server.tls);
            thread::spawn(move || count_messages(client))
        })
        .collect();
    let mut metrics = Scraper::connect(server.program.address);
    metrics.until("the subscribers", |page| page.value("fanfare_subscriptions") == 10);
    let mut publisher = tungstenite::client("wss://a.example/news", connect(server.tls).stream);
    let publisher = &mut publisher.as_mut().unwrap().0;
    let fresh = || super::tls_client::config(&[&TLS13], None);
    for number in 0..SWAPS {
        let files_now = &two[(number % 2) as usize];
        replace(&files, files_now);
        let line = server.reload();
        assert!(number == 0 || line.contains("in force now"), "{line}");
        publisher.send(Message::text(number.to_string())).unwrap();
        assert_eq!(publisher.read().unwrap(), Message::text(number.to_string()));
        if number % 50 == 0 {
            let client = TlsClient::connect(server.tls, "a.example", &fresh(), b"").unwrap();
            assert_eq!(client.certificate(), certificate_of(files_now));
        }
    }
    publisher.send(Message::text("end")).unwrap();
    for subscriber in subscribers {
        assert_eq!(subscriber.join().unwrap(), SWAPS);
    }
    let page = metrics.scrape();
    assert_eq!(page.value("fanfare_config_reloads_total{result=\"success\"}"), SWAPS);
    assert_eq!(page.sum("fanfare_messages_dropped_total"), 0);
    let ends = page.sum("fanfare_tls_handshakes_total");
    let good = ["full", "resumed"]
        .map(|end| page.value(&format!("fanfare_tls_handshakes_total{{result=\"{end}\"}}")));
    assert_eq!(good.iter().sum::<u64>(), ends, "no handshake has failed");
}
