//! The publish key: a secret whose bearer may publish by POST.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::protocol::Request;

use super::access::{Denied, bearer};
use super::mark::Mark;

/// The secret that lets its bearer publish by POST and read the metrics from anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishKey(Box<str>);

/// Why a text cannot be a [`PublishKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishKeyError {
    /// The text is empty.
    Empty,
    /// The text holds a byte that is not visible ASCII.
    BadByte,
}

impl fmt::Display for PublishKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PublishKeyError::Empty => "the publish key is empty",
            PublishKeyError::BadByte => {
                "the publish key holds a space or a character that is not ASCII"
            }
        })
    }
}

impl std::error::Error for PublishKeyError {}

impl PublishKey {
    /// Makes a key of visible ASCII characters, as `Authorization: Bearer` can carry.
    pub fn new(key: &str) -> Result<PublishKey, PublishKeyError> {
        if key.is_empty() {
            return Err(PublishKeyError::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PublishKeyError::BadByte);
        }
        Ok(PublishKey(key.into()))
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark::of(self.0.as_bytes())
    }

    /// Returns true if this is the key. Takes the same time for all texts of one length, so that
    /// the key cannot be guessed byte by byte.
    fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

/// Does not show the key.
impl fmt::Debug for PublishKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishKey(..)")
    }
}

/// Checks the key of a request (`Authorization: Bearer KEY`).
pub(crate) fn check_key(key: &PublishKey, request: &Request<'_>) -> Result<(), Denied> {
    let presented = bearer(request).ok_or(Denied::KeyMissing)?;
    if key.is(presented) { Ok(()) } else { Err(Denied::KeyWrong) }
}

#[cfg(test)]
mod tests {
    use crate::protocol::HeaderStorage;

    use super::*;

    #[test]
    fn the_key_is_taken_from_a_bearer_header_alone() {
        let key = PublishKey::new("open-sesame").unwrap();
        let check = |header: &str| {
            let head = format!("POST /news HTTP/1.1\r\nHost: a\r\n{header}\r\n");
            let mut storage = HeaderStorage::new();
            check_key(&key, &Request::parse(head.as_bytes(), &mut storage).unwrap())
        };
        assert_eq!(check("Authorization: Bearer open-sesame\r\n"), Ok(()));
        assert_eq!(check("authorization: bearer open-sesame\r\n"), Ok(()));
        assert_eq!(check(""), Err(Denied::KeyMissing));
        assert_eq!(check("Authorization: open-sesame\r\n"), Err(Denied::KeyMissing));
        assert_eq!(check("Authorization: Basic open-sesame\r\n"), Err(Denied::KeyMissing));
        assert_eq!(check("Authorization: Bearer open\r\n"), Err(Denied::KeyWrong));
        assert_eq!(check("Authorization: Bearer open-sesame2\r\n"), Err(Denied::KeyWrong));
    }

    #[test]
    fn a_key_is_visible_ascii_and_is_not_shown() {
        assert_eq!(PublishKey::new(""), Err(PublishKeyError::Empty));
        assert_eq!(PublishKey::new("two words"), Err(PublishKeyError::BadByte));
        assert_eq!(format!("{:?}", PublishKey::new("hidden").unwrap()), "PublishKey(..)");
    }
}
