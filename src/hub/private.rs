//! Private rests: the remaining bytes of frames that were under way when their cursor left the log.
//! A frame that was begun must be finished, or the connection reset. These bytes are all that a
//! slow subscriber holds for itself, so together they have a budget.

/// The budget has no room for another private rest: the connection must be reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrivateBudgetSpent;

/// The rests that connections still owe to their streams.
#[derive(Debug)]
pub(super) struct PrivateRests {
    bytes: usize,
    /// Messages whose last byte is among `bytes`: they count as pending.
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

    /// The rest of one frame becomes private.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), PrivateBudgetSpent> {
        if !self.has_room_for(bytes) {
            return Err(PrivateBudgetSpent);
        }
        self.bytes += bytes;
        self.messages += 1;
        Ok(())
    }

    /// Some bytes of a rest are gone: sent, or given up.
    pub(super) fn take(&mut self, bytes: usize, was_last: bool) {
        debug_assert!(bytes <= self.bytes, "more private bytes gone than there were");
        debug_assert!(!was_last || self.messages > 0, "more private rests gone than there were");
        self.bytes = self.bytes.saturating_sub(bytes);
        self.messages = self.messages.saturating_sub(u64::from(was_last));
    }
}
