//! What reactors send each other. Three rings lead from each to each: *updates* and *requests*,
//! to the home of a channel (who wants its messages; publish, inspect), and *deliveries*, from it
//! (numbered messages, answers).
//!
//! Taking a delivery never needs room in any ring, and what goes to a home stays where it is until
//! there is room for all that it causes. So waiting points only from requests to deliveries, and
//! there is no cycle in it. What finds no room stays with the publisher: its connection is not
//! read, and TCP pushes back.
//!
//! Updates have a ring of their own so that they need not wait behind a publish. A home takes all
//! of them before any request that was there when it began to look: so whoever is known to be
//! subscribed, because its 101 was read before the request was sent, is counted.
//!
//! | file | holds |
//! |---|---|
//! | `boxes` | the rings between all reactors of a server |
//! | `outbox`, `inbox` | one reactor's ends of them |
//! | `record` | what is said, and how it is written down |
//! | `ring` | a bounded queue of records between two threads |
//! | `exchange` | the hub between its inbox and its outbox |
//! | `refused` | peers whose publishes are refused from now on |
//! | `take_mail` | the mail that one turn takes |
//! | `notifier`, `flags` | when to wake whom |
//! | `fuzzing` | rings and records for the fuzz target outside of this crate |
//!
//! A reactor's ring of requests to itself holds what its own hub cannot take yet.

mod boxes;
mod exchange;
mod flags;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inbox;
mod notifier;
mod outbox;
mod record;
mod refused;
mod ring;
mod take_mail;

// `flags` takes its atomics from whoever includes it.
use std::sync::atomic;

pub(super) use boxes::boxes;
#[cfg(test)]
pub(super) use exchange::Taken;
pub(super) use exchange::{Exchange, HomeAnswer, Outcome};
pub(super) use inbox::Inbox;
pub(super) use notifier::Notifier;
pub(super) use outbox::Outbox;
#[cfg(test)]
pub(super) use record::Delivery;
pub(super) use record::PublishOrigin;
pub use ring::RingSizes;
pub(super) use take_mail::MailTurn;
