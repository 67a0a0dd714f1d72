//! Tests of messages to and from healthy connections.

use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::World;
use crate::net::sim::SimCall;

/// Sends a message in fragments of these sizes, with a ping between them.
fn say_fragments(client: &mut Client, payload: &[u8], sizes: &[usize]) {
    let (mut at, mut opcode) = (0, Opcode::Binary);
    for (place, size) in sizes.iter().enumerate() {
        let fin = place + 1 == sizes.len();
        let fragment = client.fragment(fin, opcode, &payload[at..at + size]);
        client.peer.send(&fragment);
        client.say(Opcode::Ping, b"between");
        (at, opcode) = (at + size, Opcode::Continuation);
    }
}

#[test]
fn an_echo_comes_back_whole_whatever_its_size() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    for bytes in [0, 1, 125, 126, 4_000, 65_535, 65_536] {
        let payload: Vec<u8> = (0..bytes).map(|byte| byte as u8).collect();
        client.binary(&payload);
        world.rest();
        assert_eq!(client.messages(), [payload]);
    }
}

#[test]
fn fragments_are_put_together_and_pings_between_them_are_answered() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    say_fragments(&mut client, b"one message in parts", &[3, 0, 10, 7]);
    world.rest();
    let pong = Heard::Pong(b"between".to_vec());
    let message = Heard::Message(b"one message in parts".to_vec());
    assert_eq!(client.heard(), [pong.clone(), pong.clone(), pong.clone(), message, pong]);
}

#[test]
fn a_burst_of_messages_is_answered_in_one_write() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    let before = (world.calls(SimCall::Write), world.calls(SimCall::Read));
    let frames: Vec<u8> = (0..100).flat_map(|_| client.frame(Opcode::Text, b"hello")).collect();
    client.peer.send(&frames);
    world.rest();
    assert_eq!(client.messages().len(), 100);
    let after = (world.calls(SimCall::Write), world.calls(SimCall::Read));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
}

#[test]
fn a_publish_reaches_every_subscriber_and_the_publisher_in_one_write_each() {
    let mut world = World::new();
    let mut clients = world.open_many(5, "/news");
    let before = world.calls(SimCall::Write);
    clients[0].text("hello, all");
    clients[0].text("and again");
    world.rest();
    for client in &mut clients {
        assert_eq!(client.messages(), [&b"hello, all"[..], b"and again"]);
    }
    assert_eq!(world.calls(SimCall::Write) - before, 5);
    assert_eq!(world.ledger().delivered, 10);
}

#[test]
fn a_second_subscriber_in_the_middle_of_a_round_takes_no_message_from_another() {
    let mut world = World::new();
    let mut first = world.open_many(1000, "/news");
    first[0].text("one");
    let mut late = world.connect();
    late.upgrade("/news");
    // A turn sends to at most 256 subscribers: after two, about half of them have message one.
    world.turn();
    world.turn();
    first[1].text("two");
    assert_eq!(late.answered().unwrap().status, 101);
    world.rest();
    assert_eq!(late.messages(), [b"two"]);
    for client in &mut first {
        assert_eq!(client.messages(), [b"one", b"two"]);
    }
}

#[test]
fn a_handler_may_close_in_on_open_and_in_on_message() {
    let mut world = World::new();
    let mut client = world.open("/shut");
    assert_eq!(client.heard(), [Heard::Close(1013, "not today".into())]);
    let mut client = world.open("/shut-later");
    client.text("first");
    client.text("second");
    world.rest();
    assert_eq!(client.heard(), [Heard::Close(1013, "not today".into())]);
    assert_eq!(world.log.borrow().closed.len(), 2);
    world.pass_secs(3);
    world.check_empty();
}

#[test]
fn text_that_is_not_utf_8_is_1007_and_a_message_too_big_1009() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    client.say(Opcode::Text, b"\xff");
    world.rest();
    assert_eq!(client.close_code(), Some(1007));
    let mut client = world.open("/echo");
    client.binary(&vec![0; (64 << 10) + 1]);
    world.rest();
    assert_eq!(client.close_code(), Some(1009));
    assert!(!client.peer.is_reset(), "bytes after the oversized message are discarded");
}
