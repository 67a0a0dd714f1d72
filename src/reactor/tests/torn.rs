//! Tests of frames that a short write has cut in two: nothing may be written before their rest.

use std::time::Duration;

use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::{Setting, World};
use crate::net::sim::SimFaults;

const BIG: usize = 40_000;

/// Returns a client of this path that reads nothing. A large frame published to `channel` has been
/// sent to it only in part.
fn torn(world: &mut World, path: &str, channel: &str) -> Client {
    let client = world.open(path);
    client.stall();
    publish(world, channel, &[5; BIG]);
    client
}

fn publish(world: &mut World, channel: &str, payload: &[u8]) {
    let mut client = world.connect();
    client.request("POST", &format!("/{channel}"), &[], payload);
    world.rest();
    assert_eq!(client.answered().unwrap().status, 201);
}

fn big() -> Heard {
    Heard::Message(vec![5; BIG])
}

#[test]
fn a_pong_comes_behind_the_frame_under_way() {
    let mut world = World::new();
    let mut client = torn(&mut world, "/news", "news");
    client.say(Opcode::Ping, b"hello");
    world.rest();
    client.wake();
    world.rest();
    assert_eq!(client.heard(), [big(), Heard::Pong(b"hello".to_vec())]);
}

#[test]
fn a_pong_comes_behind_the_frame_under_way_also_when_ping_and_room_come_at_once() {
    let mut world = World::new();
    let mut client = torn(&mut world, "/news", "news");
    client.wake();
    client.say(Opcode::Ping, b"hello");
    world.rest();
    assert_eq!(client.heard(), [big(), Heard::Pong(b"hello".to_vec())]);
}

#[test]
fn a_close_comes_behind_the_frame_under_way_also_when_both_come_at_once() {
    for code in [1000, 3000] {
        let mut world = World::new();
        let mut client = torn(&mut world, "/news", "news");
        client.wake();
        client.close(code, "bye");
        world.rest();
        assert_eq!(client.heard(), [big(), Heard::Close(code, "bye".into())]);
        world.pass_secs(3);
        world.check_empty();
    }
}

#[test]
fn a_close_comes_behind_the_frame_under_way_bit_by_bit() {
    let mut world = World::new();
    let mut client = torn(&mut world, "/news", "news");
    client.close(1000, "");
    for _ in 0..60 {
        client.sip(700);
        world.rest();
    }
    assert_eq!(client.heard(), [big(), Heard::Close(1000, String::new())]);
    assert_eq!(world.ledger().delivered, 1);
}

#[test]
fn a_message_of_another_channel_comes_behind_the_frame_under_way() {
    let mut world = World::new();
    let mut client = torn(&mut world, "/two", "two-b");
    publish(&mut world, "two-a", b"small");
    for _ in 0..60 {
        client.sip(700);
        world.rest();
    }
    client.wake();
    world.rest();
    assert_eq!(client.heard(), [big(), Heard::Message(b"small".to_vec())]);
}

#[test]
fn a_channel_joined_in_the_middle_of_a_frame_comes_behind_it() {
    let mut world = World::new();
    let mut client = world.open("/join");
    client.text("many");
    world.rest();
    // On `/many` the client is served only after a hundred other subscribers. So the new channel,
    // which the client joins meanwhile, is served first.
    let others = world.open_many(100, "/many");
    for other in &others {
        other.stall();
    }
    client.stall();
    publish(&mut world, "many", &[5; BIG]);
    let mut publisher = world.open("/leave/fresh");
    for other in &others {
        other.wake();
    }
    client.text("fresh");
    client.wake();
    publisher.text("small");
    world.rest();
    assert_eq!(client.heard()[0], big());
}

#[test]
fn a_subscription_that_ends_in_the_middle_of_its_frame_finishes_it() {
    for (command, both_at_once) in [("-", true), ("-", false), (".", true), (".", false)] {
        let mut world = World::new();
        let mut client = world.open("/join");
        client.text("news");
        world.rest();
        client.stall();
        publish(&mut world, "news", &[5; BIG]);
        publish(&mut world, "news", b"not of update any more");
        client.text(command);
        if both_at_once {
            client.wake();
        }
        world.rest();
        client.wake();
        world.rest();
        let left = (command == "-").then(|| Heard::Message(b"left".to_vec()));
        assert_eq!(client.heard(), [big()].into_iter().chain(left).collect::<Vec<_>>());
        assert_eq!((world.ledger().delivered, world.ledger().outstanding()), (1, 0));
    }
}

#[test]
fn whoever_falls_off_and_closes_in_one_callback_finishes_its_frame() {
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = 64 << 10);
    let mut client = torn(&mut world, "/leave/news", "news");
    client.binary(&[6; 50_000]);
    world.rest();
    client.wake();
    world.rest();
    assert_eq!(client.heard(), [big(), Heard::Close(1000, "that was all".into())]);
    world.pass_secs(3);
    world.check_empty();
}

#[test]
fn a_farewell_that_makes_others_fall_lets_them_finish_their_frames() {
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = BIG + 10);
    // Both clients are handled in one turn, the leaver first: the farewell that it publishes
    // overruns the other one.
    let mut leaver = world.open("/bye/news");
    let mut client = torn(&mut world, "/news", "news");
    leaver.close(1000, "");
    client.wake();
    client.say(Opcode::Ping, b"hello");
    world.rest();
    let heard = client.heard();
    assert_eq!(heard[0], big());
    assert!(matches!(heard.last(), Some(Heard::Close(4008, _))), "{:?}", &heard[1..]);
}

#[test]
fn a_starved_socket_goes_on_without_an_edge() {
    let mut world = World::new();
    let mut client = world.open("/news");
    client.peer.fail_next_write(libc::ENOBUFS);
    publish(&mut world, "news", b"hello");
    assert_eq!(client.heard(), []);
    world.pass(Duration::from_millis(1000));
    assert_eq!(client.messages(), [b"hello"]);

    client.peer.fail_next_write(libc::ENOBUFS);
    client.close(1000, "bye");
    world.pass(Duration::from_millis(1000));
    assert_eq!(client.heard(), [Heard::Close(1000, "bye".into())]);
}

#[test]
fn the_rest_of_a_frame_comes_before_a_pong_that_waits_already() {
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = 64 << 10);
    let mut slow = world.open("/news");
    let visitor = world.connect();
    slow.stall();
    visitor.request("POST", "/news", &[], &[1; 40_000]);
    world.rest();
    slow.say(Opcode::Ping, b"still here");
    world.rest();
    // This message cuts the subscriber off in the middle of the first one.
    visitor.request("POST", "/news", &[], &[2; 40_000]);
    world.rest();
    slow.wake();
    world.rest();
    let heard = slow.heard();
    assert_eq!(heard[0], Heard::Message(vec![1; 40_000]));
    assert_eq!(heard[1], Heard::Pong(b"still here".to_vec()));
    assert!(matches!(heard[2..], [Heard::Close(4008, _)]), "{:?}", &heard[2..]);
}

/// A system may report a socket as writable without a word of what has arrived before.
#[test]
fn what_has_arrived_is_read_when_only_room_to_write_is_reported() {
    let faults = SimFaults { narrow_readiness: 1.0, ..SimFaults::NONE };
    let mut world = World::still(Setting { faults, ..Setting::default() });
    let mut client = world.open("/echo");
    client.stall();
    client.binary(&[1; 40_000]);
    world.rest();
    client.binary(b"behind it");
    world.rest();
    client.wake();
    world.rest();
    assert_eq!(client.messages(), [vec![1; 40_000], b"behind it".to_vec()]);
}
