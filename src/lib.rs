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
pub mod hub;
pub mod instant;
pub mod net;
pub mod protocol;
pub mod reactor;
mod server;
mod transport;

pub use hub::{ChannelName, ChannelNameError, Refused, SlowPolicy};
pub use protocol::{CloseCode, Message, MessageKind, Request, Response};
pub use reactor::{
    Answer, Context, Handler, NotPublished, PublishError, Subscription, Ticket, Upgrade, Visitor,
};
pub use serde_json::Value;
pub use server::{
    BindError, Broadcast, BroadcastOptions, BroadcastSession, Builder, ClosureHandler, Closures, Factory,
    LimitsError, OriginPattern, OriginPatternError, Peer, PublishKey, PublishKeyError, PublishPolicy,
    Publisher, Reject, Server, Stopper, event,
};
