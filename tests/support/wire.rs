//! A client that sends and receives raw bytes, for tests that send what no client would. It shares
//! no code with the crate's protocol or with the frame client, so that a mistake there is not
//! repeated here.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::DEADLINE;

const NARROW_BYTES: usize = 32 * 1024;
/// How many pings a client reads over before it takes one for the answer that it waits for.
const PINGS_MAX: usize = 4;

/// One connection to a server.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// Bytes that were received and not asked for yet.
    read: Vec<u8>,
}

/// A response, or the head of one.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A frame that the server has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// The first byte of the frame: FIN, reserved bits and opcode.
    pub(crate) first_byte: u8,
    pub(crate) payload: Vec<u8>,
}

impl Response {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl Frame {
    /// Returns the code and the reason, if this is a Close frame with both.
    pub(crate) fn close(&self) -> Option<(u16, &str)> {
        let (&[high, low], reason) = self.payload.split_first_chunk::<2>()?;
        (self.first_byte == 0x88).then(|| {
            (
                u16::from_be_bytes([high, low]),
                std::str::from_utf8(reason).expect("a reason is UTF-8"),
            )
        })
    }
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Peer {
        Peer::of(TcpStream::connect(address).expect("the server accepts"))
    }

    /// Connects from another address of this machine.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Peer {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&address.into()).expect("the server accepts");
        Peer::of(socket.into())
    }

    /// Connects with a small receive buffer, which is soon full. (With a still smaller one, the
    /// system would send tiny segments.)
    pub(crate) fn connect_narrow(address: SocketAddr) -> Peer {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
        socket.connect(&address.into()).expect("the server accepts");
        Peer::of(socket.into())
    }

    pub(crate) fn of(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        // A socket in the file system has no such option, and needs none.
        let _ = stream.set_nodelay(true);
        Peer { stream, read: Vec::new() }
    }

    /// Performs the opening handshake, and checks the 101.
    pub(crate) fn open(mut self, path: &str) -> Peer {
        self.send(upgrade(path));
        let response = self.response();
        assert_eq!(response.status, 101, "{response:?}");
        // The accept key for the key in [`upgrade`], which is that of RFC 6455 section 1.3.
        assert_eq!(response.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        self
    }

    /// Connects and performs the opening handshake.
    pub(crate) fn subscribe(address: SocketAddr, path: &str) -> Peer {
        Peer::connect(address).open(path)
    }

    /// Sends all bytes. Panics if that fails.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server reads");
    }

