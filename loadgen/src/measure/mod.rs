//! What is measured: how long things took, and how busy both sides were.
//!
//! ```text
//! latency   a histogram of durations               series   the same, second by second
//! process   processor time and memory, of /proc    usage    between two moments
//! machine   open files, ports and cores
//! ```
pub(crate) mod latency;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod series;
pub(crate) mod usage;
