//! Too many channels, too little memory: what is refused reaches nobody, and service comes back.

use fanfare::BroadcastOptions;

use crate::support::{Metrics, Peer, Running, Scraper, request, text};

fn post(peer: &mut Peer, channel: &str, body: &str) -> (u16, Option<String>) {
    let answer = peer.ask(request("POST", channel, "", body));
    (answer.status, answer.header("Retry-After").map(str::to_owned))
}

#[test]
fn without_memory_a_publish_is_503_or_closes_with_1013_until_there_is_some_again() {
    let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
        builder.memory_limit(2 << 20)
    });
    let mut publisher = Peer::connect(server.address);
    let mut scraper = Scraper::connect(server.address);
    let mut honest = Peer::subscribe(server.address, "/news");
    assert_eq!(
        post(&mut publisher, "/news", "before").0,
        201,
        "a small limit is a limit that works"
    );
    assert_eq!(honest.text(), "before");

    // Each channel keeps for its own subscriber one message that this one does not read; together
    // they take all there is. (Not two: a channel whose own slow subscriber is in the way cuts it
    // off and takes its room.)
    let payload = "x".repeat(60_000);
    let mut stalled = Vec::new();
    let mut taken = 0;
    while post(&mut publisher, "/news", &payload).0 == 201 {
        assert!(honest.text() == payload);
        let channel = format!("/stalled/{}", stalled.len());
        stalled.push(Peer::connect_narrow(server.address).open(&channel));
        let kept = scraper.scrape().value("fanfare_channel_log_bytes");
        while post(&mut publisher, &channel, &payload).0 == 201
            && scraper.scrape().value("fanfare_channel_log_bytes") == kept
        {
            taken += 1;
            assert!(taken <= 500, "30 MB are in 2 MiB and the kernel's buffers");
        }
    }
    assert_eq!(post(&mut publisher, "/news", &payload), (503, Some("1".to_owned())));
    let mut speaker = Peer::subscribe(server.address, "/news");
    speaker.send(text(&payload));
    let frame = speaker.frame();
    let (code, reason) = frame.close().expect("a close");
    assert_eq!(code, 1013);
    assert!(!reason.is_empty());
    speaker.end();
    assert!(scraper.scrape().value("fanfare_limit_hits_total{limit=\"publishes_refused\"}") >= 3);

    let (messages_before, _) = messages(&mut publisher);
    drop(stalled);
    scraper.until("memory", Metrics::is_settled);
    assert_eq!(post(&mut publisher, "/news", "after").0, 201);
    assert_eq!(honest.text(), "after", "what was refused has reached nobody");
    let (messages_after, subscribers) = messages(&mut publisher);
    assert_eq!((messages_after, subscribers), (messages_before + 1, 1), "and was not numbered");
    honest.close();
}

/// The messages and subscribers of the honest channel.
fn messages(peer: &mut Peer) -> (u64, u64) {
    let body: serde_json::Value =
        serde_json::from_str(&peer.ask(request("GET", "/news", "", "")).body).expect("JSON");
    (body["messages"].as_u64().unwrap(), body["subscribers"].as_u64().unwrap())
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
