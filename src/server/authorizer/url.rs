//! The URL at which an application is asked.

use std::fmt;
use std::str::FromStr;

use ::http::Uri;

/// The URL at which an application is asked whether a peer may connect: `http://`, a host, and
/// perhaps a port, a path and a query.
///
/// ```
/// use fanfare::{AuthorizeUrl, AuthorizeUrlError};
///
/// let url: AuthorizeUrl = "http://127.0.0.1:8000/may-connect".parse()?;
/// assert_eq!(url.to_string(), "http://127.0.0.1:8000/may-connect");
/// assert_eq!("https://a.example/".parse::<AuthorizeUrl>(), Err(AuthorizeUrlError::Https));
/// # Ok::<(), AuthorizeUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(try_from = "String", into = "String"))]
pub struct AuthorizeUrl(Uri);

/// Why a text is not an [`AuthorizeUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizeUrlError {
    /// It is not a URL with a scheme, a host and, perhaps, a port.
    Malformed,
    /// It begins with `https://`.
    Https,
    /// It begins with a scheme other than `http`.
    Scheme,
    /// It has a user name or a password.
    UserName,
}

impl fmt::Display for AuthorizeUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthorizeUrlError::Malformed => {
                "this is not a URL such as http://127.0.0.1:8000/may-connect"
            }
            AuthorizeUrlError::Https => {
                "https is not spoken to the application: let it listen on loopback or in a \
                 private network, and write http://"
            }
            AuthorizeUrlError::Scheme => "the URL of the application begins with http://",
            AuthorizeUrlError::UserName => "a user name or a password has no place in this URL",
        })
    }
}

impl std::error::Error for AuthorizeUrlError {}

impl FromStr for AuthorizeUrl {
    type Err = AuthorizeUrlError;

    fn from_str(text: &str) -> Result<AuthorizeUrl, AuthorizeUrlError> {
        // `Uri` would drop a fragment without a word.
        if text.contains('#') {
            return Err(AuthorizeUrlError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| AuthorizeUrlError::Malformed)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(AuthorizeUrlError::Https),
            Some(_) => return Err(AuthorizeUrlError::Scheme),
            None => return Err(AuthorizeUrlError::Malformed),
        }
        let authority = uri.authority().ok_or(AuthorizeUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(AuthorizeUrlError::UserName);
        }
        let has_bad_port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => false,
            _ => authority.port_u16().is_none_or(|port| port == 0),
        };
        if authority.host().is_empty() || has_bad_port {
            return Err(AuthorizeUrlError::Malformed);
        }
        Ok(AuthorizeUrl(uri))
    }
}

impl TryFrom<String> for AuthorizeUrl {
    type Error = AuthorizeUrlError;

    fn try_from(text: String) -> Result<AuthorizeUrl, AuthorizeUrlError> {
        text.parse()
    }
}

impl From<AuthorizeUrl> for String {
    fn from(url: AuthorizeUrl) -> String {
        url.to_string()
    }
}

impl fmt::Display for AuthorizeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AuthorizeUrl {
    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_plain_http_with_a_host() {
        for text in [
            "http://127.0.0.1:8000/",
            "http://localhost/auth?site=1",
            "http://[::1]:8000/auth",
            "HTTP://app.internal:80/a/b",
        ] {
            let url = text.parse::<AuthorizeUrl>().map(|url| url.to_string().to_lowercase());
            assert_eq!(url, Ok(text.to_lowercase()));
        }
        assert_eq!("http://app".parse::<AuthorizeUrl>().unwrap().to_string(), "http://app/");
        for (text, error) in [
            ("", AuthorizeUrlError::Malformed),
            ("/auth", AuthorizeUrlError::Malformed),
            ("localhost:8000", AuthorizeUrlError::Malformed),
            ("127.0.0.1:8000/auth", AuthorizeUrlError::Malformed),
            ("http://", AuthorizeUrlError::Malformed),
            ("http:///auth", AuthorizeUrlError::Malformed),
            ("http://:8000/", AuthorizeUrlError::Malformed),
            ("http://a b/", AuthorizeUrlError::Malformed),
            ("http://a:0/", AuthorizeUrlError::Malformed),
            ("http://a:/", AuthorizeUrlError::Malformed),
            ("http://a:99999/", AuthorizeUrlError::Malformed),
            ("http://a/#part", AuthorizeUrlError::Malformed),
            ("http://a/\r\nX-Evil: 1", AuthorizeUrlError::Malformed),
            ("https://a.example/", AuthorizeUrlError::Https),
            ("unix:/run/app.sock", AuthorizeUrlError::Malformed),
            ("ftp://a.example/", AuthorizeUrlError::Scheme),
            ("ws://a.example/", AuthorizeUrlError::Scheme),
            ("http://user@a.example/", AuthorizeUrlError::UserName),
            ("http://user:word@a.example/", AuthorizeUrlError::UserName),
        ] {
            assert_eq!(text.parse::<AuthorizeUrl>(), Err(error), "{text:?}");
        }
    }
}
