//! What programs see of a reactor.
//!
//! | file | holds |
//! |---|---|
//! | `handler` | what an application is to a reactor: one `Handler`, called with events |
//! | `context` | what its callbacks are given: the peer, and what can be asked for it |
//! | `from_threads` | a handle by which other threads publish, drain and stop; the reactor's end |

mod context;
mod from_threads;
mod handler;

pub use context::{Context, Visitor};
pub(super) use from_threads::{Ending, FromThreads, handle};
pub use from_threads::{Handle, PublishError};
pub use handler::{Answer, Handler, Upgrade};
