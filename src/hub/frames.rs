//! The frames in a log: one for each message, final and unmasked, as a server sends it.

use crate::protocol::{FrameHeader, Message, MessageKind, encode_compressed_frame, encode_frame};

/// The frame of a message, before it is encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'m> {
    kind: MessageKind,
    /// The payload is compressed, and the frame says so by RSV1 (RFC 7692 section 6).
    is_compressed: bool,
    payload: &'m [u8],
}

impl<'m> Frame<'m> {
    /// Makes a frame of the payload as it was published.
    pub(super) fn plain(message: Message<'m>) -> Frame<'m> {
        Frame { kind: message.kind(), is_compressed: false, payload: message.payload() }
    }

    /// Makes a frame of a compressed payload.
    pub(super) fn compressed(kind: MessageKind, payload: &'m [u8]) -> Frame<'m> {
        Frame { kind, is_compressed: true, payload }
    }

    /// Returns the size of the frame.
    pub(super) fn bytes(&self) -> usize {
        let header = FrameHeader {
            fin: true,
            compressed: self.is_compressed,
            opcode: self.kind.opcode(),
            mask: None,
            payload_bytes: self.payload.len() as u64,
        };
        header.encoded_bytes() + self.payload.len()
    }

    /// Appends the frame, encoded.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self.is_compressed {
            true => encode_compressed_frame(out, self.kind, self.payload),
            false => encode_frame(out, self.kind.opcode(), self.payload),
        }
    }
}

/// Returns how many frames end in `from..to`, and how many bytes after `to` belong to a frame that
/// began before it (0 between frames). `from` must be the start of a frame.
pub(super) fn count_frames(segment: &[u8], from: usize, to: usize) -> (u64, u32) {
    let (mut frames, mut at) = (0, from);
    while at < to {
        at += encoded_frame_bytes(&segment[at..]);
        frames += 1;
    }
    if at > to { (frames - 1, (at - to) as u32) } else { (frames, 0) }
}

/// Returns the length of the frame at the start of `frames`. It is unmasked, so the length of its
/// payload is in the second byte or follows it (RFC 6455 section 5.2).
fn encoded_frame_bytes(frames: &[u8]) -> usize {
    match frames[1] {
        126 => 4 + usize::from(u16::from_be_bytes([frames[2], frames[3]])),
        127 => {
            let mut length = [0; 8];
            length.copy_from_slice(&frames[2..10]);
            10 + u64::from_be_bytes(length) as usize
        }
        payload_bytes => 2 + usize::from(payload_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Opcode, encode_frame};

    #[test]
    fn a_frame_is_as_long_as_its_header_says_at_every_form_of_the_length() {
        for payload_bytes in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let payload = vec![b'x'; payload_bytes];
            let mut frame = Vec::new();
            Frame::plain(Message::binary(&payload)).encode(&mut frame);
            assert_eq!(Frame::plain(Message::binary(&payload)).bytes(), frame.len());
            assert_eq!(encoded_frame_bytes(&frame), frame.len());
        }
    }

    #[test]
    fn frames_are_counted_as_a_parser_of_headers_counts_them() {
        let mut segment = Vec::new();
        for payload_bytes in [0, 3, 125, 126, 2, 70_000, 0, 0, 1] {
            encode_frame(&mut segment, Opcode::Text, &vec![b'x'; payload_bytes]);
        }
        let (mut at, mut frames, mut ends) = (0, 0, Vec::new());
        while let Ok(Some((header, header_bytes))) = FrameHeader::parse(&segment[at..]) {
            at += header_bytes + header.payload_bytes as usize;
            frames += 1;
            ends.push((at, frames));
        }
        assert_eq!(count_frames(&segment, 0, 0), (0, 0));
        for (end, frames) in ends {
            assert_eq!(count_frames(&segment, 0, end), (frames, 0));
            assert_eq!(count_frames(&segment, 0, end - 1), (frames - 1, 1));
        }
    }
}
