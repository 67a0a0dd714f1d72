//! The client's half of the opening handshake (RFC 6455 section 4.1).

use std::fmt;

use super::compression::{OFFER, is_answer};
use super::extensions::extensions;
use super::key::{KEY_BYTES, accept_key, key_of_nonce};
use crate::protocol::ResponseHead;
use crate::protocol::http::{has_token, is_token, write_request_head};

/// Why a response does not open the connection (RFC 6455 section 4.1, the list after "the client
/// MUST validate").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientHandshakeError {
    /// The status is not 101 (item 1): the server refuses, and its response says why.
    Refused {
        /// The status.
        status: u16,
    },
    /// Upgrade is not websocket (item 2).
    UpgradeMissing,
    /// Connection does not name upgrade (item 3).
    ConnectionMissing,
    /// Sec-WebSocket-Accept is absent, or does not answer our key (item 4).
    AcceptMismatch,
    /// The server named an extension that was not requested, or not as it was (item 5).
    ExtensionUnexpected,
    /// The server chose a subprotocol that was not offered (item 6).
    SubprotocolUnexpected,
}

impl fmt::Display for ClientHandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientHandshakeError::Refused { status } => {
                return write!(f, "the server answers {status}");
            }
            ClientHandshakeError::UpgradeMissing => "the response does not upgrade to websocket",
            ClientHandshakeError::ConnectionMissing => {
                "the response's Connection does not name upgrade"
            }
            ClientHandshakeError::AcceptMismatch => "Sec-WebSocket-Accept does not answer the key",
            ClientHandshakeError::ExtensionUnexpected => {
                "the server wants an extension that was not offered"
            }
            ClientHandshakeError::SubprotocolUnexpected => {
                "the server wants a subprotocol that was not offered"
            }
        })
    }
}

impl std::error::Error for ClientHandshakeError {}

/// One opening handshake of a client: what it requests, and so what the response must contain.
#[derive(Clone, Copy, Debug)]
pub struct ClientHandshake<'a> {
    key: [u8; KEY_BYTES],
    subprotocols: &'a [&'a str],
    /// permessage-deflate is offered.
    compression: bool,
}

