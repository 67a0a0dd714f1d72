//! Which web pages may connect: the rules on the Origin header (RFC 6454 section 7) and on the Host
//! header.
//!
//! A script on any web page may open a WebSocket to any address, and may POST to it. Browsers name
//! the page in `Origin`. Other programs send no Origin, or any they like, so a request without one
//! is allowed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One entry of a list of allowed origins: `https://example.com`, `https://*.example.com` or `*`.
///
/// A pattern with `*.` covers every name below the domain, not the domain itself. No pattern covers
/// the origin `null`, which is what sandboxed frames and local files send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    /// An origin. The text is known to be valid, and is kept whole for display.
    Origin {
        text: Box<str>,
        subdomains: bool,
    },
}

/// Why a text is not an [`OriginPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginPatternError {
    /// There is no `://`, or no scheme in front of it.
    NoScheme,
    /// The text is `null`, which is the origin of every sandboxed page.
    Null,
    /// What follows the scheme is not a host with an optional port.
    BadHost,
    /// There is a `*` that is not the whole first label of the host.
    BadWildcard,
}

impl fmt::Display for OriginPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OriginPatternError::NoScheme => {
                "an origin begins with its scheme, as in https://example.com"
            }
            OriginPatternError::Null => {
                "the origin null is never allowed: any sandboxed page sends it"
            }
            OriginPatternError::BadHost => {
                "an origin is a scheme, a host and maybe a port, without a path"
            }
            OriginPatternError::BadWildcard => {
                "a * stands alone or for the first labels: https://*.example.com"
            }
        })
    }
}

impl std::error::Error for OriginPatternError {}

impl FromStr for OriginPattern {
    type Err = OriginPatternError;

    fn from_str(text: &str) -> Result<OriginPattern, OriginPatternError> {
        if text == "*" {
            return Ok(OriginPattern(Pattern::Any));
        }
        if text.eq_ignore_ascii_case("null") {
            return Err(OriginPatternError::Null);
        }
        let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty())
        else {
            return Err(OriginPatternError::NoScheme);
        };
        let subdomains = text[scheme.len() + 3..].starts_with("*.");
        let text: Box<str> =
            if subdomains { text.replacen("*.", "", 1).into() } else { text.into() };
        if text.contains('*') {
            return Err(OriginPatternError::BadWildcard);
        }
        if WebOrigin::parse(&text).is_none() {
            return Err(OriginPatternError::BadHost);
        }
        Ok(OriginPattern(Pattern::Origin { text, subdomains }))
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Any => f.write_str("*"),
            Pattern::Origin { text, subdomains: false } => f.write_str(text),
            Pattern::Origin { text, subdomains: true } => {
                let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
                write!(f, "{scheme}://*.{rest}")
            }
        }
    }
}

impl OriginPattern {
    fn covers(&self, origin: &WebOrigin<'_>) -> bool {
        let Pattern::Origin { text, subdomains } = &self.0 else { return true };
        let Some(allowed) = WebOrigin::parse(text) else { return false };
        if !allowed.scheme.eq_ignore_ascii_case(origin.scheme) || allowed.port != origin.port {
            return false;
        }
        if !subdomains {
            return allowed.host.eq_ignore_ascii_case(origin.host);
        }
        let Some(prefix_bytes) = origin.host.len().checked_sub(allowed.host.len() + 1) else {
            return false;
        };
        let (Some(labels), Some(domain)) =
            (origin.host.get(..prefix_bytes), origin.host.get(prefix_bytes..))
        else {
            return false;
        };
        let Some(domain) = domain.strip_prefix('.') else { return false };
        !labels.is_empty() && domain.eq_ignore_ascii_case(allowed.host)
    }
}

/// Returns true if the origin of a request is allowed. If the list is empty, it must be the origin
/// of the host to which the request was sent.
pub(crate) fn origin_is_allowed(
    allowed: &[OriginPattern],
    origin: Option<&str>,
    host: Option<&str>,
) -> bool {
    let Some(origin) = origin else { return true };
    let Some(origin) = WebOrigin::parse(origin) else { return false };
    if allowed.is_empty() {
        return host.is_some_and(|host| origin.is_of_host(host));
    }
    allowed.iter().any(|pattern| pattern.covers(&origin))
}

/// Returns true if a Host header names this machine: as `localhost`, an IP address, or a name that
/// the operator listed.
///
/// A page at `evil.example` can point its own name to 127.0.0.1 (DNS rebinding), and then has the
/// same origin as a server here; but its requests carry its name. Browsers always send Host, so a
/// request without one (HTTP/1.0) passes.
pub(crate) fn host_is_local(host: Option<&str>, allowed: &[String]) -> bool {
    let Some(host) = host else { return true };
    let Some((name, _)) = split_port(host) else { return false };
    name.eq_ignore_ascii_case("localhost")
        || ip_address(name).is_some()
        || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// The three parts of an origin (RFC 6454 section 4), compared without regard to ASCII case.
struct WebOrigin<'a> {
    scheme: &'a str,
    host: &'a str,
    /// If no port is written: the default port of the scheme, or 0 if the scheme is unknown.
    port: u16,
}

