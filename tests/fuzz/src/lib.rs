//! The parts of which the fuzz targets are made.
//!
//! | module | is |
//! |---|---|
//! | `input` | a fuzz input, read from the front |
//! | `frames` | the frame client of all tests |
//! | `rfc6455` | what an echoing server has to answer: the oracle of `session` |
//! | `server` | a server and clients in a simulated world: the target `reactor` |

#[path = "../../support/frames.rs"]
mod frames;
pub mod input;
pub mod rfc6455;
pub mod server;
