//! The encoder of the deflated form (RFC 7692). One serves all channels of a hub, because nothing
//! of a message is kept for the next one.

use super::frames::Frame;
use super::segment_pool::LARGE_SEGMENT_BYTES;
use crate::protocol::{CompressionOptions, Deflater, Message};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

/// The price of a message that is deflated, whatever its size, in bytes: preparing the deflater
/// takes as long as deflating this many.
const BYTES_PER_MESSAGE: usize = 256;

/// Deflates messages; see the module comment.
#[derive(Debug)]
pub(super) struct FrameDeflater {
    deflater: Deflater,
    /// Shorter payloads are not deflated.
    message_bytes_min: usize,
    /// The deflated payload of the message that was deflated last.
    payload: Vec<u8>,
    /// How many messages were deflated.
    messages: u64,
    /// The work since the last call of `take_work`, in bytes.
    work: usize,
}

impl FrameDeflater {
    pub(super) fn new(options: CompressionOptions) -> FrameDeflater {
        FrameDeflater {
            deflater: Deflater::new(options.level, options.window_bits),
            message_bytes_min: options.message_bytes_min,
            payload: Vec::new(),
            messages: 0,
            work: 0,
        }
    }

    /// Returns the frame of a message in the deflated form. It is never longer than the plain one:
    /// that is used for a small message, and where deflating has made it longer.
    pub(super) fn frame<'m>(&'m mut self, message: Message<'m>) -> Frame<'m> {
        let plain = message.payload();
        if plain.len() < self.message_bytes_min {
            return Frame::plain(message);
        }
        self.messages += 1;
        self.work += plain.len() + BYTES_PER_MESSAGE;
        #[cfg(any(test, fuzzing))]
        work::note_many(Work::DeflatedByte, plain.len() + BYTES_PER_MESSAGE);
        // The room for a very large message is not kept.
        if self.payload.capacity() > 2 * LARGE_SEGMENT_BYTES {
            self.payload = Vec::new();
        }
        self.payload.clear();
        self.deflater.deflate(plain, &mut self.payload);
        match self.payload.len() <= plain.len() {
            true => Frame::compressed(message.kind(), &self.payload),
            false => Frame::plain(message),
        }
    }

    /// Returns how many messages were deflated, whether or not that has made them shorter.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns the work done since the last call, in deflated bytes.
    pub(super) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::count_frames;
    use super::*;
    use crate::protocol::{FrameHeader, Inflater};

    fn deflater(message_bytes_min: usize) -> FrameDeflater {
        FrameDeflater::new(CompressionOptions { message_bytes_min, ..Default::default() })
    }

    #[test]
    fn a_frame_is_never_longer_than_the_plain_one() {
        let mut deflater = deflater(0);
        let mut dice = crate::split_mix::SplitMix64(1);
        for bytes in [0, 1, 2, 7, 125, 126, 300, 5_000, 65_535, 65_536, 70_000] {
            for alike in [true, false] {
                let byte = |_| if alike { b'x' } else { dice.next() as u8 };
                let payload: Vec<u8> = (0..bytes).map(byte).collect();
                let message = Message::binary(&payload);
                let frame = deflater.frame(message);
                assert!(frame.bytes() <= Frame::plain(message).bytes(), "{bytes} bytes");
                let mut encoded = Vec::new();
                frame.encode(&mut encoded);
                assert_eq!(encoded.len(), frame.bytes());
                assert_eq!(count_frames(&encoded, 0, encoded.len()), (1, 0));
            }
        }
    }

    #[test]
    fn who_inflates_a_frame_has_the_message_again() {
        let mut deflater = deflater(100);
        let mut inflater = Inflater::new();
        for payload in ["x".repeat(99), "x".repeat(100), "abc".repeat(3_000)] {
            let mut encoded = Vec::new();
            deflater.frame(Message::text(&payload)).encode(&mut encoded);
            let (header, header_bytes) = FrameHeader::parse_with(&encoded, true).unwrap().unwrap();
            assert_eq!(header.compressed, payload.len() >= 100);
            let mut inflated = Vec::new();
            match header.compressed {
                true => inflater.inflate(&encoded[header_bytes..], 1 << 20, &mut inflated).unwrap(),
                false => inflated.extend_from_slice(&encoded[header_bytes..]),
            }
            assert_eq!(inflated, payload.as_bytes());
        }
        assert_eq!(deflater.messages(), 2);
        assert_eq!(deflater.take_work(), 100 + 9_000 + 2 * BYTES_PER_MESSAGE);
        assert_eq!(deflater.take_work(), 0);
    }

    #[test]
    fn the_room_for_a_very_large_message_is_not_kept() {
        let mut deflater = deflater(0);
        let mut dice = crate::split_mix::SplitMix64(1);
        let large: Vec<u8> = (0..1_000_000).map(|_| dice.next() as u8).collect();
        deflater.frame(Message::binary(&large));
        deflater.frame(Message::text("small"));
        assert!(deflater.payload.capacity() <= 2 * LARGE_SEGMENT_BYTES);
    }
}
