//! The client's half of HTTP and WebSocket, without a socket: it encodes requests and masked
//! frames, and decodes responses and the server's frames. If the server has sent something that it
//! may not send, it panics.
//!
//! It is written from RFC 6455 and RFC 9112 alone, and shares no code with the library, so that a
//! mistake in the library is not repeated here. It uses `std` only. The simulator, the fuzz targets
//! and the test programs all include this file.

#![allow(dead_code, reason = "everybody who includes it uses a part of it")]

/// The opcode of a frame (RFC 6455 section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// What a client has received on an open connection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Message(Vec<u8>),
    /// A message as it was sent: compressed by permessage-deflate.
    Compressed(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
}

/// Messages in tests can be large, so only the size and the beginning of each are shown.
impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Heard::Message(payload) => {
                let beginning = &payload[..payload.len().min(8)];
                write!(f, "Message({} bytes: {beginning:?} …)", payload.len())
            }
            Heard::Compressed(payload) => write!(f, "Compressed({} bytes)", payload.len()),
            Heard::Ping => f.write_str("Ping"),
            Heard::Pong(payload) => write!(f, "Pong({payload:?})"),
            Heard::Close(code, reason) => write!(f, "Close({code}, {reason})"),
        }
    }
}

/// The parts of a response that tests look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) keep_alive: bool,
}

/// The state of one connection's client.
#[derive(Default)]
pub(crate) struct FrameClient {
    /// The state of the generator of masking keys.
    masks: u32,
    /// Bytes that were received and not decoded yet.
    received: Vec<u8>,
    /// The message of which some fragments have been received.
    message: Option<Fragments>,
    /// The client has offered permessage-deflate in its handshake.
    pub(crate) offers_compression: bool,
    /// The server has accepted it.
    compression: bool,
    /// The 101 has been received.
    pub(crate) is_open: bool,
    /// A Close frame has been received, so no frame may follow.
    pub(crate) is_closed: bool,
}

/// The fragments of a message, put together.
struct Fragments {
    opcode: Opcode,
    compressed: bool,
    payload: Vec<u8>,
}

/// The key of RFC 6455 section 1.3, and the server's answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Returns a plain request. A POST has a Content-Length even if its body is empty.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if method == "POST" || !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    [request.as_bytes(), b"\r\n", body].concat()
}

/// Returns the request of an opening handshake.
pub(crate) fn handshake(target: &str) -> Vec<u8> {
    handshake_with(target, &[])
}

/// The same with more headers.
pub(crate) fn handshake_with(target: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    request("GET", target, &[&headers, more].concat(), b"")
}

impl FrameClient {
    /// Makes a client. Clients with different seeds use different masking keys.
    pub(crate) fn new(seed: u32) -> FrameClient {
        FrameClient { masks: seed, ..FrameClient::default() }
    }

    // Encoding.

