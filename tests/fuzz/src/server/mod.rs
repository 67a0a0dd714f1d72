//! A server in a simulated world, driven by a fuzz input, and what must hold of it.
//!
//! | module | is |
//! |---|---|
//! | `plan` | what the first bytes decide: reactors, rings, limits, network |
//! | `run` | the rest of the input, as a program; then rest, drain and the checks |
//! | `client` | one client: what it says, and what it may be told |
//! | `app` | the handler |
//! | `book` | every message that was ever published, and what became of it |
//! | `order` | whether what all clients have received is one order |

mod app;
mod book;
mod client;
mod order;
mod plan;
mod run;

pub use run::run;
