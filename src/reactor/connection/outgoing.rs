//! What a callback sends to its peer. It is collected here and written after the callback has
//! returned.

use crate::protocol::{CloseCode, encode_close};

#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) replies: Vec<u8>,
    /// If set, the replies end with a Close frame of this code, and nothing may follow.
    pub(crate) close: Option<CloseCode>,
    /// The reason in the Close frame, if `close` is set.
    pub(crate) reason: String,
    /// The rest of a partly sent frame whose subscription the callback has ended. It is written
    /// before the replies.
    pub(crate) rest: Vec<u8>,
    /// There was no memory to keep the rest of a partly sent frame: the connection must be reset.
    pub(crate) cut_short: bool,
    /// The callback has subscribed to a channel whose home reactor has not confirmed it yet.
    pub(crate) has_subscribed: bool,
}

impl Outgoing {
    /// Clears everything after it has been written.
    pub(crate) fn clear(&mut self) {
        self.replies.clear();
        self.close = None;
        self.reason.clear();
        self.rest.clear();
        self.cut_short = false;
        self.has_subscribed = false;
    }

    /// Appends a Close frame, if there is none yet.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        if self.close.is_none() {
            encode_close(&mut self.replies, code, reason);
            self.close = Some(code);
            self.reason.push_str(reason);
        }
    }
}
