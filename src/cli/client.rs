//! The client half of `pub`, `sub` and `healthcheck`: one blocking connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use fanfare::protocol::{HeadScanner, HeaderStorage, HttpLimits, ResponseHead, write_request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest wait to connect or for bytes: enough for a slow network, bearable for a person.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes read of an answer's body. The server's answers are far shorter.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Characters that are not percent-encoded in the path of a URL (RFC 3986 section 3.3).
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a server, as given with `--url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The value of the Host header.
    pub(crate) authority: String,
    /// The host and port that the system resolves.
    address: String,
    /// The path in front of every channel, without a trailing slash; for a server behind a proxy.
    prefix: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let example = "write it as http://localhost:8080";
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: http::Uri = with_scheme.parse().map_err(|error| format!("{error}; {example}"))?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https" | "wss") => {
                return Err(format!("TLS is not spoken by this version; {example}"));
            }
            Some(_) | None => return Err(format!("the scheme must be http or ws; {example}")),
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let Some(authority) = authority else { return Err(format!("there is no host; {example}")) };
        if authority.as_str().contains('@') {
            return Err(format!("a user name has no place here; {example}"));
        }
        Ok(Url {
            authority: authority.to_string(),
            address: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

impl Url {
    /// Returns the request target of a channel, percent-encoded.
    pub(crate) fn channel(&self, channel: &str) -> String {
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

/// A connection to a server.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Bytes read but not yet processed.
    pub(crate) inbound: Vec<u8>,
    url: Url,
}

/// The response to a request.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    /// Connects to a server. The error is a sentence for the user.
    pub(crate) fn connect(url: &Url) -> Result<Client, String> {
        let failed = |error: io::Error| {
            let hint = if error.kind() == io::ErrorKind::ConnectionRefused {
                "; is fanfare running there?"
            } else {
                ""
            };
            format!("cannot connect to {url}: {error}{hint}")
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in url.address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    let set = stream
                        .set_nodelay(true)
                        .and_then(|()| stream.set_read_timeout(Some(TIMEOUT)));
                    set.map_err(failed)?;
                    return Ok(Client { stream, inbound: Vec::new(), url: url.clone() });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Returns true if the server has ended the connection, as it does after some time without
    /// requests.
    pub(crate) fn has_ended(&self) -> bool {
        let peeked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        let is_quiet = peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        // The server sends nothing between two requests: only the end of the stream can be read.
        !is_quiet || self.stream.set_nonblocking(false).is_err()
    }

    /// Sends one request and reads its answer.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, String> {
        let mut request = Vec::new();
        write_request(&mut request, method, &self.url.authority, target, headers, body);
        self.write(&request)?;
        self.read_answer(|_| Ok(()))
    }

    /// Reads an answer with its body, unless `check` refuses the head with an error.
    pub(crate) fn read_answer(
        &mut self,
        check: impl FnOnce(&ResponseHead<'_>) -> Result<(), String>,
    ) -> Result<Reply, String> {
        let mut scanner = HeadScanner::new();
        let head_bytes = loop {
            let found = scanner.find_end(&self.inbound, &HttpLimits::default());
            match found.map_err(|error| format!("{} does not answer as HTTP: {error}", self.url))? {
                Some(end) => break end,
                None if self.read()? == 0 => return Err(self.ended()),
                None => {}
            }
        };
        let (status, body_bytes) = {
            let mut storage = HeaderStorage::new();
            let head = ResponseHead::parse(&self.inbound[..head_bytes], &mut storage)
                .map_err(|error| format!("{} does not answer as HTTP: {error}", self.url))?;
            check(&head)?;
            (head.status(), head.body_bytes().unwrap_or(0).min(BODY_BYTES_MAX))
        };
        while self.inbound.len() < head_bytes + body_bytes {
            if self.read()? == 0 {
                return Err(self.ended());
            }
        }
        let body = String::from_utf8_lossy(&self.inbound[head_bytes..head_bytes + body_bytes])
            .into_owned();
        self.inbound.drain(..head_bytes + body_bytes);
        Ok(Reply { status, body })
    }

    /// Waits for bytes and appends them to `inbound`. Returns how many; 0 at the end of the stream.
    pub(crate) fn read(&mut self) -> Result<usize, String> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(count) => {
                    self.inbound.extend_from_slice(&buffer[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Err(format!("{} has been silent for too long", self.url));
                }
                Err(error) => {
                    return Err(format!("the connection to {} was lost: {error}", self.url));
                }
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(bytes)
            .map_err(|error| format!("the connection to {} was lost: {error}", self.url))
    }

    fn ended(&self) -> String {
        format!("{} has ended the connection without an answer", self.url)
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
    fn a_url_that_cannot_be_served_says_why() {
        for (text, why) in [
            ("https://example.com", "TLS"),
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
    fn a_channel_becomes_a_path() {
        let url: Url = "localhost:1".parse().unwrap();
        assert_eq!(url.channel("/news/uk"), "/news/uk");
        assert_eq!(url.channel("caf\u{e9} 100%?#"), "/caf%C3%A9%20100%25%3F%23");
    }
}
