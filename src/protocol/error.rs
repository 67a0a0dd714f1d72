//! How a peer can break the rules of frames, and the close code that reports each error (RFC 6455
//! sections 5, 7.4 and 8.1).

use std::fmt;

use super::CloseCode;

/// A rule of the frame layer that the peer has broken, or a limit that it has passed.
///
/// After any of these the connection is failed (RFC 6455 section 7.1.7): the endpoint sends a Close
/// with [`ProtocolError::close_code`], whose reason is the text of `Display`, and decodes nothing
/// that arrives afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// A client sent a frame without a masking key (section 5.1).
    MaskRequired,
    /// A server sent a frame with a masking key (section 5.1).
    MaskForbidden,
    /// RSV1, RSV2 or RSV3 is set and no extension was agreed that gives it a meaning (section 5.2).
    ReservedBits,
    /// The opcode is one of the ten that are reserved (section 5.2).
    UnknownOpcode,
    /// A control frame has more than 125 bytes of payload (section 5.5).
    ControlTooLong,
    /// A control frame without FIN (section 5.5).
    ControlFragmented,
    /// The payload length is not in the shortest of its three forms (section 5.2).
    LengthNotMinimal,
    /// The most significant bit of the 64-bit payload length is set (section 5.2).
    LengthTooLarge,
    /// A text or binary frame arrived before the previous message was complete (section 5.4).
    ContinuationExpected,
    /// A continuation frame arrived, but no message is incomplete (section 5.4).
    ContinuationUnexpected,
    /// A text message, or the reason of a Close, is not UTF-8 (section 8.1).
    InvalidUtf8,
    /// The body of a Close is one byte: too short for a close code (section 5.5.1).
    CloseBodyTooShort,
    /// The close code may not appear in a Close frame (section 7.4).
    CloseCodeInvalid,
    /// The message is larger than
    /// [`DecoderLimits::message_bytes_max`](super::DecoderLimits::message_bytes_max).
    MessageTooBig,
    /// A compressed message cannot be read (RFC 7692 section 7.2.2).
    CompressionCorrupt,
    /// The message has more frames than
    /// [`DecoderLimits::fragments_max`](super::DecoderLimits::fragments_max).
    TooManyFragments,
}

impl ProtocolError {
    /// Returns the close code that reports this error to the peer (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            ProtocolError::MaskRequired
            | ProtocolError::MaskForbidden
            | ProtocolError::ReservedBits
            | ProtocolError::UnknownOpcode
            | ProtocolError::ControlTooLong
            | ProtocolError::ControlFragmented
            | ProtocolError::LengthNotMinimal
            | ProtocolError::LengthTooLarge
            | ProtocolError::ContinuationExpected
            | ProtocolError::ContinuationUnexpected
            | ProtocolError::CloseBodyTooShort
            | ProtocolError::CloseCodeInvalid => CloseCode::PROTOCOL_ERROR,
            ProtocolError::InvalidUtf8 | ProtocolError::CompressionCorrupt => {
                CloseCode::INVALID_PAYLOAD
            }
            ProtocolError::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            ProtocolError::TooManyFragments => CloseCode::POLICY_VIOLATION,
        }
    }

    /// Returns the reason text, as `Display` writes it: at most 123 bytes, so that it fits in a
    /// Close frame.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            ProtocolError::MaskRequired => "a client must mask its frames",
            ProtocolError::MaskForbidden => "a server must not mask its frames",
            ProtocolError::ReservedBits => "a reserved bit is set",
            ProtocolError::UnknownOpcode => "unknown opcode",
            ProtocolError::ControlTooLong => "a control frame has more than 125 bytes of payload",
            ProtocolError::ControlFragmented => "a control frame must not be fragmented",
            ProtocolError::LengthNotMinimal => "the payload length is not in its shortest form",
            ProtocolError::LengthTooLarge => "the payload length has its top bit set",
            ProtocolError::ContinuationExpected => "a new message began before the last one ended",
            ProtocolError::ContinuationUnexpected => {
                "a continuation frame without a message under way"
            }
            ProtocolError::InvalidUtf8 => "text is not valid UTF-8",
            ProtocolError::CloseBodyTooShort => "the body of a close frame must not be one byte",
            ProtocolError::CloseCodeInvalid => "the close code is not allowed in a close frame",
            ProtocolError::MessageTooBig => "the message is too big",
            ProtocolError::CompressionCorrupt => "the compressed message is corrupt",
            ProtocolError::TooManyFragments => "the message has too many fragments",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for ProtocolError {}

impl From<super::InflateError> for ProtocolError {
    fn from(error: super::InflateError) -> ProtocolError {
        match error {
            super::InflateError::TooLarge => ProtocolError::MessageTooBig,
            super::InflateError::Corrupt => ProtocolError::CompressionCorrupt,
        }
    }
}

impl From<super::InvalidUtf8> for ProtocolError {
    fn from(_: super::InvalidUtf8) -> ProtocolError {
        ProtocolError::InvalidUtf8
    }
}
