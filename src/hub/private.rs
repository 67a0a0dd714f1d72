//! Private rests: the remaining bytes of frames that were partly sent when their cursor was removed
//! from the log. Such a frame must be finished, or the connection reset. These bytes are the only
//! memory that belongs to one slow subscriber alone, so all private rests together have a budget.

/// The budget has no room for another private rest: the connection must be reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrivateBudgetSpent;

/// Counts the private rests that connections have not sent yet.
#[derive(Debug)]
pub(super) struct PrivateRests {
    bytes: usize,
    /// The number of frames that have a rest here: their messages count as pending.
    messages: u64,
    bytes_max: usize,
}

impl PrivateRests {
    pub(super) fn new(bytes_max: usize) -> PrivateRests {
        PrivateRests { bytes: 0, messages: 0, bytes_max }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= self.bytes_max.saturating_sub(self.bytes)
    }

    /// Counts the rest of one frame.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), PrivateBudgetSpent> {
        if !self.has_room_for(bytes) {
            return Err(PrivateBudgetSpent);
        }
        self.bytes += bytes;
        self.messages += 1;
        Ok(())
    }

    /// Stops counting bytes of a rest, sent or dropped. `was_last` is true if nothing of it is
    /// left.
    pub(super) fn take(&mut self, bytes: usize, was_last: bool) {
        debug_assert!(bytes <= self.bytes, "more private bytes taken than were added");
        debug_assert!(!was_last || self.messages > 0, "more private rests ended than were added");
        self.bytes = self.bytes.saturating_sub(bytes);
        self.messages = self.messages.saturating_sub(u64::from(was_last));
    }
}
