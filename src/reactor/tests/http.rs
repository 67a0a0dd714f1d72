//! Tests of HTTP requests, on connections that are not, or not yet, WebSocket connections.

use super::world::World;

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut world = World::new();
    let mut client = world.connect();
    client.request("GET", "/one", &[], b"");
    client.request("POST", "/two", &[], b"a message");
    client.request("GET", "/three", &[], b"");
    client.upgrade("/echo");
    world.rest();
    for (status, body) in [(200, "GET /one"), (202, ""), (200, "GET /three"), (101, "")] {
        let answered = client.answered().unwrap();
        assert_eq!((answered.status, answered.keep_alive), (status, true));
        assert!(answered.body.starts_with(body));
    }
    client.text("and on");
    world.rest();
    assert_eq!(client.messages(), [b"and on"]);
}

#[test]
fn a_body_may_come_in_pieces() {
    let mut world = World::new();
    let mut reader = world.open("/news");
    let body: Vec<u8> = (0..100).collect();
    let bytes = super::frames::request("POST", "/news", &[], &body);
    for cut in 0..bytes.len() {
        let mut client = world.connect();
        for part in [&bytes[..cut], &bytes[cut..]] {
            client.peer.send(part);
            world.rest();
        }
        assert_eq!(client.answered().unwrap().status, 201, "cut at {cut}");
    }
    assert_eq!(reader.messages(), vec![body; bytes.len()]);
}

#[test]
fn a_client_that_waits_to_be_told_is_told_to_send_its_body() {
    let mut world = World::new();
    let mut client = world.connect();
    client.peer.send(
        b"POST /news HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    world.rest();
    assert_eq!(client.answered().unwrap().status, 100);
    client.peer.send(b"hello");
    world.rest();
    assert_eq!(client.answered().unwrap().status, 202);
    assert_eq!(world.accepted["news"], [b"hello"]);
}

#[test]
fn a_body_that_is_not_wanted_is_refused_before_it_comes() {
    let mut world = World::new();
    let mut client = world.connect();
    client.peer.send(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhel");
    world.rest();
    let answered = client.answered().unwrap();
    assert_eq!((answered.status, answered.keep_alive), (403, false));
}

#[test]
fn a_body_over_the_limit_is_413() {
    let mut world = World::new();
    let mut client = world.connect();
    client.peer.send(b"POST /news HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n");
    world.rest();
    assert_eq!(client.answered().unwrap().status, 413);
}

#[test]
fn an_idle_connection_is_kept_for_a_while_and_ends_without_a_word() {
    let mut world = World::new();
    let mut client = world.connect();
    client.request("GET", "/", &[], b"");
    world.pass_secs(59);
    assert_eq!(client.answered().unwrap().status, 200);
    assert!(!client.is_gone());
    world.pass_secs(3);
    assert!(client.peer.is_ended() && client.peer.received_bytes() == 0);
    assert_eq!(world.counters().silent, 1);
    world.check_empty();
}

#[test]
fn half_of_a_second_request_has_the_time_of_a_request_and_not_of_an_idle_connection() {
    let mut world = World::new();
    // The first request is answered after half of the second one has arrived.
    let mut client = world.connect();
    client.request("POST", "/news", &[], b"one");
    client.peer.send(b"POST /news HTTP/1.1\r\n");
    world.rest();
    assert_eq!(client.answered().unwrap().status, 202);
    world.pass_secs(7);
    assert_eq!(client.answered().unwrap().status, 408);
}

#[test]
fn a_peer_that_ends_its_side_still_gets_its_answer() {
    let mut world = World::new();
    let mut client = world.connect();
    client.request("POST", "/news", &[], b"one");
    client.peer.close_write();
    world.rest();
    assert_eq!(client.answered().unwrap().status, 202);
    assert!(client.peer.is_ended() && !client.peer.is_reset());
    world.check_empty();
}

#[test]
fn answers_that_the_peer_does_not_take_hold_up_its_requests() {
    let mut world = World::new();
    let mut client = world.connect();
    client.stall();
    let requests = 2_000;
    for _ in 0..requests {
        client.request("GET", "/", &[], b"");
    }
    world.rest();
    assert!(client.peer.unread_bytes() > 0, "the reactor has stopped reading");
    client.wake();
    world.rest();
    for _ in 0..requests {
        assert_eq!(client.answered().unwrap().status, 200);
    }
}

#[test]
fn a_request_that_a_peer_gives_up_leaves_nothing() {
    let mut world = World::new();
    for bytes in [
        "",
        "GET",
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
    ] {
        for reset in [false, true] {
            let client = world.connect();
            client.peer.send(bytes.as_bytes());
            world.rest();
            match reset {
                true => client.peer.reset(),
                false => client.peer.close_write(),
            }
            world.rest();
            world.check_empty();
        }
    }
    assert_eq!(world.counters().silent, 8);
}

#[test]
fn a_request_is_answered_by_the_outcome_of_the_publish_that_it_waits_for() {
    // The log holds one message, so the second publish of each request finds the channel full, and
    // its answer has to wait.
    let mut world = World::with(|_, hub| hub.channel_buffer_bytes = 4 << 10);
    let _readers = world.open_many(300, "/news");
    let mut publisher = world.connect();
    for _ in 0..3 {
        publisher.request("POST", "/twice", &[], &[1; 3_000]);
    }
    world.rest();
    let answered = std::iter::from_fn(|| publisher.answered());
    let numbers: Vec<String> =
        answered.map(|one| one.body.rsplit('-').next().unwrap().to_owned()).collect();
    assert_eq!(numbers, ["2", "4", "6"]);
}
