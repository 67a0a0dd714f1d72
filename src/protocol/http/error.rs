//! Errors in the head of a request or response, and the status that reports each (RFC 9110 section
//! 15).

use std::fmt;

/// Why a head is refused. The connection is closed after the answer, because it is unclear where
/// the next request would begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpError {
    /// The head is longer than [`HttpLimits::head_bytes_max`](super::HttpLimits::head_bytes_max).
    HeadTooLarge,
    /// The first line alone is longer than `head_bytes_max`.
    TargetTooLong,
    /// There are more than [`HEADERS_MAX`](super::HEADERS_MAX) header lines.
    TooManyHeaders,
    /// The bytes cannot be HTTP, or there is no valid method (RFC 9112 section 3).
    RequestLineMalformed,
    /// The target is not in origin-form or absolute-form, or has a byte that is not allowed in a
    /// target (RFC 9112 section 3.2).
    TargetMalformed,
    /// The version is neither HTTP/1.1 nor HTTP/1.0 (RFC 9112 section 2.3).
    VersionUnsupported,
    /// The status line of a response is malformed (RFC 9112 section 4).
    StatusLineMalformed,
    /// There is a line feed without a carriage return, or a carriage return without a line feed
    /// (RFC 9112 section 2.2).
    LineEndMalformed,
    /// A header name is not a token, there is white space in front of the colon, or a line is
    /// folded (RFC 9112 section 5).
    HeaderNameMalformed,
    /// A header value has a control character (RFC 9110 section 5.5).
    HeaderValueMalformed,
    /// A header that is allowed once only is repeated (RFC 9110 section 5.3).
    HeaderRepeated,
    /// A header name that some implementations take for Content-Length or Transfer-Encoding and
    /// others do not.
    HeaderLookalike,
    /// An HTTP/1.1 request has no Host (RFC 9112 section 3.2).
    HostMissing,
    /// Host is not a host with an optional port (RFC 9110 section 7.2).
    HostMalformed,
    /// The target is in absolute-form and its host differs from Host (RFC 9112 section 3.2.2).
    HostConflict,
    /// Content-Length is not exactly one number (RFC 9110 section 8.6).
    ContentLengthMalformed,
    /// There is a Transfer-Encoding together with a Content-Length, or in HTTP/1.0 (RFC 9112
    /// section 6.1).
    FramingAmbiguous,
    /// There is a Transfer-Encoding: this server supports none (RFC 9112 section 6.1).
    TransferEncodingUnsupported,
    /// The body is larger than [`HttpLimits::body_bytes_max`](super::HttpLimits::body_bytes_max).
    BodyTooLarge,
    /// Expect has another value than 100-continue (RFC 9110 section 10.1.1).
    ExpectationFailed,
}

impl HttpError {
    /// Returns the status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            HttpError::RequestLineMalformed
            | HttpError::TargetMalformed
            | HttpError::VersionUnsupported
            | HttpError::StatusLineMalformed
            | HttpError::LineEndMalformed
            | HttpError::HeaderNameMalformed
            | HttpError::HeaderValueMalformed
            | HttpError::HeaderRepeated
            | HttpError::HeaderLookalike
            | HttpError::HostMissing
            | HttpError::HostMalformed
            | HttpError::HostConflict
            | HttpError::ContentLengthMalformed
            | HttpError::FramingAmbiguous => 400,
            HttpError::BodyTooLarge => 413,
            HttpError::TargetTooLong => 414,
            HttpError::ExpectationFailed => 417,
            HttpError::HeadTooLarge | HttpError::TooManyHeaders => 431,
            HttpError::TransferEncodingUnsupported => 501,
        }
    }

    /// Returns the body of the answer, as `Display` writes it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            HttpError::HeadTooLarge => "the request head is too large",
            HttpError::TargetTooLong => "the request target is too long",
            HttpError::TooManyHeaders => "too many header lines",
            HttpError::RequestLineMalformed => "malformed request line",
            HttpError::TargetMalformed => "malformed request target",
            HttpError::VersionUnsupported => "only HTTP/1.1 and HTTP/1.0 are spoken here",
            HttpError::StatusLineMalformed => "malformed status line",
            HttpError::LineEndMalformed => "lines end with CR LF",
            HttpError::HeaderNameMalformed => "malformed header name",
            HttpError::HeaderValueMalformed => "malformed header value",
            HttpError::HeaderRepeated => "a header that may stand only once is repeated",
            HttpError::HeaderLookalike => {
                "a header looks like Content-Length or Transfer-Encoding and is not"
            }
            HttpError::HostMissing => "Host is missing",
            HttpError::HostMalformed => "Host is malformed",
            HttpError::HostConflict => "the request target and Host name different hosts",
            HttpError::ContentLengthMalformed => "Content-Length is not a number",
            HttpError::FramingAmbiguous => {
                "Transfer-Encoding leaves the length of the body in doubt"
            }
            HttpError::TransferEncodingUnsupported => {
                "Transfer-Encoding is not supported: send the body with a Content-Length"
            }
            HttpError::BodyTooLarge => "the body is too large",
            HttpError::ExpectationFailed => "only the expectation 100-continue can be met",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for HttpError {}

impl From<httparse::Error> for HttpError {
    fn from(error: httparse::Error) -> HttpError {
        match error {
            httparse::Error::HeaderName => HttpError::HeaderNameMalformed,
            httparse::Error::HeaderValue => HttpError::HeaderValueMalformed,
            httparse::Error::NewLine => HttpError::LineEndMalformed,
            httparse::Error::Status => HttpError::StatusLineMalformed,
            httparse::Error::Token => HttpError::RequestLineMalformed,
            httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
            httparse::Error::Version => HttpError::VersionUnsupported,
        }
    }
}
