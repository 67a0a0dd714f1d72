//! Where `pub`, `sub` and `healthcheck` connect to: the address of a server, and a channel of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that are not percent-encoded in the path of a URL (RFC 3986 section 3.3).
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is percent-encoded in a URL that the user has given: characters that no URL may contain.
const TYPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

const EXAMPLE: &str = "write it as http://localhost:8080";

/// The address of a server, as given with `--url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// It is asked over TLS.
    is_tls: bool,
    /// The value of the Host header.
    pub(crate) authority: String,
    /// The name or address in it, without brackets.
    host: String,
    /// The host and port that the system resolves.
    address: String,
    /// The socket in the file system at which the server is asked instead.
    socket: Option<PathBuf>,
    /// The path in front of every channel, without a trailing slash; for a server behind a proxy.
    prefix: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Url {
                is_tls: false,
                authority: "localhost".to_owned(),
                host: "localhost".to_owned(),
                address: String::new(),
                socket: Some(path.into()),
                prefix: String::new(),
            });
        }
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: http::Uri = with_scheme.parse().map_err(|error| format!("{error}; {EXAMPLE}"))?;
        Url::of(&uri)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => write!(f, "{}{}", self.origin(), self.prefix),
        }
    }
}

impl Url {
    fn of(uri: &http::Uri) -> Result<Url, String> {
        let is_tls = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(_) | None => {
                return Err(format!("the scheme must be http, https, ws or wss; {EXAMPLE}"));
            }
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let Some(authority) = authority else { return Err(format!("there is no host; {EXAMPLE}")) };
        if authority.as_str().contains('@') {
            return Err(format!("a user name has no place here; {EXAMPLE}"));
        }
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Url {
            is_tls,
            authority: authority.to_string(),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            address: format!("{host}:{port}"),
            socket: None,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Returns the path of the socket in the file system at which the server is asked, if it is.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Returns true if the server is asked over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns the name or address of the server, without brackets: what its certificate is for.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the scheme and the authority.
    fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Returns the host and port that the system resolves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the request target of a channel, percent-encoded.
    fn channel(&self, channel: &str) -> String {
        format!(
            "{}/{}",
            self.prefix,
            utf8_percent_encode(channel.strip_prefix('/').unwrap_or(channel), PATH)
        )
    }

    /// Returns the request target of one of the server's own pages.
    pub(crate) fn page(&self, page: &str) -> String {
        format!("{}{page}", self.prefix)
    }
}

/// A channel of a server: what `pub` and `sub` connect to.
#[derive(Debug)]
pub(crate) struct ChannelUrl {
    pub(crate) server: Url,
    /// The request target of the channel, percent-encoded.
    pub(crate) target: String,
}

impl ChannelUrl {
    /// Returns the channel that an argument names. A full URL names its server too; any other text
    /// is the name of a channel of `server`, unless it looks like a URL with a mistake.
    pub(crate) fn new(channel: &str, server: &Url) -> Result<ChannelUrl, String> {
        let scheme = channel.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("http" | "https" | "ws" | "wss")) {
            if !channel.starts_with('/') && (scheme.is_some() || begins_with_server(channel)) {
                return Err(format!(
                    "{channel} looks like a URL, but does not begin with http:// or ws://; \
                     {EXAMPLE}/news. If it is the name of a channel, write /{channel}"
                ));
            }
            return Ok(ChannelUrl { server: server.clone(), target: server.channel(channel) });
        }
        // Percent-encoded characters of the given URL stay as they are.
        let encoded = utf8_percent_encode(channel, TYPED).to_string();
        let uri: http::Uri = encoded.parse().map_err(|error| format!("{error}; {EXAMPLE}/news"))?;
        let server = Url { prefix: String::new(), ..Url::of(&uri)? };
        match uri.path_and_query() {
            Some(target) if uri.path() != "/" => {
                Ok(ChannelUrl { server, target: target.to_string() })
            }
            _ => Err(format!("{channel} names a server and no channel; {EXAMPLE}/news")),
        }
    }
}

/// Returns true if a text begins with a host and a port. A word before the colon is no host unless
/// it is `localhost`, because channels have names such as `user:42/inbox`.
fn begins_with_server(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or(text);
    authority.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = host.eq_ignore_ascii_case("localhost") || host.contains(['.', ']']);
        is_host && port.parse::<u16>().is_ok()
    })
}

