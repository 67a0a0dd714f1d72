//! The product: a server made of reactors, and the broadcast server that the `fanfare` command
//! runs.
//!
//! | file | holds |
//! |---|---|
//! | `builder`, `listeners`, `instance` | from addresses, limits and a [`Handler`](crate::Handler) to a running [`Server`] |
//! | `closures`, `event` | small programs without a handler of their own; custom events |
//! | `broadcast`, `options` | the standalone server as one handler, and what an operator decides about it |
//! | `route`, `refusal`, `answers` | what a path names, and what is said about it |
//! | `admission`, `access`, `origin`, `rate` | who may do what, on whose behalf, and how often |
//! | `console`, `metrics`, `event_log` | what people look at |

mod access;
mod admission;
mod answers;
mod broadcast;
mod builder;
mod closures;
mod console;
mod event;
mod event_log;
mod instance;
mod listeners;
mod metrics;
mod options;
mod origin;
mod process;
mod rate;
mod refusal;
mod route;

pub use access::{PublishKey, PublishKeyError};
pub use broadcast::{Broadcast, BroadcastSession};
pub use builder::{BindError, Builder, Factory, LimitsError};
pub use closures::{ClosureHandler, Closures, Peer};
pub use event::event;
pub use instance::{Publisher, Server, Stopper};
pub use options::{BroadcastOptions, PublishPolicy, Reject};
pub use origin::{OriginPattern, OriginPatternError};
