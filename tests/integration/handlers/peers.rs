//! Tests of what a handler may do with a peer: several subscriptions, unsubscribing, sending,
//! closing.

use std::sync::mpsc::{Sender, channel};

use fanfare::{
    ChannelName, CloseCode, Context, Handler, Message, NotPublished, Request, Server, Subscription,
    Upgrade, Visitor,
};
use tungstenite::Message as Received;

use crate::support::{Client, Peer, Running, close_frame, connect, text, wait_for};

/// A handler that carries out the commands in its peers' messages: `join NAME`, `leave NAME`, `say
/// NAME TEXT`, `close`, …
struct Commands {
    closes: Sender<(u16, String)>,
}

type Session = Vec<(String, Subscription)>;

impl Handler for Commands {
    type Session = Session;

    fn on_upgrade(
        &mut self,
        _visitor: &mut Visitor<'_>,
        _request: &Request<'_>,
    ) -> Upgrade<Session> {
        Upgrade::Accept(Vec::new())
    }

    fn on_message(&mut self, peer: &mut Context<'_, Session>, message: Message<'_>) {
        let text = message.as_text().expect("commands are text");
        let mut words = text.splitn(3, ' ');
        let (command, name) = (words.next().unwrap(), words.next().unwrap_or_default());
        let channel = || ChannelName::parse(name).unwrap();
        match command {
            "join" => {
                let subscription = peer.subscribe(channel()).unwrap();
                peer.session_mut().push((name.to_owned(), subscription));
                peer.send(message);
            }
            "leave" | "leave-silently" => {
                let place = peer.session().iter().position(|(one, _)| one == name).unwrap();
                let (_, subscription) = peer.session_mut().swap_remove(place);
                peer.unsubscribe(subscription);
                let gone = peer.publish_to(subscription, Message::text("nobody"));
                assert_eq!(gone, Err(NotPublished::NotSubscribed));
                if command == "leave" {
                    peer.send(message);
                }
            }
            "say" => peer.publish(channel(), Message::text(words.next().unwrap())).unwrap(),
            "say-here" => {
                let (_, subscription) = peer.session()[0];
                peer.publish_to(subscription, Message::text(name)).unwrap();
            }
            "pending" => peer.send(Message::text(&peer.status().pending().to_string())),
            "many" => (0..100).for_each(|number| peer.send(Message::text(&number.to_string()))),
            "close" => {
                peer.send(Message::text("last words"));
                peer.close(CloseCode::new(4001), "as you wish");
                peer.close(CloseCode::new(4002), "only the first counts");
                peer.send(Message::text("too late"));
            }
            other => panic!("{other} is no command"),
        }
    }

    fn on_close(&mut self, peer: &mut Context<'_, Session>, code: CloseCode, reason: &str) {
        peer.send(Message::text("to nobody"));
        let _ = self.closes.send((code.as_u16(), reason.to_owned()));
    }
}

fn running() -> (Running, std::sync::mpsc::Receiver<(u16, String)>) {
    let (closes, closed) = channel();
    let make = move |_reactor| Commands { closes: closes.clone() };
    (Running::start(move || Server::builder().listen("127.0.0.1:0").handler(make).bind()), closed)
}

fn tell(client: &mut Client, command: &str) {
    client.send(Received::text(command)).unwrap();
}

fn read(client: &mut Client) -> String {
    client.read().unwrap().into_text().unwrap().to_string()
}

/// Sends a command, and waits for the handler to confirm it by sending it back.
fn done(client: &mut Client, command: &str) {
    tell(client, command);
    assert_eq!(read(client), command);
}

/// Waits until the number of pending copies is as expected. Each reactor updates its figures at the
/// end of its turn.
fn wait_for_pending(client: &mut Client, is_expected: impl Fn(u64) -> bool) {
    wait_for("the pending copies", || {
        tell(client, "pending");
        is_expected(read(client).parse().unwrap()).then_some(())
    });
}

