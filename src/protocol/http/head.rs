//! Finds the end of a head (RFC 9112 section 2.1) while the head arrives; and the storage for its
//! parsed headers.

use std::mem::MaybeUninit;

use super::HttpError;
use super::field::is_token_byte;

/// The most header lines of one head: as many as Apache accepts. Browsers behind several proxies
/// send about 30. Each line costs 32 bytes of stack here.
pub const HEADERS_MAX: usize = 100;

/// The default of [`HttpLimits::head_bytes_max`], the same as in Node. Cookies of other programs
/// under the same host name can alone take more than 8 KiB.
pub const HEAD_BYTES_MAX_DEFAULT: usize = 16 * 1024;

/// Limits on what a peer may send over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// The largest head, from the first byte to the blank line that ends it. At most `u32::MAX`.
    pub head_bytes_max: usize,
    /// The largest body.
    pub body_bytes_max: usize,
}

impl Default for HttpLimits {
    /// 16 KiB for a head, and no body.
    fn default() -> HttpLimits {
        HttpLimits { head_bytes_max: HEAD_BYTES_MAX_DEFAULT, body_bytes_max: 0 }
    }
}

/// Finds the end of a head in bytes that arrive in pieces. It looks at each byte once.
///
/// It refuses immediately what can never become a head: a first byte that begins neither a method
/// nor a version (such as that of a TLS ClientHello), and a line feed without a carriage return,
/// after which a client might wait for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeadScanner {
    /// Bytes at the front that have been scanned and do not end the head.
    scanned: u32,
}

impl HeadScanner {
    /// Makes a scanner that starts at the first byte of a head.
    #[must_use]
    pub const fn new() -> HeadScanner {
        HeadScanner { scanned: 0 }
    }

    /// Returns the length of the head at the front of `bytes`, including the blank line that ends
    /// it; `None` while it is incomplete. Each call must pass the bytes of the previous call,
    /// followed by new ones. Once an end has been found, the scanner is ready for the next head.
    ///
    /// # Errors
    /// `RequestLineMalformed` for an impossible first byte, `LineEndMalformed` for a bare line
    /// feed, `TargetTooLong` or `HeadTooLarge` if the head exceeds the limit.
    pub fn find_end(
        &mut self,
        bytes: &[u8],
        limits: &HttpLimits,
    ) -> Result<Option<usize>, HttpError> {
        let within = &bytes[..bytes.len().min(limits.head_bytes_max)];
        // RFC 9112 section 2.2: one empty line in front of a request line is ignored, because old
        // clients send one after a body.
        if let (0, Some(&first)) = (self.scanned, within.first())
            && !(is_token_byte(first) || first == b'\r' || first == b'\n')
        {
            return Err(HttpError::RequestLineMalformed);
        }
        let scanned = self.scanned as usize;
        for offset in memchr::memchr_iter(b'\n', &within[scanned..]) {
            let (line, end) = (&within[..scanned + offset], scanned + offset + 1);
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(HttpError::LineEndMalformed);
            };
            if line.last() == Some(&b'\n') {
                self.scanned = 0;
                return Ok(Some(end));
            }
        }
        if bytes.len() < limits.head_bytes_max {
            debug_assert!(
                u32::try_from(limits.head_bytes_max).is_ok(),
                "a head of more than 4 GiB"
            );
            self.scanned = within.len() as u32;
            return Ok(None);
        }
        let line_ends =
            memchr::memchr(b'\n', within.strip_prefix(b"\r\n").unwrap_or(within)).is_some();
        Err(if line_ends { HttpError::HeadTooLarge } else { HttpError::TargetTooLong })
    }
}

/// Room for the headers of one head, on the stack. Making it is free: it starts uninitialized.
#[derive(Debug)]
pub struct HeaderStorage<'a> {
    pub(super) headers: [MaybeUninit<httparse::Header<'a>>; HEADERS_MAX],
}

impl HeaderStorage<'_> {
    /// Makes an empty storage.
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

