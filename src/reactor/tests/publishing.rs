//! Tests of publishers, and of when they are held back.

use super::super::{PublishError, RefusalReason, RingSizes};
use super::client::Client;
use super::frames::Opcode;
use super::world::{Setting, World};
use crate::hub::Refused;
use crate::protocol::MessageKind;

fn numbered(publisher: u8, number: u32, bytes: usize) -> Vec<u8> {
    let mut payload = vec![publisher; bytes.max(5)];
    payload[1..5].copy_from_slice(&number.to_be_bytes());
    payload
}

/// Returns the numbers of one publisher's messages among those that a subscriber received, in the
/// order of their arrival.
fn received_of(messages: &[Vec<u8>], publisher: u8) -> Vec<u32> {
    let numbers = messages.iter().filter(|payload| payload[0] == publisher);
    numbers.map(|payload| u32::from_be_bytes(payload[1..5].try_into().unwrap())).collect()
}

#[test]
fn a_log_smaller_than_one_round_of_the_sweep_cuts_off_no_healthy_subscriber() {
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = 4 << 10);
    let mut readers = world.open_many(300, "/news");
    let mut publishers = world.open_many(4, "/news");
    for number in 0..20 {
        for (place, publisher) in publishers.iter_mut().enumerate() {
            publisher.binary(&numbered(place as u8, number, 900));
        }
    }
    world.rest();
    assert_eq!(world.log.borrow().closed, [], "the publishers were held back instead");
    let expected: Vec<u32> = (0..20).collect();
    let first = readers[0].messages();
    for publisher in 0..4 {
        assert_eq!(received_of(&first, publisher), expected);
    }
    for reader in readers.iter_mut().skip(1).chain(&mut publishers) {
        assert_eq!(reader.messages(), first, "every subscriber receives the same order");
    }
    assert_eq!(world.counters().published[0], 80);
}

#[test]
fn publishes_that_were_held_back_follow_without_waiting_for_the_clock() {
    // The first message blocks every subscriber, so each further message overruns some of them.
    let mut world = World::with(|_, hub| {
        hub.channel_buffer_bytes = 8 << 10;
        hub.slow_policy = crate::hub::SlowPolicy::Skip;
    });
    let readers = world.open_many(300, "/news");
    let mut publisher = world.connect();
    readers.iter().for_each(Client::stall);
    for _ in 0..40 {
        publisher.request("POST", "/news", &[], &[1; 8_000]);
    }
    let mut other = world.open("/bye/news");
    other.text("nothing");
    world.rest();
    let answers =
        std::iter::from_fn(|| publisher.answered()).filter(|answered| answered.status == 201);
    assert_eq!(answers.count(), 40);
    assert!(!world.reactor().mail.is_left);
}

#[test]
fn other_threads_publish_in_their_order() {
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = 64 << 10);
    let mut readers = world.open_many(3, "/news");
    let mut taken = Vec::new();
    for number in 0..2000 {
        if world.publish("news", MessageKind::Binary, &numbered(0, number, 500)).is_ok() {
            taken.push(number);
        }
        if number % 700 == 0 {
            world.turn();
        }
    }
    world.rest();
    assert!(taken.len() >= 1024);
    for reader in &mut readers {
        assert_eq!(received_of(&reader.messages(), 0), taken);
    }
}

#[test]
fn a_publish_beyond_the_memory_reaches_nobody_and_says_so() {
    let mut world = World::with(|_, hub| {
        hub.memory_bytes = 40 << 10;
        hub.private_bytes_max = 4 << 10;
        hub.channel_buffer_bytes = 1 << 20;
    });
    let mut reader = world.open("/news");
    let mut publisher = world.open("/other");
    let mut visitor = world.connect();
    visitor.request("POST", "/news", &[], &[1; 50_000]);
    world.rest();
    assert_eq!(visitor.answered().unwrap().status, 503);
    publisher.binary(&[2; 50_000]);
    world.rest();
    assert_eq!(publisher.close_code(), Some(1013));
    assert_eq!(reader.heard(), []);
    assert_eq!((world.counters().refused, world.ledger().owed), (2, 0));
}

