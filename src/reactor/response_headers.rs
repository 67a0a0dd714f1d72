//! Headers that an application adds to whatever answers a request.

use std::borrow::Cow;

use crate::protocol::Response;

/// Headers for the answer to one request, whoever gives it; made by
/// [`Handler::response_headers`](super::api::Handler::response_headers).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ResponseHeaders(Vec<(&'static str, Cow<'static, str>)>);

impl ResponseHeaders {
    /// Begins without a header.
    #[must_use]
    pub const fn new() -> ResponseHeaders {
        ResponseHeaders(Vec::new())
    }

    /// Adds a header. What [`Response::header`] says holds here too.
    #[must_use]
    pub fn with(
        mut self,
        name: &'static str,
        value: impl Into<Cow<'static, str>>,
    ) -> ResponseHeaders {
        self.0.push((name, value.into()));
        self
    }

    /// Returns the response with these headers added.
    pub(super) fn added_to(self, response: Response) -> Response {
        self.0.into_iter().fold(response, |response, (name, value)| response.header(name, value))
    }
}
