//! What the reactors of one server share, apart from the rings between them.
//!
//! | file | holds |
//! |---|---|
//! | `connection_limits` | the limits on new connections, counted over all reactors |
//! | `status`, `live_status` | the figures of one reactor and their sum; where others read them |
//! | `shared` | the connection limits, the statuses, and flags that reactors read of each other |

mod connection_limits;
mod live_status;
mod shared;
mod status;

pub(super) use connection_limits::{ConnectionLimits, Quota, Refusal};
pub(super) use live_status::OwnCounters;
pub(super) use shared::Shared;
pub use status::Status;
pub(super) use status::{Gauges, ReactorStatus};
