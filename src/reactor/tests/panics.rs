//! Tests of callbacks that panic: the connection ends, and the server goes on.

use super::client::Heard;
use super::world::World;

/// The close code of a connection whose callback has panicked, and its reason.
fn internal_error() -> Heard {
    Heard::Close(1011, "internal error".into())
}

#[test]
fn a_panic_in_on_message_closes_the_connection_with_1011_and_no_other() {
    let mut world = World::new();
    let mut reader = world.open("/news");
    let mut client = world.open("/panic/message");
    client.text("published before the panic");
    client.text("never heard of");
    world.rest();
    let last_words = Heard::Message(b"the last words".to_vec());
    assert_eq!(client.heard(), [last_words, internal_error()]);
    assert!(!client.peer.is_reset());
    assert_eq!(reader.messages(), [b"published before the panic"]);
    let told = ("/panic/message".to_owned(), 1011, "internal error".to_owned());
    assert_eq!(world.log.borrow().closed, [told]);
    let counters = world.counters();
    assert_eq!(counters.panics, 1);
    reader.text("and on");
    world.rest();
    assert_eq!(reader.messages(), [b"and on"]);
    drop((reader, client));
    world.pass_secs(3);
    world.check_empty();
}

#[test]
fn a_panic_in_on_open_is_told_by_101_and_1011_and_ends_what_was_subscribed() {
    let mut world = World::new();
    let mut client = world.open("/panic/open");
    assert_eq!(client.heard(), [internal_error()]);
    assert_eq!(world.last_end(), ("/panic/open".into(), 1011));
    drop(client);
    world.pass_secs(3);
    world.check_empty();
}

#[test]
fn a_panic_in_on_close_lets_the_connection_end_as_it_was_to() {
    let mut world = World::new();
    let mut client = world.open("/panic/close");
    client.close(1000, "done");
    world.rest();
    assert_eq!(client.heard(), [Heard::Close(1000, "done".into())]);
    // The connection is lost: there is no Close frame at all.
    let lost = world.open("/panic/close");
    lost.peer.reset();
    world.rest();
    assert_eq!(world.counters().panics, 2);
    world.check_empty();
}

#[test]
fn a_panic_in_on_close_does_not_hold_up_a_drain() {
    let mut world = World::new();
    let mut clients = world.open_many(20, "/panic/close");
    world.drain();
    world.pass_secs(1);
    for client in &mut clients {
        assert_eq!(client.close_code(), Some(1012));
    }
    drop(clients);
    world.pass_secs(1);
    assert!(world.is_over());
    world.check_empty();
}

#[test]
fn a_panic_in_a_request_is_answered_500() {
    for (method, path) in [
        ("GET", "/panic/request"),
        ("POST", "/panic/body"),
        ("POST", "/panic/published"),
        ("GET", "/about/panic/inspected"),
    ] {
        let mut world = World::new();
        let mut client = world.connect();
        let body: &[u8] = if method == "POST" { b"a message" } else { b"" };
        client.request(method, path, &[], body);
        client.request("GET", "/not/answered", &[], b"");
        world.rest();
        let answered = client.answered().unwrap();
        assert_eq!((answered.status, answered.keep_alive), (500, false), "{path}");
        assert!(client.answered().is_none() && !client.peer.is_reset(), "{path}");
        assert_eq!(world.counters().panics, 1, "{path}");
        client.peer.close_write();
        world.rest();
        world.check_empty();
    }
}

#[test]
fn a_panic_in_on_upgrade_is_answered_500_and_counted_as_a_handshake() {
    let mut world = World::new();
    let mut client = world.connect();
    client.upgrade("/panic/upgrade");
    world.rest();
    assert_eq!(client.answered().unwrap().status, 500);
    let counters = world.counters();
    assert_eq!((counters.handshakes.iter().sum::<u64>(), counters.opened), (1, 0));
    assert_eq!(counters.panics, 1);
}

#[test]
fn an_outcome_from_another_reactor_that_panics_is_answered_500() {
    let mut world = World::of(2, |_, _| {});
    for _ in 0..8 {
        let mut client = world.connect();
        client.request("POST", "/panic/published", &[], b"a message");
        world.rest();
        assert_eq!(client.answered().unwrap().status, 500);
    }
    assert_eq!(world.counters().panics, 8);
}

#[test]
#[should_panic(expected = "half changed")]
fn a_panic_of_the_server_itself_is_not_contained() {
    let mut world = World::new();
    let core = &mut world.reactors[0].peers.core;
    let panicked = super::super::panics::guarded(|| {
        core.turn.call(|_| panic!("half changed"));
    });
    if let Err(panicked) = panicked {
        panicked.contain(&mut world.reactors[0].peers.core.turn);
    }
}
