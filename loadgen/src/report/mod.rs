//! The result of a run is one JSON object. All other formats are views of that object, so that a
//! stored result is shown by the same code as a fresh one.
//!
//! ```text
//! scenarios ──▶ gather ── finish ──▶ JSON ──▶ views/
//!                 ▲                   ▲         └── finished   how the views read it
//! value  second  schema         a stored file       units      units from names, figures as text
//! verdict        whether the figures can be trusted
//! thresholds     conditions that a report must meet
//! ```
//!
//! `report.schema.json` beside `src` describes the object. A test compares the two.
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