    /// Returns a frame that is a whole message or a control frame.
    pub(crate) fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.fragment(true, opcode, payload)
    }

    /// Returns a frame that may be one of several of its message. Its length has the shortest form.
    pub(crate) fn fragment(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.frame_of(u8::from(fin) << 7 | opcode as u8, payload)
    }

    /// Returns a frame that is a whole message, whose payload has been compressed (RFC 7692 section
    /// 7.2.1).
    pub(crate) fn compressed(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.frame_of(0xC0 | opcode as u8, payload)
    }

    /// Returns a frame with this first byte. Its length has the shortest form.
    pub(crate) fn frame_of(&mut self, first_byte: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first_byte];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length @ ..65_536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.masks = self.masks.wrapping_mul(0x9e37_79b1).wrapping_add(0x85eb_ca6b);
        let mask = self.masks.to_le_bytes();
        frame.extend_from_slice(&mask);
        let masked = payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place % 4]);
        frame.extend(masked);
        frame
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) -> Vec<u8> {
        self.frame(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    // Decoding.

    /// Takes bytes that the server has sent. [`response`](Self::response) and
    /// [`heard`](Self::heard) decode them.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Returns true if no received byte is left to be decoded.
    pub(crate) fn has_decoded_all(&self) -> bool {
        self.received.is_empty()
    }

    /// Returns the next response, if it is complete. The answer to a HEAD has no body, whatever its
    /// headers say.
    pub(crate) fn response(&mut self, is_head: bool) -> Option<Answered> {
        let end = self.received.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&self.received[..end]).expect("a head of text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.filter(|rest| rest.as_bytes()[3] == b' ');
        let status: u16 = status.and_then(|rest| rest[..3].parse().ok()).expect("a status line");
        let headers: Vec<_> =
            lines.map(|line| line.split_once(": ").expect("a header is NAME: VALUE")).collect();
        let header = |name: &str| {
            let mut values = headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
            let value = values.next().map(|(_, value)| *value);
            assert!(values.next().is_none(), "{name} comes once");
            value
        };
        assert!(headers.iter().all(|(name, value)| is_header(name, value)), "{head:?}");
        let length = header("Content-Length").map(|length| length.parse().expect("a number"));
        // RFC 9112 section 6.3. No response of this server with a body lacks a length.
        let body_bytes = match status {
            100..200 | 204 | 304 => 0,
            _ => length.expect("every body has a length"),
        };
        let body_bytes = if is_head { 0 } else { body_bytes };
        let keep_alive = header("Connection").is_none_or(|one| !one.eq_ignore_ascii_case("close"));
        let body = self.received.get(end + 4..end + 4 + body_bytes)?;
        let body = String::from_utf8(body.to_vec()).expect("a body of text");
        if status == 101 {
            // RFC 6455 section 4.1. This client requests no extension and no subprotocol.
            let is =
                |name, value: &str| header(name).is_some_and(|one| one.eq_ignore_ascii_case(value));
            assert!(is("Upgrade", "websocket") && is("Connection", "Upgrade"), "{head:?}");
            assert_eq!(header("Sec-WebSocket-Accept"), Some(ACCEPT));
            let extensions = header("Sec-WebSocket-Extensions");
            let compression = extensions.is_some();
            assert!(extensions.is_none_or(|answer| self.accepts(answer)), "{head:?}");
            assert_eq!(header("Sec-WebSocket-Protocol"), None);
            self.compression = compression;
            self.is_open = true;
        }
        self.received.drain(..end + 4 + body_bytes);
        Some(Answered { status, body, keep_alive })
    }

    /// Returns everything that is complete, on an open connection.
    pub(crate) fn heard(&mut self) -> Vec<Heard> {
        let received = std::mem::take(&mut self.received);
        let mut rest = &received[..];
        let mut all = Vec::new();
        while !self.is_closed
            && let Some((first_byte, payload, behind)) = split_frame(rest)
        {
            rest = behind;
            all.extend(self.hear(first_byte, payload));
        }
        assert!(!self.is_closed || rest.is_empty(), "bytes after the Close frame");
        self.received = rest.to_vec();
        all
    }

    /// Returns what a frame completes, if anything (RFC 6455 sections 5.4 and 5.5).
    fn hear(&mut self, first_byte: u8, payload: &[u8]) -> Option<Heard> {
        let fin = first_byte & 0x80 != 0;
        // RFC 7692 section 6: RSV1 in the first frame of a message.
        let compressed = first_byte & 0x40 != 0;
        let may_be_compressed = self.compression && matches!(first_byte & 15, 1 | 2);
        assert!(!compressed || may_be_compressed, "RSV1 has no meaning here");
        assert_eq!(first_byte & 0x30, 0, "RSV2 and RSV3 have no meaning");
        assert!(first_byte & 8 == 0 || fin && payload.len() <= 125, "a control frame is small");
        match (first_byte & 15, self.message.take()) {
            (0, None) => panic!("a continuation of nothing"),
            (1 | 2, Some(_)) => panic!("a message within a message"),
            (0, Some(mut message)) => {
                message.payload.extend_from_slice(payload);
                return self.hear_message(fin, message);
            }
            (1 | 2, None) => {
                let opcode = if first_byte & 15 == 1 { Opcode::Text } else { Opcode::Binary };
                let message = Fragments { opcode, compressed, payload: payload.to_vec() };
                return self.hear_message(fin, message);
            }
            (_, message) => self.message = message,
        }
        Some(match first_byte & 15 {
            8 => {
                self.is_closed = true;
                let (code, reason) = payload.split_first_chunk().expect("a Close with a code");
                let code = u16::from_be_bytes(*code);
                // Section 7.4: the codes that may be in a Close frame.
                let is_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                assert!(is_sent, "a Close with {code}");
                Heard::Close(code, String::from_utf8(reason.to_vec()).expect("a reason is UTF-8"))
            }
            9 => Heard::Ping,
            10 => Heard::Pong(payload.to_vec()),
            reserved => panic!("opcode {reserved} has no meaning"),
        })
    }

    fn hear_message(&mut self, fin: bool, message: Fragments) -> Option<Heard> {
        if !fin {
            self.message = Some(message);
            return None;
        }
        let Fragments { opcode, compressed, payload } = message;
        if compressed {
            return Some(Heard::Compressed(payload));
        }
        let is_valid = opcode == Opcode::Binary || std::str::from_utf8(&payload).is_ok();
        assert!(is_valid, "a text message is UTF-8");
        Some(Heard::Message(payload))
    }

    /// Returns true if this is an answer to the offer of permessage-deflate. This client has no
    /// memory of earlier messages, so the server must say that it has none either (RFC 7692 section
    /// 7.1.1).
    fn accepts(&self, answer: &str) -> bool {
        assert!(self.offers_compression, "{answer} was not offered");
        let mut params = answer.split("; ");
        assert_eq!(params.next(), Some("permessage-deflate"));
        params.any(|param| param == "server_no_context_takeover")
    }
}

/// Returns true for a header as in RFC 9110 sections 5.6.2 and 5.5: the name is a token, and the
/// value is on one line.
fn is_header(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_token)
        && value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Splits off the first frame, if it is complete. Returns its first byte, its payload, and the
/// remaining bytes.
fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first_byte, length], rest) = bytes.split_first_chunk()?;
    assert_eq!(length & 0x80, 0, "a server does not mask");
    let (length, rest) = match length {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let shortest = match bytes[1] {
        126 => 126,
        127 => 65_536,
        _ => 0,
    };
    assert!(length >= shortest && length >> 63 == 0, "{length} is not in its shortest form");
    let (payload, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first_byte, payload, behind))
}
