//! Publishing by POST: requests are sent as messages are due, without waiting for responses, and
//! the responses arrive in the order of the requests (pipelining, RFC 9112 section 9.3.2).
use std::io::Write as _;

use fanfare::protocol::{HeadScanner, HeaderStorage, HttpLimits, ResponseHead};

use super::ends::End;
use super::request::{Header, post_head};

/// A response with a longer body is refused, because no answer to a publish is so long.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// Parses the HTTP responses on one connection.
#[derive(Default)]
pub(crate) struct Responses {
    scanner: HeadScanner,
    /// Set while a body is being skipped: its response's status, and how many bytes are missing.
    body: Option<(u16, u64)>,
}

struct Head {
    status: u16,
    body_bytes: u64,
    /// The length of the head, without the body.
    bytes: usize,
}

impl Responses {
    /// Parses the front of `bytes`. Returns the number of bytes processed, and the status if they
    /// complete a response. If it returns zero and no status, call it again with the same bytes and
    /// more behind them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<u16>), (End, String)> {
        let (status, missing, head_bytes) = match self.body.take() {
            Some((status, missing)) => (status, missing, 0),
            None => match self.take_head(bytes)? {
                Some(Head { status, body_bytes, bytes }) => (status, body_bytes, bytes),
                None => return Ok((0, None)),
            },
        };
        let here = missing.min((bytes.len() - head_bytes) as u64);
        let taken = head_bytes + here as usize;
        if here < missing {
            self.body = Some((status, missing - here));
            return Ok((taken, None));
        }
        Ok((taken, Some(status)))
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<Option<Head>, (End, String)> {
        let invalid = |error: &dyn std::fmt::Display| (End::Protocol, error.to_string());
        let found = self
            .scanner
            .find_end(bytes, &HttpLimits::default())
            .map_err(|error| invalid(&error))?;
        let Some(head_bytes) = found else { return Ok(None) };
        self.scanner = HeadScanner::default();
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(&bytes[..head_bytes], &mut storage)
            .map_err(|error| invalid(&error))?;
        if head.header("transfer-encoding").is_some() {
            return Err(invalid(
                &"a response without Content-Length, which this client does not read",
            ));
        }
        let length = match head.header("content-length") {
            Some(text) => {
                text.parse().map_err(|_| invalid(&"a Content-Length that is no number"))?
            }
            None => 0,
        };
        if length > BODY_BYTES_MAX {
            return Err(invalid(&"a response longer than any answer to a publish"));
        }
        Ok(Some(Head { status: head.status(), body_bytes: length, bytes: head_bytes }))
    }
}

/// Builds the POST requests of one run, which differ only in their bodies.
pub(crate) struct Posts {
    /// The bytes of a request up to the value of Content-Length.
    head: Vec<u8>,
}

impl Posts {
    pub(crate) fn new(host: &str, path: &str, given: &[Header], is_text: bool) -> Posts {
        let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
        Posts { head: post_head(host, path, kind, given) }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        out.extend_from_slice(&self.head);
        write!(out, "{}\r\n\r\n", body.len()).expect("a vector takes everything");
        out.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_told_apart_however_they_are_cut() {
        let stream = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 202 \
                       Accepted\r\nContent-Length: 0\r\n\r\n";
        for chunk in [1, 2, 7, stream.len()] {
            let (mut responses, mut held, mut seen) =
                (Responses::default(), Vec::new(), Vec::new());
            for piece in stream.chunks(chunk) {
                held.extend_from_slice(piece);
                while let Ok((taken, status)) = responses.take(&held) {
                    held.drain(..taken);
                    seen.extend(status);
                    if taken == 0 || held.is_empty() {
                        break;
                    }
                }
            }
            assert_eq!(seen, [201, 202], "in pieces of {chunk}");
        }
    }

    #[test]
    fn a_post_has_the_length_of_its_body() {
        let mut out = Vec::new();
        Posts::new("a:1", "/news", &[Header::parse("X-Y: z").unwrap()], true)
            .write(&mut out, b"hello, all");
        let expected = "POST /news HTTP/1.1\r\nHost: a:1\r\nContent-Type: text/plain; \
                        charset=utf-8\r\nX-Y: z\r\n\
                        Content-Length: 10\r\n\r\nhello, all";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn refuses_what_it_does_not_read() {
        let error = |head: &[u8]| Responses::default().take(head).unwrap_err().0;
        assert_eq!(error(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), End::Protocol);
        assert_eq!(error(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), End::Protocol);
    }
}
