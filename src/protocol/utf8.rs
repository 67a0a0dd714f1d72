//! Checks UTF-8 in text that arrives in pieces (RFC 6455 section 8.1, RFC 3629): an invalid byte is
//! refused as soon as it arrives, and a fragment or a read may cut a character anywhere.

use std::fmt;

/// The bytes are not UTF-8, and no further bytes can make them valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

/// A character is at most four bytes (RFC 3629 section 3), so a piece ends with at most three bytes
/// of an incomplete character.
const CUT_BYTES_MAX: usize = 3;

/// Checks text that arrives in pieces. It remembers only which bytes may complete the character
/// that the last piece cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Utf8Validator {
    /// Bytes missing from the current character; 0 between characters.
    lacking: u8,
    /// If `lacking > 0`, the next byte must lie in `next_min..=next_max`.
    next_min: u8,
    /// See `next_min`.
    next_max: u8,
}

impl Default for Utf8Validator {
    fn default() -> Utf8Validator {
        Utf8Validator::new()
    }
}

impl Utf8Validator {
    /// Makes a validator for the start of a text.
    #[must_use]
    pub const fn new() -> Utf8Validator {
        Utf8Validator { lacking: 0, next_min: 0x80, next_max: 0xBF }
    }

    /// Checks the next piece of the text.
    ///
    /// # Errors
    /// The piece holds a byte that cannot follow in UTF-8 text. The validator must not be used
    /// after that.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let mut rest = piece;
        while self.lacking > 0 {
            let Some((&byte, after)) = rest.split_first() else { return Ok(()) };
            self.step(byte)?;
            rest = after;
        }
        // Whole characters go through the vectorized check in one call; only a character that is
        // cut off is checked byte by byte.
        let (whole, cut) = rest.split_at(rest.len() - cut_off_bytes(rest));
        if !is_utf8(whole) {
            return Err(InvalidUtf8);
        }
        cut.iter().try_for_each(|&byte| self.step(byte))
    }

    /// Ends the text.
    ///
    /// # Errors
    /// The text ends in the middle of a character.
    pub const fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.lacking == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Checks one byte, by the table of RFC 3629 section 4: the second byte of a character has a
    /// narrower range after `E0`, `ED`, `F0` and `F4`, which excludes overlong forms, surrogates
    /// and all code points above U+10FFFF.
    fn step(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        if self.lacking > 0 {
            if byte < self.next_min || byte > self.next_max {
                return Err(InvalidUtf8);
            }
            (self.lacking, self.next_min, self.next_max) = (self.lacking - 1, 0x80, 0xBF);
            return Ok(());
        }
        (self.lacking, self.next_min, self.next_max) = match byte {
            0x00..=0x7F => (0, 0x80, 0xBF),
            0xC2..=0xDF => (1, 0x80, 0xBF),
            0xE0 => (2, 0xA0, 0xBF),
            0xE1..=0xEC | 0xEE..=0xEF => (2, 0x80, 0xBF),
            0xED => (2, 0x80, 0x9F),
            0xF0 => (3, 0x90, 0xBF),
            0xF1..=0xF3 => (3, 0x80, 0xBF),
            0xF4 => (3, 0x80, 0x8F),
            0x80..=0xC1 | 0xF5..=0xFF => return Err(InvalidUtf8),
        };
        Ok(())
    }
}

/// Returns how many bytes at the end of `piece` begin a character but do not end it. If these bytes
/// are not UTF-8 anyway, any number will do: they are refused before or after the cut.
fn cut_off_bytes(piece: &[u8]) -> usize {
    for (index, &byte) in piece.iter().rev().take(CUT_BYTES_MAX).enumerate() {
        let character_bytes = match byte {
            0x80..=0xBF => continue,
            0x00..=0x7F => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
        };
        let there = index + 1;
        return if there < character_bytes { there } else { 0 };
    }
    0
}

/// The shortest text that simdutf8 vectorizes; it passes shorter ones to the standard library.
const VECTOR_BYTES_MIN: usize = 64;

