//! Where a head ends (RFC 9112 section 2.1), found while it arrives; and the storage into which its headers are parsed.

use std::mem::MaybeUninit;

use super::HttpError;
use super::field::is_token_byte;

/// The most header lines of one head. Browsers behind several proxies send about 30; each costs 32 bytes of stack here.
pub const HEADERS_MAX: usize = 64;

/// The default of [`HttpLimits::head_bytes_max`]: what nginx, Apache and Node take, too, in one buffer or line.
pub const HEAD_BYTES_MAX_DEFAULT: usize = 8 * 1024;

/// What a peer may send by HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// The largest head, from the first byte to the blank line that ends it. At most `u32::MAX`.
    pub head_bytes_max: usize,
    /// The largest body.
    pub body_bytes_max: usize,
}

impl Default for HttpLimits {
    /// 8 KiB for a head, and no body.
    fn default() -> HttpLimits {
        HttpLimits { head_bytes_max: HEAD_BYTES_MAX_DEFAULT, body_bytes_max: 0 }
    }
}

/// Finds the end of a head in bytes that arrive in pieces, and looks at each byte once.
///
/// It refuses at once, without waiting for the rest, what can never become a head: a first byte that begins no method
/// and no version (a TLS ClientHello, for one), and a line feed without its carriage return, with which some clients
/// would end the head and then wait for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeadScanner {
    /// Bytes at the front that have been looked at and do not end the head.
    scanned: u32,
}

impl HeadScanner {
    /// At the first byte of a head.
    #[must_use]
    pub const fn new() -> HeadScanner {
        HeadScanner { scanned: 0 }
    }

    /// The length of the head at the front of `bytes`, with the blank line that ends it; `None` while it is incomplete.
    /// Each call gets the bytes of the one before, and more after them. Once an end is found the scanner stands at the
    /// first byte of the next head.
    ///
    /// # Errors
    /// `RequestLineMalformed` for an impossible first byte, `LineEndMalformed` for a bare line feed, `TargetTooLong` or
    /// `HeadTooLarge` where the head goes on past the limit.
    pub fn find_end(&mut self, bytes: &[u8], limits: &HttpLimits) -> Result<Option<usize>, HttpError> {
        let within = &bytes[..bytes.len().min(limits.head_bytes_max)];
        // RFC 9112 section 2.2: one empty line in front of a request line is ignored, as old clients send one after a body.
        if let (0, Some(&first)) = (self.scanned, within.first())
            && !(is_token_byte(first) || first == b'\r' || first == b'\n')
        {
            return Err(HttpError::RequestLineMalformed);
        }
        let scanned = self.scanned as usize;
        for offset in memchr::memchr_iter(b'\n', &within[scanned..]) {
            let (line, end) = (&within[..scanned + offset], scanned + offset + 1);
            let Some(line) = line.strip_suffix(b"\r") else { return Err(HttpError::LineEndMalformed) };
            if line.last() == Some(&b'\n') {
                self.scanned = 0;
                return Ok(Some(end));
            }
        }
        if bytes.len() < limits.head_bytes_max {
            debug_assert!(u32::try_from(limits.head_bytes_max).is_ok(), "a head of more than 4 GiB");
            self.scanned = within.len() as u32;
            return Ok(None);
        }
        let line_ends = memchr::memchr(b'\n', within.strip_prefix(b"\r\n").unwrap_or(within)).is_some();
        Err(if line_ends { HttpError::HeadTooLarge } else { HttpError::TargetTooLong })
    }
}

/// Room for the headers of one head, to be put on the stack just before it is parsed. Making one costs nothing.
#[derive(Debug)]
pub struct HeaderStorage<'a> {
    pub(super) headers: [MaybeUninit<httparse::Header<'a>>; HEADERS_MAX],
}

impl HeaderStorage<'_> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        HeaderStorage { headers: [const { MaybeUninit::uninit() }; HEADERS_MAX] }
    }
}

impl Default for HeaderStorage<'_> {
    fn default() -> Self {
        HeaderStorage::new()
    }
}

/// Every line of a complete head ends with CR LF: httparse would take a line feed alone (RFC 9112 section 2.2 permits
/// that, and proxies differ in it).
pub(super) fn check_line_ends(head: &[u8]) -> Result<(), HttpError> {
    let bare = |line_feed: usize| line_feed == 0 || head[line_feed - 1] != b'\r';
    if memchr::memchr_iter(b'\n', head).any(bare) { Err(HttpError::LineEndMalformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HttpLimits = HttpLimits { head_bytes_max: 64, body_bytes_max: 0 };

    #[test]
    fn finds_the_blank_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut scanner = HeadScanner::new();
        let mut input = head.to_vec();
        input.extend_from_slice(b"rest\r\n\r\n");
        assert_eq!(scanner.find_end(&input, &LIMITS), Ok(Some(head.len())));
        assert_eq!(scanner, HeadScanner::new());
    }
}
