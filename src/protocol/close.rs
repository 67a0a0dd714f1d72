//! The Close frame (RFC 6455 sections 5.5.1 and 7.4): its code, its reason, and how both are
//! written and read. Who has sent one, and what may still follow, is the connection's state and not
//! here.

use std::fmt;

use super::frame::{CONTROL_PAYLOAD_BYTES_MAX, encode_frame, encode_masked_frame};
use super::utf8::is_utf8;
use super::{Opcode, ProtocolError};

/// Bytes of a close code on the wire.
const CODE_BYTES: usize = 2;

/// The longest reason: what a control frame leaves after the code (RFC 6455 section 5.5).
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_PAYLOAD_BYTES_MAX - CODE_BYTES;

/// Why a connection ends (RFC 6455 section 7.4). The codes from 4000 on are fanfare's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled; also the answer to a client's Close.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// The endpoint leaves for good.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer broke a rule of the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// This kind of message (text or binary) is not taken here.
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// The Close had no code. Never on the wire (section 7.4.1).
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// The connection ended without a Close. Never on the wire (section 7.4.1).
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// A text message is not UTF-8.
    pub const INVALID_PAYLOAD: CloseCode = CloseCode(1007);
    /// The peer broke a rule of this server that no other code names.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// The message is larger than is taken here.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// A bug on our side.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// The server restarts: reconnect (IANA registry).
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// The server is overloaded: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
    /// The subscriber fell too far behind its channel.
    pub const SLOW_CONSUMER: CloseCode = CloseCode(4008);
    /// The credentials are missing, bad or expired.
    pub const UNAUTHORIZED: CloseCode = CloseCode(4401);
    /// The credentials do not allow this.
    pub const FORBIDDEN: CloseCode = CloseCode(4403);
    /// The channel was removed.
    pub const CHANNEL_REMOVED: CloseCode = CloseCode(4404);
    /// A Ping was not answered in time.
    pub const NO_PONG: CloseCode = CloseCode(4408);
    /// The peer sent more messages than it may.
    pub const RATE_LIMITED: CloseCode = CloseCode(4429);

    /// Any number as a close code: whether it may be sent is [`CloseCode::is_allowed_on_wire`].
    #[must_use]
    pub const fn new(code: u16) -> CloseCode {
        CloseCode(code)
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether a Close frame may carry this code.
    ///
    /// Sections 7.4.1 and 7.4.2 and the IANA registry: 1004, 1005, 1006 and 1015 are reserved and
    /// "MUST NOT be set as a status code in a Close control frame"; 1000 to 2999 are defined by the
    /// RFCs one by one; 3000 to 3999 belong to libraries, 4000 to 4999 to applications; everything
    /// else is undefined.
    #[must_use]
    pub const fn is_allowed_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// The body of a Close frame that has one (RFC 6455 section 5.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloseFrame<'b> {
    /// Why the peer closes: always a code that is allowed on the wire.
    pub code: CloseCode,
    /// The same in words; often empty.
    pub reason: &'b str,
}

impl<'b> CloseFrame<'b> {
    /// Reads the (unmasked) payload of a Close frame; `None` where it is empty, which stands for
    /// [`CloseCode::NO_STATUS`].
    ///
    /// # Errors
    /// `CloseBodyTooShort`, `CloseCodeInvalid`, `InvalidUtf8`.
    pub fn parse(payload: &'b [u8]) -> Result<Option<CloseFrame<'b>>, ProtocolError> {
        if payload.is_empty() {
            return Ok(None);
        }
        // Section 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte
        // unsigned integer".
        let Some((code, reason)) = payload.split_first_chunk::<CODE_BYTES>() else {
            return Err(ProtocolError::CloseBodyTooShort);
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.is_allowed_on_wire() {
            return Err(ProtocolError::CloseCodeInvalid);
        }
        // Section 5.5.1: "Following the 2-byte integer, the body MAY contain UTF-8-encoded data".
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(CloseFrame { code, reason }))
    }
}

/// Appends a Close frame as a server sends it. The reason is cut after the last character that fits
/// in [`CLOSE_REASON_BYTES_MAX`]; with [`CloseCode::NO_STATUS`] the frame has no body.
pub fn encode_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut body = [0; CONTROL_PAYLOAD_BYTES_MAX];
    encode_frame(out, Opcode::Close, close_body(&mut body, code, reason));
}

/// Appends a Close frame as a client sends it: see [`encode_close`].
pub fn encode_masked_close(out: &mut Vec<u8>, code: CloseCode, reason: &str, mask: [u8; 4]) {
    let mut body = [0; CONTROL_PAYLOAD_BYTES_MAX];
    encode_masked_frame(out, Opcode::Close, close_body(&mut body, code, reason), mask);
}

fn close_body<'a>(
    body: &'a mut [u8; CONTROL_PAYLOAD_BYTES_MAX],
    code: CloseCode,
    reason: &str,
) -> &'a [u8] {
    if code == CloseCode::NO_STATUS {
        return &[];
    }
    debug_assert!(code.is_allowed_on_wire(), "{code} may not be sent");
    let reason = &reason.as_bytes()[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    let end = CODE_BYTES + reason.len();
    body[..CODE_BYTES].copy_from_slice(&code.0.to_be_bytes());
    body[CODE_BYTES..end].copy_from_slice(reason);
    debug_assert!(is_utf8(&body[CODE_BYTES..end]), "the reason was cut inside a character");
    &body[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_that_may_be_sent_are_those_of_the_registry_and_the_private_ranges() {
        let allowed: Vec<u16> =
            (0..=u16::MAX).filter(|&code| CloseCode::new(code).is_allowed_on_wire()).collect();
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(allowed, expected);
    }

    #[test]
    fn reads_what_it_writes() {
        let mut out = Vec::new();
        encode_close(&mut out, CloseCode::GOING_AWAY, "bye");
        assert_eq!(out, [0x88, 0x05, 0x03, 0xE9, b'b', b'y', b'e']);
        let frame = CloseFrame { code: CloseCode::GOING_AWAY, reason: "bye" };
        assert_eq!(CloseFrame::parse(&out[2..]), Ok(Some(frame)));
    }

    #[test]
    fn a_close_without_a_code_has_no_body() {
        let mut out = Vec::new();
        encode_close(&mut out, CloseCode::NO_STATUS, "not sent");
        assert_eq!(out, [0x88, 0x00]);
        assert_eq!(CloseFrame::parse(&[]), Ok(None));
    }

    #[test]
    fn a_reason_too_long_is_cut_between_characters() {
        let mut out = Vec::new();
        encode_close(&mut out, CloseCode::NORMAL, &"é".repeat(100));
        assert_eq!(out.len(), 2 + CODE_BYTES + 122);
        let frame = CloseFrame::parse(&out[2..]).unwrap().unwrap();
        assert_eq!(frame.reason, "é".repeat(61));
        out.clear();
        encode_close(&mut out, CloseCode::NORMAL, &"x".repeat(124));
        assert_eq!(out.len(), 2 + CONTROL_PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn refuses_a_body_of_one_byte_a_bad_code_and_a_bad_reason() {
        assert_eq!(CloseFrame::parse(&[0x03]), Err(ProtocolError::CloseBodyTooShort));
        for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert_eq!(
                CloseFrame::parse(&code.to_be_bytes()),
                Err(ProtocolError::CloseCodeInvalid),
                "{code}"
            );
        }
        assert_eq!(CloseFrame::parse(b"\x03\xe8\xce\xba\xe1"), Err(ProtocolError::InvalidUtf8));
    }
}
