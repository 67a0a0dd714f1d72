//! What the reactor is told about one subscriber: what it may send, and what came of it.

/// The bytes between a subscriber's cursor and the end of the log, as far as one vectored write
/// goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unsent<'h> {
    /// The rest of the segment in which the cursor stands. Empty: there is nothing to send.
    pub first: &'h [u8],
    /// The next segment; often empty.
    pub second: &'h [u8],
    /// The rest of the frame in the middle of which the cursor stands: the first bytes of `first`,
    /// before which nothing else may be written. 0 between frames.
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

/// What a write brought a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Advanced {
    /// Messages whose last byte was taken.
    pub delivered: u64,
    /// The cursor stands in the middle of a frame: nothing else may be written before its rest.
    pub under_way: bool,
}
