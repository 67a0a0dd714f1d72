//! Tests of the library in small programs: closures, custom events, a publisher on another thread.

use std::sync::mpsc::channel;

use fanfare::{ChannelName, CloseCode, Message, PublishError, Server, event};
use tungstenite::Message as Received;

use crate::support::{Running, connect, try_connect};

#[test]
fn closures_serve_connections_messages_events_and_closes() {
    let (closed, closes) = channel();
    let builder = Server::builder()
        .listen("127.0.0.1:0")
        .on_connection(|peer| {
            let greeting = format!("welcome to {}", peer.session());
            peer.send(Message::text(&greeting));
            peer.subscribe(ChannelName::parse("lobby").unwrap()).unwrap();
        })
        .on_message(|peer, message| {
            peer.publish(ChannelName::parse("lobby").unwrap(), message).unwrap();
        })
        .on_event("move", |peer, data| peer.send(Message::text(&event("moved", &data["x"]))))
        .on_event("leave", |peer, _| peer.close(CloseCode::new(4000), "as you wish"))
        .on_close(move |peer, code, reason| {
            closed.send((peer.session().clone(), code, reason.to_owned())).unwrap();
        });
    let server = Running::start(|| builder.bind());
    let publisher = server.publisher.clone();

    let mut peer = connect(server.address, "/room?x=1");
    assert_eq!(peer.read().unwrap(), Received::text("welcome to /room"));
    peer.send(Received::text("hello")).unwrap();
    assert_eq!(peer.read().unwrap(), Received::text("hello"));
    peer.send(Received::text(r#"{"event":"move","data":{"x":7}}"#)).unwrap();
    assert_eq!(peer.read().unwrap(), Received::text(r#"{"event":"moved","data":7}"#));
    peer.send(Received::text(r#"{"event":"unknown"}"#)).unwrap();
    assert_eq!(peer.read().unwrap(), Received::text(r#"{"event":"unknown"}"#));
    std::thread::spawn({
        let publisher = publisher.clone();
        move || publisher.try_publish("lobby", Message::binary(b"from a thread"))
    });
    assert_eq!(peer.read().unwrap(), Received::binary(&b"from a thread"[..]));
    peer.send(Received::text(r#"{"event":"leave"}"#)).unwrap();
    while peer.read().is_ok() {}
    assert_eq!(
        closes.recv().unwrap(),
        ("/room".to_owned(), CloseCode::new(4000), "as you wish".to_owned())
    );

    drop(server);
    assert_eq!(publisher.try_publish("lobby", Message::text("late")), Err(PublishError::Stopped));
}

#[test]
fn a_page_whose_own_name_points_to_this_machine_is_declined_unless_it_is_allowed() {
    let server = Running::start(|| {
        Server::builder().listen("127.0.0.1:0").allowed_hosts(["dev.example"]).bind()
    });
    for (name, status) in [("dev.example", 101), ("localhost", 101), ("evil.example", 403)] {
        // For a browser, a page under this name and this server have the same origin.
        let origin = format!("http://{name}");
        let answer = try_connect(server.address, "/", &[("Host", name), ("Origin", &origin)]);
        let answer = answer.map_or_else(|answer| answer.status(), |(_, answer)| answer.status());
        assert_eq!(answer, status, "{name}");
    }
}

#[test]
fn a_page_of_another_origin_is_declined_unless_it_is_allowed() {
    let server = Running::start(|| {
        let origin = "https://*.example.com".parse().unwrap();
        Server::builder().listen("127.0.0.1:0").allowed_origins([origin]).bind()
    });
    for (origin, is_allowed) in [("https://app.example.com", true), ("https://example.org", false)]
    {
        let answer = try_connect(server.address, "/", &[("Origin", origin)]);
        assert_eq!(answer.is_ok(), is_allowed, "{origin}");
    }
}
