//! fanfare: a WebSocket broadcast server, as a library.
//!
//! The layers, each importing only what stands below it:
//!
//! ```text
//! server                     the product: configuration, endpoints, drain
//! reactor                    one thread: the only place where sockets meet channels
//! transport   hub            one connection; channels, logs and cursors
//! net    protocol            the world at the level of system calls; bytes in, events out
//! ```
pub mod hub;
pub mod instant;
pub mod net;
pub mod protocol;
pub mod reactor;
mod transport;
