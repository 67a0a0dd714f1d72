//! What reactors send each other. Three rings lead from each to each: *interests* and *requests*,
//! to the home of a channel (who wants its messages; publish, inspect), and *deliveries*, from it
//! (numbered messages, answers).
//!
//! Taking a delivery never needs room in any ring, and what goes to a home stays where it is until
//! there is room for all that it causes. So waiting points only from requests to deliveries, and
//! there is no cycle in it. What finds no room stays with the publisher: its connection is not
//! read, and TCP pushes back.
//!
//! Interests have a ring of their own so that they need not wait behind a publish. A home takes all
//! of them before any request that was there when it began to look: so whoever is known to be
//! subscribed, because its 101 was read before the request was sent, is counted.
//!
//! | file | holds |
//! |---|---|
//! | here | the rings between all reactors of a server |
//! | `outbox`, `inbox` | one reactor's ends of them |
//! | `record` | what is said, and how it is written down |
//! | `ring` | a bounded queue of records between two threads |
//! | `bell`, `flags` | when to wake whom |
//! | `exposed` | rings and records for the fuzz target outside of this crate |
//!
//! A reactor's ring of requests to itself holds what its own hub cannot take yet.

mod bell;
pub mod exposed;
mod flags;
mod inbox;
mod outbox;
mod record;
mod ring;

use std::sync::{Arc, atomic};

use crate::hub::ReactorNumber;

use super::shared::Shared;

pub(super) use bell::Bell;
pub(super) use inbox::Inbox;
pub(super) use outbox::Outbox;
pub(super) use record::{Delivery, Origin, Request};
pub use ring::RingSizes;

/// The boxes of all reactors of a server, and the rings between them.
pub(super) fn boxes(
    shared: &Arc<Shared>,
    sizes: RingSizes,
    message_bytes_max: usize,
) -> Vec<(Inbox, Outbox)> {
    let numbers: Vec<_> = (0..shared.reactors() as u16).map(ReactorNumber).collect();
    let mut boxes: Vec<_> = numbers
        .iter()
        .map(|own| (Inbox::new(), Outbox::new(*own, Arc::clone(shared), message_bytes_max)))
        .collect();
    for from in &numbers {
        for to in &numbers {
            let (interests, interests_out) =
                ring::ring(RingSizes { bytes: sizes.interest_bytes(), ..sizes });
            let (requests, requests_out) = ring::ring(sizes);
            let (deliveries, deliveries_out) = ring::ring(sizes);
            boxes[from.index()].1.add(interests, requests, deliveries);
            boxes[to.index()].0.add(interests_out, requests_out, deliveries_out);
        }
    }
    boxes
}
