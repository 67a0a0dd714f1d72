//! Tests of channels: their names, their messages, and the figures that the server reports.

use tungstenite::Message;

use super::{channel, post, published};
use crate::support::{Peer, Running, connect, request};

#[test]
fn a_message_arrives_as_it_was_published() {
    let server = Running::broadcast();
    let mut subscriber = connect(server.address, "/news");
    let mut publisher = Peer::connect(server.address);
    let binary =
        |body: &[u8]| request("POST", "/news", "Content-Type: application/octet-stream\r\n", body);
    let text = |kind: &str, body: &str| request("POST", "/news", kind, body);
    let largest = "\u{20ac}".repeat(65535 / 3) + "a";
    for (bytes, message) in [
        (text("", "hello"), Message::text("hello")),
        (text("", ""), Message::text("")),
        (text("", "caf\u{e9} \u{1f389}\0\r\n"), Message::text("caf\u{e9} \u{1f389}\0\r\n")),
        (text("Content-Type: application/json\r\n", "{}"), Message::text("{}")),
        (text("Content-Type: text/plain; charset=utf-8\r\n", "a"), Message::text("a")),
        (text("", &largest), Message::text(largest.as_str())),
        (binary(b""), Message::binary(Vec::new())),
        (binary(b"\xff\0\xfe"), Message::binary(b"\xff\0\xfe".to_vec())),
        (binary(&[7; 65536]), Message::binary(vec![7; 65536])),
        (
            request("POST", "/news", "Content-Type: APPLICATION/Octet-Stream; a=b\r\n", "a"),
            Message::binary(b"a".to_vec()),
        ),
    ] {
        let answer = publisher.ask(&bytes);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(subscriber.read().unwrap() == message, "{} bytes arrive otherwise", message.len());
    }
}

#[test]
fn a_message_of_a_peer_arrives_as_it_was_sent() {
    let server = Running::broadcast();
    let mut subscriber = connect(server.address, "/news");
    let mut speaker = connect(server.address, "/news");
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(Vec::new()),
        Message::binary((0..=255).collect::<Vec<u8>>()),
        Message::text("a".repeat(65536)),
    ] {
        speaker.send(message.clone()).unwrap();
        assert!(subscriber.read().unwrap() == message, "{} bytes arrive otherwise", message.len());
        assert!(speaker.read().unwrap() == message, "the sender gets its own message too");
    }
}

#[test]
fn a_body_may_be_sent_in_pieces_and_after_a_100() {
    let server = Running::broadcast();
    let mut subscriber = connect(server.address, "/news");
    let mut publisher = Peer::connect(server.address);
    let expecting = request("POST", "/news", "Expect: 100-continue\r\n", "patience");
    let head_bytes = expecting.len() - "patience".len();
    assert_eq!(publisher.ask(&expecting[..head_bytes]).status, 100);
    assert_eq!(publisher.ask("patience").status, 201);
    assert_eq!(subscriber.read().unwrap(), Message::text("patience"));
    for byte in request("POST", "/news", "", "drop by drop") {
        publisher.send([byte]);
    }
    assert_eq!(publisher.response().status, 201);
    assert_eq!(subscriber.read().unwrap(), Message::text("drop by drop"));
    let several: Vec<u8> =
        (0..50).flat_map(|number| request("POST", "/news", "", number.to_string())).collect();
    publisher.send(several);
    for number in 0..50 {
        assert_eq!(publisher.response().status, 201);
        assert_eq!(subscriber.read().unwrap(), Message::text(number.to_string()));
    }
}

#[test]
fn an_answer_names_the_message_and_its_subscribers() {
    let server = Running::broadcast();
    let mut publisher = Peer::connect(server.address);
    let answer = post(&mut publisher, "/news", "one");
    assert_eq!((answer.status, answer.header("Content-Type")), (202, Some("application/json")));
    let (epoch, first, subscribers) = published(&answer);
    assert_eq!((first, subscribers), (1, 0));
    let members = [connect(server.address, "/news"), connect(server.address, "/news")];
    for number in 2..10 {
        assert_eq!(published(&post(&mut publisher, "/news", "more")), (epoch.clone(), number, 2));
    }
    assert_eq!(
        published(&post(&mut publisher, "/other", "more")).1,
        1,
        "each channel has its own numbers"
    );
    drop(members);
}