impl<'a> WebOrigin<'a> {
    fn parse(text: &'a str) -> Option<WebOrigin<'a>> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = split_port(authority)?;
        let is_host_byte = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\\"<>".contains(&byte);
        if scheme.is_empty() || host.is_empty() || !host.bytes().all(is_host_byte) {
            return None;
        }
        Some(WebOrigin { scheme, host, port: port.unwrap_or(default_port(scheme)) })
    }

    /// Returns true if the Host header names the server of this origin. If Host has no port, the
    /// default port of the origin's scheme is assumed: a proxy in front may have terminated TLS.
    fn is_of_host(&self, host: &str) -> bool {
        let Some((name, port)) = split_port(host) else { return false };
        name.eq_ignore_ascii_case(self.host)
            && port.unwrap_or(default_port(self.scheme)) == self.port
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme.eq_ignore_ascii_case("http") {
        80
    } else if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        0
    }
}

/// Splits `host[:port]`; an IPv6 address keeps its brackets. Returns `None` if it is malformed.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let name_bytes = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at(name_bytes);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    Some((name, port))
}

fn ip_address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &[&str], origin: &str) -> bool {
        let list: Vec<OriginPattern> = list.iter().map(|text| text.parse().unwrap()).collect();
        origin_is_allowed(&list, Some(origin), Some("chat.example.com"))
    }

    #[test]
    fn without_a_list_the_origin_must_be_the_host_that_was_asked() {
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("http://example.com", "example.com"),
            ("http://example.com", "example.com:80"),
            ("https://example.com", "example.com"),
            ("https://example.com:443", "EXAMPLE.com"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(origin_is_allowed(&[], Some(origin), Some(host)), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://localhost:3000", "localhost:8080"),
            ("http://evil.com", "example.com"),
            ("http://example.com.evil.com", "example.com"),
            ("http://evilexample.com", "example.com"),
            ("https://example.com:8443", "example.com"),
            ("null", "null"),
            ("", ""),
            ("http://", ""),
            ("file://", "localhost"),
        ] {
            assert!(!origin_is_allowed(&[], Some(origin), Some(host)), "{origin} at {host}");
        }
    }

    #[test]
    fn a_request_without_an_origin_is_not_from_a_web_page() {
        assert!(origin_is_allowed(&[], None, Some("example.com")));
        assert!(origin_is_allowed(&["https://a.example".parse().unwrap()], None, None));
    }

    #[test]
    fn a_list_replaces_the_rule_of_the_same_origin() {
        assert!(allowed(&["https://app.example.com"], "https://app.example.com"));
        assert!(allowed(&["https://app.example.com"], "https://APP.example.com:443"));
        assert!(!allowed(&["https://app.example.com"], "http://app.example.com"));
        assert!(!allowed(&["https://app.example.com"], "https://app.example.com:444"));
        assert!(!allowed(&["https://app.example.com"], "https://chat.example.com"));
    }

    #[test]
    fn a_wildcard_covers_names_below_the_domain_only() {
        for origin in ["https://a.example.com", "https://a.b.example.com"] {
            assert!(allowed(&["https://*.example.com"], origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://evilexample.com",
            "https://a.example.com.evil.com",
            "http://a.example.com",
            "https://\u{e9}xample.com",
        ] {
            assert!(!allowed(&["https://*.example.com"], origin), "{origin}");
        }
    }

    #[test]
    fn a_star_covers_all_but_null() {
        assert!(allowed(&["*"], "https://anything.example"));
        assert!(!allowed(&["*"], "null"));
        assert!(!allowed(&["*"], "https://a.example/path"));
    }

    #[test]
    fn patterns_are_checked_when_they_are_read() {
        for (text, error) in [
            ("example.com", OriginPatternError::NoScheme),
            ("null", OriginPatternError::Null),
            ("https://example.com/", OriginPatternError::BadHost),
            ("https://", OriginPatternError::BadHost),
            ("https://a.*.com", OriginPatternError::BadWildcard),
            ("https://*", OriginPatternError::BadWildcard),
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(error), "{text}");
        }
        for text in ["*", "https://example.com", "https://*.example.com:8443", "http://[::1]:80"] {
            assert_eq!(text.parse::<OriginPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_host_is_local_by_its_name_an_address_or_the_list() {
        let list = ["dev.example".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:80",
            "192.168.1.5",
            "[::1]:8080",
            "dev.example:1",
        ] {
            assert!(host_is_local(Some(host), &list), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[::1",
            "localhost:x",
        ] {
            assert!(!host_is_local(Some(host), &list), "{host}");
        }
    }
}
