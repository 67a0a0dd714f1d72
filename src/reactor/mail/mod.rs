//! The messages that reactors send each other. Three rings lead from each reactor to each:
//! *updates* (a reactor's memberships in channels) and *requests* (publish, inspect) to the home of
//! a channel, and *deliveries* (numbered messages, answers) from the home.
//!
//! Taking a delivery never needs room in any ring. An update or a request stays in its ring until
//! there is room for everything that it causes. So only requests and updates wait for deliveries,
//! never the reverse, and no cycle of waiting can form. If a publish finds no room, the publisher's
//! connection is not read, and TCP pushes back.
//!
//! Updates have a ring of their own so that they need not wait behind a publish. A home takes all
//! of them before any request that was present when it began. So a subscriber whose 101 was read
//! before the request was sent is always counted.
//!
//! | file | holds |
//! |---|---|
//! | `boxes` | the rings between all reactors of a server |
//! | `outbox`, `inbox` | one reactor's ends of the rings |
//! | `record` | the records and their encoding |
//! | `ring` | a bounded queue of records between two threads |
//! | `exchange` | the hub between its inbox and its outbox |
//! | `refused` | peers whose publishes are refused from now on |
//! | `take_mail` | how much mail one turn takes |
//! | `notifier`, `flags` | when a reactor must be woken |
//! | `fuzzing` | rings and records for the fuzz target outside this crate |
//!
//! A reactor's request ring to itself holds what its own hub cannot accept yet.

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

// `flags` takes its atomics from the module that includes it.
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
