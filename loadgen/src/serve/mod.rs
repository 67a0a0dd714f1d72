//! `loadgen serve`: a server for trying the load generator, and for finding the highest load that
//! both can handle. It has one thread, one poll, one slab and one receive buffer, and is built on
//! `fanfare::protocol`. It causes only the faults that were asked for, and counts every copy that
//! they affect.
//!
//! ```text
//! server       the turn: wait, read, publish, write            args  signals
//! accept       read  ending: from accepting to removal         connection
//! http         requests: the opening handshake, POST
//! round        a broadcast: the messages of one turn, sent to every receiver
//! receiver     one receiver: the fault of each copy            faults
//! outbound     bytes waiting to be written, and which copies of the ledger they contain
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
