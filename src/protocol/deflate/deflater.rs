//! Compressing messages (RFC 7692 section 7.2.1).

use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

/// The fastest level that compresses.
pub const COMPRESSION_LEVEL_MIN: u8 = 1;

/// The level that compresses best.
pub const COMPRESSION_LEVEL_MAX: u8 = 9;

/// The level where nothing else is asked for.
pub const COMPRESSION_LEVEL_DEFAULT: u8 = 6;

/// The smallest window, as the logarithm of its bytes. RFC 7692 section 7.1.2.1 knows one of 8 bits
/// too, which zlib cannot write.
pub const WINDOW_BITS_MIN: u8 = 9;

/// The largest window of DEFLATE (RFC 1951 section 2).
pub const WINDOW_BITS_MAX: u8 = 15;

/// The window where nothing else is asked for: 4 KiB.
pub const WINDOW_BITS_DEFAULT: u8 = 12;

/// What ends every flushed message and is not sent: the length of an empty stored block (RFC 7692
/// section 7.2.1).
const FLUSH_END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room that is made at first for a compressed message beyond half of its payload: enough for what
/// a flush writes.
const ROOM_BYTES_MIN: usize = 64;

/// Compresses messages, each by itself. One serves all connections of a reactor.
pub struct Deflater {
    compress: Compress,
    window_bits: u8,
}

impl Deflater {
    /// Makes a deflater. The level is from [`COMPRESSION_LEVEL_MIN`] to [`COMPRESSION_LEVEL_MAX`],
    /// the window from [`WINDOW_BITS_MIN`] to [`WINDOW_BITS_MAX`]; other values are taken as the
    /// nearest that is allowed.
    #[must_use]
    pub fn new(level: u8, window_bits: u8) -> Deflater {
        let level = level.clamp(COMPRESSION_LEVEL_MIN, COMPRESSION_LEVEL_MAX);
        let window_bits = window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        let level = Compression::new(u32::from(level));
        Deflater {
            compress: Compress::new_with_window_bits(level, false, window_bits),
            window_bits,
        }
    }

    /// Returns the logarithm of how far back a compressed message refers, in bytes.
    #[must_use]
    pub const fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Appends the compressed form of a message to `into`: the payload of its frame. Nothing of
    /// earlier messages is referred to. Allocates nothing while `into` has room.
    pub fn deflate(&mut self, payload: &[u8], into: &mut Vec<u8>) {
        let start = into.len();
        self.compress.reset();
        loop {
            let taken = self.compress.total_in() as usize;
            into.reserve((payload.len() - taken) / 2 + ROOM_BYTES_MIN);
            let written = self.compress.compress_vec(&payload[taken..], into, FlushCompress::Sync);
            debug_assert!(written.is_ok(), "raw deflate takes any bytes");
            // The flush is complete when it leaves room.
            if written.is_err() || into.len() < into.capacity() {
                break;
            }
        }
        debug_assert!(into[start..].ends_with(&FLUSH_END), "a flush ends with an empty block");
        into.truncate(into.len() - FLUSH_END.len());
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("window_bits", &self.window_bits).finish_non_exhaustive()
    }
}
