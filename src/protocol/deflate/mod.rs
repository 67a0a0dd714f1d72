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

/// How messages are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompressionOptions {
    /// From [`COMPRESSION_LEVEL_MIN`] to [`COMPRESSION_LEVEL_MAX`].
    pub level: u8,
    /// How far back a compressed message may refer, as the logarithm of the bytes: from
    /// [`WINDOW_BITS_MIN`] to [`WINDOW_BITS_MAX`].
    pub window_bits: u8,
    /// Messages with fewer bytes are sent as they are.
    pub message_bytes_min: usize,
}

impl CompressionOptions {
    /// Returns true if level and window are within their bounds.
    #[must_use]
    pub fn is_in_range(self) -> bool {
        (COMPRESSION_LEVEL_MIN..=COMPRESSION_LEVEL_MAX).contains(&self.level)
            && (WINDOW_BITS_MIN..=WINDOW_BITS_MAX).contains(&self.window_bits)
    }
}

impl Default for CompressionOptions {
    fn default() -> CompressionOptions {
        CompressionOptions {
            level: COMPRESSION_LEVEL_DEFAULT,
            window_bits: WINDOW_BITS_DEFAULT,
            message_bytes_min: COMPRESSED_BYTES_MIN_DEFAULT,
        }
    }
}

/// The size from which on messages are compressed, where nothing else is asked for. A smaller one
/// saves little, and fits into one packet of the network either way.
const COMPRESSED_BYTES_MIN_DEFAULT: usize = 256;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
