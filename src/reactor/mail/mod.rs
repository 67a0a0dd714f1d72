//! The messages that reactors send each other. The *home* of a channel is the reactor that numbers
//! its messages. Four rings lead from each reactor to every reactor: *updates* (how many
//! subscribers it has of a channel) and *requests* (publish, inspect) go to a home, and *messages*
//! (which the home has numbered) and *answers* (to joins, publishes and inspections) come from a
//! home.
//!
//! Taking a message or an answer never needs room in any ring. An update or a request stays in its
//! ring until there is room for all records that it causes. So only requests and updates wait for
//! messages and answers, never the reverse, and no cycle of waiting can form. Peers that
//! publish to a home whose ring is half full are not read until it is emptier, and TCP pushes back.
//! The other half is for whoever publishes now and then. If that is used up too, nobody is read who
//! could publish.
//!
//! Answers have a ring of their own so that a peer that waits for its 101, or a client that waits
//! for the outcome of its POST, does not wait behind the messages of a busy channel. Each kind of
//! mail has its own share of a turn, so messages do not wait behind answers either. But while a
//! member waits for the answer to a join, it takes answers before each message of that channel: a
//! message that was written after that answer must not be taken before it.
//!
//! Updates have a ring of their own so that they need not wait behind a publish. A home marks the
//! requests that are present, takes all updates, and only then serves the marked requests. So a
//! peer that has read its 101 response before a request was sent is always counted.
//!
//! | file | holds |
//! |---|---|
//! | `boxes` | the rings between all reactors of a server |
//! | `outbox`, `inbox` | one reactor's ends of the rings |
//! | `record` | the records and their encoding |
//! | `ring`, `large_payloads` | a bounded queue of records between threads; what goes beside it |
//! | `exchange` | the hub between its inbox and its outbox |
//! | `refused` | peers whose publishes are refused from now on |
//! | `full_channels`, `waiting` | publishers that wait because their channel is full |
//! | `thread_publishes` | messages that other threads of the program publish |
//! | `waiting_for_ring` | peers that wait because a ring or the large payloads are half full |
//! | `take_mail` | how much mail one turn takes |
//! | `notifier`, `flags`, `reactor_set` | when a reactor must be woken, and by whom it was |
//! | `fuzzing` | rings and records for the fuzz target outside this crate |
//!
//! A reactor's request ring to itself holds the requests that its own hub cannot accept yet.

mod boxes;
mod exchange;
mod flags;
mod full_channels;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inbox;
mod large_payloads;
mod notifier;
mod outbox;
mod reactor_set;
mod record;
mod refused;
mod ring;
mod take_mail;
mod thread_publishes;
mod waiting;
mod waiting_for_ring;

// `flags` uses `super::atomic`, so that `tests/loom` can include it with atomics of its own.
use std::sync::atomic;

pub(super) use boxes::boxes;
#[cfg(test)]
pub(super) use exchange::Taken;
pub(super) use exchange::{Exchange, HomeAnswer, Outcome};
pub(super) use inbox::Inbox;
pub(super) use notifier::Notifier;
pub(super) use outbox::Outbox;
#[cfg(test)]
pub(super) use record::AnswerRecord;
pub(super) use record::PublishOrigin;
pub use ring::RingSizes;
pub(super) use take_mail::MailTurn;
pub(super) use waiting_for_ring::RequestRoom;
