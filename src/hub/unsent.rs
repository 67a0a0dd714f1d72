//! What can be sent to one subscriber, and the result of a write.

/// The bytes between a subscriber's cursor and the end of the log, at most those of one vectored
/// write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unsent<'h> {
    /// The rest of the segment in which the cursor is; empty if there is nothing to send.
    pub first: &'h [u8],
    /// The bytes of the next segment; often empty.
    pub second: &'h [u8],
    /// How many bytes at the start of `first` are the rest of a partly sent frame, which must be
    /// written before anything else; 0 between frames.
    pub under_way_bytes: usize,
}

impl Unsent<'_> {
    /// Returns the length of both slices together.
    pub fn bytes(&self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Returns true if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// The result of a write to a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Advanced {
    /// The number of messages whose last byte was accepted.
    pub delivered: u64,
    /// True if the cursor is in the middle of a frame, whose rest must be written before anything
    /// else.
    pub under_way: bool,
}
