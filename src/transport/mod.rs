//! One connection's bytes: its stream, what was read and not decoded yet, and what is owed to this
//! peer and was refused by the kernel. Decides nothing, and knows neither channels nor other
//! connections.

mod buffer;
mod io_buffers;

pub(crate) use buffer::{Buffer, BufferPool};
pub(crate) use io_buffers::{IoBuffers, Received, Sent, sent};
