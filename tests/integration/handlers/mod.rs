//! Tests of the library's API: handlers that decline, choose a subprotocol, subscribe to several
//! channels, and close; and publishers on other threads.

mod deferrals;
mod panics;
mod peers;
mod publishers;
mod upgrades;
