//! The client half of `pub`, `sub`, `top` and `healthcheck`: one blocking connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fanfare::protocol::{HeadScanner, HeaderStorage, HttpLimits, ResponseHead, write_request};

use super::client_tls::{self, ClientTls};
use super::url::Url;
use super::wire::Wire;

/// The longest wait to connect or for bytes: enough for a slow network, bearable for a person.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes read of an answer's body. The server's answers are far shorter.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A connection to a server.
pub(crate) struct Client {
    pub(crate) wire: Wire,
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
    pub(crate) fn connect(url: &Url, tls: &ClientTls) -> Result<Client, String> {
        let failed = |error: io::Error| {
            let hint = if error.kind() == io::ErrorKind::ConnectionRefused {
                ": is fanfare running there? Start it with `fanfare`, or name another server by a \
                 full URL or with --url"
            } else {
                ""
            };
            format!("cannot connect to {url}: {error}{hint}")
        };
        let socket = open(url).map_err(failed)?;
        socket.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
        let wire = Wire::new(socket, tls.session(url)?).map_err(|error| {
            let what = match (client_tls::explain(&error), error.kind()) {
                (Some(what), _) => what,
                (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    "it ended the connection instead of speaking TLS: does http:// or ws:// work?"
                        .to_owned()
                }
                (None, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    "it has been silent for too long, as a server that does not speak TLS may be"
                        .to_owned()
                }
                (None, _) => format!("the connection was lost: {error}"),
            };
            format!("cannot connect to {url}: {what}")
        })?;
        Ok(Client { wire, inbound: Vec::new(), url: url.clone() })
    }

    /// Returns true if the server has ended the connection, as it does after some time without
    /// requests.
    pub(crate) fn has_ended(&mut self) -> bool {
        // The server sends nothing between two requests: only the end of the stream can be read.
        self.wire.has_ended()
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
        // A server that refuses a body may end the connection while it is being sent; its answer
        // says why.
        let written = self.write(&request);
        let answer = self.read_answer(|_| Ok(()));
        answer.map_err(|error| written.err().unwrap_or(error))
    }

    /// Reads an answer with its body, unless `check` refuses the head with an error.
    pub(crate) fn read_answer(
        &mut self,
        check: impl FnOnce(&ResponseHead<'_>) -> Result<(), String>,
    ) -> Result<Reply, String> {
        let mut scanner = HeadScanner::new();
        let head_bytes = loop {
            let found = scanner.find_end(&self.inbound, &HttpLimits::default());
            match found.map_err(|error| self.is_no_http(&error))? {
                Some(end) => break end,
                None if self.read()? == 0 => return Err(self.ended()),
                None => {}
            }
        };
        let (status, body_bytes) = {
            let mut storage = HeaderStorage::new();
            let head = ResponseHead::parse(&self.inbound[..head_bytes], &mut storage)
                .map_err(|error| self.is_no_http(&error))?;
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
            match self.wire.read(&mut buffer) {
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
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.wire.write_all(bytes).and_then(|()| self.wire.flush());
        written.map_err(|error| self.lost(&error))
    }

    fn lost(&self, error: &io::Error) -> String {
        match client_tls::explain(error) {
            Some(what) => format!("{}: {what}", self.url),
            None => format!("the connection to {} was lost: {error}", self.url),
        }
    }

    /// Returns what is said about an answer that is no HTTP.
    fn is_no_http(&self, error: &dyn fmt::Display) -> String {
        // A record with an alert, of any version since SSL 3 (RFC 8446 section 5.1).
        match self.inbound[..] {
            [21, 3, ..] => format!("{} speaks TLS: write https:// or wss://", self.url),
            _ => format!("{} does not answer as HTTP: {error}", self.url),
        }
    }

    fn ended(&self) -> String {
        format!("{} has ended the connection without an answer", self.url)
    }
}

/// Opens a socket to a server.
fn open(url: &Url) -> io::Result<TcpStream> {
    if let Some(path) = url.socket() {
        // The calls are those of a TCP socket, and so it can be kept as one.
        return Ok(TcpStream::from(OwnedFd::from(UnixStream::connect(path)?)));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in url.address().to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(socket) => return socket.set_nodelay(true).map(|()| socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Returns what the user can do about a status, to be appended to the server's own text.
pub(crate) fn advice(status: u16, has_key: bool) -> &'static str {
    match (status, has_key) {
        (401, false) => {
            ". Give a token with --token-file FILE or in FANFARE_TOKEN; or, to publish, the \
             server's publish key with --key-file FILE or in FANFARE_PUBLISH_KEY"
        }
        (401, true) => {
            ". Give the key that the server was started with (--publish-key-file), or a token that \
             it takes (`fanfare token --inspect` explains one)"
        }
        (403, _) => ". This is a rule of the server: trying again does not help",
        (429 | 503, _) => ". Try again later",
        _ => "",
    }
}
