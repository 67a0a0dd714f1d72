//! Which web pages may connect: the rules on the Origin header (RFC 6454 section 7).
//!
//! A script on any web page may open a WebSocket to any address, and may POST to it. Browsers name
//! the page in `Origin`. Other programs send no Origin, or any they like, so a request without one
//! is allowed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::protocol::Scheme;

use super::host::{ip_address, split_port};

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
    /// No page has an origin of this scheme, such as `ws`.
    BadScheme,
    /// What follows the scheme is not a host with an optional port.
    BadHost,
    /// The host is not ASCII.
    NotAscii,
    /// The host ends in a number, and is not an IPv4 address.
    BadAddress,
    /// There is a `*` that is not the whole first label of the name of a domain.
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
            OriginPatternError::BadScheme => {
                "no page has an origin of this scheme: it is that of the page, http or https"
            }
            OriginPatternError::BadHost => {
                "an origin is a scheme, a host and maybe a port, without a path or a slash behind"
            }
            OriginPatternError::NotAscii => {
                "browsers send such a host in ASCII: write the name that begins with xn--"
            }
            OriginPatternError::BadAddress => {
                "a host that ends in a number is an IPv4 address, as in 127.0.0.1"
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
        let (scheme, rest) = text.split_once("://").ok_or(OriginPatternError::NoScheme)?;
        if scheme.contains('*') {
            return Err(OriginPatternError::BadWildcard);
        }
        if !is_scheme(scheme) {
            return Err(OriginPatternError::NoScheme);
        }
        if WITHOUT_ORIGIN.iter().any(|one| one.eq_ignore_ascii_case(scheme)) {
            return Err(OriginPatternError::BadScheme);
        }
        let domain = rest.strip_prefix("*.");
        let subdomains = domain.is_some();
        let authority = domain.unwrap_or(rest);
        if authority.contains('*') {
            return Err(OriginPatternError::BadWildcard);
        }
        if !authority.is_ascii() {
            return Err(OriginPatternError::NotAscii);
        }
        let (host, port) = split_port(authority).ok_or(OriginPatternError::BadHost)?;
        let host = browsers_form(host)?;
        if subdomains && ip_address(&host).is_some() {
            return Err(OriginPatternError::BadWildcard);
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let text = format!("{scheme}://{host}{port}").into_boxed_str();
        Ok(OriginPattern(Pattern::Origin { text, subdomains }))
    }
}

/// URL schemes that no allowed origin can have: their pages have the origin `null`, or they have no
/// pages.
const WITHOUT_ORIGIN: [&str; 8] =
    ["ws", "wss", "file", "data", "blob", "about", "javascript", "ftp"];

/// Returns true if the text is a URL scheme (RFC 3986 section 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Returns a host as browsers write it in an origin, except for its case. Browsers reject the
/// characters that the URL standard forbids in a host, and write addresses in their shortest form.
fn browsers_form(host: &str) -> Result<String, OriginPatternError> {
    match ip_address(host) {
        Some(IpAddr::V6(address)) => return Ok(format!("[{address}]")),
        Some(IpAddr::V4(address)) => return Ok(address.to_string()),
        None => {}
    }
    let is_forbidden = |byte: u8| !byte.is_ascii_graphic() || b"#/:<>?@[\\]^|%\"".contains(&byte);
    if host.bytes().any(is_forbidden) || host.split('.').next().is_none_or(str::is_empty) {
        return Err(OriginPatternError::BadHost);
    }
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.to_ascii_lowercase().strip_prefix("0x").is_some_and(is_hexadecimal);
    if is_number { Err(OriginPatternError::BadAddress) } else { Ok(host.to_owned()) }
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
        host_is_covered(allowed.host, *subdomains, origin.host)
    }

    /// Returns true for `*`, which allows every origin.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0 == Pattern::Any
    }

    /// Returns true if pages of this host are covered, whatever their scheme and port.
    pub(crate) fn covers_host(&self, host: &str) -> bool {
        let Pattern::Origin { text, subdomains } = &self.0 else { return true };
        WebOrigin::parse(text).is_some_and(|one| host_is_covered(one.host, *subdomains, host))
    }
}

/// Returns true if a host is the allowed one or, if `subdomains`, a name below it.
fn host_is_covered(allowed: &str, subdomains: bool, host: &str) -> bool {
    if !subdomains {
        return allowed.eq_ignore_ascii_case(host);
    }
    let Some(prefix_bytes) = host.len().checked_sub(allowed.len() + 1) else { return false };
    let (Some(labels), Some(domain)) = (host.get(..prefix_bytes), host.get(prefix_bytes..)) else {
        return false;
    };
    let Some(domain) = domain.strip_prefix('.') else { return false };
    !labels.is_empty() && domain.eq_ignore_ascii_case(allowed)
}

/// Returns true if the origin of a request is allowed. If the list is empty, it must be the origin
/// of the host to which the request was sent, with this scheme if it is known.
pub(crate) fn origin_is_allowed(
    allowed: &[OriginPattern],
    origin: Option<&str>,
    host: Option<&str>,
    scheme: Option<Scheme>,
) -> bool {
    let Some(origin) = origin else { return true };
    let Some(origin) = WebOrigin::parse(origin) else { return false };
    if allowed.is_empty() {
        return host.is_some_and(|host| origin.is_of_host(host, scheme));
    }
    allowed.iter().any(|pattern| pattern.covers(&origin))
}

