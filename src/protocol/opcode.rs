//! The opcodes of RFC 6455 section 5.2: the kinds of frames.

use super::ProtocolError;

/// The kind of a frame (RFC 6455 section 5.2 and 11.8). The values are those on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of an incomplete message (section 5.4).
    Continuation = 0x0,
    /// The first or only frame of a text message: UTF-8 (section 5.6).
    Text = 0x1,
    /// The first or only frame of a binary message (section 5.6).
    Binary = 0x2,
    /// Begins or answers the closing handshake (section 5.5.1).
    Close = 0x8,
    /// A request for a Pong with the same payload (section 5.5.2).
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited sign that the sender is alive (section 5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode in the low four bits of a frame's first byte; ignores the high four.
    ///
    /// Section 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the
    /// WebSocket Connection_."
    pub(super) const fn from_low_bits(byte: u8) -> Result<Opcode, ProtocolError> {
        match byte & 0x0F {
            0x0 => Ok(Opcode::Continuation),
            0x1 => Ok(Opcode::Text),
            0x2 => Ok(Opcode::Binary),
            0x8 => Ok(Opcode::Close),
            0x9 => Ok(Opcode::Ping),
            0xA => Ok(Opcode::Pong),
            _ => Err(ProtocolError::UnknownOpcode),
        }
    }

    /// Returns true for Close, Ping and Pong, the control frames: they are short, never fragmented,
    /// and allowed between fragments (section 5.5: "Control frames are identified by opcodes where
    /// the most significant bit of the opcode is 1").
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    /// Returns true for Text and Binary, which begin a message (section 5.6).
    pub(super) const fn begins_message(self) -> bool {
        matches!(self, Opcode::Text | Opcode::Binary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_of_the_sixteen_values_are_unknown() {
        let known: Vec<u8> = (0..=255)
            .filter(|&byte| Opcode::from_low_bits(byte).is_ok())
            .map(|b| b & 0x0F)
            .collect();
        assert_eq!(known.len(), 6 * 16);
        for byte in 0..=255_u8 {
            match Opcode::from_low_bits(byte) {
                Ok(opcode) => assert_eq!(opcode as u8, byte & 0x0F),
                Err(error) => assert_eq!(error, ProtocolError::UnknownOpcode),
            }
        }
    }

    #[test]
    fn close_ping_and_pong_are_control_frames() {
        let control = [Opcode::Close, Opcode::Ping, Opcode::Pong];
        let data = [Opcode::Continuation, Opcode::Text, Opcode::Binary];
        assert!(control.into_iter().all(Opcode::is_control));
        assert!(!data.into_iter().any(Opcode::is_control));
    }
}
