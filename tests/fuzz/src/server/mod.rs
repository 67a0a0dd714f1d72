//! A server in a simulated world, driven by a fuzz input, and the checks on it.
//!
//! | module | is |
//! |---|---|
//! | `plan` | what the first bytes decide: reactors, rings, limits, network |
//! | `run` | runs the rest of the input as a program, then waits, drains and checks |
//! | `client` | one client: what it sends, and what it may receive |
//! | `app` | the handler |
//! | `book` | a record of every message, and its outcome |
//! | `order` | checks that all clients have received messages in one order |

mod app;
mod book;
mod client;
mod order;
mod plan;
mod run;

pub use run::run;