#[test]
fn a_few_bytes_in_a_large_buffer_end_nobody_where_memory_is_short() {
    let mut world = World::with(|_, hub| {
        hub.memory_bytes = 1 << 20;
        hub.private_bytes_max = 64 << 10;
    });
    // Large messages of these clients leave large buffers in the pool.
    let mut large = world.open_many(4, "/echo");
    for part in 0..2 {
        for client in &mut large {
            let whole = client.frame(Opcode::Binary, &[7; 60_000]);
            client.peer.send(if part == 0 { &whole[..50_000] } else { &whole[50_000..] });
        }
        world.rest();
    }
    drop(large);
    let mut small = world.open_many(100, "/echo");
    let frames: Vec<_> =
        small.iter_mut().map(|client| client.frame(Opcode::Binary, b"hello")).collect();
    for part in 0..2 {
        for (client, frame) in small.iter().zip(&frames) {
            client.peer.send(if part == 0 { &frame[..8] } else { &frame[8..] });
        }
        world.rest();
    }
    for client in &mut small {
        assert_eq!(client.messages(), [b"hello"]);
    }
}

#[test]
fn many_connections_that_hold_little_hold_no_more_than_their_share_together() {
    let mut world = World::with(|_, hub| {
        hub.memory_bytes = 1 << 20;
        hub.private_bytes_max = 64 << 10;
    });
    let mut reader = world.open("/news");
    let mut hoarders = world.open_many(400, "/news");
    for hoarder in &mut hoarders {
        let whole = hoarder.frame(Opcode::Binary, &[7; 60_000]);
        hoarder.peer.send(&whole[..2_000]);
        world.rest();
        assert!(world.reactor().peers.core.pool.held_bytes() <= (1 << 18) + 8_192);
    }
    let ended = hoarders.iter_mut().filter_map(Client::close_code).count();
    assert!((100..400).contains(&ended), "{ended}");
    let publisher = world.connect();
    publisher.request("POST", "/news", &[], b"still here");
    world.rest();
    assert_eq!(reader.messages(), [b"still here"]);
}

#[test]
fn unfinished_messages_are_ended_at_their_share_of_the_memory_and_publishing_goes_on() {
    let mut world = World::with(|_, hub| {
        hub.memory_bytes = 4 << 20;
        hub.private_bytes_max = 256 << 10;
    });
    let mut reader = world.open("/news");
    let mut hoarders = world.open_many(40, "/news");
    for hoarder in &mut hoarders {
        let whole = hoarder.frame(Opcode::Binary, &[7; 60_000]);
        hoarder.peer.send(&whole[..59_000]);
        world.rest();
    }
    let ended: Vec<u16> = hoarders.iter_mut().filter_map(Client::close_code).collect();
    assert!(
        !ended.is_empty() && ended.len() < 40 && ended.iter().all(|code| *code == 1013),
        "{ended:?}"
    );
    assert!(world.reactor().peers.core.pool.held_bytes() <= 1 << 20);
    let publisher = world.connect();
    publisher.request("POST", "/news", &[], b"still here");
    world.rest();
    assert_eq!(reader.messages(), [b"still here"]);
}

/// Returns the messages that a publisher on another thread got back as refused: channel, payload
/// and reason of each.
fn told(error: PublishError) -> Vec<(String, Vec<u8>, RefusalReason)> {
    let PublishError::Refused(messages) = error else { panic!("{error}") };
    messages.into_iter().map(|one| (one.channel, one.payload, one.reason)).collect()
}

const NO_CHANNEL: RefusalReason = RefusalReason::Channel(Refused::TooManyChannels);

#[test]
fn a_publisher_on_another_thread_is_given_back_what_was_refused_and_nothing_behind_it_is_accepted()
{
    let mut world = World::with(|_, hub| hub.channels_max = 1);
    let mut reader = world.open("/news");
    for (channel, payload) in [("news", b"1"), ("other", b"2"), ("news", b"3")] {
        world.publish(channel, MessageKind::Binary, payload).unwrap();
    }
    world.rest();
    assert_eq!(reader.messages(), [b"1"]);
    let error = world.publish("news", MessageKind::Binary, b"4").unwrap_err();
    let behind = ("news".to_owned(), b"3".to_vec(), RefusalReason::Behind);
    assert_eq!(told(error), [("other".to_owned(), b"2".to_vec(), NO_CHANNEL), behind]);
    world.publish("news", MessageKind::Binary, b"5").unwrap();
    world.rest();
    assert_eq!(reader.messages(), [b"5"]);
    assert_eq!(world.counters().refused, 2);
    assert_eq!(world.line.take_refused(), Some(Vec::new()));
}

