//! permessage-deflate (RFC 7692) on connections: what is agreed, what a client may send, and what
//! becomes of one that breaks the rules.

use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::World;
use crate::protocol::{CompressionOptions, Deflater, deflated_bytes_max};

const MESSAGE_BYTES_MAX: usize = 64 << 10;

fn compressing() -> World {
    World::with(|limits, hub| {
        limits.compression = Some(CompressionOptions::default());
        hub.compression = limits.compression;
    })
}

fn open(world: &mut World, path: &str) -> Client {
    let mut client = world.connect();
    client.upgrade_with_compression(path);
    world.rest();
    assert_eq!(client.answered().map(|answered| answered.status), Some(101));
    client
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    Deflater::new(9, 15).deflate(message, &mut compressed);
    compressed
}

#[test]
fn a_compressed_message_is_read_and_published_as_any_other() {
    let mut world = compressing();
    let (mut one, mut other) = (open(&mut world, "/news"), world.open("/news"));
    let text = "compressed and compressed and compressed".repeat(20);
    one.say_compressed(Opcode::Text, text.as_bytes());
    one.text("plain");
    one.say_compressed(Opcode::Binary, b"");
    world.rest();
    let expected = [text.as_bytes().to_vec(), b"plain".to_vec(), Vec::new()];
    assert_eq!(one.messages(), expected);
    assert_eq!(other.messages(), expected);
}

#[test]
fn fragments_are_inflated_as_one_message_with_control_frames_between_them() {
    let mut world = compressing();
    let mut client = open(&mut world, "/echo");
    let message = b"one two three, one two three, and so on, one two three".repeat(9);
    let compressed = deflated(&message);
    let (first, rest) = compressed.split_at(7);
    client.say_frame(0x42, first);
    client.say(Opcode::Ping, b"between");
    client.say_frame(0x00, b"");
    client.say_frame(0x80, rest);
    world.rest();
    let pong = Heard::Pong(b"between".to_vec());
    assert_eq!(client.heard(), [pong, Heard::Message(message)]);
    let reactor = world.reactor();
    assert_eq!(reactor.peers.core.pool.held_bytes(), 0, "nothing is kept between two messages");
}

#[test]
fn compression_that_is_off_or_not_offered_is_not_agreed() {
    let mut off = World::new();
    let mut client = open(&mut off, "/echo");
    client.say_compressed(Opcode::Text, b"compressed all the same");
    off.rest();
    assert_eq!(client.close_code(), Some(1002));
    let mut on = compressing();
    let mut client = on.open("/echo");
    client.say_compressed(Opcode::Text, b"compressed all the same");
    on.rest();
    assert_eq!(client.close_code(), Some(1002));
}

#[test]
fn a_handshake_that_the_application_defers_agrees_on_compression_too() {
    let mut world = compressing();
    let mut client = world.connect();
    client.upgrade_with_compression("/later/echo");
    world.rest();
    world.log.borrow_mut().deferrals.clear();
    world.rest();
    client.say_compressed(Opcode::Text, b"compressed");
    world.rest();
    assert_eq!(client.messages(), [b"compressed"]);
}

#[test]
fn each_fault_of_a_compressed_message_has_its_close_code_and_is_counted_once() {
    let bomb = deflated(&vec![0; 1000 * 1000]);
    assert!(bomb.len() * 900 < 1000 * 1000);
    let mut truncated = deflated(b"cut off in the middle of it, in the middle");
    truncated.pop();
    let reference = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let too_long = vec![0; deflated_bytes_max(MESSAGE_BYTES_MAX, 1) as usize + 1];
    for (first_byte, payload, code) in [
        (0xC2, &bomb[..], 1009),
        (0xC2, &too_long, 1009),
        (0xC2, &truncated, 1007),
        (0xC2, &reference, 1007),
        (0xC2, b"", 1007),
        (0xC1, &deflated(b"\xff"), 1007),
        (0xC9, b"", 1002),
        (0xC8, b"", 1002),
        (0xC0, b"", 1002),
        (0xE2, b"\0", 1002),
    ] {
        let mut world = compressing();
        let mut client = open(&mut world, "/news");
        // What it refers to is not there any more: it was another message.
        client.say_compressed(Opcode::Binary, b"Hello");
        client.say_frame(first_byte, payload);
        world.rest();
        let heard = client.heard();
        let Some(Heard::Close(heard_code, reason)) = heard.last() else { panic!("{heard:?}") };
        assert_eq!(*heard_code, code, "{first_byte:02x} {reason}");
        assert_eq!(world.counters().closed.iter().flatten().sum::<u64>(), 1);
        assert_eq!(world.log.borrow().closed.len(), 1);
        let inflated = &world.reactor().peers.core.inflation;
        assert!(inflated.buffer_bytes() <= 2 * MESSAGE_BYTES_MAX, "{}", inflated.buffer_bytes());
    }
}

#[test]
fn a_message_that_compressing_makes_longer_is_within_the_limit() {
    let mut world = compressing();
    let mut client = open(&mut world, "/echo");
    let mut seed = 1_u32;
    let message: Vec<u8> = (0..MESSAGE_BYTES_MAX)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .collect();
    let compressed = deflated(&message);
    assert!(compressed.len() > message.len());
    for piece in [&compressed[..30_000], &compressed[30_000..]] {
        let first_byte = if piece.len() == 30_000 { 0x42 } else { 0x80 };
        client.say_frame(first_byte, piece);
        world.rest();
    }
    world.rest();
    assert_eq!(client.messages(), [message]);
    client.say_compressed(Opcode::Binary, &vec![0; MESSAGE_BYTES_MAX + 1]);
    world.rest();
    assert_eq!(client.close_code(), Some(1009));
}

#[test]
fn replies_and_published_messages_go_compressed_to_whom_they_save_something() {
    let mut world = compressing();
    let mut echo = open(&mut world, "/echo");
    let (mut reader, mut plain) = (open(&mut world, "/news"), world.open("/news"));
    let (long, short) = ("long and long and long ".repeat(50), "too short to gain");
    for text in [&long[..], short] {
        echo.text(text);
        plain.text(text);
    }
    world.rest();
    for client in [&mut echo, &mut reader] {
        let heard = client.heard_as_sent();
        assert!(matches!(&heard[0], Heard::Compressed(bytes) if bytes.len() < 60), "{heard:?}");
        assert_eq!(heard[1], Heard::Message(short.as_bytes().to_vec()));
    }
    assert_eq!(plain.messages(), [long.as_bytes(), short.as_bytes()]);
    assert_eq!(world.reactor().status().messages_deflated(), 2, "one for each way");
}

#[test]
fn a_flood_of_small_frames_that_inflate_to_much_is_decoded_a_part_in_each_step() {
    let mut world = compressing();
    let mut flooder = open(&mut world, "/echo");
    let bomb = deflated(&vec![b'x'; MESSAGE_BYTES_MAX]);
    for _ in 0..100 {
        flooder.say_frame(0xC2, &bomb);
    }
    let mut most = 0;
    let mut heard = 0;
    for _ in 0..1_000 {
        let before = heard;
        world.turn();
        heard += flooder.messages().len();
        most = most.max(heard - before);
    }
    assert_eq!(heard, 100);
    assert!(most <= 10, "{most} messages of 64 KiB in one turn");
}