#[test]
fn a_peer_with_two_subscriptions_receives_both_until_it_leaves_one() {
    let (server, _closed) = running();
    let [mut both, mut speaker] = [connect(server.address, "/"), connect(server.address, "/")];
    done(&mut both, "join red");
    done(&mut both, "join blue");
    for number in 0..50 {
        tell(&mut speaker, &format!("say red r{number}"));
        tell(&mut speaker, &format!("say blue b{number}"));
    }
    let received: Vec<_> = (0..100).map(|_| read(&mut both)).collect();
    for colour in ["r", "b"] {
        let of_colour = received.iter().filter(|text| text.starts_with(colour));
        assert!(
            of_colour.cloned().eq((0..50).map(|number| format!("{colour}{number}"))),
            "{received:?}"
        );
    }
    done(&mut both, "leave red");
    tell(&mut speaker, "say red unheard");
    tell(&mut speaker, "say blue heard");
    assert_eq!(read(&mut both), "heard");
    // Subscribing to one channel twice makes two subscriptions.
    done(&mut both, "join blue");
    tell(&mut speaker, "say blue twice");
    assert_eq!([read(&mut both), read(&mut both)], ["twice", "twice"]);
    done(&mut both, "leave blue");
    done(&mut both, "leave blue");
    done(&mut both, "join red");
    tell(&mut both, "say-here mine");
    assert_eq!(read(&mut both), "mine");
}

#[test]
fn a_subscription_ended_in_the_middle_of_a_message_leaves_that_message_whole() {
    let payload = "x".repeat(60_000);
    for command in ["leave red", "leave-silently red"] {
        let (server, _closed) = running();
        let mut slow = Peer::connect_narrow(server.address).open("/");
        for join in ["join red", "join blue"] {
            slow.send(text(join));
            assert_eq!(slow.text(), join);
        }
        let mut speaker = connect(server.address, "/");
        for _ in 0..10 {
            tell(&mut speaker, &format!("say red {payload}"));
        }
        wait_for_pending(&mut speaker, |copies| copies > 0);
        slow.send(text(command));
        let mut received = Vec::new();
        if command == "leave red" {
            received
                .extend(std::iter::repeat_with(|| slow.text()).take_while(|text| text != command));
        }
        tell(&mut speaker, "say red unheard");
        tell(&mut speaker, "say blue end");
        received.extend(std::iter::repeat_with(|| slow.text()).take_while(|text| text != "end"));
        assert!(received.iter().all(|text| *text == payload), "{command}: no message is cut");
        assert!(received.len() < 10, "{command}: what waited behind that message is dropped");
        // In the end every copy has been delivered or dropped.
        wait_for_pending(&mut speaker, |copies| copies == 0);
        slow.close();
    }
}

#[test]
fn replies_keep_their_order_and_a_close_comes_after_them() {
    let (server, closed) = running();
    let mut client = connect(server.address, "/");
    tell(&mut client, "many");
    tell(&mut client, "close");
    tell(&mut client, "this is not looked at");
    for number in 0..100 {
        assert_eq!(read(&mut client), number.to_string());
    }
    assert_eq!(read(&mut client), "last words");
    match client.read().unwrap() {
        Received::Close(Some(frame)) => {
            assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4001, "as you wish"));
        }
        message => panic!("{message:?}"),
    }
    assert_eq!(closed.recv().unwrap(), (4001, "as you wish".to_owned()));
}

#[test]
fn every_open_has_one_close_and_its_code() {
    let (server, closed) = running();
    let mut peer = Peer::subscribe(server.address, "/");
    peer.send(close_frame(3456, "bye"));
    assert_eq!(peer.frame().close(), Some((3456, "bye")));
    assert_eq!(closed.recv().unwrap(), (3456, "bye".to_owned()));
    let mut peer = Peer::subscribe(server.address, "/");
    peer.send(crate::support::frame(0x88, ""));
    assert_eq!(closed.recv().unwrap(), (1005, String::new()));
    drop(Peer::subscribe(server.address, "/"));
    assert_eq!(closed.recv().unwrap().0, 1006);
    let mut peer = Peer::subscribe(server.address, "/");
    peer.send(b"\x81\x00");
    assert_eq!(peer.frame().close().map(|(code, _)| code), Some(1002));
    assert_eq!(closed.recv().unwrap().0, 1002);
    let mut peer = Peer::subscribe(server.address, "/");
    drop(server);
    assert_eq!(peer.frame().close().map(|(code, _)| code), Some(1012));
    let last: Vec<_> = closed.iter().map(|(code, _)| code).collect();
    assert_eq!(last, [1012], "each was told once");
}
