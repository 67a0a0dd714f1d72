//! What pages of other origins may do by HTTP (CORS, the Fetch standard section 3.3): the headers
//! that let a browser show such a page an answer, or send what the page asks for.
//!
//! A page that may connect by a WebSocket may use HTTP too. Whether a request is allowed is decided
//! elsewhere; these headers only say what a page may see. They are on refusals as well, so that the
//! page can read why. There is none about private networks, for which browsers ask the user.

use crate::protocol::{Request, Response, Scheme};
use crate::reactor::ResponseHeaders;

use super::options::BroadcastOptions;
use super::origin;

/// The longest origin that is repeated in an answer: that of the longest name of a host fits.
const ORIGIN_BYTES_MAX: usize = 300;

/// How long a browser may remember that it has asked, in seconds. Two hours is what Chromium takes
/// at most. The request itself is checked in any case.
const REMEMBERED_SECONDS: &str = "7200";

/// Returns the headers for whatever answers a request; none if no page has sent it, or if it is not
/// about a channel. `scheme`: that of the URL that was asked for, if known.
pub(crate) fn response_headers(
    options: &BroadcastOptions,
    scheme: Option<Scheme>,
    request: &Request<'_>,
) -> Option<ResponseHeaders> {
    let origin = request.header("Origin")?;
    if request.path() == "/" || request.path().starts_with("/-/") {
        return None;
    }
    let headers = ResponseHeaders::new().with("Vary", "Origin");
    let (allowed, host) = (&options.allowed_origins, request.host());
    let is_allowed = origin.len() <= ORIGIN_BYTES_MAX
        && origin::origin_is_allowed(allowed, Some(origin), host, scheme);
    if !is_allowed {
        return Some(headers);
    }
    // Credentials, which a browser adds by itself, are for pages that are allowed by name. Those
    // that only `*` allows are the pages of strangers.
    let headers = match origin::origin_is_named(allowed, Some(origin), host, scheme) {
        true => headers
            .with("Access-Control-Allow-Origin", origin.to_owned())
            .with("Access-Control-Allow-Credentials", "true"),
        false => headers.with("Access-Control-Allow-Origin", "*"),
    };
    Some(match request.method() {
        "OPTIONS" => headers,
        _ => headers.with("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate"),
    })
}

/// Returns true if a browser asks whether a page may send a request.
pub(crate) fn is_preflight(request: &Request<'_>) -> bool {
    request.method() == "OPTIONS"
        && request.header("Origin").is_some()
        && request.header("Access-Control-Request-Method").is_some()
}

/// Answers a browser that asks whether a page may send a request.
pub(crate) fn preflight(methods: &'static str) -> Response {
    Response::new(204)
        .header("Allow", methods)
        .header("Access-Control-Allow-Methods", methods)
        .header("Access-Control-Allow-Headers", "Authorization, Content-Type")
        .header("Access-Control-Max-Age", REMEMBERED_SECONDS)
}
