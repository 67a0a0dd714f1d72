//! What a peer may do that the application has let in, and how long.

use std::net::IpAddr;
use std::time::Duration;

use fanfare::{
    Authorizer, BroadcastOptions, ChannelRule, ChannelRules, PublishKey, PublishPolicy,
    SubscribePolicy,
};

use super::application::{Application, Gate};
use super::{asking, asking_for, handshake, start};
use crate::reloading::Reloading;
use crate::support::{Peer, frame, text, wait_for};

fn yes(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n")
}

fn ping(peer: &mut Peer) {
    peer.send(frame(0x89, "still there?"));
    assert_eq!(peer.frame().first_byte, 0x8a);
}

#[test]
fn whoever_may_publish_does_and_whoever_may_not_is_told_so() {
    for (publish, granted, is_allowed) in [
        (None, "", false),
        (None, "Fanfare-Publish: other, news/*\r\n", false),
        (None, "Fanfare-Publish: other\r\nFanfare-Publish: n*\r\n", true),
        (Some(PublishPolicy::Token), "Fanfare-Publish: news\r\n", true),
        (Some(PublishPolicy::All), "", true),
        (Some(PublishPolicy::None), "Fanfare-Publish: news\r\n", false),
    ] {
        let application = Application::that_says(yes(granted));
        let server = start(BroadcastOptions { publish, ..asking(&application.url()) });
        let mut peer = Peer::subscribe(server.address, "/news");
        peer.send(text("hello"));
        match is_allowed {
            true => assert_eq!(peer.text(), "hello"),
            false => {
                let frame = peer.frame();
                let (code, reason) = frame.close().unwrap();
                assert_eq!(code, 4403, "{publish:?} {granted}");
                let word = if publish.is_none() { "Fanfare-Publish" } else { "--publish" };
                assert!(reason.contains(word), "{reason}");
            }
        }
    }
}

#[test]
fn when_the_application_says_so_a_peer_is_closed_with_4401() {
    let application = Application::that_says(yes("Fanfare-Expires: 1\r\n"));
    let server = start(asking(&application.url()));
    let mut peer = Peer::subscribe(server.address, "/news");
    assert_eq!(peer.frame().close().map(|(code, _)| code), Some(4401));
}

#[test]
fn bearer_is_chosen_and_the_echo_service_asks_too() {
    let application = Application::that_says(yes(""));
    let server = start(BroadcastOptions { echo: true, ..asking(&application.url()) });
    let protocols = "Sec-WebSocket-Protocol: bearer, t1\r\n";
    let answer = Peer::connect(server.address).ask(handshake("/-/echo", protocols));
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("bearer"));
    assert_eq!(application.asked().len(), 1);
}

