//! What can be sent to one subscriber, and what came of a write.

/// The bytes between a subscriber's cursor and the end of the log, as far as one vectored write
/// goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unsent<'h> {
    /// The rest of the segment in which the cursor stands; empty if there is nothing to send.
    pub first: &'h [u8],
    /// The next segment; often empty.
    pub second: &'h [u8],
    /// So many bytes of `first` are the rest of a frame under way, and must be written before
    /// anything else. 0 between frames.
    pub under_way_bytes: usize,
}

impl Unsent<'_> {
    /// The length of both slices together.
    pub fn bytes(&self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// What came of a write to a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Advanced {
    /// Messages whose last byte was taken.
    pub delivered: u64,
    /// The cursor stands in the middle of a frame, whose rest must be written before anything else.
    pub under_way: bool,
}
