//! The frame header (RFC 6455 section 5.2), and encoding of whole frames.

use std::ops::Deref;

use super::mask::apply_mask;
use super::{MessageKind, Opcode, ProtocolError};

/// The longest frame header: two bytes, a 64-bit length, a masking key (RFC 6455 section 5.2).
pub const HEADER_BYTES_MAX: usize = 14;

/// The longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// Bit of the first byte: this is the last fragment of its message.
const FIN: u8 = 0x80;
/// Bits of the first byte: the three reserved bits, which only an extension gives a meaning.
const RESERVED: u8 = 0x70;
/// The reserved bit that marks the first frame of a compressed message (RFC 7692 section 6).
const RSV1: u8 = 0x40;
/// Bit of the second byte: a masking key follows the length.
const MASKED: u8 = 0x80;
/// The largest length that the second byte itself can hold.
const LENGTH_7_MAX: u64 = 125;
/// Length in the second byte that means: the length is in the next two bytes.
const LENGTH_IS_16_BITS: u8 = 126;
/// Length in the second byte that means: the length is in the next eight bytes.
const LENGTH_IS_64_BITS: u8 = 127;

/// A frame header (RFC 6455 section 5.2). Of the reserved bits it knows RSV1 alone; the others are
/// always zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// True for the last or only fragment of a message.
    pub fin: bool,
    /// RSV1: this frame begins a message that is compressed (RFC 7692 section 6).
    pub compressed: bool,
    /// What kind of frame this is.
    pub opcode: Opcode,
    /// The masking key: frames of a client have one, frames of a server have none (section 5.1).
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow the header.
    pub payload_bytes: u64,
}

impl FrameHeader {
    /// Parses the header at the front of `bytes`, where no extension was agreed. Returns it with
    /// its own length in bytes, or `None` while it is incomplete.
    ///
    /// All rules that a header can break by itself are checked here. Which side may mask, and how
    /// the fragments of a message follow each other, depends on the role and on earlier frames: see
    /// [`Decoder`](super::Decoder).
    ///
    /// # Errors
    /// `ReservedBits`, `UnknownOpcode`, `ControlFragmented`, `ControlTooLong`, `LengthNotMinimal`,
    /// `LengthTooLarge`: each as soon as the bytes that show it have arrived.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
        FrameHeader::parse_with(bytes, false)
    }

    /// Like [`FrameHeader::parse`]; `compression`: permessage-deflate was agreed.
    ///
    /// # Errors
    /// As `parse`. RSV1 is allowed only where permessage-deflate was agreed, and only in the first
    /// frame of a message.
    #[inline]
    pub fn parse_with(
        bytes: &[u8],
        compression: bool,
    ) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };

        // Section 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for
        // non-zero values."
        let reserved = first & RESERVED;
        if reserved != 0 && !(compression && is_compressed_start(*first)) {
            return Err(ProtocolError::ReservedBits);
        }
        // Section 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the
        // WebSocket Connection_."
        let opcode = Opcode::from_low_bits(*first)?;
        let fin = first & FIN != 0;
        let length = second & !MASKED;
        if opcode.is_control() {
            // Section 5.5: "All control frames MUST have a payload length of 125 bytes or less and
            // MUST NOT be fragmented."
            if !fin {
                return Err(ProtocolError::ControlFragmented);
            }
            if u64::from(length) > LENGTH_7_MAX {
                return Err(ProtocolError::ControlTooLong);
            }
        }

        let (payload_bytes, length_bytes) = match length {
            LENGTH_IS_16_BITS => {
                let Some((value, _)) = rest.split_first_chunk::<2>() else { return Ok(None) };
                let value = u64::from(u16::from_be_bytes(*value));
                // Section 5.2: "in all cases, the minimal number of bytes MUST be used to encode
                // the length".
                if value <= LENGTH_7_MAX {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (value, 2)
            }
            LENGTH_IS_64_BITS => {
                let Some((value, _)) = rest.split_first_chunk::<8>() else { return Ok(None) };
                let value = u64::from_be_bytes(*value);
                // Section 5.2: "a 64-bit unsigned integer (the most significant bit MUST be 0)".
                if value > i64::MAX as u64 {
                    return Err(ProtocolError::LengthTooLarge);
                }
                if value <= u64::from(u16::MAX) {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (value, 8)
            }
            value => (u64::from(value), 0),
        };

        let (mask, header_bytes) = if second & MASKED == 0 {
            (None, 2 + length_bytes)
        } else {
            let Some((mask, _)) = rest.get(length_bytes..).and_then(<[u8]>::split_first_chunk::<4>)
            else {
                return Ok(None);
            };
            (Some(*mask), 2 + length_bytes + 4)
        };
        let compressed = reserved != 0;
        Ok(Some((FrameHeader { fin, compressed, opcode, mask, payload_bytes }, header_bytes)))
    }

    /// Returns the header as it goes on the wire, with the length in its shortest form.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        debug_assert!(
            !self.opcode.is_control()
                || (self.fin && self.payload_bytes <= CONTROL_PAYLOAD_BYTES_MAX as u64),
            "a control frame is short and has no fragments"
        );
        debug_assert!(!self.compressed || self.opcode.begins_message(), "RSV1 begins a message");
        let mut bytes = [0; HEADER_BYTES_MAX];
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let rsv1 = if self.compressed { RSV1 } else { 0 };
        bytes[0] = if self.fin { FIN } else { 0 } | rsv1 | self.opcode as u8;
        let mut end = 2;
        if self.payload_bytes <= LENGTH_7_MAX {
            bytes[1] = masked | self.payload_bytes as u8;
        } else if let Ok(length) = u16::try_from(self.payload_bytes) {
            bytes[1] = masked | LENGTH_IS_16_BITS;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            end = 4;
        } else {
            bytes[1] = masked | LENGTH_IS_64_BITS;
            bytes[2..10].copy_from_slice(&self.payload_bytes.to_be_bytes());
            end = 10;
        }
        if let Some(mask) = self.mask {
            bytes[end..end + 4].copy_from_slice(&mask);
            end += 4;
        }
        EncodedHeader { bytes, length: end as u8 }
    }

    /// Returns how many bytes [`FrameHeader::encode`] produces.
    #[must_use]
    pub const fn encoded_bytes(&self) -> usize {
        let length_bytes = match self.payload_bytes {
            0..=LENGTH_7_MAX => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length_bytes + if self.mask.is_some() { 4 } else { 0 }
    }
}

