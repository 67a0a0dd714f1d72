//! The part of HTTP that a client needs: writing a request, and parsing the head of the response
//! (RFC 9112 sections 3 and 4).

use super::field::{content_length, find, find_all, find_bytes, pairs, value};
use super::head::check_line_ends;
use super::response::{has_no_body, is_field_value, write_header, write_number};
use super::{HeaderStorage, HttpError};

/// The head of a response, borrowed from the bytes it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    status: u16,
    body_bytes: Option<usize>,
    headers: &'a [httparse::Header<'a>],
}

impl<'a> ResponseHead<'a> {
    /// Parses exactly one head, whose end [`HeadScanner`](super::HeadScanner) has found.
    ///
    /// # Errors
    /// An [`HttpError`] that names the broken rule.
    pub fn parse(
        head: &'a [u8],
        storage: &'a mut HeaderStorage<'a>,
    ) -> Result<ResponseHead<'a>, HttpError> {
        check_line_ends(head)?;
        // Empty lines are refused here, because httparse would ignore any number of them.
        if head.starts_with(b"\r") {
            return Err(HttpError::StatusLineMalformed);
        }
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            head,
            &mut storage.headers,
        )?;
        let (httparse::Status::Complete(length), Some(status)) = (status, parsed.code) else {
            return Err(HttpError::StatusLineMalformed);
        };
        if length != head.len() {
            return Err(HttpError::LineEndMalformed);
        }
        let headers: &'a [httparse::Header<'a>] = parsed.headers;
        Ok(ResponseHead { status, body_bytes: body_bytes(status, headers)?, headers })
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the value of the first header of this name (case is ignored), without surrounding
    /// white space. A value that is not UTF-8 reads as U+FFFD, the replacement character.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        find(self.headers, name)
    }

    /// Returns the value of each header of this name (case is ignored), read as by
    /// [`header`](Self::header).
    pub fn header_lines(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        find_all(self.headers, name)
    }

    /// Returns the value of the first header of this name as it was sent.
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&'a [u8]> {
        find_bytes(self.headers, name)
    }

    /// Returns the name and value of each header, in the order in which they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        pairs(self.headers)
    }

    /// Returns the length of the body. `None`: the body ends with the connection, or has a transfer
    /// coding, which is not decoded here. (The answer to a HEAD never has a body.)
    #[must_use]
    pub const fn body_bytes(&self) -> Option<usize> {
        self.body_bytes
    }
}

/// Returns the length of the body by RFC 9112 section 6.3; `None`: the head does not say it.
fn body_bytes(status: u16, headers: &[httparse::Header<'_>]) -> Result<Option<usize>, HttpError> {
    let mut length = None;
    let mut transfer_encoding = false;
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            if length.is_some() {
                return Err(HttpError::HeaderRepeated);
            }
            length = Some(content_length(value(header))?);
        }
        transfer_encoding |= header.name.eq_ignore_ascii_case("transfer-encoding");
    }
    match (has_no_body(status), transfer_encoding) {
        (true, _) => Ok(Some(0)),
        (false, true) if length.is_some() => Err(HttpError::FramingAmbiguous),
        (false, true) => Ok(None),
        (false, false) => Ok(length),
    }
}

/// Appends a whole request, not an upgrade: request line, Host, `headers`, Content-Length, body.
///
/// # Panics
/// In debug builds, if an argument has a byte that would break the syntax: arguments come from this
/// program, never from a peer.
pub fn write_request(
    out: &mut Vec<u8>,
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) {
    write_request_head(out, method, host, target, headers);
    if !body.is_empty() || method == "POST" || method == "PUT" {
        out.extend_from_slice(b"Content-Length: ");
        write_number(out, body.len());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Appends the head of a request without the blank line that ends it, so that headers may follow.
pub(in super::super) fn write_request_head(
    out: &mut Vec<u8>,
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
) {
    let is_word = |word: &str| !word.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
    debug_assert!(
        is_word(method) && is_word(host) && is_word(target),
        "a request line is three words"
    );
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    write_header(out, "Host", host);
    for (name, value) in headers {
        debug_assert!(
            super::is_token(name) && is_field_value(value),
            "{name} would not be one header"
        );
        write_header(out, name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<(u16, Option<usize>), HttpError> {
        let mut storage = HeaderStorage::new();
        ResponseHead::parse(head.as_bytes(), &mut storage)
            .map(|response| (response.status(), response.body_bytes()))
    }

    #[test]
    fn reads_status_and_length() {
        assert_eq!(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Ok((200, Some(5))));
        assert_eq!(parse("HTTP/1.0 404 Not Found\r\n\r\n"), Ok((404, None)));
        assert_eq!(parse("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"), Ok((200, None)));
        assert_eq!(parse("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Ok((101, Some(0))));
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n"), Ok((204, Some(0))));
    }

    #[test]
    fn refuses_what_two_readers_may_read_differently() {
        for (head, error) in [
            ("HTTP/2 200 OK\r\n\r\n", HttpError::VersionUnsupported),
            ("HTTP/1.1 20 OK\r\n\r\n", HttpError::StatusLineMalformed),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", HttpError::StatusLineMalformed),
            ("HTTP/1.1 200 OK\nA: b\r\n\r\n", HttpError::LineEndMalformed),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", HttpError::StatusLineMalformed),
            ("HTTP/1.1 200 OK\r\n\r\n\r\n", HttpError::LineEndMalformed),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HttpError::HeaderNameMalformed),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HttpError::HeaderNameMalformed),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                HttpError::HeaderRepeated,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", HttpError::ContentLengthMalformed),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                HttpError::FramingAmbiguous,
            ),
        ] {
            assert_eq!(parse(head), Err(error), "{head:?}");
        }
    }

    #[test]
    fn writes_a_request_that_the_server_reads() {
        let mut out = Vec::new();
        write_request(
            &mut out,
            "POST",
            "localhost:8080",
            "/news",
            &[("Content-Type", "text/plain")],
            b"hello",
        );
        let expected = "POST /news HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: text/plain\r\n\
                        Content-Length: 5\r\n\r\nhello";
        assert_eq!(std::str::from_utf8(&out), Ok(expected));
        let mut storage = HeaderStorage::new();
        let head = &out[..out.len() - 5];
        let request = crate::protocol::Request::parse(head, &mut storage).unwrap();
        assert_eq!((request.method(), request.path(), request.body_bytes()), ("POST", "/news", 5));
    }
}
