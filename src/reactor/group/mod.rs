//! What the reactors of one server share, apart from the rings between them.
//!
//! | file | holds |
//! |---|---|
//! | `connection_limits` | the limits on new connections, counted over all reactors |
//! | `status`, `live_status` | the figures of one reactor and their sum; where others read them |
//! | `survey` | questions about all channels, to which every reactor contributes |
//! | `standstill`, `liveness` | a reactor that does not turn; who is told of it |
//! | `shared` | the connection limits, the statuses, and flags that reactors read of each other |

mod connection_limits;
mod live_status;
mod liveness;
mod shared;
mod standstill;
mod status;
mod survey;

pub(super) use connection_limits::{ConnectionLimits, Quota, Refusal, Standing};
pub(super) use live_status::OwnCounters;
pub use liveness::Liveness;
pub(super) use shared::Shared;
pub use standstill::Standstill;
pub use status::Status;
pub(super) use status::{Gauges, ReactorStatus};
pub use survey::{CHANNELS_LISTED_MAX, ChannelListing, ChannelQuery, ChannelSort, ListedChannel};
pub(super) use survey::{Offer, Survey};
