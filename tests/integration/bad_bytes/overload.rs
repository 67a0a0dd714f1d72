//! Tests with too many channels or too little memory: a refused message reaches no subscriber, and
//! later messages are accepted again.

use fanfare::BroadcastOptions;

use crate::support::{Peer, Running, Scraper, request};

fn post(peer: &mut Peer, channel: &str, body: &str) -> (u16, Option<String>) {
    let answer = peer.ask(request("POST", channel, "", body));
    (answer.status, answer.header("Retry-After").map(str::to_owned))
}

#[test]
fn strangers_who_stall_on_channels_of_their_own_have_no_post_to_a_healthy_one_refused() {
    for reactors in [1, 2] {
        let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
            builder.reactors(reactors).memory_limit(4 << 20)
        });
        let mut publisher = Peer::connect(server.address);
        let mut honest = Peer::subscribe(server.address, "/news");
        // The strangers' unread messages would take six times the memory.
        let payload = "x".repeat(60_000);
        let mut stalled = Vec::new();
        for number in 0..100 {
            let channel = format!("/stalled/{number}");
            stalled.push(Peer::connect_narrow(server.address).open(&channel));
            for _ in 0..4 {
                assert_eq!(post(&mut publisher, &channel, &payload).0, 201);
            }
            assert_eq!(post(&mut publisher, "/news", &payload).0, 201);
            assert!(honest.text() == payload);
        }
        let page = Scraper::connect(server.address).scrape();
        let cut = page.value("fanfare_messages_dropped_total{reason=\"slow_consumer\"}");
        assert!(cut > 0, "memory was never short");
        assert_eq!(page.value("fanfare_limit_hits_total{limit=\"publishes_refused\"}"), 0);
        honest.close();
    }
}

#[test]
fn one_channel_too_many_is_503_for_a_publish_and_1013_for_a_subscriber() {
    let server =
        Running::broadcast_with(BroadcastOptions::default(), |builder| builder.max_channels(2));
    let mut publisher = Peer::connect(server.address);
    let mut members = ["/one", "/two"].map(|channel| Peer::subscribe(server.address, channel));
    assert_eq!(post(&mut publisher, "/three", "a"), (503, Some("1".to_owned())));
    let mut subscriber = Peer::subscribe(server.address, "/three");
    let frame = subscriber.frame();
    let (code, reason) = frame.close().expect("a close");
    assert_eq!(code, 1013);
    assert!(!reason.is_empty());
    subscriber.end();
    for (member, channel) in members.iter_mut().zip(["/one", "/two"]) {
        assert_eq!(post(&mut publisher, channel, "b").0, 201);
        assert_eq!(member.text(), "b");
    }
}
