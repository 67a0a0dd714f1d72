//! Tests with slow, endless or hostile peers, and an honest client beside them that must be served.

use std::io::{self, Write};
use std::thread;

use fanfare::BroadcastOptions;

use crate::support::{
    Peer, Program, Running, Scraper, continuation, frame, frame_header, request, text, upgrade,
};

/// A subscriber and a publisher that must not be affected by the other peers.
struct Honest {
    subscriber: Peer,
    publisher: Peer,
    said: u64,
}

impl Honest {
    fn connect(address: std::net::SocketAddr) -> Honest {
        Honest {
            subscriber: Peer::subscribe(address, "/honest"),
            publisher: Peer::connect(address),
            said: 0,
        }
    }

    /// Checks that one message by POST and one over a WebSocket arrive.
    fn is_served(&mut self) {
        self.said += 1;
        let said = self.said.to_string();
        assert_eq!(self.publisher.ask(request("POST", "/honest", "", &said)).status, 201);
        assert_eq!(self.subscriber.text(), said);
        self.subscriber.send(text(&said));
        assert_eq!(self.subscriber.text(), said);
    }
}

#[test]
fn two_hundred_connections_that_drip_do_not_hold_up_an_honest_client() {
    let server = Running::broadcast();
    let mut honest = Honest::connect(server.address);
    let message = [frame(0x01, "drop"), frame(0x89, "ping"), frame(0x80, " by drop")].concat();
    let handshake = upgrade("/drip");
    let mut frames: Vec<_> = (0..100).map(|_| Peer::subscribe(server.address, "/drip")).collect();
    let mut heads: Vec<_> = (0..100).map(|_| Peer::connect(server.address)).collect();
    // The last byte of each request and message is kept back, so that none is complete while the
    // bytes arrive one by one.
    let (last_of_message, message) = message.split_last().unwrap();
    let (last_of_handshake, handshake) = handshake.split_last().unwrap();
    for (place, byte) in handshake.iter().enumerate() {
        heads.iter_mut().for_each(|peer| peer.send([*byte]));
        if let Some(byte) = message.get(place) {
            frames.iter_mut().for_each(|peer| peer.send([*byte]));
        }
        honest.is_served();
    }
    for peer in &mut heads {
        peer.send([*last_of_handshake]);
        assert_eq!(peer.response().status, 101);
    }
    for peer in &mut frames {
        assert_eq!(peer.frame().payload, b"ping", "the ping between the fragments is answered");
    }
    frames[0].send([*last_of_message]);
    for peer in frames.iter_mut().chain(&mut heads) {
        assert_eq!(peer.text(), "drop by drop");
    }
    honest.is_served();
}

#[test]
fn fragments_without_end_are_closed_at_the_limit_and_cost_the_others_nothing() {
    let server = Running::broadcast();
    let mut honest = Honest::connect(server.address);
    let mut scraper = Scraper::connect(server.address);
    let endless = Peer::subscribe(server.address, "/news");
    let mut stream = endless.stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        stream.write_all(&frame(0x02, "a"))?;
        let thousand = continuation(b"a").repeat(1000);
        (0..100_000).try_for_each(|_| stream.write_all(&thousand))
    });
    let closed = "fanfare_connections_closed_total{code=\"1008\",initiator=\"server\"}";
    while scraper.scrape().value(closed) == 0 {
        honest.is_served();
    }
    assert!(
        sender.join().unwrap().is_err(),
        "a hundred million of them are more than what is discarded"
    );
    let metrics = scraper.until("its end", |metrics| metrics.sum("fanfare_connections") == 3);
    assert_eq!(metrics.value(closed), 1);
    honest.is_served();
}

#[test]
fn a_million_fragments_are_echoed_where_limits_are_lifted() {
    const FRAGMENTS: usize = 1_000_000;
    let options = BroadcastOptions { echo: true, ..BroadcastOptions::default() };
    let server = Running::broadcast_with(options, |builder| {
        builder
            .max_fragments(u32::MAX)
            .message_timeout(None)
            .max_message_size(FRAGMENTS)
            .channel_buffer(2 * FRAGMENTS)
    });
    let mut honest = Honest::connect(server.address);
    let mut echo = Peer::subscribe(server.address, "/-/echo");
    echo.send(frame(0x02, "a"));
    let batch = continuation(b"a").repeat(FRAGMENTS / 100);
    for _ in 0..99 {
        echo.send(&batch);
        honest.is_served();
    }
    echo.send(continuation(b"a").repeat(FRAGMENTS / 100 - 2));
    echo.send(frame(0x80, "a"));
    let frame = echo.frame();
    assert_eq!((frame.first_byte, frame.payload.len()), (0x82, FRAGMENTS));
    assert!(frame.payload.iter().all(|byte| *byte == b'a'));
    echo.close();
}

#[test]
fn a_flood_of_pings_from_a_peer_that_does_not_read_costs_bounded_memory_and_holds_up_nobody() {
    const FLOODS: usize = 20;
    const MEMORY_MAX: u64 = 16 << 20;
    let program = Program::start(&[]);
    let mut honest = Honest::connect(program.address);
    honest.is_served();
    let before = program.resident_bytes();
    let pings = frame(0x89, [0; 125]).repeat(500);
    let mut floods: Vec<_> = (0..FLOODS)
        .map(|_| Peer::subscribe(program.address, "/flood"))
        .inspect(|peer| peer.stream.set_nonblocking(true).unwrap())
        .map(|peer| (peer, 0))
        .collect();
    // Each peer sends until the server has read nothing more from it for a thousand rounds, in each
    // of which the honest client is served.
    let mut quiet_rounds = 0;
    while quiet_rounds < 1000 {
        let taken: usize = floods.iter_mut().map(|(peer, sent)| push(peer, &pings, sent)).sum();
        quiet_rounds = if taken == 0 { quiet_rounds + 1 } else { 0 };
        honest.is_served();
    }
    assert!(floods.iter().all(|(_, sent)| *sent > pings.len()), "the floods were floods");
    let grown = program.resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_MAX, "{FLOODS} floods cost {grown} bytes");
}

/// Goes on sending where the last call stopped, as much as the socket accepts. Returns how many
/// bytes.
fn push(peer: &mut Peer, bytes: &[u8], sent: &mut usize) -> usize {
    let before = *sent;
    loop {
        match peer.stream.write(&bytes[*sent % bytes.len()..]) {
            Ok(count) => *sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return *sent - before,
            Err(error) => panic!("a flood of pings is no fault: {error}"),
        }
    }
}

#[test]
fn a_peer_that_announces_much_and_sends_little_costs_what_it_has_sent() {
    const PEERS: usize = 500;
    let program = Program::start(&["--max-message-size", "16MiB", "--channel-buffer", "32MiB"]);
    let mut honest = Honest::connect(program.address);
    honest.is_served();
    let before = program.resident_bytes();
    let mut announcing: Vec<_> =
        (0..PEERS).map(|_| Peer::subscribe(program.address, "/big")).collect();
    for peer in &mut announcing {
        peer.send([&frame_header(0x82, 16 << 20)[..], b"little"].concat());
    }
    honest.is_served();
    let grown = program.resident_bytes().saturating_sub(before);
    // The headers announce 8 GB in all, for which no memory must be reserved.
    assert!(grown < PEERS as u64 * (20 << 10), "{grown} bytes for {PEERS} announcements");
}
