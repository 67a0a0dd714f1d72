//! A response (RFC 9112 section 4), built by the server and written in one piece.

use std::borrow::Cow;
use std::io::Write;

use ::http::StatusCode;

/// Whether the connection stays open after a response, and how the response says so (RFC 9112
/// section 9.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Persistence {
    /// The connection is closed: `Connection: close`.
    Close,
    /// The connection stays open, and no header says so: the default of HTTP/1.1.
    Implied,
    /// The connection stays open, and an HTTP/1.0 client must be told so: `Connection: keep-alive`.
    Said,
}

impl Persistence {
    /// Returns true if the connection stays open.
    #[must_use]
    pub const fn keeps_alive(self) -> bool {
        match self {
            Persistence::Close => false,
            Persistence::Implied | Persistence::Said => true,
        }
    }
}

/// A response to a plain HTTP request or a refused upgrade. It always has its whole body, and so a
/// Content-Length.
///
/// There is no Date (RFC 9110 section 6.6.1), because this layer has no clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, str>,
}

impl Response {
    /// Makes a response without a body.
    #[must_use]
    pub const fn new(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Cow::Borrowed("") }
    }

    /// Makes a response with plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Cow<'static, str>>) -> Response {
        Response::new(status).header("Content-Type", "text/plain; charset=utf-8").body(body)
    }

    /// Makes a response with JSON.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Cow<'static, str>>) -> Response {
        Response::new(status).header("Content-Type", "application/json").body(body)
    }

    /// Makes a response with an HTML page.
    #[must_use]
    pub fn html(status: u16, body: impl Into<Cow<'static, str>>) -> Response {
        Response::new(status).header("Content-Type", "text/html; charset=utf-8").body(body)
    }

    /// Sets the body and keeps the headers. Unlike `text`, `json` and `html` it sets no
    /// Content-Type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Cow<'static, str>>) -> Response {
        self.body = body.into();
        self
    }

    /// Adds a header. Content-Length and Connection must not be added: [`Response::encode`] writes
    /// them.
    ///
    /// A header whose value has a control character other than a tab is left out, because a line
    /// break in a value would let it add headers of its own (RFC 9110 section 5.5).
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        let value = value.into();
        if is_field_value(&value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Appends the response as it goes on the wire. `head_only`: it answers a HEAD, so the length
    /// of the body is sent but not the body (RFC 9110 section 9.3.2).
    pub fn encode(&self, out: &mut Vec<u8>, persistence: Persistence, head_only: bool) {
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(out, usize::from(self.status));
        out.push(b' ');
        out.extend_from_slice(reason_phrase(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.headers {
            write_header(out, name, value);
        }
        // RFC 9110 section 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection
        // option".
        let upgrade = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
        match (upgrade, persistence) {
            (true, Persistence::Implied) => write_header(out, "Connection", "upgrade"),
            (true, Persistence::Said) => write_header(out, "Connection", "upgrade, keep-alive"),
            (true, Persistence::Close) => write_header(out, "Connection", "upgrade, close"),
            (false, Persistence::Implied) => {}
            (false, Persistence::Said) => write_header(out, "Connection", "keep-alive"),
            (false, Persistence::Close) => write_header(out, "Connection", "close"),
        }
        // RFC 9110 section 8.6: a 204 has no Content-Length; and that of a 304 would have to be the
        // length of the 200 response's body.
        if !has_no_body(self.status) {
            out.extend_from_slice(b"Content-Length: ");
            write_number(out, self.body.len());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if !head_only && !has_no_body(self.status) {
            out.extend_from_slice(self.body.as_bytes());
        }
    }
}

/// Returns true if a header may have this value (RFC 9110 section 5.5).
pub(super) fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Appends `name: value` and the end of the line.
pub(super) fn write_header(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

pub(super) fn write_number(out: &mut Vec<u8>, number: usize) {
    // Writing into a vector does not fail.
    let _ = write!(out, "{number}");
}

/// Returns true for statuses whose responses have no body, whatever their headers say (RFC 9112
/// section 6.3).
pub(super) const fn has_no_body(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// Returns the reason phrase of RFC 9110 section 15; empty for a status that has none, as RFC 9112
/// section 4 permits.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        // RFC 9110 has changed these two phrases.
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => {
            StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: &Response, persistence: Persistence, head_only: bool) -> String {
        let mut out = Vec::new();
        response.encode(&mut out, persistence, head_only);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_a_whole_response() {
        let response = Response::json(201, String::from("{}")).header("Retry-After", "1");
        assert_eq!(
            encoded(&response, Persistence::Implied, false),
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn says_when_the_connection_ends() {
        assert_eq!(
            encoded(&Response::new(404), Persistence::Close, false),
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let upgrade = Response::new(426).header("Upgrade", "websocket");
        let connection = |persistence| {
            let text = encoded(&upgrade, persistence, false);
            let line = text.lines().find_map(|line| line.strip_prefix("Connection: "));
            line.map(str::to_owned)
        };
        assert_eq!(connection(Persistence::Close).as_deref(), Some("upgrade, close"));
        assert_eq!(connection(Persistence::Implied).as_deref(), Some("upgrade"));
        assert_eq!(connection(Persistence::Said).as_deref(), Some("upgrade, keep-alive"));
    }

    #[test]
    fn a_client_of_http_1_0_is_told_that_the_connection_stays() {
        assert_eq!(
            encoded(&Response::new(200), Persistence::Said, false),
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn the_answer_to_a_head_request_counts_the_body_and_leaves_it_out() {
        let text = encoded(&Response::text(200, "hello"), Persistence::Implied, true);
        assert!(text.ends_with("Content-Length: 5\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_status_without_a_body_has_neither_body_nor_length() {
        assert_eq!(
            encoded(&Response::new(204).body("x"), Persistence::Implied, false),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
    }

    #[test]
    fn a_value_with_a_line_break_is_left_out() {
        for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "a\u{7f}b"] {
            assert_eq!(Response::new(200).header("X", value), Response::new(200), "{value:?}");
        }
        assert_ne!(Response::new(200).header("X", "a\tb ü"), Response::new(200));
    }
}
