//! What programs see of a reactor.
//!
//! | file | holds |
//! |---|---|
//! | `handler` | what an application is to a reactor: one `Handler`, called with events |
//! | `context` | what its callbacks are given: the peer, and what can be asked for it |
//! | `handle` | a handle for other threads, and the reactor's end of it |

mod context;
mod handle;
mod handler;

pub use context::{Context, Visitor};
pub(super) use handle::{Commands, Ending, handle};
pub use handle::{Handle, PublishError};
pub use handler::{Answer, Handler, Upgrade};
