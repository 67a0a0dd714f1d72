//! The target of a request and its Host (RFC 9112 section 3.2, RFC 3986 section 3.2).

use super::HttpError;

/// The target of a request, split into its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target<'a> {
    /// The authority of an absolute-form target.
    pub(super) authority: Option<&'a str>,
    /// The path; begins with a slash.
    pub(super) path: &'a str,
    /// The text after the first question mark.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Accepts origin-form (`/path?query`) and, as RFC 9112 section 3.2.2 demands of a server,
    /// absolute-form (`http://host/path?query`, also `https`; RFC 6455 section 4.2.1 names the same
    /// two). Authority-form and asterisk-form belong to CONNECT and OPTIONS, which are not served
    /// here.
    ///
    /// Bytes above 127 are accepted (httparse has checked that they are UTF-8), because browsers'
    /// address bars and `curl` send them unescaped, although RFC 3986 demands percent-encoding. A
    /// `#` is refused: a fragment is never sent.
    pub(super) fn parse(target: &'a str) -> Result<Target<'a>, HttpError> {
        if target.contains(|character: char| {
            character <= ' ' || character == '#' || character.is_control()
        }) {
            return Err(HttpError::TargetMalformed);
        }
        let (authority, origin) = if target.starts_with('/') {
            (None, target)
        } else {
            let (scheme, rest) = target.split_once("://").ok_or(HttpError::TargetMalformed)?;
            if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
                return Err(HttpError::TargetMalformed);
            }
            let (authority, origin) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            if !is_host(authority) {
                return Err(HttpError::TargetMalformed);
            }
            (Some(authority), origin)
        };
        let (path, query) = match split_at_byte(origin, b'?') {
            Some((path, query)) => (path, Some(query)),
            None => (origin, None),
        };
        // RFC 9110 section 4.2.3: in an http URI an empty path is the same as "/".
        let path = if path.is_empty() { "/" } else { path };
        Ok(Target { authority, path, query })
    }
}

/// Like `str::split_once`, for an ASCII character in a short text, in which a search by bytes is
/// cheaper.
fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|one| one == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Returns true if this is a host with an optional port, as in Host (RFC 9110 section 7.2): a
/// registered name, an IPv4 address or an IPv6 address in brackets. User information is not
/// allowed, and an http URI has no empty host (RFC 9110 sections 4.2.1 and 4.2.4).
pub(super) fn is_host(value: &str) -> bool {
    let (host, port) = if let Some(rest) = value.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        match (is_address, rest.strip_prefix(':'), rest.is_empty()) {
            (true, Some(port), _) => (address, port),
            (true, None, true) => (address, ""),
            (true, None, false) | (false, _, _) => return false,
        }
    } else {
        let (host, port) = split_at_byte(value, b':').unwrap_or((value, ""));
        if !host.bytes().all(is_host_byte) {
            return false;
        }
        (host, port)
    };
    let is_port = port.is_empty()
        || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    !host.is_empty() && is_port
}

/// Returns true for a byte of a registered name: RFC 3986 section 3.2.2, `unreserved`, `sub-delims`
/// and `%`, which begins an escape.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_origin_form() {
        let target = |path, query| Ok(Target { authority: None, path, query });
        assert_eq!(Target::parse("/"), target("/", None));
        assert_eq!(Target::parse("/where?q=now"), target("/where", Some("q=now")));
        assert_eq!(Target::parse("/a?b?c"), target("/a", Some("b?c")));
        assert_eq!(Target::parse("//a/..//b?"), target("//a/..//b", Some("")));
        assert_eq!(Target::parse("/grüße"), target("/grüße", None));
    }

    #[test]
    fn takes_absolute_form() {
        let target =
            |authority, path, query| Ok(Target { authority: Some(authority), path, query });
        assert_eq!(
            Target::parse("http://www.example.org/pub/WWW/TheProject.html"),
            target("www.example.org", "/pub/WWW/TheProject.html", None)
        );
        assert_eq!(Target::parse("HTTPS://a:81?b"), target("a:81", "/", Some("b")));
        assert_eq!(Target::parse("http://[::1]:80"), target("[::1]:80", "/", None));
    }

    #[test]
    fn refuses_every_other_form() {
        for bad in [
            "*",
            "www.example.com:80",
            "ftp://a/",
            "ws://a/",
            "http:/a",
            "http:///a",
            "http://u@a/",
            "a/b",
            "?a",
            "",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\u{7f}",
            "/a\u{85}",
            "http://a:b/",
        ] {
            assert_eq!(Target::parse(bad), Err(HttpError::TargetMalformed), "{bad:?}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in [
            "a",
            "example.com",
            "example.com:",
            "example.com:80",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8080",
            "a_b",
        ] {
            assert!(is_host(good), "{good:?}");
        }
        for bad in [
            "", ":80", "a:65536", "a:+8", "a:80:80", "::1", "[::1", "[::1]a", "[a]", "[]", "u@a",
            "a/b", "a b", "a, b", "http://a", "a\\b", "ä",
        ] {
            // A registered name may contain a comma; followed by a space it would separate two
            // hosts.
            assert!(!is_host(bad), "{bad:?}");
        }
    }
}
