//! A cursor: how far one subscriber has read a channel's log. And the number of cursors in one part
//! of the log.

/// A position in a log. At the end of the log, number and offset are those of the next message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    /// The first message whose last byte has not been sent.
    pub(super) number: u64,
    /// The offset of the next byte, counted since the start of the channel.
    pub(super) offset: u64,
    /// If the cursor is in the middle of a frame, the bytes left of that frame; 0 between frames.
    pub(super) under_way_bytes: u32,
}

/// The number of cursors in one part of a log: in one segment, or at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub(super) cursors: u32,
    /// How many of the cursors belong to blocked subscribers. Invariant: `blocked <= cursors`.
    pub(super) blocked: u32,
}

impl Tally {
    /// Returns how many cursors are not blocked.
    pub(super) fn awake(self) -> u32 {
        self.cursors - self.blocked
    }

    pub(super) fn add(&mut self, blocked: bool) {
        self.cursors += 1;
        self.blocked += u32::from(blocked);
    }

    pub(super) fn remove(&mut self, blocked: bool) {
        self.cursors -= 1;
        self.blocked -= u32::from(blocked);
    }

    pub(super) fn merge(&mut self, other: Tally) {
        self.cursors += other.cursors;
        self.blocked += other.blocked;
    }
}
