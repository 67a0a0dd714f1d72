//! What the application is told of a handshake: its headers, and in headers of our own its request
//! line and the address of the peer.

use std::net::IpAddr;

use ::http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use ::http::{HeaderMap, HeaderName, HeaderValue, Request as ForwardedRequest};

use crate::protocol::{Request, Scheme};
use crate::server::access::{bearer, is_of_proxy};
use crate::server::bearer_subprotocol::bearer_in_subprotocols;

use super::url::AuthorizeUrl;

/// Headers that are about the connection or the message (RFC 9110 section 7.6.1), or that would
/// change the form of the answer.
const NOT_FORWARDED: [&str; 17] = [
    "accept-encoding",
    "client-ip",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "remote-user",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded",
];

/// How headers begin that only we may set, or that are about the WebSocket.
const PREFIXES_NOT_FORWARDED: [&str; 8] = [
    "fanfare-",
    "if-",
    "sec-websocket-",
    "x-auth-",
    "x-http-method",
    "x-original-",
    "x-remote-",
    "x-rewrite-",
];

/// How headers end by which proxies tell of a client's address.
const SUFFIXES_NOT_FORWARDED: [&str; 2] = ["-client-ip", "-connecting-ip"];

/// The subprotocols are forwarded all the same: a token may stand there.
const SUBPROTOCOLS: &str = "sec-websocket-protocol";

/// Where a handshake comes from.
pub(crate) struct HandshakeSource {
    /// The true address of the peer; unspecified if it has none, at a socket in the file system.
    pub(crate) address: IpAddr,
    /// The scheme of the URL that the client has asked for, if a trusted proxy tells it.
    pub(crate) scheme: Option<Scheme>,
    /// A page of any origin may have sent it. What a browser adds by itself is then left out,
    /// because that page would act as the user.
    pub(crate) is_strangers: bool,
}

/// Makes the question about a handshake.
pub(crate) fn forwarded_request(
    url: &AuthorizeUrl,
    request: &Request<'_>,
    from: &HandshakeSource,
) -> ForwardedRequest<()> {
    let mut forwarded = ForwardedRequest::new(());
    *forwarded.uri_mut() = url.uri().clone();
    let headers = forwarded.headers_mut();
    let has_token = bearer(request).is_some();
    for (name, value) in request.headers() {
        let is_ambient = name.eq_ignore_ascii_case("cookie")
            || (name.eq_ignore_ascii_case("authorization") && !has_token);
        if is_forwarded(name, request) && !(from.is_strangers && is_ambient) {
            add(headers, name, value);
        }
    }
    if let Some(token) = bearer_in_subprotocols(request)
        && !headers.contains_key(AUTHORIZATION)
    {
        add(headers, "authorization", format!("Bearer {token}").as_bytes());
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let target = match request.query() {
        Some(query) => format!("{}?{query}", request.path()),
        None => request.path().to_owned(),
    };
    add(headers, "x-original-uri", target.as_bytes());
    add(headers, "x-original-method", request.method().as_bytes());
    if !from.address.is_unspecified() {
        let address = from.address.to_canonical().to_string();
        add(headers, "x-forwarded-for", address.as_bytes());
    }
    let scheme = from.scheme.unwrap_or(Scheme::Http).as_str();
    add(headers, "x-forwarded-proto", scheme.as_bytes());
    if let Some(host) = request.host() {
        add(headers, "x-forwarded-host", host.as_bytes());
    }
    forwarded
}

/// Adds a header. What is no valid header is left out.
fn add(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let header =
        HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(value).ok());
    if let Some((name, value)) = header {
        // This fails only beyond 32,768 headers.
        let _ = headers.try_append(name, value);
    }
}

/// Returns true if a header that the client has sent reaches the application.
fn is_forwarded(name: &str, request: &Request<'_>) -> bool {
    // Many applications take `X_Forwarded_For` for `X-Forwarded-For`.
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let ends = |suffix: &str| {
        let at = name.len().checked_sub(suffix.len());
        at.and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    let is_ours = PREFIXES_NOT_FORWARDED.iter().any(|prefix| begins(prefix))
        && !name.eq_ignore_ascii_case(SUBPROTOCOLS);
    let is_named = |list: &str| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(name));
    is_plain
        && !is_ours
        && !is_of_proxy(name)
        && !SUFFIXES_NOT_FORWARDED.iter().any(|suffix| ends(suffix))
        && !NOT_FORWARDED.iter().any(|one| one.eq_ignore_ascii_case(name))
        && !request.header_lines("Connection").any(is_named)
}

