//! A reactor: one thread that serves connections, the only place where sockets meet channels. Each
//! channel has one reactor as its home, which numbers the channel's messages.
//!
//! One file for each step in the life of a connection, in order:
//!
//! | file | step |
//! |---|---|
//! | `accept` | a connection is accepted from a listener |
//! | `read` | one `recv`, and everything that can be decoded from it |
//! | `client` | whose request it is, where a trusted proxy passes on many clients' |
//! | `tls` | the TLS handshake, if the listener has one |
//! | `http` | requests, up to the opening handshake |
//! | `respond` | responses: when they are due, how they are written and counted |
//! | `deferral`, `deferred` | a handshake on which the application decides later |
//! | `inflation` | compressed messages are read |
//! | `websocket` | an open connection's frames are decoded, and the application's replies sent |
//! | `joining` | the 101 is held until the homes of the subscribed channels have answered |
//! | `sweep`, `write_owed` | messages go to subscribers that are behind; bytes to one peer |
//! | `deadlines`, `drain` | timeouts and pings; the end of the server |
//! | `review` | after a reload, whether a connection may stay |
//! | `close` | a connection ends, once, for one reason |
//! | `linger` | what the peer still sends then is discarded |
//! | `events` | effects of a step on other connections |
//! | `served` | the application is told what has been served, for access logs |
//! | `surveyor` | channels are counted and listed, a part of them in each turn |
//!
//! What the steps build on:
//!
//! | file | holds |
//! |---|---|
//! | `turn` | the reactor and its turn |
//! | `peers`, `core` | the connections; everything else that a step needs |
//! | `timer_wheel` | when each connection's deadlines are checked next |
//! | `connection` | one connection, and the slab of them |
//! | `mail` | what reactors send each other; the hub between its inbox and its outbox |
//! | `api` | what programs use: the handler, its contexts, the handle for other threads |
//! | `group`, `setup` | what the reactors of a server share, and how they are set up |
//! | `limits`, `counters`, `histogram` | what peers are allowed; what is counted and timed |
//! | `traffic` | bytes and times of each connection, kept only for access logs |
//! | `budget` | how much work a turn has done, so that its loops stay bounded |
//! | `panics` | what happens when a callback panics |
//! | `remote_publish` | messages from other threads, and their outcomes |
//! | `held_publishers` | messages from other threads that wait until a channel has room |
//! | `response_headers` | headers that the application adds to whatever answers a request |
//! | `end_reason`, `decode_stop`, `ticket`, `turn_state`, `via` | small types that several need |

mod accept;
mod api;
mod budget;
mod client;
mod close;
mod connection;
mod core;
mod counters;
mod deadlines;
mod decode_stop;
mod deferral;
mod deferred;
mod drain;
mod end_reason;
mod events;
mod group;
mod held_publishers;
mod histogram;
mod http;
mod inflation;
mod joining;
mod limits;
mod linger;
mod mail;
mod panics;
mod peers;
mod read;
mod remote_publish;
mod respond;
mod response_headers;
mod review;
mod served;
mod setup;
mod surveyor;
mod sweep;
#[cfg(test)]
mod tests;
mod ticket;
mod timer_wheel;
mod tls;
mod traffic;
mod turn;
mod turn_state;
mod via;
mod websocket;
mod write_owed;

pub use accept::ListenerKind;
pub use api::{
    Answer, Context, Handle, Handler, PublishError, Rejected, Review, Served, Upgrade, Visitor,
};
pub use counters::{CLOSE_CODES, Counters, RejectReason, STATUSES, Source, TlsHandshake};
pub use deferral::Deferral;
pub use end_reason::Initiator;
pub use group::{
    CHANNELS_LISTED_MAX, ChannelListing, ChannelQuery, ChannelSort, ListedChannel, Liveness,
    Standstill, Status,
};
pub use histogram::{BUCKET_BOUNDS_NANOS, Histogram};
pub use limits::ReactorLimits;
pub use mail::RingSizes;
#[cfg(any(test, fuzzing))]
pub use mail::fuzzing;
pub use remote_publish::{PublisherLine, RefusalReason, RefusedMessage};
pub use response_headers::ResponseHeaders;
pub use setup::{Setup, reactor_memory_min, setups};
pub use ticket::{NotPublished, Subscription, Ticket};
pub use turn::Reactor;
pub(crate) use via::Via;
