//! What a callback sends to its peer. It is collected here and written after the callback has
//! returned.

use crate::protocol::{CloseCode, Opcode, encode_close, encode_frame};

/// At most this many pings are each answered by a Pong frame of their own between two writes.
const PONGS_MAX: u32 = 16;

#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) replies: Vec<u8>,
    /// How many Pong frames are in `replies`, and where the last of them begins and ends.
    pongs: u32,
    last_pong: (usize, usize),
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
    /// Makes an empty one. `replies_bytes` is how much the replies to what one `recv` brings may
    /// take without an allocation.
    pub(crate) fn new(replies_bytes: usize) -> Outgoing {
        Outgoing { replies: Vec::with_capacity(replies_bytes), ..Outgoing::default() }
    }

    /// Clears everything, after it has been written.
    pub(crate) fn clear(&mut self) {
        self.clear_replies();
        self.close = None;
        self.reason.clear();
        self.rest.clear();
        self.cut_short = false;
        self.has_subscribed = false;
    }

    /// Clears the replies. The next ones may be for another connection, so the Pong frames counted
    /// so far must not be taken for its own.
    pub(crate) fn clear_replies(&mut self) {
        self.replies.clear();
        (self.pongs, self.last_pong) = (0, (0, 0));
    }

    /// Appends a Pong frame. If many pings have arrived since replies were last written, the frame
    /// replaces the last Pong frame, as RFC 6455 section 5.5.3 allows. Otherwise a peer that floods
    /// pings would cause as many bytes as it sends.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        let (offset, end) = self.last_pong;
        if self.pongs >= PONGS_MAX && end == self.replies.len() {
            self.replies.truncate(offset);
        }
        self.pongs += 1;
        let offset = self.replies.len();
        encode_frame(&mut self.replies, Opcode::Pong, payload);
        self.last_pong = (offset, self.replies.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the payloads of the Pong frames in `replies`: one byte each.
    fn pongs(outgoing: &Outgoing) -> Vec<u8> {
        outgoing.replies.chunks(3).map(|frame| frame[2]).collect()
    }

    #[test]
    fn the_first_pings_are_answered_one_by_one_and_of_a_flood_the_last() {
        let mut outgoing = Outgoing::default();
        (0..100).for_each(|ping| outgoing.pong(&[ping]));
        let first = 0..PONGS_MAX as u8 - 1;
        assert_eq!(pongs(&outgoing), first.chain([99]).collect::<Vec<_>>());
        outgoing.clear_replies();
        outgoing.pong(&[7]);
        outgoing.pong(&[8]);
        assert_eq!(pongs(&outgoing), [7, 8], "they were written, so it begins again");
    }

    #[test]
    fn a_reply_is_not_taken_for_the_pong_of_an_earlier_batch() {
        let mut outgoing = Outgoing::default();
        (0..PONGS_MAX as u8).for_each(|ping| outgoing.pong(&[ping]));
        outgoing.clear_replies();
        // A reply to another peer, exactly as long as the Pong frames before, and then an answer to
        // that peer's ping.
        let reply_bytes = 3 * PONGS_MAX as usize;
        encode_frame(&mut outgoing.replies, Opcode::Text, &vec![b'x'; reply_bytes - 2]);
        outgoing.pong(&[7]);
        assert_eq!(outgoing.replies.len(), reply_bytes + 3);
    }

    #[test]
    fn a_pong_before_a_reply_stays() {
        let mut outgoing = Outgoing::default();
        (0..PONGS_MAX as u8).for_each(|ping| outgoing.pong(&[ping]));
        encode_frame(&mut outgoing.replies, Opcode::Text, b"x");
        outgoing.pong(&[99]);
        assert_eq!(outgoing.replies.len(), 3 * (PONGS_MAX as usize + 2));
    }
}