#[test]
fn rules_that_open_a_channel_to_everybody_do_not_ask() {
    let application = Application::that_says("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    let mut open = ChannelRule::new("open".parse().unwrap());
    open.subscribe = Some(SubscribePolicy::All);
    let mut chat = ChannelRule::new("chat".parse().unwrap());
    (chat.subscribe, chat.publish) = (Some(SubscribePolicy::All), Some(PublishPolicy::All));
    let channel_rules = ChannelRules::new([open, chat]).unwrap();
    let server = start(BroadcastOptions { channel_rules, ..asking(&application.url()) });
    let mut peer = Peer::subscribe(server.address, "/open");
    peer.send(text("hello"));
    assert_eq!(peer.frame().close().map(|(code, _)| code), Some(4403));
    let mut peer = Peer::subscribe(server.address, "/chat");
    peer.send(text("hello"));
    assert_eq!(peer.text(), "hello");
    assert_eq!(application.asked(), [] as [String; 0]);
    assert_eq!(Peer::connect(server.address).ask(handshake("/news", "")).status, 403);
}

#[test]
fn after_a_reload_a_peer_stays_unless_the_rules_no_longer_allow_it() {
    let application = Application::that_says(yes("Fanfare-Publish: news\r\n"));
    let other = Application::that_says(yes(""));
    let asking = || asking(&application.url());
    let rules = |publish| {
        let mut rule = ChannelRule::new("news".parse().unwrap());
        rule.publish = Some(publish);
        ChannelRules::new([rule]).unwrap()
    };
    let key = Some(fanfare::JwtKey::secret(&[b'x'; 32]).unwrap());
    let moved = Authorizer { url: other.url().parse().unwrap(), ..asking().authorizer.unwrap() };
    let publish_key = || Some(PublishKey::new("key").unwrap());
    for (case, after, stays, publishes) in [
        ("the same", asking(), None, true),
        ("another key", BroadcastOptions { publish_key: publish_key(), ..asking() }, None, true),
        (
            "another application",
            BroadcastOptions { authorizer: Some(moved), ..asking() },
            None,
            true,
        ),
        (
            "nobody may publish",
            BroadcastOptions { channel_rules: rules(PublishPolicy::None), ..asking() },
            None,
            false,
        ),
        (
            "no application, and tokens",
            BroadcastOptions { jwt_keys: key.into_iter().collect(), ..BroadcastOptions::default() },
            Some(4401),
            false,
        ),
    ] {
        let reloading = Reloading::start(asking());
        let mut peer = Peer::subscribe(reloading.server.address, "/news");
        reloading.reload(after);
        if let Some(code) = stays {
            assert_eq!(peer.frame().close().map(|(code, _)| code), Some(code), "{case}");
            continue;
        }
        ping(&mut peer);
        peer.send(text("hello"));
        match publishes {
            true => assert_eq!(peer.text(), "hello", "{case}"),
            false => assert_eq!(peer.frame().close().map(|(code, _)| code), Some(4403), "{case}"),
        }
    }
}

#[test]
fn whoever_came_without_the_application_is_told_to_come_again_when_there_is_one() {
    let application = Application::that_says(yes(""));
    let reloading = Reloading::start(BroadcastOptions::default());
    let mut peer = Peer::subscribe(reloading.server.address, "/news");
    reloading.reload(asking(&application.url()));
    let frame = peer.frame();
    let (code, reason) = frame.close().unwrap();
    assert_eq!(code, 1012);
    assert!(reason.contains("reconnect"), "{reason}");
    Peer::subscribe(reloading.server.address, "/news");
    assert_eq!(application.asked().len(), 1);
}

/// As many peers as can be asked about at the same time, of all addresses or of one, were given
/// much time. Nobody who is given less waits for them.
#[test]
fn whoever_waits_for_a_thread_is_answered_when_its_time_is_over() {
    for (patient, addresses) in [(32, 2), (24, 1)] {
        let gate = Gate::default();
        let held = gate.clone();
        let application = Application::start(move |_, _| {
            held.wait();
            false
        });
        let within = |time| asking_for(&application.url(), Duration::from_secs(time));
        let reloading = Reloading::start(within(3_600));
        let connect = |number: u8| {
            let from = IpAddr::from([127, 0, 0, 1 + number % addresses]);
            let mut peer = Peer::connect_from(from, reloading.server.address);
            peer.send(handshake("/news", ""));
            peer
        };
        let asked: Vec<_> = (0..patient).map(connect).collect();
        let all = usize::from(patient);
        wait_for("all of them", || (application.asked().len() == all).then_some(()));
        reloading.reload(within(1));
        let mut others: Vec<_> = (0..8).map(connect).collect();
        assert!(others.iter_mut().all(|peer| peer.response().status == 503));
        assert_eq!(application.asked().len(), all, "no thread has become free");
        gate.let_pass(64);
        drop(asked);
    }
}

#[test]
fn a_reload_while_the_application_is_asked_judges_by_the_new_rules_alone() {
    let gate = Gate::default();
    let held = gate.clone();
    let application = Application::start(move |_, stream| {
        use std::io::Write;
        held.wait();
        stream.write_all(yes("Fanfare-Publish: **\r\n").as_bytes()).is_ok()
    });
    let mut closed = ChannelRule::new("news".parse().unwrap());
    closed.publish = Some(PublishPolicy::None);
    let closed = ChannelRules::new([closed]).unwrap();
    let origins = vec!["https://a.example".parse().unwrap()];
    for (case, after, status) in [
        (
            "nobody may publish now",
            BroadcastOptions { channel_rules: closed, ..asking(&application.url()) },
            101,
        ),
        (
            "the origin is no longer allowed",
            BroadcastOptions {
                allowed_origins: vec!["https://b.example".parse().unwrap()],
                ..asking(&application.url())
            },
            403,
        ),
        (
            "tokens are needed",
            BroadcastOptions {
                allowed_origins: origins.clone(),
                jwt_keys: vec![fanfare::JwtKey::secret(&[b'x'; 32]).unwrap()],
                ..BroadcastOptions::default()
            },
            401,
        ),
    ] {
        let asked = application.asked().len();
        let before =
            BroadcastOptions { allowed_origins: origins.clone(), ..asking(&application.url()) };
        let after = match status {
            101 => BroadcastOptions { allowed_origins: origins.clone(), ..after },
            _ => after,
        };
        let reloading = Reloading::start(before);
        let mut peer = Peer::connect(reloading.server.address);
        peer.send(handshake("/news", "Origin: https://a.example\r\n"));
        wait_for("the question", || (application.asked().len() > asked).then_some(()));
        reloading.reload(after);
        gate.let_pass(1);
        assert_eq!(peer.response().status, status, "{case}");
        if status == 101 {
            peer.send(text("hello"));
            assert_eq!(peer.frame().close().map(|(code, _)| code), Some(4403), "{case}");
        }
    }
}

#[test]
fn a_drain_while_the_application_is_asked_ends_with_503() {
    let gate = Gate::default();
    let held = gate.clone();
    let application = Application::start(move |_, stream| {
        use std::io::Write;
        held.wait();
        stream.write_all(yes("").as_bytes()).is_ok()
    });
    let server = start(asking(&application.url()));
    let mut peer = Peer::connect(server.address);
    peer.send(handshake("/news", ""));
    wait_for("the question", || application.asked().first().map(|_| ()));
    server.drain();
    gate.let_pass(1);
    let answer = peer.response();
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("restarting"), "{answer:?}");
}
