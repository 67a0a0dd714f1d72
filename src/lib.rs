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
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `cli` (default) | the command `fanfare`, which needs the two below |
//! | `broadcast` | `Broadcast`: the standalone server as a [`Handler`], with its access rules and metrics |
//! | `units` | for the commands of this repository: how they read durations and sizes |
//!
//! A program with a handler or closures of its own needs none of them, and builds in a third of the
//! time with `default-features = false`.
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
#[cfg(feature = "units")]
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
    BindError, Builder, ClosureHandler, Closures, Factory, LimitsError, OriginPattern,
    OriginPatternError, Peer, Publisher, Server, Stopper, event,
};
#[cfg(feature = "broadcast")]
pub use server::{
    Broadcast, BroadcastOptions, BroadcastSession, PublishKey, PublishKeyError, PublishPolicy,
    Reject,
};
