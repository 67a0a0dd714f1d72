//! What the reactors of one server share besides the rings between them.
//!
//! | file | holds |
//! |---|---|
//! | `connection_limits` | the limits on new connections, counted over all reactors |
//! | `status` | what a reactor has done and holds, and the sum of all |
//! | `shared` | where both stand, with the flags that reactors read of each other |

mod connection_limits;
mod shared;
mod status;

pub(super) use connection_limits::{ConnectionLimits, Refusal};
pub(super) use shared::Shared;
pub(super) use status::ReactorStatus;
pub use status::Status;