    /// Sends bytes to a server that may have closed the connection already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request and reads the response.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request);
        self.response()
    }

    /// Like [`ask`](Self::ask), but returns `None` if the server has closed the connection without
    /// an answer. The connection must not break in the middle of an answer.
    pub(crate) fn try_ask(&mut self, request: impl AsRef<[u8]>) -> Option<Response> {
        self.try_send(request).ok()?;
        match self.stream.peek(&mut [0]) {
            Ok(1) => Some(self.response()),
            Ok(_) | Err(_) => None,
        }
    }

    /// Sends a HEAD request, whose response has no body although it has a Content-Length.
    pub(crate) fn ask_head(&mut self, target: &str) -> Response {
        self.send(request("HEAD", target, "", ""));
        self.head()
    }

    /// Reads one response, with its body.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        let length = response.header("Content-Length").map_or(0, |length| length.parse().unwrap());
        response.body = String::from_utf8(self.take(length)).expect("a body of text");
        response
    }

    fn head(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.read_more();
        };
        let head = String::from_utf8(self.read[..end].to_vec()).expect("a head of ASCII");
        self.read.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status =
            status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let headers = lines.map(|line| line.split_once(": ").expect("a header line"));
        Response {
            status: status.unwrap_or_else(|| panic!("a status line: {status_line:?}")),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: String::new(),
        }
    }

    /// Reads one frame. A few pings are answered and not returned: on a slow machine a test may
    /// take longer than the time after which the server sends one.
    pub(crate) fn frame(&mut self) -> Frame {
        for _ in 0..PINGS_MAX {
            let read = self.any_frame();
            if read.first_byte != 0x89 {
                return read;
            }
            // The server may have closed meanwhile; what it has sent is read nevertheless.
            let _ = self.try_send(frame(0x8a, &read.payload));
        }
        self.any_frame()
    }

    /// Reads one frame, which a server never masks.
    fn any_frame(&mut self) -> Frame {
        let [first_byte, length] = self.take(2)[..] else { unreachable!("two bytes were taken") };
        assert_eq!(length & 0x80, 0, "a server does not mask");
        let length = match length {
            126 => u64::from(u16::from_be_bytes(self.take(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).try_into().unwrap()),
            short => u64::from(short),
        };
        Frame { first_byte, payload: self.take(length as usize) }
    }

    /// Reads one text message in one frame.
    pub(crate) fn text(&mut self) -> String {
        let frame = self.frame();
        assert_eq!(frame.first_byte, 0x81, "a text message: {frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    /// Reads the end of the stream. The server must have sent nothing more, and must not have reset
    /// the connection.
    pub(crate) fn end(&mut self) {
        let mut rest = std::mem::take(&mut self.read);
        self.stream.read_to_end(&mut rest).expect("an end, not a reset");
        assert_eq!(rest.escape_ascii().to_string(), "", "after the last answer");
    }

    /// Performs the closing handshake from this side.
    pub(crate) fn close(mut self) {
        self.send(close_frame(1000, ""));
        assert_eq!(self.frame().close(), Some((1000, "")));
        self.end();
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.read_more();
        }
        self.read.drain(..count).collect()
    }

    fn read_more(&mut self) {
        let mut room = [0; 16 * 1024];
        let count = self.stream.read(&mut room).expect("the server answers");
        assert_ne!(count, 0, "the server ended after {:?}", self.read.escape_ascii().to_string());
        self.read.extend_from_slice(&room[..count]);
    }
}

/// Sends a request on a connection of its own. Reads the response and the end of the stream. `line`
/// is the method and the target; `headers` are without line ends.
pub(crate) fn ask_once(
    address: SocketAddr,
    line: &str,
    headers: &[&str],
    body: impl AsRef<[u8]>,
) -> Response {
    let (method, target) = line.split_once(' ').expect("METHOD TARGET");
    let headers = ["Connection: close\r\n", &lines(headers)].concat();
    let mut peer = Peer::connect(address);
    peer.send(request(method, target, &headers, body));
    let answer = if method == "HEAD" { peer.head() } else { peer.response() };
    peer.end();
    answer
}

/// Joins headers, and ends each with a line end.
fn lines(headers: &[&str]) -> String {
    headers.iter().map(|line| format!("{line}\r\n")).collect()
}

/// Returns a plain request. `headers` are whole lines. The Host is `localhost` unless the headers
/// have one.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> Vec<u8> {
    let body = body.as_ref();
    let length = if method == "POST" {
        format!("Content-Length: {}\r\n", body.len())
    } else {
        String::new()
    };
    let host = if headers.contains("Host: ") { "" } else { "Host: localhost\r\n" };
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\n{host}{headers}{length}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The headers of an opening handshake, with the key of RFC 6455 section 1.3.
pub(crate) const UPGRADE: [&str; 4] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// Returns the request of an opening handshake for a path.
pub(crate) fn upgrade(path: &str) -> Vec<u8> {
    request("GET", path, &lines(&UPGRADE), "")
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Returns the header of a masked frame with this payload length, in the shortest form.
pub(crate) fn frame_header(first_byte: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes
}

/// Returns a masked frame.
pub(crate) fn frame(first_byte: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = frame_header(first_byte, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Returns a text message in one frame.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload)
}

/// Returns a continuation frame that is not the last.
pub(crate) fn continuation(payload: &[u8]) -> Vec<u8> {
    frame(0x00, payload)
}

/// Returns a Close frame.
pub(crate) fn close_frame(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x88, [&code.to_be_bytes(), reason.as_ref()].concat())
}
