//! Tests of requests and messages that are refused while the client is still sending. The client
//! must be able to read the reason even if it sends everything first; and a client that never stops
//! sending must be cut off.

use std::io::Write;

use crate::support::{Peer, Running, Scraper, frame_header, request};

/// More bytes than the system's buffers hold, so they can be sent only if the server reads them.
const BODY_BYTES: usize = 50 << 20;

/// Sends a head and then a body of `BODY_BYTES` without reading, as Python's `http.client` does.
fn send_all(peer: &mut Peer, head: impl AsRef<[u8]>) {
    peer.send(head);
    let block = vec![b'x'; 1 << 20];
    for _ in 0..BODY_BYTES / block.len() {
        peer.send(&block);
    }
}

#[test]
fn a_client_that_sends_all_of_its_body_first_reads_why_it_was_refused() {
    let server = Running::broadcast();
    let post = |headers: &str| format!("POST /news HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let length = format!("Content-Length: {BODY_BYTES}\r\n");
    for (head, status) in [
        (post(&length), 413),
        (post("Transfer-Encoding: chunked\r\n"), 501),
        // This body is small enough, but its origin is not allowed.
        (post("Content-Length: 60000\r\nOrigin: https://evil.example\r\n"), 403),
        (format!("POST /news HTTP/1.1\r\n{length}\r\n"), 400),
    ] {
        let mut peer = Peer::connect(server.address);
        send_all(&mut peer, &head);
        let answer = peer.response();
        assert_eq!((answer.status, answer.header("Connection")), (status, Some("close")), "{head}");
        peer.end();
    }
}

#[test]
fn a_message_that_is_too_big_is_closed_with_1009_that_arrives() {
    let server = Running::broadcast();
    let mut peer = Peer::subscribe(server.address, "/news");
    send_all(&mut peer, frame_header(0x82, BODY_BYTES as u64));
    let frame = peer.frame();
    let (code, reason) = frame.close().expect("a Close frame");
    assert_eq!(code, 1009);
    assert!(reason.contains("65536 bytes of --max-message-size"), "{reason}");
    peer.end();
}

#[test]
fn a_publisher_that_reads_nothing_of_its_own_channel_still_reads_1009() {
    let server = Running::broadcast();
    // The messages come back to this peer, and fill its small receive buffer before the Close
    // frame.
    let mut peer = Peer::connect_narrow(server.address).open("/news");
    let mut publisher = Peer::connect(server.address);
    let payload = "x".repeat(50_000);
    for _ in 0..10 {
        assert_eq!(publisher.ask(request("POST", "/news", "", &payload)).status, 201);
    }
    send_all(&mut peer, frame_header(0x82, BODY_BYTES as u64));
    let mut messages = 0;
    let code = loop {
        let frame = peer.frame();
        match frame.close() {
            Some((code, _)) => break code,
            None => messages += 1,
        }
    };
    assert_eq!(code, 1009);
    assert!(messages > 0, "some had left before the end");
    peer.end();
}

#[test]
fn a_client_that_never_stops_sending_is_bounded_and_holds_up_nobody() {
    let server = Running::broadcast();
    let mut scraper = Scraper::connect(server.address);
    let mut endless = Peer::connect(server.address);
    let length = format!("Content-Length: {}\r\n", u64::MAX);
    endless.send(format!("POST /news HTTP/1.1\r\nHost: localhost\r\n{length}\r\n"));
    let block = vec![b'x'; 1 << 20];
    let mut sent = 0_usize;
    while endless.stream.write_all(&block).is_ok() {
        sent += block.len();
        assert!(sent < 1 << 30, "a gibibyte was taken");
        // Meanwhile another client is served.
        if sent.is_multiple_of(64 << 20) {
            scraper.scrape();
        }
    }
    assert!(sent >= BODY_BYTES, "{sent}");
    scraper.until("its end", |metrics| metrics.sum("fanfare_connections") == 1);
}

#[test]
fn a_client_that_stops_sending_is_closed_soon() {
    let server = Running::broadcast();
    let mut scraper = Scraper::connect(server.address);
    let mut peer = Peer::connect(server.address);
    peer.send(b"POST /news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(peer.response().status, 413);
    peer.end();
    scraper.until("its end", |metrics| metrics.sum("fanfare_connections") == 1);
}