#[test]
fn a_channel_is_told_as_json() {
    let server = Running::broadcast();
    let mut asker = Peer::connect(server.address);
    let about = channel(&mut asker, "/news");
    assert_eq!(
        about,
        serde_json::json!({
            "channel": "news",
            "subscribers": 0,
            "messages": 0,
            "first_id": null,
            "last_id": null
        })
    );
    let _member = connect(server.address, "/news");
    let (epoch, number, _) = published(&post(&mut asker, "/news", "one"));
    let about = channel(&mut asker, "/news?query=does-not-matter");
    assert_eq!(
        (&about["channel"], &about["subscribers"], &about["messages"]),
        (&"news".into(), &1.into(), &1.into())
    );
    assert_eq!(about["last_id"], format!("{epoch}-{number}"));
    let page =
        asker.ask(request("GET", "/news", "Accept: text/html,application/xhtml+xml\r\n", ""));
    assert!(
        page.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html")),
        "{:?}",
        page.status
    );
    let head = asker.ask_head("/news");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        asker.ask(request("GET", "/-/healthz", "", "")).status,
        200,
        "HEAD has no body to trip over"
    );
}

#[test]
fn names_that_are_written_differently_are_one_channel() {
    let server = Running::broadcast();
    let mut publisher = Peer::connect(server.address);
    let longest = format!("/{}", "a".repeat(255));
    let longest_escaped = format!("/{}", "%61".repeat(255));
    for (subscribed, published_to, name) in [
        ("/caf%C3%A9", "/caf\u{e9}", "caf\u{e9}"),
        ("/%F0%9F%8E%89", "/\u{1f389}", "\u{1f389}"),
        ("/news/uk", "/news%2fuk", "news/uk"),
        ("//news", "/%2Fnews", "/news"),
        ("/a%20b", "/%61%20b", "a b"),
        ("/100%25", "/100%25", "100%"),
        ("/a+b", "/a%2Bb", "a+b"),
        ("/news?a=b", "/news?c", "news"),
        ("/-", "/%2d", "-"),
        (longest.as_str(), longest_escaped.as_str(), &longest[1..]),
    ] {
        let mut subscriber = Peer::subscribe(server.address, subscribed);
        assert_eq!(
            published(&post(&mut publisher, published_to, name)).2,
            1,
            "{subscribed} is {published_to}"
        );
        assert_eq!(subscriber.text(), name);
        assert_eq!(channel(&mut publisher, subscribed)["channel"], name);
        subscriber.close();
    }
}

#[test]
fn reserved_paths_are_no_channels() {
    let server = Running::broadcast();
    let mut asker = Peer::connect(server.address);
    for (path, status) in [
        ("/", 200),
        ("/-/healthz", 200),
        ("/-/readyz", 200),
        ("/-/metrics", 200),
        ("/-/", 404),
        ("/-/x/y", 404),
    ] {
        assert_eq!(asker.ask(request("GET", path, "", "")).status, status, "{path}");
        let answer = Peer::connect(server.address).ask(request("POST", path, "", "a"));
        assert!([404, 405].contains(&answer.status), "{path}: {answer:?}");
    }
    let metrics = asker.ask(request("GET", "/-/metrics", "", ""));
    assert!(metrics.body.contains("\nfanfare_channels 0\n"), "none of them made a channel");
}

#[test]
fn one_connection_may_publish_ask_and_then_subscribe() {
    let server = Running::broadcast();
    let mut peer = Peer::connect(server.address);
    assert_eq!(post(&mut peer, "/news", "unheard").status, 202);
    assert_eq!(channel(&mut peer, "/news")["messages"], 1);
    let mut subscriber = peer.open("/news");
    assert_eq!(post(&mut Peer::connect(server.address), "/news", "heard").status, 201);
    assert_eq!(subscriber.text(), "heard");
    subscriber.close();
}

#[test]
fn who_has_said_all_and_closed_its_side_is_still_answered() {
    let server = Running::broadcast();
    let mut subscriber = Peer::subscribe(server.address, "/news");
    for bytes in [
        request("POST", "/news", "", "last"),
        request("POST", "/news", "Connection: close\r\n", "last"),
    ] {
        let mut peer = Peer::connect(server.address);
        peer.send(bytes);
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(peer.response().status, 201);
        peer.end();
        assert_eq!(subscriber.text(), "last");
    }
}
