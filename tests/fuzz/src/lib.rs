//! What the fuzz targets are made of.
//!
//! | module | is |
//! |---|---|
//! | `input` | a fuzz input, read from its front |
//! | `frames` | the frame client of all tests |
//! | `rfc6455` | what an echoing server has to answer to a stream of frames: the oracle of `session` |
//! | `server` | a server in a simulated world, clients, and what must hold of them: the target `reactor` |

#[path = "../../support/frames.rs"]
mod frames;
pub mod input;
pub mod rfc6455;
pub mod server;
