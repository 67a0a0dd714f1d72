//! Tests of the drain: a signal ends the real command, no message is lost, and every peer receives
//! a Close frame.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use rustix::process::Signal;
use tungstenite::Message;

use crate::support::{Client, Peer, Program, connect, request, text, wait_for};

/// Reads messages, which must be the numbers 1, 2, 3, … without a gap, up to the Close frame.
/// Returns the last number and the close code.
fn read_to_the_close(mut client: Client) -> (u64, u16) {
    let mut last = 0;
    loop {
        match client.read().expect("a close, not an end") {
            Message::Text(text) => {
                assert_eq!(text.parse(), Ok(last + 1), "nothing is missing");
                last += 1;
            }
            Message::Close(Some(frame)) => {
                assert!(!frame.reason.is_empty(), "a close says why");
                return (last, frame.code.into());
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Publishes 1, 2, 3, … until the server accepts no more. Stores the last number accepted.
fn publish_until_the_end(address: SocketAddr, accepted: &AtomicU64) {
    let mut peer = Peer::connect(address);
    for number in 1.. {
        let bytes = request("POST", "/news", "", number.to_string());
        let Some(answer) = peer.try_ask(bytes) else { return };
        match answer.status {
            201 | 202 => accepted.store(number, Ordering::SeqCst),
            503 => return,
            status => panic!("{status}"),
        }
        // The last answer of a drain has `Connection: close`.
        if answer.header("Connection") == Some("close") {
            return;
        }
    }
}

#[test]
fn under_load_every_subscriber_gets_what_was_pending_and_then_1012() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::start(&["--drain-timeout", "10m"]);
        let subscribers: Vec<_> = (0..10)
            .map(|_| connect(program.address, "/news"))
            .map(|client| thread::spawn(move || read_to_the_close(client)))
            .collect();
        let accepted = Arc::new(AtomicU64::new(0));
        let publisher = thread::spawn({
            let (address, accepted) = (program.address, Arc::clone(&accepted));
            move || publish_until_the_end(address, &accepted)
        });
        wait_for("load", || (accepted.load(Ordering::SeqCst) >= 200).then_some(()));
        let before_the_signal = accepted.load(Ordering::SeqCst);
        program.signal(signal);
        for subscriber in subscribers {
            let (last, code) = subscriber.join().unwrap();
            assert_eq!(code, 1012);
            assert!(
                last >= before_the_signal,
                "{before_the_signal} were accepted, {last} received"
            );
        }
        publisher.join().unwrap();
        assert_eq!(program.exit_code(), Some(0));
    }
}

#[test]
fn a_subscriber_that_is_behind_when_the_drain_begins_gets_all_of_it_first() {
    let mut program = Program::start(&["--drain-timeout", "10m"]);
    let mut behind = Peer::connect_narrow(program.address).open("/news");
    let mut publisher = Peer::connect(program.address);
    let payload = "x".repeat(50_000);
    for _ in 0..10 {
        assert_eq!(publisher.ask(request("POST", "/news", "", &payload)).status, 201);
    }
    program.signal(Signal::TERM);
    wait_until_refused(program.address);
    for _ in 0..10 {
        assert!(behind.text() == payload);
    }
    assert_eq!(behind.frame().close().map(|(code, _)| code), Some(1012));
    behind.end();
    drop(behind);
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn while_draining_readyz_is_503_and_new_connections_are_refused() {
    let mut program = Program::start(&["--drain-timeout", "10m"]);
    let _behind = subscriber_that_is_behind(&program);
    let mut kept_alive = Peer::connect(program.address);
    // By now the server has read the beginning of the second request, too: it was sent together
    // with the first request, which has been answered.
    let readyz = request("GET", "/-/readyz", "", "");
    let (beginning, end) = readyz.split_at(readyz.len() - 2);
    kept_alive.send([&readyz[..], beginning].concat());
    assert_eq!(kept_alive.response().status, 200);
    program.signal(Signal::TERM);
    wait_until_refused(program.address);
    kept_alive.send(end);
    let answer = kept_alive.response();
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")), "{answer:?}");
    assert_eq!(answer.header("Connection"), Some("close"));
    kept_alive.end();
    assert_eq!(program.signal_until_the_end(Signal::TERM), Some(0));
}

#[test]
fn whoever_connects_while_the_signal_comes_is_served_told_503_or_refused() {
    let mut program = Program::start(&["--drain-timeout", "10m"]);
    let behind = subscriber_that_is_behind(&program);
    let address = program.address;
    let start = Arc::new(Barrier::new(5));
    let visitors: Vec<_> = (0..4)
        .map(|_| Arc::clone(&start))
        .map(|start| {
            thread::spawn(move || {
                start.wait();
                while let Ok(stream) = TcpStream::connect(address) {
                    let mut peer = Peer::of(stream);
                    // If there is no answer, the connection was idle when the drain began, and was
                    // closed.
                    if let Some(answer) =
                        peer.try_ask(request("GET", "/-/readyz", "Connection: close\r\n", ""))
                    {
                        assert!([200, 503].contains(&answer.status), "{answer:?}");
                    }
                }
            })
        })
        .collect();
    start.wait();
    program.signal(Signal::TERM);
    visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    drop(behind);
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_what_the_first_would_wait_for() {
    for signals in [[Signal::TERM, Signal::INT], [Signal::INT, Signal::TERM]] {
        let mut program = Program::start(&["--drain-timeout", "1h", "--slow-timeout", "1h"]);
        let _behind = subscriber_that_is_behind(&program);
        program.signal(signals[0]);
        wait_until_refused(program.address);
        assert_eq!(program.signal_until_the_end(signals[1]), Some(0));
    }
}

#[test]
fn the_drain_timeout_ends_whoever_does_not_read() {
    let mut program = Program::start(&["--drain-timeout", "100ms", "--slow-timeout", "1h"]);
    let _behind = subscriber_that_is_behind(&program);
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(), Some(0));
}

/// Connects a peer that does not read, and to which more is sent than the buffers hold.
fn subscriber_that_is_behind(program: &Program) -> Peer {
    let behind = Peer::connect_narrow(program.address).open("/behind");
    let mut speaker = Peer::subscribe(program.address, "/behind");
    let payload = "x".repeat(60_000);
    for _ in 0..10 {
        speaker.send(text(&payload));
        assert!(speaker.text() == payload);
    }
    behind
}

/// Waits until the drain has begun, and connections are refused because the listener is closed.
fn wait_until_refused(address: SocketAddr) {
    wait_for("the listener to close", || TcpStream::connect(address).is_err().then_some(()));
}
