//! Close codes (RFC 6455 section 7.4).

use std::fmt;

/// Why a connection ends (RFC 6455 section 7.4). The codes from 4000 on are fanfare's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled; also the answer to a client's Close.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// The endpoint goes away: a server shuts down, or a browser leaves the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer broke a rule of the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// The receiver does not accept this kind of message (text or binary).
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// The Close had no code. Never on the wire (section 7.4.1).
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// The connection ended without a Close. Never on the wire (section 7.4.1).
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// A text message is not UTF-8.
    pub const INVALID_PAYLOAD: CloseCode = CloseCode(1007);
    /// The peer broke a rule of this server for which there is no other code.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// The message is larger than the receiver accepts.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// A bug on our side.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// The server restarts; the client should reconnect (IANA registry).
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// The server is overloaded; the client should try again later (IANA registry).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
    /// The subscriber fell too far behind its channel.
    pub const SLOW_CONSUMER: CloseCode = CloseCode(4008);
    /// The credentials are missing, invalid or expired.
    pub const UNAUTHORIZED: CloseCode = CloseCode(4401);
    /// The credentials do not allow what the peer requested.
    pub const FORBIDDEN: CloseCode = CloseCode(4403);
    /// The channel was removed.
    pub const CHANNEL_REMOVED: CloseCode = CloseCode(4404);
    /// The peer did not answer a Ping in time.
    pub const NO_PONG: CloseCode = CloseCode(4408);
    /// The peer sent more messages per second than it may.
    pub const RATE_LIMITED: CloseCode = CloseCode(4429);

    /// Makes a close code of any number; [`CloseCode::is_allowed_on_wire`] says whether it may be
    /// sent.
    #[must_use]
    pub const fn new(code: u16) -> CloseCode {
        CloseCode(code)
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Returns true if a Close frame may carry this code.
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
}
