//! What the reactors of one server share, apart from the rings between them.
//!
//! | file | holds |
//! |---|---|
//! | `connection_limits` | the limits on new connections, counted over all reactors |
//! | `status` | the figures of one reactor, and their sum over all reactors |
//! | `shared` | the connection limits, the statuses, and flags that reactors read of each other |

mod connection_limits;
mod shared;
mod status;

pub(super) use connection_limits::{ConnectionLimits, Quota, Refusal};
pub(super) use shared::Shared;
pub(super) use status::ReactorStatus;
pub use status::Status;
