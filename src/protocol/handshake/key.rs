//! Sec-WebSocket-Key and Sec-WebSocket-Accept (RFC 6455 sections 4.1 and 4.2.2): they prove that
//! the server has read this very request as a WebSocket handshake. They are not secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Appended to the key before it is hashed (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a key: 16 bytes in Base64.
pub(super) const KEY_BYTES: usize = 24;

/// The length of Sec-WebSocket-Accept: the 20 bytes of a SHA-1 in Base64.
pub const ACCEPT_KEY_BYTES: usize = 28;

/// Returns Sec-WebSocket-Accept for this Sec-WebSocket-Key, which is hashed as it was sent (RFC
/// 6455 section 4.2.2, item 5.4).
#[must_use]
pub fn accept_key(key: &str) -> [u8; ACCEPT_KEY_BYTES] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    encode(&digest)
}

/// Returns the Sec-WebSocket-Key for this random nonce (RFC 6455 section 4.1, item 7).
pub(super) fn key_of_nonce(nonce: [u8; 16]) -> [u8; KEY_BYTES] {
    encode(&nonce)
}

fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written.ok(), Some(N), "the array has the length of the Base64");
    text
}

/// Returns true if this is Base64 of 16 bytes (RFC 6455 section 4.2.1, item 5): 22 characters and
/// "==".
///
/// The four excess bits of the last character are not checked: the key is hashed as it stands and
/// never decoded, and RFC 4648 section 3.5 makes the check optional.
pub(super) fn is_key(key: &str) -> bool {
    key.strip_suffix("==").is_some_and(|characters| {
        characters.len() == KEY_BYTES - 2
            && characters
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_the_key_of_rfc_6455_section_1_3() {
        assert_eq!(&accept_key("dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn makes_the_key_of_rfc_6455_section_4_1() {
        let nonce = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(&key_of_nonce(nonce), b"AQIDBAUGBwgJCgsMDQ4PEA==");
    }

    #[test]
    fn a_key_is_base64_of_sixteen_bytes() {
        for good in
            ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", "++++++++++//////////AA=="]
        {
            assert!(is_key(good), "{good}");
        }
        for bad in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25jZQA==",
            "dGhlIHNhbXBsZSBub25j-_==",
            "dGhlIHNhbXBs ZSBub25jZ==",
        ] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
