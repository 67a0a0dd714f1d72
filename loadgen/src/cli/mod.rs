//! The command line: `loadgen SCENARIO URL [flags]`.
//!
//! ```text
//! command    the subcommands and the scenarios    scenarios  the flags of each
//! common     flags that several scenarios have    values     how values are parsed
//! ```
pub(crate) mod command;
pub(crate) mod common;
pub(crate) mod scenarios;
pub(crate) mod values;
