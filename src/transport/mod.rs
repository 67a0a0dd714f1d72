//! One connection's bytes: its stream, what was read and is not yet decoded, and what is owed to
//! this peer and was refused by the kernel. Composes; decides nothing, and knows neither channels
//! nor other connections.

mod buffer;
mod link;

pub(crate) use buffer::{Buffer, BufferPool};
pub(crate) use link::{Link, Received, Sent, sent};