#[cfg(test)]
mod tests {
    use crate::protocol::HeaderStorage;

    use super::*;

    fn told(line: &str, headers: &str, is_strangers: bool) -> Vec<(String, String)> {
        let head = format!("{line}\r\nHost: chat.example\r\n{headers}\r\n");
        let mut storage = HeaderStorage::new();
        let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
        let url = "http://127.0.0.1:1/auth".parse().unwrap();
        let address = "::ffff:192.0.2.7".parse().unwrap();
        let from = HandshakeSource { address, scheme: None, is_strangers };
        let forwarded = forwarded_request(&url, &request, &from);
        assert_eq!(forwarded.uri(), "http://127.0.0.1:1/auth");
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let all = forwarded.headers().iter();
        all.map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn value(told: &[(String, String)], name: &str) -> String {
        let values = told.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn the_request_line_the_address_and_the_headers_are_told() {
        let told = told(
            "GET /chat/caf%C3%A9?room=1&token=t HTTP/1.1",
            "Cookie: a=1\r\nOrigin: https://chat.example\r\nUser-Agent: x\r\nX-Team: red\r\n\
             X-Team: blue\r\nAuthorization: Bearer t1\r\n",
            false,
        );
        for (name, expected) in [
            ("x-original-uri", "/chat/caf%C3%A9?room=1&token=t"),
            ("x-original-method", "GET"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "chat.example"),
            ("x-forwarded-proto", "http"),
            ("cookie", "a=1"),
            ("origin", "https://chat.example"),
            ("user-agent", "x"),
            ("x-team", "red | blue"),
            ("authorization", "Bearer t1"),
            ("accept-encoding", "identity"),
        ] {
            assert_eq!(value(&told, name), expected, "{name}");
        }
        let absolute = self::told("GET http://chat.example/a?b HTTP/1.1", "", false);
        assert_eq!(value(&absolute, "x-original-uri"), "/a?b");
    }

    #[test]
    fn what_a_client_could_pretend_and_what_is_about_its_connection_is_not_told() {
        let forged: String = [
            "X-Forwarded-For",
            "x-forwarded-proto",
            "X-FORWARDED-HOST",
            "X-Forwarded-User",
            "X-Forwarded",
            "X_Forwarded_For",
            "X-Original_URI",
            "X-Original-URI",
            "X-Original-Method",
            "X-Original-URL",
            "X-Rewrite-URL",
            "Forwarded",
            "Via",
            "X-Real-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "Fanfare-Publish",
            "Fanfare-Anything",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Extensions",
            "Upgrade",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Proxy",
            "Proxy-Connection",
            "Proxy-Authorization",
            "Accept-Encoding",
            "Range",
            "X-Hop",
        ]
        .map(|name| format!("{name}: forged\r\n"))
        .concat();
        let told = told(
            "GET /a HTTP/1.1",
            &format!("{forged}Connection: Upgrade, x-hop\r\nContent-Length: 0\r\n"),
            false,
        );
        assert!(told.iter().all(|(_, value)| !value.contains("forged")), "{told:?}");
        let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
        let ours = [
            "accept-encoding",
            "x-original-uri",
            "x-original-method",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
        ];
        assert_eq!(names, ours);
    }

    #[test]
    fn a_token_in_the_subprotocols_is_told_as_authorization_too() {
        let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Protocol: chat, bearer, t1\r\n";
        let one = told("GET /a HTTP/1.1", upgrade, true);
        assert_eq!(value(&one, "authorization"), "Bearer t1");
        assert_eq!(value(&one, "sec-websocket-protocol"), "chat, bearer, t1");
        let both = format!("{upgrade}Authorization: Bearer t2\r\n");
        assert_eq!(value(&told("GET /a HTTP/1.1", &both, true), "authorization"), "Bearer t2");
    }

    #[test]
    fn what_a_browser_adds_by_itself_is_not_told_for_the_page_of_a_stranger() {
        let ambient = "Cookie: session=1\r\nAuthorization: Basic abc\r\n";
        let strange = told("GET /a HTTP/1.1", ambient, true);
        assert_eq!(value(&strange, "cookie") + &value(&strange, "authorization"), "");
        let own = told("GET /a HTTP/1.1", ambient, false);
        assert_eq!(value(&own, "cookie") + &value(&own, "authorization"), "session=1Basic abc");
    }
}
