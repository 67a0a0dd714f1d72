//! The scenarios, one file each. A scenario has the hooks of `run/scenario.rs`: it says what to
//! open, what to send and when it is done, and it judges what comes back. It does no I/O of its
//! own. Each thread of a run drives one.
pub(crate) mod broadcast;
mod check;
mod churn;
mod connect;
mod hold;
mod round_trips;

pub(crate) use check::Check;
pub(crate) use churn::Churn;
pub(crate) use connect::Connect;
pub(crate) use hold::Hold;
pub(crate) use round_trips::RoundTrips;
