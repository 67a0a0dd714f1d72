//! What the reactors of one server share besides the rings between them.
//!
//! | file | holds |
//! |---|---|
//! | `gate` | the limits on new connections, counted over all reactors |
//! | `status` | what a reactor has done and holds, and the sum of all |
//! | `shared` | where both stand, with the flags that reactors read of each other |

mod gate;
mod shared;
mod status;

pub(super) use gate::{Gate, Refusal};
pub(super) use shared::Shared;
pub(super) use status::ReactorStatus;
pub use status::Status;
