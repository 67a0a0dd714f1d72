//! Where a request carries its token.

use crate::protocol::{Request, Scheme};

use super::access::bearer;
use super::bearer_subprotocol::bearer_in_subprotocols;
use super::mark::Mark;
use super::options::BroadcastOptions;
use super::origin;

/// Returns the token of a request. What was set for this one request comes first, and the cookie,
/// which a browser sends by itself, last. `scheme`: that of the URL that was asked for, if known.
pub(crate) fn token_of<'r>(
    options: &BroadcastOptions,
    request: &Request<'r>,
    scheme: Option<Scheme>,
) -> Option<(TokenPlace, &'r str)> {
    let at = |place| move |token| (place, token);
    let found = bearer(request)
        .or_else(|| bearer_in_subprotocols(request))
        .map(at(TokenPlace::Header))
        .or_else(|| options.token_query.then(|| of_query(request))?.map(at(TokenPlace::Query)))
        .or_else(|| {
            let name = options.token_cookie.as_deref()?;
            of_cookie(name, options, request, scheme).map(at(TokenPlace::Cookie(Mark::of(name))))
        })?;
    (!found.1.is_empty()).then_some(found)
}

/// Where a request carries its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TokenPlace {
    /// `Authorization`, or the subprotocols.
    Header,
    Query,
    /// The cookie of this name.
    Cookie(Mark),
}

/// Returns true if a token in this place of a request counts.
pub(crate) fn is_taken_from(
    place: TokenPlace,
    options: &BroadcastOptions,
    request: &Request<'_>,
    scheme: Option<Scheme>,
) -> bool {
    match place {
        TokenPlace::Header => true,
        TokenPlace::Query => options.token_query,
        TokenPlace::Cookie(name) => {
            options.token_cookie.as_ref().map(Mark::of) == Some(name)
                && may_bring_cookie(options, request, scheme)
        }
    }
}

fn of_query<'r>(request: &Request<'r>) -> Option<&'r str> {
    request.query()?.split('&').find_map(|one| one.strip_prefix("token="))
}

/// Returns the value of the cookie for tokens. A browser sends cookies with the requests of any
/// page, so it counts only for pages whose origin is allowed by name. What a list with `*` allows
/// beyond that are the pages of strangers, who would act as the user.
fn of_cookie<'r>(
    name: &str,
    options: &BroadcastOptions,
    request: &Request<'r>,
    scheme: Option<Scheme>,
) -> Option<&'r str> {
    if !may_bring_cookie(options, request, scheme) {
        return None;
    }
    let lines = request.headers().filter(|(header, _)| header.eq_ignore_ascii_case("Cookie"));
    // Each cookie has an encoding of its own, so a line as a whole may not be UTF-8.
    let mut cookies = lines.flat_map(|(_, line)| line.split(|byte| *byte == b';'));
    let value = cookies
        .find_map(|cookie| cookie.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    std::str::from_utf8(quoted.unwrap_or(value)).ok()
}

/// Returns true if what a browser adds to a request by itself, as a cookie, counts.
pub(crate) fn may_bring_cookie(
    options: &BroadcastOptions,
    request: &Request<'_>,
    scheme: Option<Scheme>,
) -> bool {
    let origin = request.header("Origin");
    origin::origin_is_named(&options.allowed_origins, origin, request.host(), scheme)
}

#[cfg(test)]
mod tests {
    use crate::protocol::HeaderStorage;

    use super::*;

    fn found(target: &str, headers: &str, change: impl FnOnce(&mut BroadcastOptions)) -> String {
        let mut options = BroadcastOptions {
            token_cookie: Some("session".to_owned()),
            token_query: true,
            ..BroadcastOptions::default()
        };
        change(&mut options);
        let head = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n");
        let mut storage = HeaderStorage::new();
        let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
        token_of(&options, &request, None).map_or("none", |(_, token)| token).to_owned()
    }

    #[test]
    fn a_token_is_found_where_it_is_and_the_cookie_comes_last() {
        let offered = "Upgrade: websocket\r\nSec-WebSocket-Protocol:";
        for (target, headers, token) in [
            ("/a", "", "none"),
            ("/a", "Authorization: Bearer t1\r\n", "t1"),
            ("/a", "authorization: bearer  t1 \r\n", "t1"),
            ("/a", "Authorization: Basic t1\r\n", "none"),
            ("/a", "Authorization: Bearer\r\n", "none"),
            ("/a", &format!("{offered} bearer, t1\r\n"), "t1"),
            ("/a", &format!("{offered} fanfare.1, bearer,t1\r\n"), "t1"),
            ("/a", &format!("{offered} bearer\r\nSec-WebSocket-Protocol: t1\r\n"), "t1"),
            ("/a", &format!("{offered} t1, bearer\r\n"), "none"),
            ("/a", &format!("{offered} Bearer, t1\r\n"), "none"),
            ("/a", "Sec-WebSocket-Protocol: bearer, t1\r\n", "none"),
            ("/a?token=t1", "", "t1"),
            ("/a?x=1&token=t1&token=t2", "", "t1"),
            ("/a?xtoken=t1", "", "none"),
            ("/a?token=", "", "none"),
            ("/a", "Cookie: session=t1\r\n", "t1"),
            ("/a", "cookie: x=1; session=\"t1\"; y=2\r\n", "t1"),
            ("/a", "Cookie: x=1\r\nCookie: session=t1\r\n", "t1"),
            ("/a", "Cookie: xsession=t1; Session=t2\r\n", "none"),
            ("/a", "Cookie: session=t1\r\nAuthorization: Bearer t2\r\n", "t2"),
            ("/a?token=t2", "Cookie: session=t1\r\n", "t2"),
            ("/a?token=t2", &format!("{offered} bearer, t1\r\n"), "t1"),
        ] {
            assert_eq!(found(target, headers, |_| {}), token, "{target} {headers}");
        }
    }

    #[test]
    fn cookie_and_query_are_taken_only_if_the_operator_says_so() {
        let off = |options: &mut BroadcastOptions| {
            options.token_cookie = None;
            options.token_query = false;
        };
        assert_eq!(found("/a?token=t1", "Cookie: session=t1; token=t1\r\n", off), "none");
    }

    #[test]
    fn a_cookie_counts_only_for_pages_that_are_allowed_by_name() {
        for (allowed, origin, token) in [
            (&[][..], "http://a.example", "t1"),
            (&["*"], "http://a.example", "t1"),
            (&["*"], "http://evil.example", "none"),
            (&["*", "https://b.example"], "https://b.example", "t1"),
            (&["https://b.example"], "https://b.example", "t1"),
        ] {
            let list = |options: &mut BroadcastOptions| {
                options.allowed_origins = allowed.iter().map(|one| one.parse().unwrap()).collect();
            };
            let headers = format!("Origin: {origin}\r\nCookie: session=t1\r\n");
            assert_eq!(found("/a", &headers, list), token, "{allowed:?} {origin}");
        }
        assert_eq!(found("/a", "Cookie: session=t1\r\n", |_| {}), "t1", "no page");
    }
}
