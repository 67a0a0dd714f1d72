//! Marks of secrets and names.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// A number that stands for a secret or a name where only equality matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn of(text: impl AsRef<[u8]>) -> Mark {
        let mut hasher = SipHasher13::new();
        hasher.write(text.as_ref());
        Mark(hasher.finish())
    }
}

/// Does not show the mark: whoever guesses the secret could check the guess by it.
impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mark(..)")
    }
}
