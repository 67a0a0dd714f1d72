//! The views of a finished report, which may be a stored one. They read it through
//! `report/finished.rs`.
//!
//! ```text
//! text  html     for people; html has plots (figures: what is plotted; plot: one of them as SVG)
//! csv  hdr       for programs: the seconds, and the distribution of one latency
//! ```
pub(crate) mod csv;
mod figures;
pub(crate) mod hdr;
pub(crate) mod html;
mod plot;
pub(crate) mod text;
