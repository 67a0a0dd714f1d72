//! One thread: the only place where sockets meet channels.
//!
//! A connection's life, in the order in which it is lived, one file for each step:
//!
//! | file | step |
//! |---|---|
//! | `accept` | a connection is taken from a listener |
//! | `read` | one `recv`, and everything that can be decoded from it |
//! | `http` | requests, up to the opening handshake |
//! | `websocket` | an open connection's frames in, the application's replies out |
//! | `joining` | the 101 waits for the homes of the channels that were subscribed to |
//! | `sweep`, `write` | subscribers that are behind get their messages; what is owed to one peer |
//! | `deadlines`, `drain` | what happens because time passes, and because the server ends |
//! | `close` | every end, once, for one reason |
//! | `events` | what a step has caused for other peers |
//!
//! And what they stand on:
//!
//! | file | holds |
//! |---|---|
//! | `turn` | the reactor and its turn |
//! | `peers`, `core` | the connections; what a step needs beside the one that it is about |
//! | `connection` | one connection, and the slab of them |
//! | `mail` | what reactors send each other, and the hub between its inbox and its outbox |
//! | `api` | what programs see: the handler, its contexts, the handle for other threads |
//! | `group`, `setup` | what the reactors of a server share, and how they are put together |
//! | `limits`, `counters` | what is granted, and what has been done |
//! | `end_reason`, `decode_stop`, `ticket`, `turn_state` | small types that several of these need |

mod accept;
mod api;
mod close;
mod connection;
mod core;
mod counters;
mod deadlines;
mod decode_stop;
mod drain;
mod end_reason;
mod events;
mod group;
mod http;
mod joining;
mod limits;
mod mail;
mod peers;
mod read;
mod setup;
mod sweep;
#[cfg(test)]
mod tests;
mod ticket;
mod turn;
mod turn_state;
mod websocket;
mod write;

pub use api::{Answer, Context, Handle, Handler, PublishError, Upgrade, Visitor};
pub use counters::{CLOSE_CODES, Counters, RejectReason, STATUSES, Source};
pub use end_reason::Initiator;
pub use group::Status;
pub use limits::ReactorLimits;
pub use mail::RingSizes;
#[cfg(any(test, fuzzing))]
pub use mail::fuzzing;
pub use setup::{Setup, reactor_memory_min, setups};
pub use ticket::{NotPublished, Subscription, Ticket};
pub use turn::Reactor;
