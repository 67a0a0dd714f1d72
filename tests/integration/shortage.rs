//! The real command with fewer file descriptors than there are connections.

use std::time::{Duration, Instant};

use crate::support::{Peer, Program, Scraper, request, text, upgrade};

/// More than 64 descriptors hold.
const PEERS: usize = 150;

#[test]
fn more_connections_than_descriptors_wait_and_all_are_served_in_the_end() {
    let started = Instant::now();
    let program = Program::start_with_open_files(
        64,
        &["--max-connections", "1000", "--echo", "--handshake-timeout", "10m"],
    );
    let mut scraper = Scraper::connect(program.address);
    scraper.scrape();
    let mut waiting: Vec<_> = (0..PEERS).map(|_| Peer::connect(program.address)).collect();
    waiting.iter_mut().for_each(|peer| peer.send(upgrade("/-/echo")));
    let hits = "fanfare_limit_hits_total{limit=\"open_files\"}";
    let metrics = scraper.until("the shortage", |metrics| metrics.value(hits) > 0);
    assert!(metrics.value("fanfare_connections{transport=\"websocket\"}") < 64);

    // Those that are in are served as if nothing were the matter.
    for (number, mut peer) in waiting.into_iter().enumerate() {
        assert_eq!(peer.response().status, 101, "number {number} is lost");
        peer.send(text("hello"));
        assert_eq!(peer.text(), "hello");
        // Its end makes room for one of those that wait.
        peer.close();
    }

    // Accepting is tried again ten times a second; a loop that spins would try a million times.
    let tries = scraper.scrape().value(hits);
    let most = 10 + started.elapsed().as_millis() as u64 / Duration::from_millis(100).as_millis() as u64;
    assert!(tries <= most, "{tries} tries in {:?}", started.elapsed());
    assert_eq!(Peer::connect(program.address).ask(request("GET", "/-/readyz", "", "")).status, 200);
}
