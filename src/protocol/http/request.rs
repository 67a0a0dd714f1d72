//! A strict parser for the head of a request (RFC 9112 section 3).

use super::field::{
    ConnectionOptions, content_length, find, find_all, find_bytes, has_token, is_framing_lookalike,
    is_same_name, pairs, value,
};
use super::head::check_line_ends;
use super::target::{Target, is_host};
use super::{HeaderStorage, HttpError, HttpLimits, Persistence};

/// Headers that may appear only once: if there are two, some programs use the first and some the
/// last. The RFCs demand it for the first four (9112 section 3.2, 9110 section 8.6, 6455 sections
/// 11.3.1 and 11.3.5); the others are not lists (9110 section 5.3).
const SINGLE: [&str; 8] = [
    "host",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
    "origin",
    "authorization",
    "content-type",
    "expect",
];

/// The head of a request, borrowed from the bytes it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    method: &'a str,
    raw_target: &'a str,
    target: Target<'a>,
    host: Option<&'a str>,
    http_11: bool,
    persistence: Persistence,
    body_bytes: usize,
    expects_continue: bool,
    wants_websocket: bool,
    connection_upgrade: bool,
    headers: &'a [httparse::Header<'a>],
}

impl<'a> Request<'a> {
    /// Parses exactly one head, whose end [`HeadScanner`](super::HeadScanner) has found.
    ///
    /// It refuses what RFC 9112 lets a server refuse: lines that end without CR (section 2.2),
    /// Content-Length in a list of equal numbers (section 6.3), and a Host that differs from an
    /// absolute-form target (section 3.2.2). It accepts one empty line in front of the request line
    /// (section 2.2), any bytes above 127 in header values (RFC 9110 section 5.5), and in the
    /// target UTF-8 and the visible ASCII characters that RFC 3986 excludes (`"<>\^`` ` ``{|}`), as
    /// browsers send some of them.
    ///
    /// # Errors
    /// An [`HttpError`] that names the broken rule.
    pub fn parse(
        head: &'a [u8],
        storage: &'a mut HeaderStorage<'a>,
    ) -> Result<Request<'a>, HttpError> {
        check_line_ends(head)?;
        // One empty line is ignored here, because httparse would ignore any number of them.
        let head = head.strip_prefix(b"\r\n").unwrap_or(head);
        if head.starts_with(b"\r") {
            return Err(HttpError::RequestLineMalformed);
        }
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed.parse_with_uninit_headers(head, &mut storage.headers)?;
        let (httparse::Status::Complete(length), Some(method), Some(raw_target), Some(version)) =
            (status, parsed.method, parsed.path, parsed.version)
        else {
            return Err(HttpError::RequestLineMalformed);
        };
        if length != head.len() {
            return Err(HttpError::LineEndMalformed);
        }
        let headers: &'a [httparse::Header<'a>] = parsed.headers;
        let found = Found::scan(headers)?;
        let http_11 = version == 1;
        let target = Target::parse(raw_target)?;
        Ok(Request {
            method,
            raw_target,
            target,
            host: found.check_host(&target, http_11)?,
            http_11,
            persistence: found.persistence(http_11),
            body_bytes: found.check_body(http_11)?,
            expects_continue: found.check_expect(http_11)?,
            // RFC 9110 section 7.8: "A server MUST ignore an Upgrade header field that is received
            // in an HTTP/1.0 request."
            wants_websocket: http_11 && found.upgrade_websocket,
            connection_upgrade: found.connection.upgrade,
            headers,
        })
    }

    /// Returns the method as it was sent: methods are case-sensitive (RFC 9110 section 9.1).
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Returns the target as it was sent, in origin-form or absolute-form.
    #[must_use]
    pub const fn target(&self) -> &'a str {
        self.raw_target
    }

    /// Returns the path, which begins with a slash; percent-encoded, as it was sent.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.target.path
    }

    /// Returns the text after the first question mark of the target, percent-encoded, as it was
    /// sent.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.target.query
    }

    /// Returns the value of the first header of this name (case is ignored), without surrounding
    /// white space. Headers that decide how a request is handled (Host, Origin, Authorization, …)
    /// appear at most once. A value that is not UTF-8 reads as U+FFFD, the replacement character;
    /// [`header_bytes`](Self::header_bytes) returns it as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        find(self.headers, name)
    }

    /// Returns the value of the first header of this name as it was sent. Bytes above 127 may stand
    /// for anything (RFC 9110 section 5.5): in a `Cookie`, for example, each cookie has an encoding
    /// of its own.
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&'a [u8]> {
        find_bytes(self.headers, name)
    }

    /// Returns the value of each header of this name (case is ignored), for lists that are spread
    /// over several lines; read as by [`header`](Self::header).
    pub fn header_lines(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        find_all(self.headers, name)
    }

    /// Returns the name and value of each header, in the order in which they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        pairs(self.headers)
    }

    /// Returns the host, with an optional port, that the client addresses: from Host, or from an
    /// absolute-form target. An HTTP/1.1 request always has one.
    #[must_use]
    pub const fn host(&self) -> Option<&'a str> {
        self.host
    }

    /// Returns true for HTTP/1.1, false for HTTP/1.0.
    #[must_use]
    pub const fn is_http_11(&self) -> bool {
        self.http_11
    }

    /// Returns true if a further request may follow on this connection (RFC 9112 section 9.3).
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.persistence.keeps_alive()
    }

    /// Returns whether a further request may follow, and how the response must say it.
    #[must_use]
    pub const fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Returns the length of the body that follows the head: Content-Length, or 0 (RFC 9112 section
    /// 6.3).
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Returns the length of the body if it is within the limit.
    ///
    /// # Errors
    /// `BodyTooLarge`.
    pub const fn body_bytes_within(&self, limits: &HttpLimits) -> Result<usize, HttpError> {
        if self.body_bytes > limits.body_bytes_max {
            Err(HttpError::BodyTooLarge)
        } else {
            Ok(self.body_bytes)
        }
    }

    /// Returns true if the client sends its body only after a `100 Continue` (RFC 9110 section
    /// 10.1.1).
    #[must_use]
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Returns true if the request is HTTP/1.1 and Upgrade names websocket;
    /// [`check_upgrade`](crate::protocol::check_upgrade) checks the rest of the handshake.
    #[must_use]
    pub const fn wants_websocket(&self) -> bool {
        self.wants_websocket
    }

    /// Returns true if Connection names upgrade (RFC 6455 section 4.2.1, item 4).
    pub(in super::super) const fn connection_names_upgrade(&self) -> bool {
        self.connection_upgrade
    }
}

