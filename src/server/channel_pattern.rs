//! Patterns of channel names: tokens say by them what they allow, and rules what they are about.

use std::fmt;
use std::str::FromStr;

/// The most bytes of a pattern: as many as a channel name may have.
const PATTERN_BYTES_MAX: usize = 255;

/// A pattern of channel names. `*` stands for one or more characters other than `/`, and `**` for
/// one or more of any; nothing else is special. So `chat/*` covers `chat/1` but neither `chat/1/2`
/// nor `chat`, and `chat/**` covers the first two.
///
/// ```
/// use fanfare::ChannelPattern;
///
/// let pattern: ChannelPattern = "chat/*/live".parse()?;
/// assert!(pattern.matches("chat/uk/live"));
/// assert!(!pattern.matches("chat/uk/london/live"));
/// # Ok::<(), fanfare::ChannelPatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Deserialize), serde(try_from = "String"))]
pub struct ChannelPattern(Box<[Piece]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// `*`
    InSegment,
    /// `**`
    Any,
}

/// A part of a pattern, in characters where [`Piece`] is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    Char(char),
    /// `*`
    InSegment,
    /// `**`
    Any,
}

impl Symbol {
    pub(crate) fn takes(self, one: char) -> bool {
        match self {
            Symbol::Char(own) => own == one,
            Symbol::InSegment => one != '/',
            Symbol::Any => true,
        }
    }

    /// Returns true if the symbol may take several characters.
    pub(crate) fn repeats(self) -> bool {
        match self {
            Symbol::Char(_) => false,
            Symbol::InSegment | Symbol::Any => true,
        }
    }
}

/// Why a text is not a [`ChannelPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelPatternError {
    /// The text is empty, or longer than 255 bytes.
    Length,
    /// There are more than two `*` in a row.
    Stars,
}

impl fmt::Display for ChannelPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelPatternError::Length => "a pattern has 1 to 255 bytes",
            ChannelPatternError::Stars => "a pattern has * or **, and no more * in a row",
        })
    }
}

impl std::error::Error for ChannelPatternError {}

impl FromStr for ChannelPattern {
    type Err = ChannelPatternError;

    fn from_str(text: &str) -> Result<ChannelPattern, ChannelPatternError> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err(ChannelPatternError::Length);
        }
        if text.contains("***") {
            return Err(ChannelPatternError::Stars);
        }
        let mut pieces = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            match (byte, pieces.last_mut()) {
                (b'*', Some(last @ Piece::InSegment)) => *last = Piece::Any,
                (b'*', _) => pieces.push(Piece::InSegment),
                (byte, _) => pieces.push(Piece::Byte(byte)),
            }
        }
        Ok(ChannelPattern(pieces.into_boxed_slice()))
    }
}

impl TryFrom<String> for ChannelPattern {
    type Error = ChannelPatternError;

    fn try_from(text: String) -> Result<ChannelPattern, ChannelPatternError> {
        text.parse()
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            match piece {
                Piece::Byte(byte) => text.push(*byte),
                Piece::InSegment => text.push(b'*'),
                Piece::Any => text.extend(b"**"),
            }
        }
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl Piece {
    fn takes(self, byte: u8) -> bool {
        match self {
            Piece::Byte(own) => own == byte,
            Piece::InSegment => byte != b'/',
            Piece::Any => true,
        }
    }

    /// Returns true if the piece may take several bytes.
    fn repeats(self) -> bool {
        match self {
            Piece::Byte(_) => false,
            Piece::InSegment | Piece::Any => true,
        }
    }
}

impl ChannelPattern {
    /// Returns the pattern `**`, which covers every channel.
    pub(crate) fn any() -> ChannelPattern {
        ChannelPattern([Piece::Any].into())
    }

    /// Returns the pattern in characters.
    pub(crate) fn symbols(&self) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        for one in self.to_string().chars() {
            match (one, symbols.last_mut()) {
                ('*', Some(last @ Symbol::InSegment)) => *last = Symbol::Any,
                ('*', _) => symbols.push(Symbol::InSegment),
                (one, _) => symbols.push(Symbol::Char(one)),
            }
        }
        symbols
    }