/// Returns true if this first byte of a frame has no other reserved bit than RSV1, and begins a
/// message.
///
/// RFC 7692 section 6: "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames
/// and non-first fragments of a data message. An endpoint receiving such a frame MUST _Fail the
/// WebSocket Connection_."
fn is_compressed_start(first: u8) -> bool {
    first & RESERVED == RSV1 && Opcode::from_low_bits(first).is_ok_and(Opcode::begins_message)
}

/// A frame header as it goes on the wire: 2 to 14 bytes.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    bytes: [u8; HEADER_BYTES_MAX],
    /// How many of the `bytes` are used. Invariant: `length <= HEADER_BYTES_MAX`.
    length: u8,
}

impl Deref for EncodedHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Appends a whole frame as a server sends it: final and unmasked. A control frame's payload is at
/// most [`CONTROL_PAYLOAD_BYTES_MAX`].
#[inline]
pub fn encode_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    append_frame(out, opcode, false, payload);
}

/// Appends the frame of a message that is compressed, as a server sends it. `payload` is what
/// [`Deflater::deflate`](super::Deflater::deflate) has made of the message.
#[inline]
pub fn encode_compressed_frame(out: &mut Vec<u8>, kind: MessageKind, payload: &[u8]) {
    append_frame(out, kind.opcode(), true, payload);
}

#[inline(always)]
fn append_frame(out: &mut Vec<u8>, opcode: Opcode, compressed: bool, payload: &[u8]) {
    let payload_bytes = payload.len() as u64;
    let header = FrameHeader { fin: true, compressed, opcode, mask: None, payload_bytes }.encode();
    out.reserve(header.len() + payload.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
}

/// Appends a whole frame as a client sends it: final and masked. Section 5.3 demands an
/// unpredictable new masking key for each frame: the caller provides it. A control frame's payload
/// is at most [`CONTROL_PAYLOAD_BYTES_MAX`].
#[inline]
pub fn encode_masked_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    append_masked_frame(out, opcode, false, payload, mask);
}

/// Appends the frame of a message that is compressed, as a client sends it: see
/// [`encode_compressed_frame`] and [`encode_masked_frame`].
pub fn encode_masked_compressed_frame(
    out: &mut Vec<u8>,
    kind: MessageKind,
    payload: &[u8],
    mask: [u8; 4],
) {
    append_masked_frame(out, kind.opcode(), true, payload, mask);
}

