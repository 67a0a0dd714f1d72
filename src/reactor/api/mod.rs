//! What an application sees of a reactor.
//!
//! | file | holds |
//! |---|---|
//! | `handler` | the trait `Handler`: the application, called with events |
//! | `context` | what a callback is given: the peer, and what it may do for that peer |
//! | `served` | what the application is told of each request and connection that was served |
//! | `from_threads` | a handle by which other threads publish, drain and stop; its receiving side |
//! | `reload` | a request to reload |

mod context;
mod from_threads;
mod handler;
mod reload;
mod served;

pub use context::{Context, Visitor};
pub(super) use from_threads::{Ending, FromThreads, handle};
pub use from_threads::{Handle, PublishError};
pub use handler::{Answer, Handler, Rejected, Review, Upgrade};
pub use served::Served;
