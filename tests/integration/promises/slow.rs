//! Tests of subscribers that do not read: what they receive, how they are closed, and that others
//! are not affected.

use std::sync::mpsc::channel;
use std::thread;

use fanfare::{BroadcastOptions, SlowPolicy};
use tungstenite::Message;

use super::{post, published};
use crate::support::{Frame, Metrics, Peer, Running, Scraper, connect};

const PAYLOAD_BYTES: usize = 4 * 1024;
const BUFFER_BYTES: usize = 512 * 1024;
/// Several times as many messages as the buffers of a stalled connection and a channel's log hold
/// together.
const MESSAGES: usize = 2000;
const HEALTHY: usize = 4;
/// The publisher is at most this many messages ahead of the healthy subscribers.
const STEP: usize = 50;

fn with_policy(policy: SlowPolicy) -> Running {
    Running::broadcast_with(BroadcastOptions::default(), |builder| {
        builder.slow_policy(policy).max_message_size(PAYLOAD_BYTES).channel_buffer(BUFFER_BYTES)
    })
}

/// Returns a message that begins with its number.
fn numbered(number: usize) -> String {
    format!("{number:06} {}", "x".repeat(PAYLOAD_BYTES - 7))
}

fn number_of(payload: &[u8]) -> usize {
    assert_eq!(payload.len(), PAYLOAD_BYTES, "no message is cut");
    std::str::from_utf8(&payload[..6]).unwrap().parse().unwrap()
}

/// The result of a run with one subscriber that does not read until the end.
struct Run {
    /// The numbers of the messages that the subscriber received when it read at last.
    received: Vec<usize>,
    /// The Close frame after these messages, if there was one.
    close: Option<(u16, String)>,
    dropped: u64,
}

/// Publishes [`MESSAGES`] to one subscriber that does not read and several that do, and then one
/// more message.
fn run(policy: SlowPolicy, reason: &str) -> Run {
    let server = with_policy(policy);
    let mut slow = Peer::connect_narrow(server.address).open("/news");
    let (report, reports) = channel();
    let healthy: Vec<_> = (0..HEALTHY)
        .map(|_| (connect(server.address, "/news"), report.clone()))
        .map(|(mut client, report)| {
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    let received = number_of(&client.read().unwrap().into_data());
                    assert_eq!(received, number, "a healthy one misses nothing");
                    if (number + 1) % STEP == 0 {
                        report.send(()).unwrap();
                    }
                }
                client
            })
        })
        .collect();
    let mut publisher = Peer::connect(server.address);
    for number in 0..MESSAGES {
        // Waits for the healthy subscribers: on a busy machine they too could fall behind
        // otherwise.
        if number > 0 && number % STEP == 0 {
            (0..HEALTHY).for_each(|_| reports.recv().expect("a healthy one reads"));
        }
        assert_eq!(
            published(&post(&mut publisher, "/news", numbered(number))).1,
            number as u64 + 1
        );
    }
    drop(report);
    let mut healthy: Vec<_> = healthy.into_iter().map(|one| one.join().unwrap()).collect();

    let (mut received, mut close) = (Vec::new(), None);
    while received.last() != Some(&(MESSAGES - 1)) && close.is_none() {
        let frame: Frame = slow.frame();
        close = frame.close().map(|(code, reason)| (code, reason.to_owned()));
        if close.is_none() {
            received.push(number_of(&frame.payload));
        }
    }
    post(&mut publisher, "/news", "and on");
    for client in &mut healthy {
        assert_eq!(client.read().unwrap(), Message::text("and on"));
    }
    match close {
        Some(_) => slow.end(),
        None => assert_eq!(slow.text(), "and on", "the subscription lives on"),
    }
    let lives_on = usize::from(close.is_none());
    let delivered = (healthy.len() * (MESSAGES + 1) + received.len() + lives_on) as u64;
    let delivered_so_far = "fanfare_messages_delivered_total";
    let metrics = Scraper::connect(server.address).until("the last copy", |metrics: &Metrics| {
        metrics.is_settled() && metrics.value(delivered_so_far) >= delivered
    });
    let dropped = metrics.value(&format!("fanfare_messages_dropped_total{{reason=\"{reason}\"}}"));
    assert_eq!(metrics.sum("fanfare_messages_dropped_total"), dropped, "there is one reason");
    assert_eq!(metrics.value(delivered_so_far), delivered, "the ledger balances");
    Run { received, close, dropped }
}

/// Returns how many messages precede the first gap.
fn without_gap(received: &[usize]) -> usize {
    received.iter().enumerate().take_while(|(place, number)| place == *number).count()
}

#[test]
fn a_slow_subscriber_is_closed_with_4008_and_no_gap_before_it() {
    let run = run(SlowPolicy::Disconnect, "slow_consumer");
    let (code, reason) = run.close.expect("it is closed");
    assert_eq!(code, 4008);
    assert!(reason.contains("too slow"), "{reason}");
    assert_eq!(without_gap(&run.received), run.received.len(), "contiguous to the last");
    assert!(run.dropped > 0, "what it did not get is counted");
}

#[test]
fn with_skip_a_slow_subscriber_goes_on_behind_a_gap_that_is_counted() {
    let run = run(SlowPolicy::Skip, "skipped");
    assert_eq!(run.close, None);
    assert!(run.received.is_sorted_by(|one, next| one < next), "in order, each once");
    assert_eq!(
        run.received.len() as u64 + run.dropped,
        MESSAGES as u64,
        "each copy is received or counted"
    );
    let kept = BUFFER_BYTES / PAYLOAD_BYTES / 2;
    let behind_the_gap = run.received.len() - without_gap(&run.received);
    assert!(
        behind_the_gap >= kept,
        "it goes on at the oldest message kept, not at the newest: {behind_the_gap}"
    );
}

#[test]
fn with_latest_a_slow_subscriber_goes_on_at_the_newest_message() {
    let run = run(SlowPolicy::Latest, "skipped");
    assert_eq!(run.close, None);
    assert!(run.received.is_sorted_by(|one, next| one < next), "in order, each once");
    assert_eq!(
        run.received.len() as u64 + run.dropped,
        MESSAGES as u64,
        "each copy is received or counted"
    );
}

#[test]
fn who_takes_no_byte_for_the_slow_timeout_is_closed_under_every_policy() {
    for policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
            builder.slow_policy(policy).slow_timeout(std::time::Duration::from_millis(1))
        });
        let mut slow = Peer::connect_narrow(server.address).open("/news");
        let mut publisher = Peer::connect(server.address);
        let mut scraper = Scraper::connect(server.address);
        let closed = "fanfare_connections_closed_total{code=\"4008\",initiator=\"server\"}";
        let mut number = 0;
        // The log does not become full, so it must be the timeout that ends the connection.
        while number < 200 || scraper.scrape().value(closed) == 0 {
            if number < 200 {
                post(&mut publisher, "/news", numbered(number));
                number += 1;
            }
        }
        let mut received = Vec::new();
        let (code, reason) = loop {
            let frame = slow.frame();
            if let Some((code, reason)) = frame.close() {
                break (code, reason.to_owned());
            }
            received.push(number_of(&frame.payload));
        };
        assert_eq!((code, without_gap(&received)), (4008, received.len()), "{reason}");
        let metrics = scraper.scrape();
        let dropped = metrics.value("fanfare_messages_dropped_total{reason=\"no_progress\"}");
        assert_eq!(metrics.sum("fanfare_messages_dropped_total"), dropped, "under one reason");
    }
}
