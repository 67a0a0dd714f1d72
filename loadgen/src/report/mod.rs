//! The result of a run is one JSON object; everything else is a view of it, so that a stored result
//! is shown by the same code as a fresh one.
//!
//! ```text
//! scenarios ──▶ gather ── finish ──▶ JSON ──▶ views/
//!                 ▲                   ▲         └── finished   what they read it by
//! value  second  schema         a stored file       units      names to units, figures to words
//! verdict        whether the figures can be trusted
//! thresholds     what a report has to meet
//! ```
//!
//! `report.schema.json` beside `src` describes the object; a test holds both together.
pub(crate) mod finished;
pub(crate) mod gather;
mod schema;
pub(crate) mod second;
pub(crate) mod thresholds;
mod units;
pub(crate) mod value;
pub(crate) mod verdict;
pub(crate) mod views;

#[cfg(test)]
mod tests;
