//! The command line: `loadgen SCENARIO URL [flags]`.
//!
//! ```text
//! command    the verbs and the scenarios          scenarios  the flags of each
//! common     flags that several scenarios have    values     what a value may look like
//! ```
pub(crate) mod command;
pub(crate) mod common;
pub(crate) mod scenarios;
pub(crate) mod values;