/// Returns true if the whole `text` is UTF-8. Used for a complete message.
#[inline]
pub(super) fn is_utf8(text: &[u8]) -> bool {
    // Most messages are short, and most short ones are ASCII, which `is_ascii` checks a word at a
    // time.
    (text.len() < VECTOR_BYTES_MIN && text.is_ascii()) || simdutf8::basic::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A naive check that the tests compare with the real one, a byte at a time. It knows no ranges
    /// of bytes; it computes each character's number. Returns the index of the first byte that
    /// cannot follow in UTF-8 text, and whether the end is between characters.
    fn first_bad_byte(bytes: &[u8]) -> (Option<usize>, bool) {
        let mut character: Vec<u8> = Vec::new();
        for (index, &byte) in bytes.iter().enumerate() {
            character.push(byte);
            if std::str::from_utf8(&character).is_ok() {
                character.clear();
            } else if !can_go_on(&character) {
                return (Some(index), false);
            }
        }
        (None, character.is_empty())
    }

    /// Returns true if some character begins with these bytes (RFC 3629 section 3): the missing
    /// bits can complete them to a number that needs this many bytes, is at most U+10FFFF and is
    /// not a surrogate.
    fn can_go_on(start: &[u8]) -> bool {
        let (&lead, continuation) = start.split_first().expect("a byte was just pushed");
        let (length, smallest) = match lead.leading_ones() {
            2 => (2, 0x80_u32),
            3 => (3, 0x800),
            4 => (4, 0x1_0000),
            _ => return false,
        };
        if start.len() >= length || continuation.iter().any(|byte| byte.leading_ones() != 1) {
            return false;
        }
        let number = continuation
            .iter()
            .fold(u32::from(lead) & (0x7F >> length), |n, byte| n << 6 | u32::from(byte & 0x3F));
        let bits_to_come = 6 * (length - start.len());
        let (low, high) = (number << bits_to_come, ((number + 1) << bits_to_come) - 1);
        let surrogates_only = (0xD800..=0xDFFF).contains(&low) && (0xD800..=0xDFFF).contains(&high);
        high >= smallest && low <= 0x10_FFFF && !surrogates_only
    }

    fn push_all(pieces: &[&[u8]]) -> Result<Utf8Validator, usize> {
        let mut validator = Utf8Validator::new();
        for (index, piece) in pieces.iter().enumerate() {
            validator.push(piece).map_err(|InvalidUtf8| index)?;
        }
        Ok(validator)
    }

    /// Checks the text cut in two at every place, and byte by byte, and compares each result with
    /// the naive check.
    fn check(bytes: &[u8]) {
        let (bad, complete) = first_bad_byte(bytes);
        for cut in 0..=bytes.len() {
            let (front, back) = bytes.split_at(cut);
            match (bad, push_all(&[front, back])) {
                (None, Ok(validator)) => {
                    assert_eq!(validator.finish().is_ok(), complete, "{bytes:02x?} at {cut}");
                }
                (Some(bad), Err(piece)) => {
                    assert_eq!(piece, usize::from(bad >= cut), "{bytes:02x?} at {cut}");
                }
                (expected, found) => panic!("{bytes:02x?} at {cut}: {expected:?}, {found:?}"),
            }
        }
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(push_all(&singly).err(), bad, "{bytes:02x?}");
        assert_eq!(is_utf8(bytes), bad.is_none() && complete);
    }

    #[test]
    fn is_small() {
        assert!(size_of::<Utf8Validator>() <= 8);
    }

    #[test]
    fn takes_the_examples_of_rfc_3629_section_7() {
        for text in [
            &[0x41, 0xE2, 0x89, 0xA2, 0xCE, 0x91, 0x2E][..],
            &[0xED, 0x95, 0x9C, 0xEA, 0xB5, 0xAD, 0xEC, 0x96, 0xB4],
            &[0xE6, 0x97, 0xA5, 0xE6, 0x9C, 0xAC, 0xE8, 0xAA, 0x9E],
            &[0xEF, 0xBB, 0xBF, 0xF0, 0xA3, 0x8E, 0xB4],
        ] {
            check(text);
            assert!(is_utf8(text));
        }
    }

    #[test]
    fn refuses_what_is_no_character_at_the_byte_that_shows_it() {
        // Overlong forms, surrogates, and code points above U+10FFFF.
        for (bytes, bad) in [
            (&[0xC0, 0x80][..], 0),
            (&[0xE0, 0x80, 0x80], 1),
            (&[0xED, 0xA0, 0x80], 1),
            (&[0xF0, 0x8F, 0x80, 0x80], 1),
            (&[0xF4, 0x90, 0x80, 0x80], 1),
            (&[0xF5, 0x80], 0),
            (&[0xFF], 0),
            (&[0x80], 0),
            (&[0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xCF, 0x83, 0xCE, 0xBC, 0xCE, 0xB5, 0xF4, 0x90], 12),
        ] {
            assert_eq!(first_bad_byte(bytes).0, Some(bad));
            check(bytes);
        }
    }

    #[test]
    fn every_pair_of_bytes_after_every_lead_agrees_with_the_twin() {
        for lead in 0x7F..=0xFF_u8 {
            for second in
                (0..=0xFF_u8).step_by(0x0F).chain([0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0])
            {
                check(&[lead, second]);
                check(&[lead, second, 0x80]);
                check(&[lead, second, 0xBF, 0x80, 0x41]);
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_twin_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            check(&bytes);
        }

        #[test]
        fn agrees_with_the_twin_on_text_with_one_byte_changed(
            text in "[a-zäß∞한😀]{0,60}", position: prop::sample::Index, byte: u8, change: bool,
        ) {
            let mut bytes = text.into_bytes();
            if change && !bytes.is_empty() {
                let position = position.index(bytes.len());
                bytes[position] = byte;
            }
            check(&bytes);
        }
    }
}
