//! The product: a server made of reactors, and the broadcast server that the `fanfare` command
//! runs.
//!
//! | file | holds |
//! |---|---|
//! | `builder`, `listeners`, `instance` | from addresses, limits and a [`Handler`](crate::Handler) to a running [`Server`] |
//! | `closures`, `event` | small programs without a handler of their own; custom events |
//! | `broadcast`, `options` | the standalone server as one handler, and what an operator decides about it |
//! | `route`, `refusal`, `answers` | what a path names, and what is said about it |
//! | `admission`, `access`, `publish_key`, `origin`, `rate` | who may do what, on whose behalf, and how often |
//! | `console`, `metrics`, `event_log` | what people look at |

#[cfg_attr(
    not(feature = "broadcast"),
    expect(dead_code, reason = "only the standalone server has reason to use all of it")
)]
mod access;
mod builder;
mod closures;
mod event;
mod instance;
mod listeners;
mod origin;

// The standalone server.
#[cfg(feature = "broadcast")]
mod admission;
#[cfg(feature = "broadcast")]
mod answers;
#[cfg(feature = "broadcast")]
mod broadcast;
#[cfg(feature = "broadcast")]
mod console;
#[cfg(feature = "broadcast")]
mod event_log;
#[cfg(feature = "broadcast")]
mod metrics;
#[cfg(feature = "broadcast")]
mod options;
#[cfg(feature = "broadcast")]
mod process;
#[cfg(feature = "broadcast")]
mod publish_key;
#[cfg(feature = "broadcast")]
mod rate;
#[cfg(feature = "broadcast")]
mod refusal;
#[cfg(feature = "broadcast")]
mod route;

#[cfg(feature = "broadcast")]
pub use broadcast::{Broadcast, BroadcastSession};
pub use builder::{BindError, Builder, Factory, LimitsError};
pub use closures::{ClosureHandler, Closures, Peer};
pub use event::event;
pub use instance::{Publisher, Server, Stopper};
#[cfg(feature = "broadcast")]
pub use options::{BroadcastOptions, PublishPolicy, Reject};
pub use origin::{OriginPattern, OriginPatternError};
#[cfg(feature = "broadcast")]
pub use publish_key::{PublishKey, PublishKeyError};
