//! Tests of publishers on other threads.

use std::sync::mpsc::channel;
use std::thread;

use fanfare::{ChannelName, Message, PublishError, Server};

use crate::support::{Running, connect, wait_for};

/// Starts a server that subscribes each peer to one channel.
fn running() -> Running {
    Running::start(|| {
        Server::builder()
            .listen("127.0.0.1:0")
            .max_message_size(1000)
            .channel_buffer(64 << 10)
            .on_connection(|peer| {
                peer.subscribe(ChannelName::parse("news").unwrap()).unwrap();
            })
            .bind()
    })
}

#[test]
fn messages_of_one_publisher_keep_their_order_and_none_is_lost_when_it_is_told_to_wait() {
    const THREADS: usize = 4;
    const EACH: usize = 5000;
    let server = running();
    let mut client = connect(server.address, "/");
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| (thread, server.publisher.clone()))
        .map(|(thread, publisher)| {
            thread::spawn(move || {
                for number in 0..EACH {
                    let text = format!("{thread} {number}");
                    wait_for("room", || {
                        match publisher.try_publish("news", Message::text(&text)) {
                            Ok(()) => Some(()),
                            Err(PublishError::Busy) => None,
                            Err(error) => panic!("{error}"),
                        }
                    });
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    for _ in 0..THREADS * EACH {
        let message = client.read().unwrap();
        let (thread, number) = message.to_text().unwrap().split_once(' ').unwrap();
        let next = &mut next[thread.parse::<usize>().unwrap()];
        assert_eq!(number.parse(), Ok(*next));
        *next += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_publisher_is_told_to_wait_while_the_reactor_is_held_up_and_then_nothing_is_missing() {
    let (held, is_held) = channel::<()>();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let server = Running::start(move || {
        Server::builder()
            .listen("127.0.0.1:0")
            .on_connection(|peer| {
                peer.subscribe(ChannelName::parse("news").unwrap()).unwrap();
            })
            .on_message(move |_peer, _message| {
                held.send(()).unwrap();
                may_go_on.lock().unwrap().recv().unwrap();
            })
            .bind()
    });
    let mut client = connect(server.address, "/");
    client.send(tungstenite::Message::text("hold on")).unwrap();
    is_held.recv().unwrap();
    let mut accepted = 0;
    let refused = loop {
        match server.publisher.try_publish("news", Message::text(&accepted.to_string())) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, PublishError::Busy);
    go_on.send(()).unwrap();
    for number in 0..accepted {
        assert_eq!(client.read().unwrap(), tungstenite::Message::text(number.to_string()));
    }
}

#[test]
fn what_cannot_be_published_is_refused_at_once() {
    let server = running();
    let publisher = &server.publisher;
    assert!(matches!(publisher.try_publish("", Message::text("a")), Err(PublishError::Name(_))));
    assert!(matches!(
        publisher.try_publish("a\nb", Message::text("a")),
        Err(PublishError::Name(_))
    ));
    assert!(matches!(
        publisher.try_publish(&"a".repeat(256), Message::text("a")),
        Err(PublishError::Name(_))
    ));
    assert_eq!(
        publisher.try_publish("news", Message::binary(&[0; 1001])),
        Err(PublishError::TooBig)
    );
    let mut client = connect(server.address, "/");
    assert_eq!(publisher.try_publish("news", Message::binary(&[0; 1000])), Ok(()));
    assert_eq!(client.read().unwrap().len(), 1000);
    let late = publisher.clone();
    drop((client, server));
    assert_eq!(late.try_publish("news", Message::text("late")), Err(PublishError::Stopped));
}