/// Checks that every line of a complete head ends with CR LF. httparse accepts a line feed alone
/// (RFC 9112 section 2.2 permits that), but not every proxy does: the two could then disagree about
/// where a line ends.
pub(super) fn check_line_ends(head: &[u8]) -> Result<(), HttpError> {
    let bare = |line_feed: usize| line_feed == 0 || head[line_feed - 1] != b'\r';
    if memchr::memchr_iter(b'\n', head).any(bare) {
        Err(HttpError::LineEndMalformed)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HttpLimits = HttpLimits { head_bytes_max: 64, body_bytes_max: 0 };

    /// A naive scanner that the tests compare with the real one: it gets the whole input in one
    /// call, and checks each rule separately.
    fn naive(bytes: &[u8], limits: &HttpLimits) -> Result<Option<usize>, HttpError> {
        let within = &bytes[..bytes.len().min(limits.head_bytes_max)];
        if within
            .first()
            .is_some_and(|&first| !is_token_byte(first) && first != b'\r' && first != b'\n')
        {
            return Err(HttpError::RequestLineMalformed);
        }
        let end = (0..within.len()).find(|&end| within[..end].ends_with(b"\r\n\r\n"));
        let end = end.or(within.ends_with(b"\r\n\r\n").then_some(within.len()));
        let head = &within[..end.unwrap_or(within.len())];
        if head
            .iter()
            .enumerate()
            .any(|(at, &byte)| byte == b'\n' && (at == 0 || head[at - 1] != b'\r'))
        {
            return Err(HttpError::LineEndMalformed);
        }
        match end {
            Some(end) => Ok(Some(end)),
            None if bytes.len() < limits.head_bytes_max => Ok(None),
            None if head.iter().enumerate().any(|(at, &byte)| byte == b'\n' && at != 1) => {
                Err(HttpError::HeadTooLarge)
            }
            None => Err(HttpError::TargetTooLong),
        }
    }

    /// Passes the scanner prefixes of `bytes`, each `step` bytes longer, until it has a result.
    fn scan(
        bytes: &[u8],
        limits: &HttpLimits,
        steps: impl IntoIterator<Item = usize>,
    ) -> Result<Option<usize>, HttpError> {
        let mut scanner = HeadScanner::new();
        let mut end = 0;
        for step in steps {
            end = bytes.len().min(end + step);
            if let Some(head) = scanner.find_end(&bytes[..end], limits)? {
                assert_eq!(scanner, HeadScanner::new());
                return Ok(Some(head));
            }
        }
        scanner.find_end(bytes, limits)
    }

    fn check(bytes: &[u8]) -> Result<Option<usize>, HttpError> {
        let expected = naive(bytes, &LIMITS);
        assert_eq!(scan(bytes, &LIMITS, []), expected, "whole: {}", bytes.escape_ascii());
        for step in 1..=bytes.len() {
            let found = scan(bytes, &LIMITS, std::iter::repeat_n(step, bytes.len()));
            assert_eq!(found, expected, "by {step}: {}", bytes.escape_ascii());
        }
        expected
    }

    #[test]
    fn finds_the_blank_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(check(head), Ok(Some(head.len())));
        assert_eq!(check(&[&head[..], b"a\nbody\r\n\r\n"].concat()), Ok(Some(head.len())));
        assert_eq!(check(&head[..head.len() - 1]), Ok(None));
        assert_eq!(check(b""), Ok(None));
    }

    #[test]
    fn one_empty_line_in_front_belongs_to_the_head() {
        assert_eq!(check(b"\r\nGET / HTTP/1.1\r\n\r\nx"), Ok(Some(20)));
        assert_eq!(check(b"\r\n\r\nGET"), Ok(Some(4)), "two are a head, which is then no request");
    }

    #[test]
    fn refuses_at_once_what_can_never_become_a_head() {
        assert_eq!(
            check(b"\x16\x03\x01\x02\x00"),
            Err(HttpError::RequestLineMalformed),
            "a TLS ClientHello"
        );
        assert_eq!(check(b"\0"), Err(HttpError::RequestLineMalformed));
        assert_eq!(check(b"GET / HTTP/1.1\n"), Err(HttpError::LineEndMalformed));
        assert_eq!(check(b"\n"), Err(HttpError::LineEndMalformed));
    }

    #[test]
    fn a_head_that_goes_on_past_the_limit_is_too_large_and_a_first_line_that_does_too_long() {
        let head = |target: usize, value: usize| {
            format!("GET /{} HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(target), "b".repeat(value))
                .into_bytes()
        };
        let spare = LIMITS.head_bytes_max - head(0, 0).len();
        assert_eq!(check(&head(0, spare)), Ok(Some(LIMITS.head_bytes_max)));
        assert_eq!(check(&head(0, spare + 1)), Err(HttpError::HeadTooLarge));
        assert_eq!(check(&head(LIMITS.head_bytes_max, 0)), Err(HttpError::TargetTooLong));
        assert_eq!(
            check(&[b"\r\n", &head(LIMITS.head_bytes_max, 0)[..]].concat()),
            Err(HttpError::TargetTooLong)
        );
    }

    const PIECES: &[&str] = &["a", "a: b", "\r\n", "\r\n", "\r", "\n", " ", "\0"];

    proptest! {
        #[test]
        fn agrees_with_the_twin_however_it_is_cut(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24),
            steps in prop::collection::vec(0..20_usize, 0..8),
        ) {
            let bytes = pieces.concat().into_bytes();
            prop_assert_eq!(scan(&bytes, &LIMITS, steps), check(&bytes));
        }
    }
}
