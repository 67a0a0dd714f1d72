//! The Close frame (RFC 6455 section 5.5.1), written and read. Which side has sent one, and what
//! may still follow, is kept with the connection's state, not here.

use super::frame::{CONTROL_PAYLOAD_BYTES_MAX, encode_frame, encode_masked_frame};
use super::utf8::is_utf8;
use super::{CloseCode, Opcode, ProtocolError};

/// The length of a close code on the wire.
const CODE_BYTES: usize = 2;

/// The longest reason: what a control frame leaves after the code (RFC 6455 section 5.5).
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_PAYLOAD_BYTES_MAX - CODE_BYTES;

/// The body of a Close frame that has one (RFC 6455 section 5.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloseFrame<'b> {
    /// Why the peer closes: always a code that is allowed on the wire.
    pub code: CloseCode,
    /// The reason in words; often empty.
    pub reason: &'b str,
}

impl<'b> CloseFrame<'b> {
    /// Reads the (unmasked) payload of a Close frame. Returns `None` if it is empty, which stands
    /// for [`CloseCode::NO_STATUS`].
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
        let code = CloseCode::new(u16::from_be_bytes(*code));
        if !code.is_allowed_on_wire() {
            return Err(ProtocolError::CloseCodeInvalid);
        }
        // Section 5.5.1: "Following the 2-byte integer, the body MAY contain UTF-8-encoded data".
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(CloseFrame { code, reason }))
    }
}

/// Appends a Close frame as a server sends it. A reason longer than [`CLOSE_REASON_BYTES_MAX`] is
/// cut after the last whole character; with [`CloseCode::NO_STATUS`] the frame has no body.
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
    body[..CODE_BYTES].copy_from_slice(&code.as_u16().to_be_bytes());
    body[CODE_BYTES..end].copy_from_slice(reason);
    debug_assert!(is_utf8(&body[CODE_BYTES..end]), "the reason was cut inside a character");
    &body[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

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
