//! The name of a channel. It is checked once: a `ChannelName` is always valid.

use std::fmt;

/// The longest name, in bytes: short enough for every URL, and a million of them fit in memory.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// A channel's name: 1 to 255 bytes of UTF-8 without control characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelName<'a>(&'a str);

impl<'a> ChannelName<'a> {
    /// Checks a name, which must already be percent-decoded.
    pub fn parse(name: &'a str) -> Result<ChannelName<'a>, ChannelNameError> {
        if name.is_empty() {
            return Err(ChannelNameError::Empty);
        }
        if name.len() > CHANNEL_NAME_BYTES_MAX {
            return Err(ChannelNameError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(ChannelNameError::ControlCharacter);
        }
        Ok(ChannelName(name))
    }

    /// Makes a name from a text that was checked before.
    pub(super) fn from_checked(name: &'a str) -> ChannelName<'a> {
        debug_assert!(ChannelName::parse(name).is_ok(), "the name was not checked");
        ChannelName(name)
    }

    /// Returns the name as text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for ChannelName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why a text is not a channel name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelNameError {
    /// A name has at least one byte.
    Empty,
    /// A name has at most [`CHANNEL_NAME_BYTES_MAX`] bytes.
    TooLong,
    /// A name has no control characters (Unicode category Cc).
    ControlCharacter,
}

impl fmt::Display for ChannelNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelNameError::Empty => "a channel name is not empty",
            ChannelNameError::TooLong => "a channel name has at most 255 bytes",
            ChannelNameError::ControlCharacter => "a channel name has no control characters",
        })
    }
}

impl std::error::Error for ChannelNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_any_text_of_1_to_255_bytes() {
        for name in ["a", "news/world", "räume/7", " ", &"x".repeat(255)] {
            assert_eq!(ChannelName::parse(name).map(ChannelName::as_str), Ok(name));
        }
    }

    #[test]
    fn refuses_nothing_too_much_and_control_characters() {
        assert_eq!(ChannelName::parse(""), Err(ChannelNameError::Empty));
        assert_eq!(ChannelName::parse(&"ä".repeat(128)), Err(ChannelNameError::TooLong));
        for name in ["a\nb", "\0", "\u{7f}", "\u{85}"] {
            assert_eq!(ChannelName::parse(name), Err(ChannelNameError::ControlCharacter));
        }
    }
}
