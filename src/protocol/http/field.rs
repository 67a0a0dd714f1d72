//! Header names and values (RFC 9110 section 5): tokens, lists of tokens, and the checks that hold
//! for every head.

use super::HttpError;

/// Returns true if a token may have this byte (RFC 9110 section 5.6.2, `tchar`).
pub(in super::super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns true if this is a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Returns the elements of a comma-separated list, without surrounding white space and without
/// empty elements (RFC 9110 section 5.6.1.2).
pub(in super::super) fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
}

/// The options that a Connection header may list and that matter here (RFC 9110 section 7.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct ConnectionOptions {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
}

impl ConnectionOptions {
    /// Adds the options of one line of the header; case is ignored.
    pub(super) fn add(&mut self, value: &[u8]) {
        for option in elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// Returns true if a comma-separated list has this token; case is ignored.
pub(in super::super) fn has_token(value: &[u8], token: &[u8]) -> bool {
    elements(value).any(|element| element.eq_ignore_ascii_case(token))
}

/// Like [`tokens`], for a value whose bytes above 127 are opaque (RFC 9110 section 5.5).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Returns true if two header names are the same; case is ignored. Most names differ in length,
/// which is compared first because that needs no call.
#[inline]
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.eq_ignore_ascii_case(other)
}

/// Returns the value of the first header of this name; case is ignored.
pub(super) fn find<'a>(headers: &'a [httparse::Header<'a>], name: &str) -> Option<&'a str> {
    find_all(headers, name).next()
}

/// Returns the value of each header of this name; case is ignored.
pub(super) fn find_all<'a>(
    headers: &'a [httparse::Header<'a>],
    name: &str,
) -> impl DoubleEndedIterator<Item = &'a str> {
    headers.iter().filter(move |header| is_same_name(header.name, name)).map(value)
}

/// Returns the value of the first header of this name as it was sent; case is ignored.
pub(super) fn find_bytes<'a>(headers: &'a [httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    let found = headers.iter().find(|header| is_same_name(header.name, name));
    found.map(|header| header.value)
}

/// Returns the name and value of each header, in the order in which they were sent.
pub(super) fn pairs<'a>(
    headers: &'a [httparse::Header<'a>],
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    headers.iter().map(|header| (header.name, header.value))
}

/// The text that stands for a value that is not UTF-8. RFC 9110 section 5.5 calls bytes above 127
/// in a value opaque, so they are no error. The replacement character has no meaning in any header
/// and, unlike an empty text, shows that the header is there.
const NOT_TEXT: &str = "\u{fffd}";

/// Returns the value as text. httparse has refused control characters in it.
pub(super) fn value<'a>(header: &httparse::Header<'a>) -> &'a str {
    std::str::from_utf8(header.value).unwrap_or(NOT_TEXT)
}

/// Parses Content-Length as one number: only digits (RFC 9110 section 8.6), so no sign, no list, no
/// space.
///
/// A number too large for `usize` becomes `usize::MAX`, and so exceeds every limit.
pub(super) fn content_length(value: &str) -> Result<usize, HttpError> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HttpError::ContentLengthMalformed);
    }
    Ok(value.parse().unwrap_or(usize::MAX))
}

/// Returns true for a header name such as `Content_Length`, which differs from Content-Length or
/// Transfer-Encoding only in punctuation: some software (CGI) takes it for that header.
pub(super) fn is_framing_lookalike(name: &str) -> bool {
    let is_spelled = |framing: &str| {
        let mut letters = name.bytes().filter(u8::is_ascii_alphanumeric);
        framing.bytes().all(|expected| {
            letters.next().is_some_and(|letter| letter.eq_ignore_ascii_case(&expected))
        }) && letters.next().is_none()
    };
    (is_spelled("contentlength") && !name.eq_ignore_ascii_case("content-length"))
        || (is_spelled("transferencoding") && !name.eq_ignore_ascii_case("transfer-encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ignores_white_space_case_and_empty_elements() {
        assert!(has_token(b"h2c, WebSocket", b"websocket"));
        assert!(has_token(b" ,\tWEBSOCKET ,\xff", b"websocket"));
        assert!(!has_token(b"websockets, web socket", b"websocket"));
        assert!(!has_token(b"", b"websocket"));
        assert_eq!(tokens("a,, b c ,").collect::<Vec<_>>(), ["a", "b c"]);
    }

    #[test]
    fn a_connection_has_the_options_of_all_its_lines() {
        let mut options = ConnectionOptions::default();
        options.add(b"te, Keep-Alive ,");
        assert_eq!(options, ConnectionOptions { keep_alive: true, ..Default::default() });
        options.add(b" ,\tUPGRADE,closed, up grade");
        assert_eq!(options, ConnectionOptions { close: false, keep_alive: true, upgrade: true });
        options.add(b"\xff,close");
        assert_eq!(options, ConnectionOptions { close: true, keep_alive: true, upgrade: true });
    }

    #[test]
    fn a_content_length_is_digits_alone() {
        assert_eq!(content_length("0"), Ok(0));
        assert_eq!(content_length("007"), Ok(7));
        assert_eq!(content_length("18446744073709551616"), Ok(usize::MAX));
        for bad in ["", "+5", "-5", "5 5", "5,5", "5, 5", "0x5", "5.0", "٥", "5\u{a0}"] {
            assert_eq!(content_length(bad), Err(HttpError::ContentLengthMalformed), "{bad:?}");
        }
    }

    #[test]
    fn knows_what_looks_like_a_framing_header() {
        for name in [
            "Content_Length",
            "content.length",
            "ContentLength",
            "Transfer_Encoding",
            "-transfer-encoding",
        ] {
            assert!(is_framing_lookalike(name), "{name}");
        }
        for name in [
            "Content-Length",
            "TRANSFER-ENCODING",
            "Content-Lengths",
            "X-Content-Length",
            "Content-Type",
        ] {
            assert!(!is_framing_lookalike(name), "{name}");
        }
    }
}
