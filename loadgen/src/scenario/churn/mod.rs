//! Connections that open and leave, and subscribers that stop reading, while healthy subscribers
//! continue. The deliveries to the healthy ones are all checked, and timed separately.
//!
//! ```text
//! beside     the scenario: the traffic of the healthy subscribers, and the others beside it
//! visitors   connections that open, stay for a while and leave
//! slow       subscribers that stop reading; at the end they read on and must find no gap
//! storm      connections that are reset all at once and opened again
//! held       memory and files of the server
//! ```
mod beside;
mod held;
mod slow;
mod storm;
mod visitors;

pub(crate) use beside::Churn;
