//! Tests of several reactors on threads of their own: all subscribers see one order, although the
//! rings between reactors are nearly always full, subscribers come and go, and one reactor stops
//! for a second.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fanfare::{ChannelName, Context, Handler, Message, Request, Server, Upgrade, Visitor};

use super::{post, published};
use crate::support::{Peer, Running, text};

/// A handler that subscribes each peer to the channel of its path. On `/publish/CHANNEL` a peer
/// only publishes. A message from a peer on `/stop` stops its reactor for a second.
struct Hall;

impl Handler for Hall {
    type Session = String;

    fn on_upgrade(&mut self, _: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<String> {
        Upgrade::Accept(request.path().to_owned())
    }

    fn on_open(&mut self, peer: &mut Context<'_, String>) {
        let path = peer.session().clone();
        if path != "/stop" && !path.starts_with("/publish/") {
            peer.subscribe(ChannelName::parse(&path[1..]).unwrap()).unwrap();
        }
    }

    fn on_message(&mut self, peer: &mut Context<'_, String>, message: Message<'_>) {
        let path = peer.session().clone();
        match path.strip_prefix("/publish/") {
            Some(channel) => peer.publish(ChannelName::parse(channel).unwrap(), message).unwrap(),
            None => thread::sleep(Duration::from_secs(1)),
        }
    }
}

const SUBSCRIBERS: usize = 200;

/// What a subscriber has received: the number of messages, and a hash over all of them in order.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Received {
    messages: usize,
    hash: u64,
}

/// Reads this many messages, and checks that those of each publisher arrive in order.
fn read(peer: &mut Peer, messages: usize) -> Received {
    let mut next: HashMap<String, usize> = HashMap::new();
    let mut hasher = DefaultHasher::new();
    for _ in 0..messages {
        let message = peer.text();
        message.hash(&mut hasher);
        let mut words = message.split(' ');
        let (publisher, number) = (words.next().unwrap(), words.next().unwrap());
        let expected = next.entry(publisher.to_owned()).or_default();
        assert_eq!(number.parse(), Ok(*expected), "of publisher {publisher}");
        *expected += 1;
    }
    Received { messages, hash: hasher.finish() }
}

fn one_order(publishers: usize, messages_each: usize, ring_bytes: usize) {
    let server = Running::start(move || {
        Server::builder()
            .listen("127.0.0.1:0")
            .reactors(2)
            .ring_bytes(ring_bytes)
            .handler(|_| Hall)
            .bind()
    });
    let address = server.address;
    let total = publishers * messages_each;
    let readers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| Peer::subscribe(address, "/hall"))
        .map(|mut peer| thread::spawn(move || read(&mut peer, total)))
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let visitors = come_and_go(address, &is_over);
    let speakers: Vec<_> =
        (0..publishers).map(|publisher| speak(address, publisher, messages_each)).collect();
    Peer::subscribe(address, "/stop").send(text("for a second"));
    speakers.into_iter().for_each(|speaker| speaker.join().unwrap());
    let received: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    is_over.store(true, Ordering::Relaxed);
    // A visitor that came after the last message still waits for messages.
    for number in 0.. {
        if visitors.is_finished() {
            break;
        }
        let _ = server.publisher.try_publish("hall", Message::text(&format!("last {number} ")));
        thread::yield_now();
    }
    assert!(visitors.join().unwrap() > 0);
    assert!(received.iter().all(|one| *one == received[0]), "there is one order");
    assert_eq!(received[0].messages, total);
}

/// Publishes messages of up to 1,000 bytes and, now and then, one that does not fit into a ring.
fn speak(address: SocketAddr, publisher: usize, messages: usize) -> thread::JoinHandle<()> {
    let mut peer = Peer::subscribe(address, "/publish/hall");
    thread::spawn(move || {
        for number in 0..messages {
            let filling = if number % 50 == 7 { 20_000 } else { number * 7 % 1_000 };
            peer.send(text(&format!("{publisher} {number} {}", "x".repeat(filling))));
        }
        // The server answers the Close frame only when it has read everything before it.
        peer.close();
    })
}

/// Subscribers that read a few messages, check that no message is missing between them, and leave.
/// Returns how many there were.
fn come_and_go(address: SocketAddr, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<usize> {
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        let mut visits = 0;
        while !is_over.load(Ordering::Relaxed) {
            let mut last: HashMap<String, usize> = HashMap::new();
            let mut visitor = Peer::subscribe(address, "/hall");
            for _ in 0..5 {
                let message = visitor.text();
                let mut words = message.split(' ');
                let (publisher, number) =
                    (words.next().unwrap(), words.next().unwrap().parse().unwrap());
                if let Some(last) = last.insert(publisher.to_owned(), number)
                    && publisher != "last"
                {
                    assert_eq!(number, last + 1, "of publisher {publisher}");
                }
            }
            visits += 1;
        }
        visits
    })
}

#[test]
fn four_publishers_on_two_reactors_have_one_order() {
    one_order(4, 250, 256 << 10);
}

#[test]
fn sixteen_publishers_through_rings_of_4_kib_have_one_order() {
    one_order(16, 100, 4 << 10);
}

#[test]
fn whoever_has_read_the_101_receives_what_is_posted_next_and_is_counted() {
    let server = Running::broadcast_with(fanfare::BroadcastOptions::default(), |builder| {
        builder.reactors(2)
    });
    let mut publishers: Vec<_> = (0..4).map(|_| Peer::connect(server.address)).collect();
    for number in 0..1_000 {
        let channel = format!("/first/{}", number % 7);
        let mut subscriber = Peer::subscribe(server.address, &channel);
        let answer = post(&mut publishers[number % 4], &channel, format!("message {number}"));
        let (_, _, subscribers) = published(&answer);
        assert!(subscribers >= 1, "{answer:?}");
        assert_eq!(subscriber.text(), format!("message {number}"));
        subscriber.close();
    }
}
