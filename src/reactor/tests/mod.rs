//!
//! | module | holds |
//! |---|---|
//! | `app` | a small application, by whose paths a test says what it needs |
//! | `frames`, `client` | the frame client of all tests, and it over a simulated peer |
//! | `world` | reactors and their simulated network; time, and what must hold at every turn |
//! | `steps` | a reactor's turn, step by step |
//! | `ledger` | what must hold between reactors |
//! | `opening`, `http`, `talking`, `pinging` | connections that do well |
//! | `slow`, `torn`, `closing` | those that do not |
//! | `publishing`, `accepting`, `draining` | what concerns many of them |
//! | `many` | several reactors |
//! | `swarm` | everything at once, drawn from a seed |

mod accepting;
mod app;
mod client;
mod closing;
mod draining;
#[cfg(test)]
#[path = "../../../tests/support/frames.rs"]
mod frames;
mod http;
mod ledger;
mod many;
mod opening;
mod pinging;
mod publishing;
mod slow;
mod steps;
mod swarm;
mod talking;
mod torn;
mod world;