impl<'a> ClientHandshake<'a> {
    /// Makes a handshake with a nonce that was drawn at random for this connection (RFC 6455
    /// section 4.1, item 7).
    #[must_use]
    pub fn new(nonce: [u8; 16]) -> ClientHandshake<'a> {
        ClientHandshake { key: key_of_nonce(nonce), subprotocols: &[], compression: false }
    }

    /// Offers subprotocols, in order of preference; each is a token.
    #[must_use]
    pub const fn offering(self, subprotocols: &'a [&'a str]) -> ClientHandshake<'a> {
        ClientHandshake { subprotocols, ..self }
    }

    /// Offers permessage-deflate, without context takeover on both sides (RFC 7692).
    #[must_use]
    pub const fn offering_compression(self, compression: bool) -> ClientHandshake<'a> {
        ClientHandshake { compression, ..self }
    }

    /// Returns the value of Sec-WebSocket-Key.
    #[must_use]
    pub fn key(&self) -> &str {
        // Base64 is ASCII.
        std::str::from_utf8(&self.key).unwrap_or_default()
    }

    /// Appends the request. `host` includes the port, `target` is in origin-form; `headers` are
    /// sent in addition to the handshake's own.
    pub fn write_request(
        &self,
        out: &mut Vec<u8>,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) {
        write_request_head(out, "GET", host, target, headers);
        out.extend_from_slice(
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: ",
        );
        out.extend_from_slice(&self.key);
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            debug_assert!(is_token(subprotocol), "a subprotocol is a token");
            out.extend_from_slice(if index == 0 { b"\r\nSec-WebSocket-Protocol: " } else { b", " });
            out.extend_from_slice(subprotocol.as_bytes());
        }
        if self.compression {
            out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
            out.extend_from_slice(OFFER.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Checks everything that RFC 6455 section 4.1 demands of the server's response. Returns true
    /// if the server has accepted compression: see
    /// [`offering_compression`](Self::offering_compression).
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check_response(
        &self,
        response: &ResponseHead<'_>,
    ) -> Result<bool, ClientHandshakeError> {
        if response.status() != 101 {
            return Err(ClientHandshakeError::Refused { status: response.status() });
        }
        // Item 2: the handshake fails if Upgrade has "a value that is not an ASCII case-insensitive
        // match for the value "websocket"".
        if !response.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        {
            return Err(ClientHandshakeError::UpgradeMissing);
        }
        if !response
            .header("connection")
            .is_some_and(|value| has_token(value.as_bytes(), b"upgrade"))
        {
            return Err(ClientHandshakeError::ConnectionMissing);
        }
        if response.header("sec-websocket-accept").map(str::as_bytes)
            != Some(&accept_key(self.key()))
        {
            return Err(ClientHandshakeError::AcceptMismatch);
        }
        let compression = self.has_accepted_compression(response)?;
        match response.header("sec-websocket-protocol") {
            Some(chosen) if !self.subprotocols.contains(&chosen) => {
                Err(ClientHandshakeError::SubprotocolUnexpected)
            }
            Some(_) | None => Ok(compression),
        }
    }

    /// Item 5: the handshake fails if Sec-WebSocket-Extensions "indicates the use of an extension
    /// that was not present in the client's handshake". Of permessage-deflate one offer was made,
    /// so there may be one answer.
    fn has_accepted_compression(
        &self,
        response: &ResponseHead<'_>,
    ) -> Result<bool, ClientHandshakeError> {
        let mut accepted = false;
        for answer in extensions(response.header_lines("sec-websocket-extensions")) {
            let fits = answer.is_ok_and(|answer| self.compression && is_answer(&answer));
            if !fits || std::mem::replace(&mut accepted, true) {
                return Err(ClientHandshakeError::ExtensionUnexpected);
            }
        }
        Ok(accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{HeaderStorage, Request, check_upgrade, encode_switching_protocols};

    const NONCE: [u8; 16] = *b"the sample nonce";

    fn check(handshake: &ClientHandshake<'_>, head: &str) -> Result<bool, ClientHandshakeError> {
        let mut storage = HeaderStorage::new();
        handshake.check_response(&ResponseHead::parse(head.as_bytes(), &mut storage).unwrap())
    }

    #[test]
    fn both_halves_understand_each_other() {
        let handshake = ClientHandshake::new(NONCE).offering(&["chat", "superchat"]);
        assert_eq!(handshake.key(), "dGhlIHNhbXBsZSBub25jZQ==");
        let (mut request, mut response) = (Vec::new(), Vec::new());
        handshake.write_request(
            &mut request,
            "server.example.com",
            "/chat",
            &[("Origin", "http://example.com")],
        );
        let mut storage = HeaderStorage::new();
        let parsed = Request::parse(&request, &mut storage).unwrap();
        let upgrade = check_upgrade(&parsed).unwrap();
        assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
        assert_eq!(upgrade.accept_compression(12), None);
        encode_switching_protocols(&mut response, upgrade.key, Some("superchat"), None);
        assert_eq!(check(&handshake, std::str::from_utf8(&response).unwrap()), Ok(false));
    }

    #[test]
    fn both_halves_agree_on_compression() {
        let handshake = ClientHandshake::new(NONCE).offering_compression(true);
        let (mut request, mut response) = (Vec::new(), Vec::new());
        handshake.write_request(&mut request, "server.example.com", "/chat", &[]);
        let mut storage = HeaderStorage::new();
        let parsed = Request::parse(&request, &mut storage).unwrap();
        let upgrade = check_upgrade(&parsed).unwrap();
        let accepted = upgrade.accept_compression(12);
        encode_switching_protocols(&mut response, upgrade.key, None, accepted);
        let response = std::str::from_utf8(&response).unwrap();
        assert_eq!(check(&handshake, response), Ok(true));
        assert_eq!(
            check(&ClientHandshake::new(NONCE), response),
            Err(ClientHandshakeError::ExtensionUnexpected),
            "it was not offered"
        );
        let twice = response.replace("xOo=", "xOo=\r\nSec-WebSocket-Extensions: a; b");
        assert_eq!(check(&handshake, &twice), Err(ClientHandshakeError::ExtensionUnexpected));
    }

    #[test]
    fn refuses_each_broken_response() {
        let good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
                    Connection: upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let handshake = ClientHandshake::new(NONCE);
        assert_eq!(check(&handshake, good), Ok(false));
        for (from, to, error) in [
            ("101", "403", ClientHandshakeError::Refused { status: 403 }),
            ("Upgrade: WebSocket\r\n", "", ClientHandshakeError::UpgradeMissing),
            ("WebSocket\r", "websocket, h2c\r", ClientHandshakeError::UpgradeMissing),
            ("Connection: upgrade", "Connection: close", ClientHandshakeError::ConnectionMissing),
            ("s3pP", "S3pP", ClientHandshakeError::AcceptMismatch),
            (
                "xOo=\r\n",
                "xOo=\r\nSec-WebSocket-Extensions: a\r\n",
                ClientHandshakeError::ExtensionUnexpected,
            ),
            (
                "xOo=\r\n",
                "xOo=\r\nSec-WebSocket-Protocol: a\r\n",
                ClientHandshakeError::SubprotocolUnexpected,
            ),
        ] {
            assert_eq!(
                check(&handshake, &good.replace(from, to)),
                Err(error),
                "{from:?} -> {to:?}"
            );
        }
    }
}
