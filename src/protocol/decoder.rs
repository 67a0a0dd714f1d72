//! The decoder: bytes of a connection in, messages and control frames out (RFC 6455 sections 5.4 to
//! 5.6).
//!
//! The decoder stores no bytes. It unmasks the input in place, and a message that is complete in
//! one frame is borrowed from the input. Only the payload of a message that arrives in parts is
//! moved, into the caller's `assembly`. A compressed message is passed on as it came, for the
//! caller to inflate.
//!
//! ```text
//!                   text or binary, FIN, complete: borrowed from `input`
//!                  ┌──────┐
//!                  │      ▼
//! control frame ─► between messages ──── text or binary ────► in a message ◄─ control frame,
//!                        ▲                                         │          continuation
//!                        └──── last byte of the FIN frame ─────────┘
//!                              borrowed from `assembly`
//! ```

use super::mask::{apply_mask, rotate_mask};
use super::utf8::is_utf8;
use super::{
    CONTROL_PAYLOAD_BYTES_MAX, CloseFrame, FrameHeader, Message, MessageKind, Opcode,
    ProtocolError, Utf8Validator, deflated_bytes_max,
};

/// The most bytes that [`Decoder::decode`] leaves unconsumed when it needs more: a masked control
/// frame without its last byte.
pub const UNCONSUMED_BYTES_MAX: usize = 2 + 4 + CONTROL_PAYLOAD_BYTES_MAX - 1;

/// The role of this side of the connection. It decides which frames are masked (RFC 6455 section
/// 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// This side is the server: every frame of the peer must be masked.
    Server,
    /// This side is the client: no frame of the peer may be masked.
    Client,
}

/// What a peer may send. Both limits are checked at a frame's header, before a byte of its payload
/// is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecoderLimits {
    /// The most bytes in one message, over all its fragments. A compressed one may have a little
    /// more: see [`deflated_bytes_max`].
    pub message_bytes_max: usize,
    /// The most frames in one message: without this limit a peer could send empty fragments
    /// forever.
    pub fragments_max: u32,
}

impl DecoderLimits {
    /// No limits: for conformance suites.
    pub const UNLIMITED: DecoderLimits =
        DecoderLimits { message_bytes_max: usize::MAX, fragments_max: u32::MAX };
}

/// The result of one call of [`Decoder::decode`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decoded<'b> {
    /// Bytes at the front of `input` that have been processed.
    pub consumed: usize,
    /// The event that these bytes completed; `None` if more bytes are needed.
    pub event: Option<Event<'b>>,
}

