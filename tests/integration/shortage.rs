//! A test of the real command with fewer file descriptors than there are connections.

use std::time::{Duration, Instant};

use crate::support::{Peer, Program, Scraper, request, text, upgrade};

/// More peers than 64 open files allow.
const PEERS: usize = 150;

#[test]
fn more_connections_than_descriptors_wait_and_all_are_served_in_the_end() {
    let started = Instant::now();
    let (program, mut log) = Program::start_with_open_files(
        64,
        &[
            "--reactors",
            "2",
            "--max-connections",
            "1000",
            "--echo",
            "--handshake-timeout",
            "10m",
            "--ping-interval",
            "10m",
        ],
    );
    let mut scraper = Scraper::connect(program.address);
    scraper.scrape();
    let mut waiting: Vec<_> = (0..PEERS).map(|_| Peer::connect(program.address)).collect();
    waiting.iter_mut().for_each(|peer| peer.send(upgrade("/-/echo")));
    let hits = "fanfare_limit_hits_total{limit=\"open_files\"}";
    let metrics = scraper.until("the shortage", |metrics| metrics.value(hits) > 0);
    assert!(metrics.value("fanfare_connections{transport=\"websocket\"}") < 64);
    let line = log.wait_for("cannot accept connections");
    assert!(line.contains("--max-connections"), "{line}");
    log.read_in_background();

    // Connections that are accepted are served as usual, and when one ends, a waiting one can be
    // accepted. Each peer has a thread of its own, because it depends on the reactors which of the
    // two accept queues gets the free descriptor.
    let served: Vec<_> = waiting
        .into_iter()
        .map(|mut peer| {
            std::thread::spawn(move || {
                assert_eq!(peer.response().status, 101);
                peer.send(text("hello"));
                assert_eq!(peer.text(), "hello");
                peer.close();
            })
        })
        .collect();
    served.into_iter().for_each(|peer| peer.join().expect("nobody is lost"));

    // Each reactor tries to accept ten times a second. A loop that did not wait would try a million
    // times.
    let tries = scraper.scrape().value(hits);
    let most = 20
        + 2 * started.elapsed().as_millis() as u64 / Duration::from_millis(100).as_millis() as u64;
    assert!(tries <= most, "{tries} tries in {:?}", started.elapsed());
    assert_eq!(Peer::connect(program.address).ask(request("GET", "/-/readyz", "", "")).status, 200);
}
