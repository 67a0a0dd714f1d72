//! The scenarios, one file each. A scenario is a [`crate::run::Scenario`]: it says what to open, what to send and
//! when it is done, and it judges what comes back. It does no I/O of its own.
mod broadcast;
mod churn;
mod echo;
mod idle;
mod stall;

pub(crate) use broadcast::Broadcast;
pub(crate) use churn::Churn;
pub(crate) use echo::Echo;
pub(crate) use idle::Idle;
pub(crate) use stall::Stall;
