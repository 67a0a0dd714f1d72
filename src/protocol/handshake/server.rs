//! The server's half of the opening handshake (RFC 6455 section 4.2).

use std::fmt;

use super::compression::{CompressionAccepted, accept};
use super::extensions::extensions;
use super::key::{accept_key, is_key};
use crate::protocol::http::{is_token, tokens};
use crate::protocol::{Request, Response};

/// Why a request is not upgraded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeError {
    /// The method is not GET (RFC 6455 section 4.2.1, item 1).
    MethodNotGet,
    /// The request is HTTP/1.0 (RFC 6455 section 4.2.1, item 1; RFC 9110 section 7.8).
    HttpVersionTooOld,
    /// Upgrade does not name websocket (item 3).
    UpgradeMissing,
    /// Connection does not name upgrade (item 4).
    ConnectionMissing,
    /// There is no Sec-WebSocket-Key (item 5).
    KeyMissing,
    /// Sec-WebSocket-Key is not the Base64 of 16 bytes (item 5).
    KeyMalformed,
    /// Sec-WebSocket-Version is absent or not 13 (item 6).
    VersionUnsupported,
    /// An element of Sec-WebSocket-Protocol is not a token (section 4.1, item 10).
    SubprotocolMalformed,
    /// Sec-WebSocket-Extensions breaks its grammar (section 9.1).
    ExtensionsMalformed,
    /// The request has a body. Implementations differ on where such a body ends and the first frame
    /// begins.
    BodyNotAllowed,
}

impl HandshakeError {
    /// Returns the status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            HandshakeError::HttpVersionTooOld
            | HandshakeError::ConnectionMissing
            | HandshakeError::KeyMissing
            | HandshakeError::KeyMalformed
            | HandshakeError::SubprotocolMalformed
            | HandshakeError::ExtensionsMalformed
            | HandshakeError::BodyNotAllowed => 400,
            HandshakeError::MethodNotGet => 405,
            HandshakeError::UpgradeMissing | HandshakeError::VersionUnsupported => 426,
        }
    }

    /// Returns the whole answer. A 426 names the supported protocol and version (RFC 6455 section
    /// 4.4, RFC 9110 section 15.5.22), a 405 the allowed method.
    #[must_use]
    pub fn response(self) -> Response {
        let response = Response::text(self.status(), self.reason());
        match self.status() {
            405 => response.header("Allow", "GET"),
            426 => response.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13"),
            _ => response,
        }
    }

    /// Returns the body of the answer, as `Display` writes it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            HandshakeError::MethodNotGet => "a WebSocket handshake is a GET",
            HandshakeError::HttpVersionTooOld => "a WebSocket handshake is HTTP/1.1",
            HandshakeError::UpgradeMissing => {
                "this is a WebSocket endpoint: Upgrade must name websocket"
            }
            HandshakeError::ConnectionMissing => "Connection must name upgrade",
            HandshakeError::KeyMissing => "Sec-WebSocket-Key is missing",
            HandshakeError::KeyMalformed => "Sec-WebSocket-Key is not the Base64 of 16 bytes",
            HandshakeError::VersionUnsupported => "Sec-WebSocket-Version must be 13",
            HandshakeError::SubprotocolMalformed => {
                "Sec-WebSocket-Protocol is not a list of tokens"
            }
            HandshakeError::ExtensionsMalformed => {
                "Sec-WebSocket-Extensions is not a list of extensions"
            }
            HandshakeError::BodyNotAllowed => "a WebSocket handshake has no body",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for HandshakeError {}

/// A request that may be upgraded: it satisfies all of RFC 6455 section 4.2.1.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'a> {
    /// The value of Sec-WebSocket-Key, to be answered by [`accept_key`].
    pub key: &'a str,
    request: Request<'a>,
}

