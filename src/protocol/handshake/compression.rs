//! How permessage-deflate is agreed on (RFC 7692 sections 5 and 7.1).

use super::extensions::{Extension, ParamValue};
use crate::protocol::WINDOW_BITS_MAX;

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The smallest window that may be asked for (RFC 7692 sections 7.1.2.1 and 7.1.2.2).
const WINDOW_BITS_ASKED_MIN: u8 = 8;

/// What the client of this crate offers: without context takeover on both sides.
pub(super) const OFFER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// permessage-deflate as the server accepts it: without context takeover on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompressionAccepted {
    /// The server's window, if the client has asked for a limit of it.
    server_max_window_bits: Option<u8>,
}

impl CompressionAccepted {
    /// Appends the element of Sec-WebSocket-Extensions that accepts the offer.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(OFFER.as_bytes());
        if let Some(bits) = self.server_max_window_bits {
            out.extend_from_slice(b"; server_max_window_bits=");
            if bits >= 10 {
                out.push(b'0' + bits / 10);
            }
            out.push(b'0' + bits % 10);
        }
    }
}

/// The parameters of permessage-deflate in one offer or one answer.
#[derive(Default)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// Invariant: from 8 to 15.
    server_max_window_bits: Option<u8>,
    /// `Some(None)`: it has no value.
    client_max_window_bits: Option<Option<u8>>,
}

impl Params {
    /// Reads the parameters of an extension. Returns `None` if it is not permessage-deflate, or for
    /// a reason in section 7.1: a parameter is unknown, there twice, or has a bad value.
    fn of(extension: &Extension<'_>) -> Option<Params> {
        if extension.name != NAME {
            return None;
        }
        let mut params = Params::default();
        for (name, value) in extension.params() {
            let is_new = match (name, value) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => {
                    !std::mem::replace(&mut params.server_no_context_takeover, true)
                }
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => {
                    !std::mem::replace(&mut params.client_no_context_takeover, true)
                }
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    params.server_max_window_bits.replace(window_bits(value)?).is_none()
                }
                (CLIENT_MAX_WINDOW_BITS, value) => {
                    let bits = match value {
                        Some(value) => Some(window_bits(value)?),
                        None => None,
                    };
                    params.client_max_window_bits.replace(bits).is_none()
                }
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(params)
    }
}

/// Section 7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn window_bits(value: ParamValue<'_>) -> Option<u8> {
    let mut bits = 0_u8;
    for (index, byte) in value.bytes().enumerate() {
        if !byte.is_ascii_digit() || index == 2 || (index == 0 && byte == b'0') {
            return None;
        }
        bits = bits * 10 + (byte - b'0');
    }
    (WINDOW_BITS_ASKED_MIN..=WINDOW_BITS_MAX).contains(&bits).then_some(bits)
}

/// Returns how a server accepts an offer that compresses with a window of this size, or `None` if
/// it declines the offer.
pub(super) fn accept(offer: &Extension<'_>, window_bits: u8) -> Option<CompressionAccepted> {
    let params = Params::of(offer)?;
    // Section 7.1.2.1: a server that does not accept a limit of its window declines the offer. A
    // limit of the client's window (7.1.2.2) needs no answer, because a window of any size is read.
    if params.server_max_window_bits.is_some_and(|bits| bits < window_bits) {
        return None;
    }
    let server_max_window_bits = params.server_max_window_bits.map(|_| window_bits);
    Some(CompressionAccepted { server_max_window_bits })
}

/// Returns true if this is an answer to [`OFFER`]. Section 7.1.1.1: a server answers
/// `server_no_context_takeover` with the same. Section 7.1.2.2: it answers `client_max_window_bits`
/// only where that was offered.
pub(super) fn is_answer(answer: &Extension<'_>) -> bool {
    Params::of(answer).is_some_and(|params| {
        params.server_no_context_takeover && params.client_max_window_bits.is_none()
    })
}

#[cfg(test)]
mod tests;
