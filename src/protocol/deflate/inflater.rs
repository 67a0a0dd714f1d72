//! Decompressing messages (RFC 7692 section 7.2.2).

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

/// Why a compressed message cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InflateError {
    /// The message is larger than the limit.
    TooLarge,
    /// The payload is not what RFC 7692 section 7.2.1 makes of a message.
    Corrupt,
}

/// Follows the end of every message: what the sender has taken off, and then an empty stored block
/// that is the last one. After a message that ends where a block ends, exactly this ends the stream
/// and adds nothing to the message.
const CLOSING: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// Room that is made for the first bytes of a message.
const ROOM_BYTES_MIN: usize = 512;

/// Returns the most bytes that a message of at most `message_bytes_max` is let to have while it is
/// compressed, if it comes in this many fragments. Compressing makes some payloads longer: a code
/// for all bytes alike by an eighth, and each flush by an empty block.
#[must_use]
pub fn deflated_bytes_max(message_bytes_max: usize, fragments: u32) -> u64 {
    let message_bytes_max = message_bytes_max as u64;
    message_bytes_max
        .saturating_add(message_bytes_max / 4)
        .saturating_add(64 + 8 * u64::from(fragments))
}

/// Decompresses messages, each by itself. One serves all connections of a reactor. It reads what
/// was compressed with any window.
pub struct Inflater {
    decompress: Decompress,
}

/// How a piece of a compressed message was read.
enum PieceRead {
    /// To its end. More blocks may follow.
    Whole,
    /// Up to the end of a block that says that it is the last one; so many bytes of the piece
    /// follow it.
    LastBlock { rest: usize },
}

impl Inflater {
    /// Makes an inflater.
    #[must_use]
    pub fn new() -> Inflater {
        Inflater { decompress: Decompress::new(false) }
    }

    /// Appends the message that was compressed to `into`. It may have `limit` bytes. Allocates
    /// nothing while `into` has room for it, and otherwise at most about twice the limit.
    ///
    /// # Errors
    /// `TooLarge`, as soon as the message has more than `limit` bytes. `Corrupt`: these are not the
    /// blocks of DEFLATE (RFC 1951), or they do not end where a block ends, or they refer to
    /// something before the message or before a block that was called the last one. Then `into`
    /// has gained bytes that mean nothing.
    pub fn inflate(
        &mut self,
        compressed: &[u8],
        limit: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        let end_max = into.len().saturating_add(limit);
        let mut piece = compressed;
        self.decompress.reset(false);
        while let PieceRead::LastBlock { rest } = self.take(piece, end_max, into)? {
            // Section 7.2.1 allows blocks called the last in the middle; each ends at a whole byte.
            if rest == 0 {
                return Ok(());
            }
            piece = &piece[piece.len() - rest..];
            self.decompress.reset(false);
        }
        // What ends a message adds nothing to it.
        match self.take(&CLOSING, into.len(), into) {
            Ok(PieceRead::LastBlock { rest: 0 }) => Ok(()),
            Ok(PieceRead::LastBlock { .. } | PieceRead::Whole) | Err(_) => {
                Err(InflateError::Corrupt)
            }
        }
    }

    /// Reads a piece of a compressed message. `into` may become `end_max` long.
    fn take(
        &mut self,
        mut piece: &[u8],
        end_max: usize,
        into: &mut Vec<u8>,
    ) -> Result<PieceRead, InflateError> {
        loop {
            if into.len() == into.capacity() {
                // One byte beyond the limit shows that there is more.
                let lacking = end_max.saturating_add(1) - into.len();
                into.reserve_exact(lacking.min(into.len().max(piece.len()).max(ROOM_BYTES_MIN)));
            }
            let taken_before = self.decompress.total_in();
            let status = self.decompress.decompress_vec(piece, into, FlushDecompress::None);
            if into.len() > end_max {
                return Err(InflateError::TooLarge);
            }
            piece = &piece[(self.decompress.total_in() - taken_before) as usize..];
            match status.map_err(|_| InflateError::Corrupt)? {
                Status::StreamEnd => return Ok(PieceRead::LastBlock { rest: piece.len() }),
                // What fills all room may go on without further input.
                Status::Ok | Status::BufError if into.len() == into.capacity() => {}
                Status::Ok | Status::BufError if piece.is_empty() => return Ok(PieceRead::Whole),
                Status::Ok | Status::BufError => {
                    debug_assert!(false, "with room and input left, something is always read");
                    return Err(InflateError::Corrupt);
                }
            }
        }
    }
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater::new()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InflateError::TooLarge => "the message is too big",
            InflateError::Corrupt => "the compressed message is corrupt",
        })
    }
}

impl std::error::Error for InflateError {}