/// A complete message or control frame from the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'b> {
    /// A message, put together from its fragments.
    Message(Message<'b>),
    /// A message that is compressed, to be read by an [`Inflater`](super::Inflater). Its text has
    /// not been checked. Only where compression was agreed.
    Compressed(CompressedMessage<'b>),
    /// A Ping, to be answered by a Pong with the same payload, at most 125 bytes (RFC 6455 section
    /// 5.5.2).
    Ping(&'b [u8]),
    /// A Pong: the answer to a Ping, or unsolicited (RFC 6455 section 5.5.3).
    Pong(&'b [u8]),
    /// The peer's last frame (RFC 6455 section 5.5.1); `None`: it has no close code.
    Close(Option<CloseFrame<'b>>),
}

/// A message that is still compressed (RFC 7692 section 7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompressedMessage<'b> {
    /// Whether the message is text or binary.
    pub kind: MessageKind,
    /// The payloads of its frames, put together.
    pub payload: &'b [u8],
}

/// Decodes the frames of one connection. It keeps the state between calls, but no bytes.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Payload bytes of the current data frame that have not arrived yet; 0 between frames.
    lacking_bytes: u64,
    /// The masking key of the current frame, rotated so that `mask[0]` is for the next payload
    /// byte; zero if the frame is not masked.
    mask: [u8; 4],
    /// Frames of the current message so far.
    fragments: u32,
    /// The UTF-8 check of the current text message, as far as it has arrived.
    utf8: Utf8Validator,
    /// The message that has begun and is not complete; `None` between messages.
    message: Option<Assembling>,
    /// permessage-deflate was agreed.
    compression: bool,
    /// True if the current frame is the last of its message.
    fin: bool,
    role: Role,
    /// An error or a Close was returned: `decode` must not be called again.
    ended: bool,
}

/// A message that has begun and is not complete. One enum, because a connection keeps it: a kind
/// and a flag would take another byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Assembling {
    Text,
    Binary,
    CompressedText,
    CompressedBinary,
}

impl Assembling {
    const fn new(kind: MessageKind, compressed: bool) -> Assembling {
        match (kind, compressed) {
            (MessageKind::Text, false) => Assembling::Text,
            (MessageKind::Binary, false) => Assembling::Binary,
            (MessageKind::Text, true) => Assembling::CompressedText,
            (MessageKind::Binary, true) => Assembling::CompressedBinary,
        }
    }

    const fn kind(self) -> MessageKind {
        match self {
            Assembling::Text | Assembling::CompressedText => MessageKind::Text,
            Assembling::Binary | Assembling::CompressedBinary => MessageKind::Binary,
        }
    }

    const fn is_compressed(self) -> bool {
        matches!(self, Assembling::CompressedText | Assembling::CompressedBinary)
    }
}

impl Decoder {
    /// Makes a decoder for the start of a connection, just after the opening handshake.
    #[must_use]
    pub const fn new(role: Role) -> Decoder {
        Decoder {
            lacking_bytes: 0,
            mask: [0; 4],
            fragments: 0,
            utf8: Utf8Validator::new(),
            message: None,
            compression: false,
            fin: false,
            role,
            ended: false,
        }
    }

    /// Lets messages be compressed, if that was agreed in the handshake (RFC 7692).
    #[must_use]
    pub const fn with_compression(self, compression: bool) -> Decoder {
        Decoder { compression, ..self }
    }

    /// Returns true if messages may be compressed.
    #[must_use]
    pub const fn has_compression(&self) -> bool {
        self.compression
    }

    /// Returns true if a message is incomplete. Then the vector `assembly` given to `decode` holds
    /// what has arrived of it (perhaps nothing yet), and must be given again, unchanged. Otherwise
    /// any vector may be given; it is cleared when a message begins in it.
    #[must_use]
    pub const fn is_mid_message(&self) -> bool {
        self.message.is_some()
    }

    /// Processes bytes from the front of `input` until a message or control frame is complete, or
    /// nothing more can be processed.
    ///
    /// The bytes left unconsumed are the front of a header or of a control frame, at most
    /// [`UNCONSUMED_BYTES_MAX`]: the next call must receive them again, in front of the next bytes.
    /// Everything else has been unmasked, validated and moved to `assembly`. Text that is not UTF-8
    /// fails at its first bad byte, also in the middle of a frame.
    ///
    /// # Errors
    /// The peer has broken a rule or passed a limit. After an error or [`Event::Close`] the decoder
    /// must not be called again.
    pub fn decode<'b>(
        &mut self,
        limits: &DecoderLimits,
        input: &'b mut [u8],
        assembly: &'b mut Vec<u8>,
    ) -> Result<Decoded<'b>, ProtocolError> {
        debug_assert!(!self.ended, "nothing is decoded after an error or a Close");
        let decoded = self.decode_next(limits, input, assembly);
        self.ended = matches!(decoded, Err(_) | Ok(Decoded { event: Some(Event::Close(_)), .. }));
        decoded
    }

    #[inline]
    fn decode_next<'b>(
        &mut self,
        limits: &DecoderLimits,
        input: &'b mut [u8],
        assembly: &'b mut Vec<u8>,
    ) -> Result<Decoded<'b>, ProtocolError> {
        let mut consumed = 0;
        loop {
            if self.lacking_bytes == 0 {
                let header = FrameHeader::parse_with(&input[consumed..], self.compression)?;
                let Some((header, header_bytes)) = header else {
                    return Ok(Decoded { consumed, event: None });
                };
                self.check_mask(&header)?;
                let payload_at = consumed + header_bytes;
                let payload_end = usize::try_from(header.payload_bytes)
                    .ok()
                    .and_then(|payload_bytes| payload_at.checked_add(payload_bytes))
                    .filter(|&end| end <= input.len());

                let begun = match header.opcode {
                    Opcode::Close | Opcode::Ping | Opcode::Pong => {
                        let Some(end) = payload_end else {
                            return Ok(Decoded { consumed, event: None });
                        };
                        let payload = unmask(&mut input[payload_at..end], header.mask);
                        let event = control_event(header.opcode, payload)?;
                        return Ok(Decoded { consumed: end, event: Some(event) });
                    }
                    Opcode::Text => Some(MessageKind::Text),
                    Opcode::Binary => Some(MessageKind::Binary),
                    Opcode::Continuation => None,
                };
                self.check_sequence(begun)?;
                self.check_limits(limits, begun, &header, assembly.len())?;
                if let (Some(kind), true, Some(end)) = (begun, header.fin, payload_end) {
                    let payload = unmask(&mut input[payload_at..end], header.mask);
                    if header.compressed {
                        return Ok(Decoded {
                            consumed: end,
                            event: Some(compressed(kind, payload)),
                        });
                    }
                    if kind == MessageKind::Text && !is_utf8(payload) {
                        return Err(ProtocolError::InvalidUtf8);
                    }
                    let message = Message::from_checked(kind, payload);
                    return Ok(Decoded { consumed: end, event: Some(Event::Message(message)) });
                }
                self.begin_frame(&header, begun, assembly);
                consumed = payload_at;
            }

            consumed += self.take_payload(&mut input[consumed..], assembly)?;
            if self.lacking_bytes > 0 {
                return Ok(Decoded { consumed, event: None });
            }
            if let (true, Some(message)) = (self.fin, self.message) {
                self.message = None;
                if message.is_compressed() {
                    let event = Some(compressed(message.kind(), assembly));
                    return Ok(Decoded { consumed, event });
                }
                self.utf8.finish()?;
                let message = Message::from_checked(message.kind(), assembly);
                return Ok(Decoded { consumed, event: Some(Event::Message(message)) });
            }
        }
    }

    /// Section 5.1: "The server MUST close the connection upon receiving a frame that is not
    /// masked. [...] A client MUST close a connection if it detects a masked frame."
    fn check_mask(&self, header: &FrameHeader) -> Result<(), ProtocolError> {
        match (self.role, header.mask) {
            (Role::Server, None) => Err(ProtocolError::MaskRequired),
            (Role::Client, Some(_)) => Err(ProtocolError::MaskForbidden),
            (Role::Server, Some(_)) | (Role::Client, None) => Ok(()),
        }
    }

    /// Checks that a frame may follow the frames before it. `begun` is the kind of the message that
    /// the frame begins; `None` if it continues one.
    ///
    /// Section 5.4: a fragmented message is a text or binary frame, then continuation frames, and
    /// "the fragments of one message MUST NOT be interleaved between the fragments of another
    /// message".
    fn check_sequence(&self, begun: Option<MessageKind>) -> Result<(), ProtocolError> {
        match (begun, self.message) {
            (None, None) => Err(ProtocolError::ContinuationUnexpected),
            (Some(_), Some(_)) => Err(ProtocolError::ContinuationExpected),
            (None, Some(_)) | (Some(_), None) => Ok(()),
        }
    }

    /// Checks, from a frame's header alone, that the message stays within the limits.
    fn check_limits(
        &self,
        limits: &DecoderLimits,
        begun: Option<MessageKind>,
        header: &FrameHeader,
        assembled_bytes: usize,
    ) -> Result<(), ProtocolError> {
        let (fragments, message_bytes) =
            if begun.is_some() { (0, 0) } else { (self.fragments, assembled_bytes as u64) };
        let is_compressed = match begun {
            Some(_) => header.compressed,
            None => self.message.is_some_and(Assembling::is_compressed),
        };
        let bytes_max = match is_compressed {
            true => deflated_bytes_max(limits.message_bytes_max, fragments.saturating_add(1)),
            false => limits.message_bytes_max as u64,
        };
        // The sum cannot overflow: both lengths are below 2^63.
        if message_bytes + header.payload_bytes > bytes_max {
            return Err(ProtocolError::MessageTooBig);
        }
        if fragments >= limits.fragments_max {
            return Err(ProtocolError::TooManyFragments);
        }
        Ok(())
    }

    fn begin_frame(
        &mut self,
        header: &FrameHeader,
        begun: Option<MessageKind>,
        assembly: &mut Vec<u8>,
    ) {
        if let Some(kind) = begun {
            assembly.clear();
            self.message = Some(Assembling::new(kind, header.compressed));
            self.utf8 = Utf8Validator::new();
            self.fragments = 0;
        }
        self.fragments += 1;
        self.fin = header.fin;
        self.mask = header.mask.unwrap_or_default();
        self.lacking_bytes = header.payload_bytes;
    }

    /// Unmasks what `input` has of the current frame's payload and appends it to `assembly`.
    /// Returns how many bytes that were.
    fn take_payload(
        &mut self,
        input: &mut [u8],
        assembly: &mut Vec<u8>,
    ) -> Result<usize, ProtocolError> {
        let taken = usize::try_from(self.lacking_bytes)
            .map_or(input.len(), |lacking| lacking.min(input.len()));
        let piece = &mut input[..taken];
        if self.mask != [0; 4] {
            apply_mask(piece, self.mask);
            self.mask = rotate_mask(self.mask, taken);
        }
        if self.message == Some(Assembling::Text) {
            self.utf8.push(piece)?;
        }
        assembly.extend_from_slice(piece);
        self.lacking_bytes -= taken as u64;
        Ok(taken)
    }
}

const fn compressed(kind: MessageKind, payload: &[u8]) -> Event<'_> {
    Event::Compressed(CompressedMessage { kind, payload })
}

fn unmask(payload: &mut [u8], mask: Option<[u8; 4]>) -> &[u8] {
    if let Some(mask) = mask {
        apply_mask(payload, mask);
    }
    payload
}

fn control_event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, ProtocolError> {
    match opcode {
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Pong => Ok(Event::Pong(payload)),
        Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
            debug_assert_eq!(opcode, Opcode::Close, "not a control frame");
            Ok(Event::Close(CloseFrame::parse(payload)?))
        }
    }
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
