//! fanfare: a WebSocket broadcast server, as a library.
//!
//! The layers, each importing only what stands below it:
//!
//! ```text
//! server                     the product: configuration, endpoints, drain
//! reactor                    one thread: the only place where sockets meet channels
//! transport   hub            one connection; channels, logs and cursors
//! net    protocol            the world at the level of system calls; bytes in, events out
//! ```
//!
//! What a program needs stands at the root, and [`protocol`] is there for clients too. The other
//! layers can be reached for the benchmarks of this repository; they are no part of what is
//! promised.
#[doc(hidden)]
pub mod hub;
#[doc(hidden)]
pub mod instant;
#[doc(hidden)]
pub mod net;
pub mod protocol;
#[doc(hidden)]
pub mod reactor;
mod server;
mod split_mix;
mod transport;
#[doc(hidden)]
pub mod units;

pub use hub::{
    Accepted, ChannelInfo, ChannelName, ChannelNameError, DropReason, Ledger, MessageId, Refused,
    SlowPolicy,
};
pub use instant::Instant;
pub use protocol::{CloseCode, Message, MessageKind, Request, Response};
pub use reactor::{
    Answer, Context, Counters, Handler, NotPublished, PublishError, Status, Subscription, Ticket,
    Upgrade, Visitor,
};
pub use serde_json::Value;
pub use server::{
    BindError, Broadcast, BroadcastOptions, BroadcastSession, Builder, ClosureHandler, Closures,
    Factory, LimitsError, OriginPattern, OriginPatternError, Peer, PublishKey, PublishKeyError,
    PublishPolicy, Publisher, Reject, Server, Stopper, event,
};