/// Returns true if the origin of a request is this server's own, or is allowed by an entry other
/// than `*`; or if there is none.
#[cfg(feature = "broadcast")]
pub(crate) fn origin_is_named(
    allowed: &[OriginPattern],
    origin: Option<&str>,
    host: Option<&str>,
    scheme: Option<Scheme>,
) -> bool {
    let Some(origin) = origin else { return true };
    let Some(origin) = WebOrigin::parse(origin) else { return false };
    let is_named = |pattern: &OriginPattern| pattern.0 != Pattern::Any && pattern.covers(&origin);
    host.is_some_and(|host| origin.is_of_host(host, scheme)) || allowed.iter().any(is_named)
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

    /// Returns true if the Host header names the server of this origin, and the scheme is the one
    /// that was asked for. If that is unknown (`None`), any will do, because a proxy in front may
    /// have terminated TLS. If Host has no port, the default port of the scheme is assumed.
    fn is_of_host(&self, host: &str, scheme: Option<Scheme>) -> bool {
        let Some((name, port)) = split_port(host) else { return false };
        name.eq_ignore_ascii_case(self.host)
            && scheme.is_none_or(|scheme| self.scheme.eq_ignore_ascii_case(scheme.as_str()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &[&str], origin: &str) -> bool {
        let list: Vec<OriginPattern> = list.iter().map(|text| text.parse().unwrap()).collect();
        origin_is_allowed(&list, Some(origin), Some("chat.example.com"), None)
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
            assert!(origin_is_allowed(&[], Some(origin), Some(host), None), "{origin} at {host}");
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
            assert!(!origin_is_allowed(&[], Some(origin), Some(host), None), "{origin} at {host}");
        }
    }

    #[test]
    fn the_same_origin_has_the_scheme_that_a_trusted_proxy_tells() {
        for (origin, host, https, http) in [
            ("https://example.com", "example.com", true, false),
            ("http://example.com", "example.com", false, true),
            ("https://example.com", "example.com:443", true, false),
            ("HTTPS://example.com:8443", "example.com:8443", true, false),
            ("http://example.com", "example.com:443", false, false),
            ("https://[2001:db8::1]", "[2001:db8::1]", true, false),
            ("ftp://example.com", "example.com", false, false),
        ] {
            for (scheme, expected) in [(Scheme::Https, https), (Scheme::Http, http)] {
                let is = origin_is_allowed(&[], Some(origin), Some(host), Some(scheme));
                assert_eq!(is, expected, "{origin} at {scheme:?} {host}");
            }
        }
        let listed = ["http://example.com".parse().unwrap()];
        let is = origin_is_allowed(&listed, Some("http://example.com"), None, Some(Scheme::Https));
        assert!(is, "a list names the schemes itself");
    }

    #[test]
    fn a_request_without_an_origin_is_not_from_a_web_page() {
        assert!(origin_is_allowed(&[], None, Some("example.com"), None));
        assert!(origin_is_allowed(&["https://a.example".parse().unwrap()], None, None, None));
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
        use OriginPatternError::{BadHost, BadWildcard, NoScheme, Null};
        for (text, error) in [
            ("example.com", NoScheme),
            ("null", Null),
            ("https://example.com/", BadHost),
            ("https://", BadHost),
            ("https://a.*.com", BadWildcard),
            ("https://*", BadWildcard),
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(error), "{text}");
        }
        for text in ["*", "https://example.com", "https://*.example.com:8443", "http://[::1]:80"] {
            assert_eq!(text.parse::<OriginPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_pattern_that_no_page_could_ever_match_is_an_error() {
        use OriginPatternError::{BadAddress, BadHost, BadScheme, BadWildcard, NoScheme, NotAscii};
        for (text, error) in [
            ("", NoScheme),
            ("//example.com", NoScheme),
            ("https:/example.com", NoScheme),
            ("1http://example.com", NoScheme),
            ("wss://example.com", BadScheme),
            ("WS://example.com", BadScheme),
            ("file:///srv/page.html", BadScheme),
            ("https://example.com/page", BadHost),
            ("https://example.com?x", BadHost),
            ("https://user@example.com", BadHost),
            ("https://example.com:http", BadHost),
            ("https://example.com:65536", BadHost),
            ("https://ex%61mple.com", BadHost),
            ("https://.example.com", BadHost),
            ("https://*.", BadHost),
            ("https://:8080", BadHost),
            ("http://::1", BadHost),
            ("https://b\u{fc}cher.example", NotAscii),
            ("http://127.1", BadAddress),
            ("http://2130706433", BadAddress),
            ("http://127.0.0.0x1", BadAddress),
            ("http://127.0.0.1.", BadAddress),
            ("http://256.0.0.1", BadAddress),
            ("http://*.127.0.0.1", BadWildcard),
            ("http://*.[::1]", BadWildcard),
            ("*://example.com", BadWildcard),
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_pattern_may_be_written_otherwise_than_browsers_do() {
        for (pattern, origin) in [
            ("HTTPS://Example.COM:443", "https://example.com"),
            ("http://example.com:0080", "http://example.com"),
            ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("https://example.com.", "https://example.com."),
        ] {
            assert!(allowed(&[pattern], origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn a_pattern_names_the_hosts_of_its_pages() {
        let covers = |text: &str, host| text.parse::<OriginPattern>().unwrap().covers_host(host);
        assert!(covers("https://example.com:8443", "EXAMPLE.com"));
        assert!(covers("https://*.example.com", "a.example.com"));
        assert!(!covers("https://*.example.com", "example.com"));
        assert!(!covers("https://example.com", "evil.example"));
        assert!(covers("*", "anything.example"));
    }
}
