//! Measurements: how long things took, and how busy both sides were.
//!
//! ```text
//! latency   a histogram of durations               series   histograms of each second
//! process   processor time and memory from /proc   usage    processor time between two moments
//! machine   open files, ports and cores
//! ```
pub(crate) mod latency;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod series;
pub(crate) mod usage;