impl<'a> UpgradeRequest<'a> {
    /// Returns the subprotocols that the client offers, in its order of preference (RFC 6455
    /// section 4.2.1, item 8).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> {
        subprotocols(&self.request)
    }

    /// Returns how a server that compresses with a window of this size accepts the first offer of
    /// permessage-deflate that it can accept; `None` if there is none (RFC 7692 section 5).
    #[must_use]
    pub fn accept_compression(&self, window_bits: u8) -> Option<CompressionAccepted> {
        let offers = extensions(self.request.header_lines(EXTENSIONS));
        offers.flatten().find_map(|offer| accept(&offer, window_bits))
    }
}

const EXTENSIONS: &str = "sec-websocket-extensions";

fn subprotocols<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a str> {
    request.header_lines("sec-websocket-protocol").flat_map(tokens)
}

/// Checks everything that RFC 6455 section 4.2.1 demands of a client's opening handshake. The
/// caller decides which clients may connect, and from which origins.
///
/// A subprotocol may be named twice: the duplicate changes nothing.
///
/// # Errors
/// The first rule that is broken.
pub fn check_upgrade<'a>(request: &Request<'a>) -> Result<UpgradeRequest<'a>, HandshakeError> {
    // Item 1: "An HTTP/1.1 or higher GET request".
    if request.method() != "GET" {
        return Err(HandshakeError::MethodNotGet);
    }
    if !request.is_http_11() {
        return Err(HandshakeError::HttpVersionTooOld);
    }
    // Item 2, a Host, is already guaranteed for every HTTP/1.1 request that could be parsed. Item
    // 3: "An |Upgrade| header field containing the value "websocket", treated as an ASCII
    // case-insensitive value."
    if !request.wants_websocket() {
        return Err(HandshakeError::UpgradeMissing);
    }
    // Item 4: "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
    // case-insensitive value."
    if !request.connection_names_upgrade() {
        return Err(HandshakeError::ConnectionMissing);
    }
    // Item 6: "A |Sec-WebSocket-Version| header field, with a value of 13." It is checked before
    // the key, because versions older than the RFC use other key headers.
    if request.header_bytes("sec-websocket-version") != Some(b"13") {
        return Err(HandshakeError::VersionUnsupported);
    }
    // Item 5: "A |Sec-WebSocket-Key| header field with a base64-encoded [...] value that, when
    // decoded, is 16 bytes in length."
    let key = request.header("sec-websocket-key").ok_or(HandshakeError::KeyMissing)?;
    if !is_key(key) {
        return Err(HandshakeError::KeyMalformed);
    }
    // Item 8, and section 4.1 item 10: every subprotocol is a token.
    if !subprotocols(request).all(is_token) {
        return Err(HandshakeError::SubprotocolMalformed);
    }
    // Item 9, and section 9.1: "If a value is received by either the client or the server during
    // negotiation that does not conform to the ABNF below, the recipient of such malformed data
    // MUST immediately _Fail the WebSocket Connection_."
    if extensions(request.header_lines(EXTENSIONS)).any(|extension| extension.is_err()) {
        return Err(HandshakeError::ExtensionsMalformed);
    }
    if request.body_bytes() > 0 {
        return Err(HandshakeError::BodyNotAllowed);
    }
    Ok(UpgradeRequest { key, request: *request })
}

/// Appends the 101 that accepts the upgrade (RFC 6455 section 4.2.2, item 5). `subprotocol` is one
/// of those that the client offered, or none; `compression` is what
/// [`UpgradeRequest::accept_compression`] has returned, or none.
pub fn encode_switching_protocols(
    out: &mut Vec<u8>,
    key: &str,
    subprotocol: Option<&str>,
    compression: Option<CompressionAccepted>,
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\n\
          Upgrade: websocket\r\n\
          Connection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept_key(key));
    if let Some(subprotocol) = subprotocol {
        debug_assert!(is_token(subprotocol), "a subprotocol is a token");
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(subprotocol.as_bytes());
    }
    if let Some(compression) = compression {
        out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
        compression.encode(out);
    }
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests;