#[test]
fn a_publisher_is_not_told_before_everything_that_it_has_sent_is_settled() {
    let mut world = World::with(|_, hub| hub.channels_max = 1);
    let _reader = world.open("/news");
    world.publish("other", MessageKind::Binary, b"refused").unwrap();
    for _ in 0..400 {
        world.publish("news", MessageKind::Binary, b"behind").unwrap();
    }
    // One turn does not take all these messages from their queue.
    world.turn();
    let again = world.publish("news", MessageKind::Binary, b"too early");
    assert_eq!(again, Err(PublishError::Busy));
    assert_eq!(world.line.take_refused(), None);
    world.rest();
    assert_eq!(told(world.publish("news", MessageKind::Binary, b"").unwrap_err()).len(), 401);
    assert!(!world.accepted.contains_key("news"), "{:?}", world.accepted["news"]);
}

#[test]
fn what_waits_for_the_sweep_behind_a_refusal_is_refused_too() {
    // The log holds one message, so every further message makes its publisher wait for the sweep.
    let mut world = World::with(|_, hub| {
        hub.channel_buffer_bytes = 4 << 10;
        hub.channels_max = 1;
    });
    let _readers = world.open_many(300, "/news");
    for payload in [[1; 3_000], [2; 3_000]] {
        world.publish("news", MessageKind::Binary, &payload).unwrap();
    }
    world.publish("other", MessageKind::Binary, b"refused").unwrap();
    world.publish("news", MessageKind::Binary, &[3; 3_000]).unwrap();
    world.rest();
    assert_eq!(world.accepted["news"], [[1; 3_000], [2; 3_000]]);
    let refused = told(world.publish("news", MessageKind::Binary, b"").unwrap_err());
    assert_eq!(refused.len(), 2);
    assert_eq!((&refused[0].1[..], refused[0].2), (&b"refused"[..], NO_CHANNEL));
}

#[test]
fn another_publisher_is_not_held_up_by_a_refusal() {
    let mut world = World::with(|_, hub| hub.channels_max = 1);
    let mut reader = world.open("/news");
    world.publish("other", MessageKind::Binary, b"refused").unwrap();
    let other = world.new_line();
    let first = std::mem::replace(&mut world.line, other);
    world.publish("news", MessageKind::Binary, b"of another").unwrap();
    world.rest();
    assert_eq!(reader.messages(), [b"of another"]);
    assert_eq!(first.take_refused().unwrap().len(), 1);
}

#[test]
fn what_a_server_that_ends_has_not_taken_is_given_back() {
    let mut world = World::new();
    world.publish("news", MessageKind::Binary, b"too late").unwrap();
    assert_eq!(world.line.take_refused(), None);
    world.reactors.clear();
    let refused = world.line.take_refused().unwrap();
    assert_eq!(refused[0].reason, RefusalReason::Stopped);
    assert_eq!(refused[0].message().payload(), b"too late");
}

#[test]
fn a_publish_whose_answer_finds_no_room_waits_and_is_made_once() {
    // The ring for answers holds far fewer of them than the ring for requests holds requests.
    let rings = Some(RingSizes { bytes: 16 << 10, beside: 4 });
    let mut world = World::still(Setting { reactors: 2, rings, ..Setting::default() });
    let path = format!("/{}", world.channel_at(1));
    let mut subscriber = world.open_at(1, &path);
    let mut clients: Vec<_> = (0..200).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| client.request("POST", &path, &[], b"once"));
    // The home serves what it is asked, and nobody takes its answers.
    for _ in 0..20 {
        world.turn_of(0);
    }
    for _ in 0..20 {
        world.turn_of(1);
    }
    let served = world.accepted.values().map(Vec::len).sum::<usize>();
    assert!((1..200).contains(&served), "{served} are served before an answer is taken");
    world.rest();
    assert!(clients.iter_mut().all(|client| client.answered().unwrap().status == 201));
    assert_eq!(subscriber.messages(), vec![b"once"; 200]);
}
