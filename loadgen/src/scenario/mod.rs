//! The scenarios, one file each. A scenario implements the hooks of `run/scenario.rs`: it decides
//! what to open, what to send and when it is done, and it judges what is received. It does no I/O
//! itself. Each thread of a run has its own instance.
pub(crate) mod broadcast;
pub(crate) mod check;
mod churn;
mod connect;
mod hold;
mod round_trips;
pub(crate) mod specimen;

pub(crate) use churn::Churn;
pub(crate) use connect::Connect;
pub(crate) use hold::Hold;
pub(crate) use round_trips::RoundTrips;