/// The headers that decide how the request is read, found in one pass over all headers.
#[derive(Default)]
struct Found<'a> {
    /// One bit for each header of [`SINGLE`] that has been seen.
    seen: u8,
    host: Option<&'a str>,
    content_length: Option<&'a str>,
    expect: Option<&'a str>,
    transfer_encoding: bool,
    connection: ConnectionOptions,
    upgrade_websocket: bool,
}

impl<'a> Found<'a> {
    fn scan(headers: &[httparse::Header<'a>]) -> Result<Found<'a>, HttpError> {
        let mut found = Found::default();
        for header in headers {
            let name = header.name;
            if let Some(index) = SINGLE.iter().position(|single| is_same_name(name, single)) {
                let bit = 1 << index;
                if found.seen & bit != 0 {
                    return Err(HttpError::HeaderRepeated);
                }
                found.seen |= bit;
            }
            if is_same_name(name, "host") {
                found.host = Some(value(header));
            } else if is_same_name(name, "content-length") {
                found.content_length = Some(value(header));
            } else if is_same_name(name, "expect") {
                found.expect = Some(value(header));
            } else if is_same_name(name, "transfer-encoding") {
                found.transfer_encoding = true;
            } else if is_same_name(name, "connection") {
                found.connection.add(header.value);
            } else if is_same_name(name, "upgrade") {
                found.upgrade_websocket |= has_token(header.value, b"websocket");
            } else if is_framing_lookalike(name) {
                return Err(HttpError::HeaderLookalike);
            }
        }
        Ok(found)
    }

    /// Returns whether the connection persists. RFC 9112 section 9.3: in HTTP/1.1 it does unless
    /// `close` is sent; in HTTP/1.0 only if the client asks for it and the server agrees.
    fn persistence(&self, http_11: bool) -> Persistence {
        match (self.connection.close, http_11, self.connection.keep_alive) {
            (true, _, _) | (false, false, false) => Persistence::Close,
            (false, true, _) => Persistence::Implied,
            (false, false, true) => Persistence::Said,
        }
    }

    /// Returns Host, or else the authority of the target. RFC 9112 section 3.2: "A server MUST
    /// respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
    /// Host header field and to any request message that contains more than one Host header field
    /// line or a Host header field with an invalid field value."
    ///
    /// Section 3.2.2 lets the authority of an absolute-form target override Host. A request in
    /// which the two differ is refused, because a proxy in front may have used Host.
    fn check_host(&self, target: &Target<'a>, http_11: bool) -> Result<Option<&'a str>, HttpError> {
        match (self.host, target.authority) {
            (None, _) if http_11 => Err(HttpError::HostMissing),
            (Some(host), _) if !is_host(host) => Err(HttpError::HostMalformed),
            (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
                Err(HttpError::HostConflict)
            }
            (host, authority) => Ok(host.or(authority)),
        }
    }

    /// Returns the length of the body; 0 if there is none (RFC 9112 sections 6.1 and 6.3).
    fn check_body(&self, http_11: bool) -> Result<usize, HttpError> {
        match (self.transfer_encoding, self.content_length) {
            // "A server MAY reject a request that contains both Content-Length and
            // Transfer-Encoding"; and with HTTP/1.0 it "MUST treat the message as if the framing is
            // faulty".
            (true, Some(_)) => Err(HttpError::FramingAmbiguous),
            (true, None) if !http_11 => Err(HttpError::FramingAmbiguous),
            // "A server that receives a request message with a transfer coding it does not
            // understand SHOULD respond with 501".
            (true, None) => Err(HttpError::TransferEncodingUnsupported),
            (false, Some(value)) => content_length(value),
            (false, None) => Ok(0),
        }
    }

    /// Returns true if the client waits for a `100 Continue`. RFC 9110 section 10.1.1: any other
    /// expectation may be answered 417, and in HTTP/1.0 a server "MUST ignore" 100-continue.
    fn check_expect(&self, http_11: bool) -> Result<bool, HttpError> {
        match self.expect {
            Some(_) if !http_11 => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("100-continue") => Ok(true),
            Some(_) => Err(HttpError::ExpectationFailed),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
