//! Tests of how connections end.

use std::time::Duration;

use super::client::Heard;
use super::frames::Opcode;
use super::world::World;
use crate::hub::DropReason;
use crate::net::sim::SimCall;
use crate::reactor::limits::LINGER_BYTES_MAX;

#[test]
fn a_close_is_answered_with_its_code_and_nothing_but_a_close_call_follows() {
    let mut world = World::new();
    let mut client = world.open("/news");
    client.close(1000, "done");
    world.rest();
    assert_eq!(client.heard(), [Heard::Close(1000, "done".into())]);
    assert!(client.peer.is_ended() && !client.peer.is_reset());
    assert_eq!((world.calls(SimCall::ShutdownWrite), world.calls(SimCall::Close)), (0, 1));
    assert_eq!(world.log.borrow().closed, [("/news".into(), 1000, "done".into())]);
    world.check_empty();
}

#[test]
fn an_empty_close_is_answered_by_1000_and_told_as_1005() {
    let mut world = World::new();
    let mut client = world.open("/news");
    client.say(Opcode::Close, b"");
    world.rest();
    assert_eq!(client.close_code(), Some(1000));
    assert_eq!(world.last_end(), ("/news".into(), 1005));
}

#[test]
fn what_a_peer_sends_behind_its_close_is_discarded_and_the_answer_arrives() {
    let mut world = World::new();
    let mut client = world.open("/news");
    client.close(3999, "");
    client.text("not to be looked at");
    client.peer.send(&[0xff; 20_000]);
    world.rest();
    assert_eq!(client.close_code(), Some(3999));
    assert!(client.peer.is_ended() && !client.peer.is_reset());
    assert_eq!(world.calls(SimCall::ShutdownWrite), 1);
    client.peer.close_write();
    world.rest();
    world.check_empty();
    assert!(!client.peer.is_reset());
}

#[test]
fn lingering_ends_after_so_many_bytes() {
    let mut world = World::new();
    let mut client = world.open("/shut");
    assert_eq!(client.close_code(), Some(1013));
    let block = vec![0; 1 << 20];
    for _ in 1..LINGER_BYTES_MAX >> 20 {
        client.peer.send(&block);
        world.rest();
    }
    assert!(!client.peer.is_reset());
    client.peer.send(&block);
    world.rest();
    assert_eq!(world.reactor().peers.connections.len(), 0);
}

#[test]
fn lingering_ends_two_seconds_after_the_last_byte() {
    let mut world = World::new();
    let client = world.open("/shut");
    for _ in 0..5 {
        world.pass(Duration::from_millis(1500));
        assert_eq!(world.reactor().peers.connections.len(), 1);
        client.peer.send(b"and on");
    }
    world.pass(Duration::from_millis(1500));
    assert_eq!(world.reactor().peers.connections.len(), 1);
    world.pass(Duration::from_millis(1500));
    world.check_empty();
    assert!(!client.peer.is_reset());
}

#[test]
fn lingering_ends_in_time_however_long_the_peer_sends() {
    let mut world = World::new();
    let client = world.open("/shut");
    for _ in 0..29 {
        client.peer.send(b"and on");
        world.pass_secs(1);
    }
    assert_eq!(world.reactor().peers.connections.len(), 1);
    client.peer.send(b"and on");
    world.pass_secs(2);
    assert_eq!(world.reactor().peers.connections.len(), 0);
}

#[test]
fn a_peer_that_sends_everything_before_it_reads_is_read_until_its_close_frame_has_left() {
    let mut world = World::new();
    let mut client = world.open("/news");
    client.stall();
    let mut publisher = world.open("/news");
    publisher.binary(&[1; 60_000]);
    world.rest();
    // The Close frame waits behind a message that the peer does not read.
    client.peer.send(&[0xff; 200_000]);
    world.rest();
    assert_eq!(client.peer.unread_bytes(), 0, "the peer can go on sending");
    client.wake();
    world.rest();
    assert!(matches!(&client.heard()[..], [Heard::Message(_), Heard::Close(1002, _)]));
    assert!(!client.peer.is_reset());
}

#[test]
fn a_connection_that_is_lost_is_1006() {
    for reset in [true, false] {
        let mut world = World::new();
        let client = world.open("/news");
        match reset {
            true => client.peer.reset(),
            false => client.peer.close_write(),
        }
        world.rest();
        assert_eq!(world.last_end(), ("/news".into(), 1006));
        world.check_empty();
    }
}

#[test]
fn what_was_sent_before_the_end_of_the_stream_is_heard() {
    let mut world = World::new();
    let mut reader = world.open("/news");
    let mut writer = world.open("/news");
    for _ in 0..3 {
        writer.text("last words");
    }
    writer.peer.close();
    world.rest();
    assert_eq!(reader.messages(), vec![b"last words"; 3]);
    assert_eq!(world.reactor().peers.connections.len(), 1);
}

#[test]
fn a_peer_that_is_gone_is_noticed_by_writing_to_it() {
    let mut world = World::new();
    let client = world.open("/news");
    let mut writer = world.open("/leave/news");
    client.peer.fail_next_write(libc::EPIPE);
    writer.text("anybody there?");
    world.rest();
    assert!(
        world.log.borrow().closed.iter().any(|(path, code, _)| path == "/news" && *code == 1006)
    );
    assert_eq!(
        world.ledger().dropped_for(DropReason::Closed),
        2,
        "the copy of the peer that is gone, and that of the writer, which closed first"
    );
}

#[test]
fn an_error_of_the_socket_is_found_by_reading_it() {
    let mut world = World::new();
    let mut client = world.open("/echo");
    client.peer.fail_next_read(libc::ETIMEDOUT);
    client.text("hello");
    world.rest();
    assert_eq!(world.last_end(), ("/echo".into(), 1006));
}

#[test]
fn a_farewell_published_in_on_close_is_delivered() {
    let mut world = World::new();
    let mut reader = world.open("/news");
    for reset in [true, false] {
        let mut client = world.open("/bye/news");
        match reset {
            true => client.peer.reset(),
            false => client.close(1000, ""),
        }
        world.rest();
        assert_eq!(reader.messages(), [super::app::FAREWELL]);
    }
}

#[test]
fn a_chain_of_farewells_throws_everybody_off_and_ends() {
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = 8 << 10);
    let mut slow = world.open_many(30, "/news");
    let leavers = world.open_many(30, "/bye/news");
    slow.iter().for_each(super::client::Client::stall);
    for _ in 0..4 {
        let mut writer = world.open("/leave/news");
        writer.binary(&[1; 8_000]);
        world.rest();
    }
    leavers.iter().for_each(|leaver| leaver.peer.reset());
    world.rest();
    for client in &mut slow {
        client.wake();
    }
    world.pass_secs(3);
    for client in &mut slow {
        assert_eq!(client.close_code(), Some(4008));
    }
    world.check_empty();
}

#[test]
fn a_token_of_a_connection_that_has_gone_is_nobodys() {
    let mut world = World::new();
    let clients = world.open_many(10, "/news");
    drop(clients);
    world.rest();
    world.sim.set_faults(crate::net::sim::SimFaults {
        stale_readiness: 1.0,
        ..crate::net::sim::SimFaults::NONE
    });
    let mut client = world.connect();
    client.upgrade("/echo");
    for _ in 0..100 {
        for _ in 0..3 {
            world.turn();
        }
        client.text("hello");
    }
    world.turn();
    assert_eq!(client.messages().len(), 100);
}
