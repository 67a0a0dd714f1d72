//! The client half of `pub`, `sub`, `top` and `healthcheck`: one blocking connection.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fanfare::protocol::{HeadScanner, HeaderStorage, HttpLimits, ResponseHead, write_request};

use super::url::Url;

/// The longest wait to connect or for bytes: enough for a slow network, bearable for a person.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes read of an answer's body. The server's answers are far shorter.
const BODY_BYTES_MAX: usize = 1 << 20;

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
                ": is fanfare running there? Start it with `fanfare`, or name another server by a \
                 full URL or with --url"
            } else {
                ""
            };
            format!("cannot connect to {url}: {error}{hint}")
        };
        if let Some(path) = url.socket() {
            let stream = UnixStream::connect(path).map_err(failed)?;
            // The calls are those of a TCP socket, and so it can be kept as one.
            let stream = TcpStream::from(OwnedFd::from(stream));
            stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
            return Ok(Client { stream, inbound: Vec::new(), url: url.clone() });
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in url.address().to_socket_addrs().map_err(failed)? {
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
