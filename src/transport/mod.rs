//! One connection's bytes: its stream, the bytes read but not yet decoded, and the bytes for this
//! peer that the kernel has not accepted yet. This layer makes no decisions, and knows neither
//! channels nor other connections.

mod buffer;
mod io_buffers;

pub(crate) use buffer::{Buffer, BufferPool};
pub(crate) use io_buffers::{IoBuffers, Received, Sent, sent};