impl fmt::Display for ChannelUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.server.origin(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_leave_out_what_goes_without_saying() {
        for (text, authority, address, target) in [
            ("http://localhost:8080", "localhost:8080", "localhost:8080", "/news"),
            ("ws://localhost:8080/", "localhost:8080", "localhost:8080", "/news"),
            ("localhost:8080", "localhost:8080", "localhost:8080", "/news"),
            ("http://example.com", "example.com", "example.com:80", "/news"),
            ("http://[::1]:8080", "[::1]:8080", "[::1]:8080", "/news"),
            ("http://example.com/live/", "example.com", "example.com:80", "/live/news"),
            ("https://example.com", "example.com", "example.com:443", "/news"),
            ("wss://example.com:8443", "example.com:8443", "example.com:8443", "/news"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(
                (&*url.authority, &*url.address, &*url.channel("news")),
                (authority, address, target),
                "{text}"
            );
        }
    }

    #[test]
    fn it_is_known_whether_tls_is_spoken_and_for_whom_the_certificate_is() {
        for (text, is_tls, host) in [
            ("localhost:8080", false, "localhost"),
            ("WSS://example.com:1/a", true, "example.com"),
            ("https://[::1]:8443", true, "::1"),
            ("unix:/run/f.sock", false, "localhost"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.is_tls(), url.host()), (is_tls, host), "{text}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_served_says_why() {
        for (text, why) in [
            ("ftp://example.com", "scheme"),
            ("http://", "http://localhost:8080"),
            ("http://a b", "http://localhost:8080"),
            ("http://user@example.com", "user name"),
        ] {
            let error = text.parse::<Url>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_full_url_is_a_server_and_a_channel() {
        let default: Url = "http://elsewhere:1/live".parse().unwrap();
        for (text, authority, target, shown) in [
            ("ws://localhost:8080/news", "localhost:8080", "/news", "http://localhost:8080/news"),
            ("HTTP://a/news/uk?since=1-2", "a", "/news/uk?since=1-2", "http://a/news/uk?since=1-2"),
            (
                "http://a/caf\u{e9} 100%25",
                "a",
                "/caf%C3%A9%20100%25",
                "http://a/caf%C3%A9%20100%25",
            ),
            ("wss://a:1/news", "a:1", "/news", "https://a:1/news"),
            ("news", "elsewhere:1", "/live/news", "http://elsewhere:1/live/news"),
            (
                "/http://a/b",
                "elsewhere:1",
                "/live/http%3A//a/b",
                "http://elsewhere:1/live/http%3A//a/b",
            ),
            (
                "user:42/inbox",
                "elsewhere:1",
                "/live/user%3A42/inbox",
                "http://elsewhere:1/live/user%3A42/inbox",
            ),
        ] {
            let place = ChannelUrl::new(text, &default).unwrap();
            assert_eq!((&*place.server.authority, &*place.target), (authority, target), "{text}");
            assert_eq!(place.to_string(), shown);
        }
        for (text, why) in [
            ("ws://localhost:8080", "no channel"),
            ("ws://localhost:8080/?a=b", "no channel"),
            ("http://", "http://localhost:8080"),
            ("htps://example.com/news", "write /htps://example.com/news"),
            ("127.0.0.1:8080/news", "http://"),
            ("localhost:8080", "http://"),
            ("[::1]:8080/news", "http://"),
        ] {
            let error = ChannelUrl::new(text, &default).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_channel_becomes_a_path() {
        let url: Url = "localhost:1".parse().unwrap();
        assert_eq!(url.channel("/news/uk"), "/news/uk");
        assert_eq!(url.channel("caf\u{e9} 100%?#"), "/caf%C3%A9%20100%25%3F%23");
    }
}
