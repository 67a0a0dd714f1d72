//! The part of HTTP/1.1 that a WebSocket server needs (RFC 9112): heads of requests and responses,
//! bodies with a Content-Length, keep-alive.
//!
//! Where the RFCs let a recipient repair a malformed message, this parser refuses it: if a proxy
//! and a server understand a request differently, another request can be smuggled past the proxy.
//! httparse splits a head into its parts; where it is lenient, the head is checked again here. A
//! request with a chunked transfer coding is answered 501.

mod error;
mod field;
mod forwarded;
mod head;
mod request;
mod response;
mod response_head;
mod target;

pub use error::HttpError;
pub(crate) use field::is_token;
pub(super) use field::{has_token, is_token_byte, tokens};
pub(crate) use forwarded::{Scheme, told_client, told_scheme};
pub use head::{HEAD_BYTES_MAX_DEFAULT, HEADERS_MAX, HeadScanner, HeaderStorage, HttpLimits};
pub use request::Request;
pub use response::{Persistence, Response};
pub(super) use response_head::write_request_head;
pub use response_head::{ResponseHead, write_request};
