//! What others have sent, on its way to somebody's terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What a terminal may be given of these bytes. Control characters are commands to it, which move
/// the cursor, change the clipboard or hide a line; all but the end of a line and the tab are shown
/// as escapes instead.
pub(crate) fn harmless(bytes: &[u8]) -> Cow<'_, str> {
    let is_command = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(is_command) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_command(character) {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_as_it_is() {
        for text in ["", "hello\tall\n", "caf\u{e9} \u{1f600} \\"] {
            assert!(matches!(harmless(text.as_bytes()), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn commands_to_the_terminal_are_shown_and_not_given() {
        assert_eq!(harmless(b"\x1b]52;c;aGk=\x07"), "\\u{1b}]52;c;aGk=\\u{7}");
        assert_eq!(harmless("all\rbut\u{9b}2J\u{7f}".as_bytes()), "all\\rbut\\u{9b}2J\\u{7f}");
        assert_eq!(harmless(b"\x9b2J"), "\u{fffd}2J");
    }
}
