//! Connections that come and go, and subscribers that stop reading, beside healthy subscribers,
//! whose deliveries stay exact and are timed apart.
//!
//! ```text
//! beside     the scenario: the traffic of the healthy ones, and the others beside it
//! visitors   open, stay for a while and leave
//! slow       stop reading; woken at the end, they must find no gap
//! storm      are reset all at once and come back
//! held       memory and files of the server
//! ```
mod beside;
mod held;
mod slow;
mod storm;
mod visitors;

pub(crate) use beside::Churn;
