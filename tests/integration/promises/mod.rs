//! Tests of the promises of the broadcast server, with WebSocket clients that share no code with
//! it.

mod channels;
mod cores;
mod order;
mod slow;

use crate::support::{Peer, Response, request};

/// Publishes by POST on a connection that stays open.
fn post(peer: &mut Peer, target: &str, body: impl AsRef<[u8]>) -> Response {
    peer.ask(request("POST", target, "", body))
}

/// Returns the contents of the answer to a publish: the epoch, the message's number, and the number
/// of subscribers.
fn published(answer: &Response) -> (String, u64, u64) {
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("the answer is JSON");
    let (epoch, number) =
        body["id"].as_str().and_then(|id| id.split_once('-')).expect("EPOCH-NUMBER");
    assert!(epoch.bytes().all(|byte| byte.is_ascii_hexdigit()), "{epoch}");
    let subscribers = body["subscribers"].as_u64().expect("a number of subscribers");
    assert_eq!(answer.status, if subscribers > 0 { 201 } else { 202 }, "{body}");
    (epoch.to_owned(), number.parse().expect("a number"), subscribers)
}

/// Returns what a GET on a channel answers, as JSON.
fn channel(peer: &mut Peer, target: &str) -> serde_json::Value {
    let answer = peer.ask(request("GET", target, "", ""));
    assert_eq!(
        (answer.status, answer.header("Content-Type")),
        (200, Some("application/json")),
        "{answer:?}"
    );
    serde_json::from_str(&answer.body).expect("the answer is JSON")
}
