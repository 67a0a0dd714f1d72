//! The library's own API: handlers that decline, choose a subprotocol, subscribe to what they like
//! and close, and publishers on other threads.

mod panics;
mod peers;
mod publishers;
mod upgrades;
