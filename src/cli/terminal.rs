//! Writing to standard output, and making text from a server safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Writes bytes that a server has sent to the standard output: as harmless text if it is a
/// terminal, otherwise unchanged.
pub(crate) fn print_foreign(bytes: &[u8], end: &str) -> Result<(), String> {
    print(|out| {
        if io::stdout().is_terminal() {
            out.write_all(harmless(bytes).as_bytes())?;
        } else {
            out.write_all(bytes)?;
        }
        out.write_all(end.as_bytes())
    })
}

/// Writes to standard output, then flushes. If its reader has gone (as in `sub news | head -1`),
/// the process ends without an error.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(format!("cannot write to the standard output: {error}")),
    }
}

/// Returns text that is harmless on a terminal. Control characters can move the cursor, change the
/// clipboard or hide a line, so all but line feed and tab are shown as escapes.
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
