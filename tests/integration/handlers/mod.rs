//! Tests of the library's API: handlers that decline, choose a subprotocol, subscribe to several
//! channels, close, and do not return; and publishers on other threads.

mod deferrals;
mod panics;
mod peers;
mod publishers;
mod standstill;
mod upgrades;