    /// Returns true if the pattern covers a channel name.
    ///
    /// It takes at most as many steps as the lengths of both, multiplied: all ways of matching are
    /// followed at once, so there is no going back. The bytes of a name can be looked at one by
    /// one: `/` is ASCII, and what a `*` takes always ends where a character of the pattern begins.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let pieces = &self.0;
        if !fits_until_a_star(pieces.iter(), name.bytes())
            || !fits_until_a_star(pieces.iter().rev(), name.bytes().rev())
        {
            return false;
        }
        // `ends[n]` is true if the first n pieces can match what was read of the name.
        let mut ends = [false; PATTERN_BYTES_MAX + 1];
        ends[0] = true;
        for byte in name.bytes() {
            let mut goes_on = false;
            for (index, piece) in pieces.iter().enumerate().rev() {
                let may_take = ends[index] || piece.repeats() && ends[index + 1];
                ends[index + 1] = may_take && piece.takes(byte);
                goes_on |= ends[index + 1];
            }
            ends[0] = false;
            if !goes_on {
                return false;
            }
        }
        ends[pieces.len()]
    }
}

/// Returns false if a byte before the first star differs from that of the name. It is quick, and
/// tells most names from a pattern that does not cover them.
fn fits_until_a_star<'p>(
    pieces: impl Iterator<Item = &'p Piece>,
    name: impl Iterator<Item = u8>,
) -> bool {
    pieces.take_while(|piece| !piece.repeats()).zip(name).all(|(piece, byte)| piece.takes(byte))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<ChannelPattern>().unwrap().matches(name)
    }

    #[test]
    fn a_star_stays_in_its_segment_and_two_stars_do_not() {
        for (pattern, yes, no) in [
            ("news", &["news"][..], &["new", "newss", "News", "news/", "/news"][..]),
            ("*", &["a", "caf\u{e9}", "a.b", "-"], &["a/b", "/", "a/"]),
            ("**", &["a", "a/b", "/", "a/b/c/"], &[]),
            ("chat/*", &["chat/1", "chat/**"], &["chat", "chat/", "chat/1/2", "xchat/1"]),
            ("chat/**", &["chat/1", "chat/1/2", "chat//"], &["chat", "chat/", "chat1"]),
            ("*/x", &["a/x", "bb/x"], &["/x", "a/b/x", "x"]),
            ("**/x", &["a/x", "a/b/x"], &["/x", "x"]),
            ("a*b*c", &["a1b2c", "abbbc", "axbxbxc"], &["abc", "abc1", "a1b/2c"]),
            ("a**c", &["abc", "a/c", "ac/c"], &["ac"]),
            ("[a-z]?", &["[a-z]?"], &["b1", "a"]),
            (".*", &[".a"], &["a", "ab"]),
            ("caf\u{e9}/*", &["caf\u{e9}/\u{e9}"], &["cafe/1", "caf\u{e8}/1"]),
            ("*/*", &["a/b"], &["a", "a/b/c", "/b"]),
            ("room-*-in", &["room-1-in", "room--in-in"], &["room--in", "room-in", "room-1-out"]),
        ] {
            for name in yes {
                assert!(matches(pattern, name), "{pattern} covers {name}");
            }
            for name in no {
                assert!(!matches(pattern, name), "{pattern} does not cover {name}");
            }
        }
    }

    #[test]
    fn a_pattern_is_bounded_and_is_shown_as_it_was_written() {
        for text in ["", "***", "a****b", &"x".repeat(256)] {
            assert!(text.parse::<ChannelPattern>().is_err(), "{text}");
        }
        for text in ["*", "**", "a/*/b**", "caf\u{e9}/*", &"x".repeat(255)] {
            assert_eq!(text.parse::<ChannelPattern>().unwrap().to_string(), text);
        }
    }

    /// With an algorithm that goes back, these would take longer than the universe is old.
    #[test]
    fn no_pattern_takes_long() {
        let start = Instant::now();
        let name = format!("{}c", "a".repeat(254));
        for stars in ["*a", "**a", "a*", "a**"] {
            assert!(!matches(&format!("{}b", stars.repeat(80)), &name));
        }
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    /// The naive twin: tries every length for each star.
    fn naive(pattern: &str, name: &str) -> bool {
        if let Some(rest) = pattern.strip_prefix("**") {
            return (1..=name.len()).any(|taken| naive(rest, &name[taken..]));
        }
        if let Some(rest) = pattern.strip_prefix('*') {
            let longest = name.find('/').unwrap_or(name.len());
            return (1..=longest).any(|taken| naive(rest, &name[taken..]));
        }
        match (pattern.split_at_checked(1), name.split_at_checked(1)) {
            (Some((own, pattern)), Some((one, name))) => own == one && naive(pattern, name),
            (None, None) => true,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_naive_twin_matches(
            pattern in "([ab/]|\\*|\\*\\*){1,7}",
            name in "[ab/]{1,8}",
        ) {
            prop_assume!(!pattern.contains("***"));
            prop_assert_eq!(matches(&pattern, &name), naive(&pattern, &name));
        }
    }
}
