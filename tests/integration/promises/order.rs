//! Tests that all subscribers see one order, each message exactly once, from the 101 on; and that a
//! refused publish reaches no subscriber.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;

use tungstenite::Message;

use super::{channel, post, published};
use crate::support::{Client, Metrics, Peer, Running, Scraper, connect, request, wait_for};

/// How many messages each publisher sends.
const EACH: usize = 400;

#[test]
fn every_subscriber_receives_everything_once_in_one_order_from_every_kind_of_publisher() {
    let server = Running::broadcast();
    let address = server.address;
    let total = 5 * EACH;
    let subscribers: Vec<_> = (0..8)
        .map(|_| connect(address, "/news"))
        .map(|mut client| thread::spawn(move || take(&mut client, total)))
        .collect();
    let speakers = [2, 3].map(|publisher| (publisher, connect(address, "/news")));
    let speakers = speakers.map(|(publisher, mut client)| {
        thread::spawn(move || {
            for number in 0..EACH {
                client.send(Message::text(format!("{publisher} {number}"))).unwrap();
            }
            take(&mut client, total)
        })
    });
    let publisher = server.publisher.clone();
    let publishers = [
        thread::spawn(move || publish_by_post(address, 0)),
        thread::spawn(move || publish_by_post(address, 1)),
        thread::spawn(move || {
            for number in 0..EACH {
                let text = format!("4 {number}");
                wait_for("room", || {
                    publisher.try_publish("news", fanfare::Message::text(&text)).ok()
                });
            }
        }),
    ];
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    // A peer that publishes over a WebSocket is a subscriber too.
    let received: Vec<_> =
        subscribers.into_iter().chain(speakers).map(|one| one.join().unwrap()).collect();

    let order = &received[0];
    let mut next = HashMap::new();
    for message in order {
        let (publisher, number) = message.split_once(' ').unwrap();
        let expected = next.entry(publisher).or_insert(0);
        assert_eq!(
            number.parse(),
            Ok(*expected),
            "{message}: a publisher's messages keep their order"
        );
        *expected += 1;
    }
    assert!(received.iter().all(|one| one == order), "there is one order");
    let about = channel(&mut Peer::connect(address), "/news");
    assert_eq!(about["messages"], total);
    let delivered = "fanfare_messages_delivered_total";
    let all = |metrics: &Metrics| metrics.value(delivered) >= 10 * total as u64;
    let metrics = Scraper::connect(address).until("all copies", all);
    assert_eq!(metrics.value(delivered), 10 * total as u64);
    assert_eq!(metrics.sum("fanfare_messages_dropped_total"), 0);
    assert!(metrics.is_settled());
}

/// Reads this many messages. Then begins the closing handshake, and checks that no further message
/// arrives.
fn take(client: &mut Client, count: usize) -> Vec<String> {
    let received =
        (0..count).map(|_| client.read().unwrap().into_text().unwrap().to_string()).collect();
    client.close(None).unwrap();
    let last = std::iter::from_fn(|| client.read().ok()).find(|message| !message.is_close());
    assert_eq!(last, None, "after the last message");
    received
}

fn publish_by_post(address: SocketAddr, publisher: usize) {
    let mut peer = Peer::connect(address);
    let mut last = 0;
    for number in 0..EACH {
        let (_, offset, _) = published(&post(&mut peer, "/news", format!("{publisher} {number}")));
        assert!(offset > last, "numbers grow");
        last = offset;
    }
}

#[test]
fn whoever_has_read_the_101_receives_everything_accepted_after_it() {
    let server = Running::broadcast();
    let mut publisher = Peer::connect(server.address);
    let (epoch, first, _) = published(&post(&mut publisher, "/race", "nobody hears this"));
    for turn in 1..=2000 {
        let mut subscriber = Peer::subscribe(server.address, "/race");
        let (same_epoch, number, subscribers) =
            published(&post(&mut publisher, "/race", format!("{turn} first")));
        assert_eq!((&same_epoch, number), (&epoch, first + 2 * turn - 1), "numbers have no gap");
        assert!(subscribers >= 1, "the subscriber of turn {turn} is counted");
        assert_eq!(
            published(&post(&mut publisher, "/race", format!("{turn} second"))).1,
            first + 2 * turn
        );
        let received = [subscriber.text(), subscriber.text()];
        assert_eq!(received, [format!("{turn} first"), format!("{turn} second")]);
    }
}

#[test]
fn whoever_has_read_the_101_receives_what_another_peer_says_next() {
    let server = Running::broadcast();
    let mut speaker = Peer::subscribe(server.address, "/race");
    for turn in 0..500 {
        let mut subscriber = Peer::subscribe(server.address, "/race");
        speaker.send(crate::support::text(&turn.to_string()));
        assert_eq!([subscriber.text(), speaker.text()], [turn.to_string(), turn.to_string()]);
    }
}

#[test]
fn a_refused_publish_is_not_numbered_and_reaches_nobody() {
    let server = Running::broadcast();
    let mut subscriber = connect(server.address, "/news");
    let mut publisher = Peer::connect(server.address);
    let mut last = published(&post(&mut publisher, "/news", "0")).1;
    assert_eq!(subscriber.read().unwrap(), Message::text("0"));
    let refused: [(u16, Vec<u8>); 8] = [
        (413, request("POST", "/news", "", vec![b'a'; 65537])),
        (400, request("POST", "/news", "", b"caf\xe9")),
        (400, request("POST", "/news", "Content-Type: text/plain\r\n", b"\xff")),
        (403, request("POST", "/news", "Origin: https://evil.example\r\n", "a")),
        (403, request("POST", "/news", "X-Forwarded-For: 10.0.0.1\r\n", "a")),
        (417, request("POST", "/news", "Expect: nothing\r\n", "a")),
        (405, request("DELETE", "/news", "", "")),
        (
            501,
            b"POST /news HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
              1\r\na\r\n0\r\n\r\n"
                .to_vec(),
        ),
    ];
    for (status, bytes) in refused {
        assert_eq!(Peer::connect(server.address).ask(bytes).status, status);
        let number = published(&post(&mut publisher, "/news", format!("after {status}"))).1;
        assert_eq!(number, last + 1, "{status} was numbered");
        last = number;
        assert_eq!(subscriber.read().unwrap(), Message::text(format!("after {status}")));
    }
    // A POST whose body is never completed publishes nothing.
    let whole = request("POST", "/news", "", "cut off");
    let mut cut_off = Peer::connect(server.address);
    cut_off.send(&whole[..whole.len() - 1]);
    drop(cut_off);
    assert_eq!(published(&post(&mut publisher, "/news", "last")).1, last + 1);
    assert_eq!(subscriber.read().unwrap(), Message::text("last"));
}
