//! What a callback has to say to its peer: it gathers here, and is written when the callback has
//! returned.

use crate::protocol::{CloseCode, encode_close};

#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) replies: Vec<u8>,
    /// A Close frame stands at the end of the replies: nothing may follow.
    pub(crate) close: Option<CloseCode>,
    /// The reason in that Close frame, or in the peer's.
    pub(crate) reason: String,
    /// The rest of a frame that an ended subscription was in the middle of: it goes before the
    /// replies.
    pub(crate) rest: Vec<u8>,
    /// There was such a rest and no room for it: the stream cannot go on.
    pub(crate) cut_short: bool,
    /// The callback has subscribed to a channel whose home has to be told first.
    pub(crate) has_subscribed: bool,
}

impl Outgoing {
    /// Forgets what has been written.
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
