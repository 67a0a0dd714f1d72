//! A run: its threads, each with its share of the connections, and the hooks of a scenario.
//!
//! ```text
//! start     starts the threads and combines what each has recorded
//! threads   what they share: the clock, barriers, figures for the watcher (watch)
//! turn      one thread: wait, read, decode, call the scenario, write
//! load      its connections, and what a scenario may do with them; load/connecting makes them
//! scenario  the hooks of a scenario
//! opening   opening many connections at a pace       schedule     when paced events are due
//! timeline  warm-up, measuring, draining             measurement  the span that is measured
//! ```
pub(crate) mod load;
pub(crate) mod measurement;
pub(crate) mod opening;
pub(crate) mod scenario;
pub(crate) mod schedule;
pub(crate) mod start;
pub(crate) mod threads;
pub(crate) mod timeline;
pub(crate) mod turn;
pub(crate) mod watch;
