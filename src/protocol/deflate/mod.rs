//! The extension permessage-deflate (RFC 7692), always without context takeover: each message is
//! compressed by itself, so one compressed form serves every receiver, and a connection keeps
//! nothing between two messages.

mod deflater;
mod inflater;

pub use deflater::{
    COMPRESSION_LEVEL_DEFAULT, COMPRESSION_LEVEL_MAX, COMPRESSION_LEVEL_MIN, Deflater,
    WINDOW_BITS_DEFAULT, WINDOW_BITS_MAX, WINDOW_BITS_MIN,
};
pub use inflater::{InflateError, Inflater, deflated_bytes_max};

/// What ends every flushed message and is not sent: the length of an empty stored block (RFC 7692
/// section 7.2.1).
const FLUSH_END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