#[inline]
fn append_masked_frame(
    out: &mut Vec<u8>,
    opcode: Opcode,
    compressed: bool,
    payload: &[u8],
    mask: [u8; 4],
) {
    let payload_bytes = payload.len() as u64;
    let header =
        FrameHeader { fin: true, compressed, opcode, mask: Some(mask), payload_bytes }.encode();
    out.reserve(header.len() + payload.len());
    out.extend_from_slice(&header);
    let payload_at = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[payload_at..], mask);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn header(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, payload_bytes: u64) -> FrameHeader {
        FrameHeader { fin, compressed: false, opcode, mask, payload_bytes }
    }

    #[test]
    fn reads_and_writes_the_headers_of_rfc_6455_section_5_7() {
        for (bytes, expected) in [
            (&[0x81, 0x05][..], header(true, Opcode::Text, None, 5)),
            (&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], header(true, Opcode::Text, Some(KEY), 5)),
            (&[0x01, 0x03], header(false, Opcode::Text, None, 3)),
            (&[0x80, 0x02], header(true, Opcode::Continuation, None, 2)),
            (&[0x89, 0x05], header(true, Opcode::Ping, None, 5)),
            (&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d], header(true, Opcode::Pong, Some(KEY), 5)),
            (&[0x82, 0x7E, 0x01, 0x00], header(true, Opcode::Binary, None, 256)),
            (&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], header(true, Opcode::Binary, None, 65_536)),
        ] {
            assert_eq!(FrameHeader::parse(bytes), Ok(Some((expected, bytes.len()))));
            assert_eq!(&*expected.encode(), bytes);
            assert_eq!(expected.encoded_bytes(), bytes.len());
            for end in 0..bytes.len() {
                assert_eq!(
                    FrameHeader::parse(&bytes[..end]),
                    Ok(None),
                    "{bytes:02x?} cut at {end}"
                );
            }
        }
    }

    #[test]
    fn refuses_each_broken_header_as_soon_as_it_shows() {
        for (bytes, error) in [
            (&[0xC1, 0x00][..], ProtocolError::ReservedBits),
            (&[0xA1, 0x00], ProtocolError::ReservedBits),
            (&[0x91, 0x00], ProtocolError::ReservedBits),
            (&[0x83, 0x00], ProtocolError::UnknownOpcode),
            (&[0x87, 0x00], ProtocolError::UnknownOpcode),
            (&[0x8B, 0x00], ProtocolError::UnknownOpcode),
            (&[0x8F, 0x00], ProtocolError::UnknownOpcode),
            (&[0x09, 0x00], ProtocolError::ControlFragmented),
            (&[0x08, 0x00], ProtocolError::ControlFragmented),
            (&[0x89, 0x7E], ProtocolError::ControlTooLong),
            (&[0x88, 0xFF], ProtocolError::ControlTooLong),
            (&[0x82, 0x7E, 0x00, 0x7D], ProtocolError::LengthNotMinimal),
            (&[0x82, 0xFE, 0x00, 0x00], ProtocolError::LengthNotMinimal),
            (&[0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], ProtocolError::LengthNotMinimal),
            (&[0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0], ProtocolError::LengthTooLarge),
        ] {
            assert_eq!(FrameHeader::parse(bytes), Err(error), "{bytes:02x?}");
            assert_eq!(
                FrameHeader::parse(&bytes[..bytes.len() - 1]),
                Ok(None),
                "{bytes:02x?}, one byte less"
            );
        }
    }

    #[test]
    fn every_pair_of_first_bytes_is_refused_or_encodes_back_to_itself() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let bytes = [first, second, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
                if let Ok(parsed) = FrameHeader::parse(&bytes) {
                    let (header, length) = parsed.expect("fourteen bytes hold any header");
                    assert_eq!(&*header.encode(), &bytes[..length]);
                }
            }
        }
    }

    #[test]
    fn rsv1_is_allowed_where_a_message_begins_and_compression_was_agreed() {
        for (first, allowed) in [
            (0xC1, true),
            (0xC2, true),
            (0x41, true),
            (0xC0, false),
            (0x40, false),
            (0xC8, false),
            (0xC9, false),
            (0xCA, false),
            (0xC3, false),
            (0xE1, false),
            (0xD1, false),
            (0xA1, false),
            (0x91, false),
        ] {
            let bytes = [first, 0x00];
            assert_eq!(FrameHeader::parse(&bytes), Err(ProtocolError::ReservedBits));
            match FrameHeader::parse_with(&bytes, true) {
                Ok(Some((header, 2))) => assert!(allowed && header.compressed, "{first:02x}"),
                refused => {
                    assert_eq!(refused, Err(ProtocolError::ReservedBits), "{first:02x}");
                    assert!(!allowed, "{first:02x}");
                }
            }
        }
    }

    #[test]
    fn writes_the_frames_of_rfc_6455_section_5_7() {
        let mut out = Vec::new();
        encode_frame(&mut out, Opcode::Text, b"Hello");
        assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        out.clear();
        encode_masked_frame(&mut out, Opcode::Text, b"Hello", KEY);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            data in 0..3_usize,
            fin: bool,
            compressed: bool,
            mask: Option<[u8; 4]>,
            payload_bytes in prop_oneof![0..300_u64, 65_000..66_000_u64, 0..=i64::MAX as u64],
        ) {
            let opcode = [Opcode::Continuation, Opcode::Text, Opcode::Binary][data];
            let compressed = compressed && opcode != Opcode::Continuation;
            let header = FrameHeader { fin, compressed, opcode, mask, payload_bytes };
            let encoded = header.encode();
            prop_assert_eq!(encoded.len(), header.encoded_bytes());
            let read = Ok(Some((header, encoded.len())));
            prop_assert_eq!(FrameHeader::parse_with(&encoded, true), read);
            let plain = if compressed { Err(ProtocolError::ReservedBits) } else { read };
            prop_assert_eq!(FrameHeader::parse(&encoded), plain);
        }
    }
}
