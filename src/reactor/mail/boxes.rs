//! Creates the inboxes and outboxes of all reactors of a server, connected by rings.

use std::sync::Arc;

use crate::hub::ReactorNumber;
use crate::reactor::group::Shared;

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::ring::{self, RingSizes};

/// Returns one inbox and one outbox for each reactor, in the order of their numbers.
pub(crate) fn boxes(
    shared: &Arc<Shared>,
    sizes: RingSizes,
    message_bytes_max: usize,
) -> Vec<(Inbox, Outbox)> {
    let numbers: Vec<_> = (0..shared.reactors() as u16).map(ReactorNumber).collect();
    let mut boxes: Vec<_> = numbers
        .iter()
        .map(|own| {
            let shared = Arc::clone(shared);
            let inbox = Inbox::new(*own, shared.reactors());
            (inbox, Outbox::new(*own, shared, message_bytes_max, sizes.beside))
        })
        .collect();
    for from in &numbers {
        for to in &numbers {
            let outbox = &boxes[from.index()].1;
            let update_sizes = RingSizes { bytes: sizes.update_bytes(), ..sizes };
            let answer_sizes = RingSizes { bytes: sizes.answer_bytes(), ..sizes };
            let (updates, updates_out) = ring::ring(update_sizes, &outbox.large_requests);
            let (requests, requests_out) = ring::ring(sizes, &outbox.large_requests);
            let (messages, messages_out) = ring::ring(sizes, &outbox.large_messages);
            let (answers, answers_out) = ring::ring(answer_sizes, &outbox.large_messages);
            let senders = boxes[to.index()].0.senders();
            boxes[from.index()].1.add(updates, requests, messages, answers, senders);
            boxes[to.index()].0.add(updates_out, requests_out, messages_out, answers_out);
        }
    }
    boxes
}
