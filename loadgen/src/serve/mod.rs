//! `loadgen serve`: a server to try the load generator on, and to find the ceiling of both. One
//! thread, one poll, one slab, one receive buffer, on `fanfare::protocol`. What it does wrong is
//! asked for, and counted to the copy.
//!
//! ```text
//! server       the turn: wait, read, publish, write            args  signals
//! accept       read  ending: the life of connections           connection
//! http         requests: the opening handshake, POST
//! round        a broadcast: the messages of one turn, to every receiver
//! receiver     one receiver: the fate of each copy             faults
//! outbound     what waits to be written, and what of the ledger is in it
//! ```
mod accept;
pub(crate) mod args;
mod connection;
mod ending;
mod faults;
mod http;
mod outbound;
mod read;
mod receiver;
mod round;
pub(crate) mod server;
mod signals;
