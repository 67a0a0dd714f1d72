//! One connection's bytes: its stream, the bytes read but not yet decoded, and the bytes for this
//! peer that the kernel has not accepted yet. This layer makes no decisions, and knows neither
//! channels nor other connections.

mod buffer;
mod io_buffers;
mod io_results;
mod tls_failure;
mod tls_scratch;
mod tls_session;
mod tls_settings;

pub(crate) use buffer::{Buffer, BufferPool};
pub(crate) use io_buffers::IoBuffers;
pub(crate) use io_results::{Extent, Received, Sent};
pub(crate) use tls_failure::TlsFailure;
pub(crate) use tls_session::{Established, TlsSession};
pub use tls_settings::TlsSettings;
