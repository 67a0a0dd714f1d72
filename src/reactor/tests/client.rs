//! The far end of a connection: requests, the client's half of the protocol, and what it has heard.
//! Whatever the server sends is checked here: a byte out of place is a panic.

use crate::net::sim::SimPeer;
use crate::protocol::{
    ClientHandshake, CloseCode, Decoded, Decoder, DecoderLimits, Event, HeadScanner, HeaderStorage,
    HttpLimits, Opcode, ResponseHead, Role, encode_masked_close, encode_masked_frame,
    write_request,
};

/// What a client has received from an open connection.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Message(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
}

/// Of a message only its size and beginning: tests send big ones.
impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Heard::Message(payload) => {
                write!(
                    f,
                    "Message({} bytes: {:?} …)",
                    payload.len(),
                    &payload[..payload.len().min(8)]
                )
            }
            Heard::Ping => f.write_str("Ping"),
            Heard::Pong(payload) => write!(f, "Pong({payload:?})"),
            Heard::Close(code, reason) => write!(f, "Close({code}, {reason})"),
        }
    }
}

/// A response, without its headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) keep_alive: bool,
}

pub(super) struct Client {
    pub(super) peer: SimPeer,
    nonce: [u8; 16],
    /// Received and not yet understood.
    bytes: Vec<u8>,
    decoder: Decoder,
    assembly: Vec<u8>,
    pub(super) is_open: bool,
    /// A Close frame has come: nothing may follow it.
    pub(super) is_closed: bool,
    masks: u32,
}

pub(super) const HOST: &str = "localhost";

impl Client {
    pub(super) fn new(peer: SimPeer) -> Client {
        Client {
            peer,
            nonce: [7; 16],
            bytes: Vec::new(),
            decoder: Decoder::new(Role::Client),
            assembly: Vec::new(),
            is_open: false,
            is_closed: false,
            masks: 0,
        }
    }

    // Saying.

    /// The bytes of an opening handshake.
    pub(super) fn handshake(&self, path: &str) -> Vec<u8> {
        let mut request = Vec::new();
        ClientHandshake::new(self.nonce).write_request(&mut request, HOST, path, &[]);
        request
    }

    pub(super) fn upgrade(&self, path: &str) {
        self.peer.send(&self.handshake(path));
    }

    pub(super) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut request = Vec::new();
        write_request(&mut request, method, HOST, path, headers, body);
        self.peer.send(&request);
    }

    fn mask(&mut self) -> [u8; 4] {
        self.masks = self.masks.wrapping_mul(0x9e37_79b1).wrapping_add(0x85eb_ca6b);
        self.masks.to_le_bytes()
    }

    /// The bytes of a frame, not sent.
    pub(super) fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mask = self.mask();
        let mut frame = Vec::new();
        encode_masked_frame(&mut frame, opcode, payload, mask);
        frame
    }

    pub(super) fn say(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.frame(opcode, payload);
        self.peer.send(&frame);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.say(Opcode::Text, text.as_bytes());
    }

    pub(super) fn binary(&mut self, payload: &[u8]) {
        self.say(Opcode::Binary, payload);
    }

    pub(super) fn close(&mut self, code: u16, reason: &str) {
        let mask = self.mask();
        let mut frame = Vec::new();
        encode_masked_close(&mut frame, CloseCode::new(code), reason, mask);
        self.peer.send(&frame);
    }

    // Hearing.

    /// The next response, if it has come.
    pub(super) fn answered(&mut self) -> Option<Answered> {
        self.bytes.extend(self.peer.take_received());
        let end = HeadScanner::new().find_end(&self.bytes, &HttpLimits::default()).unwrap()?;
        let mut storage = HeaderStorage::default();
        let head = ResponseHead::parse(&self.bytes[..end], &mut storage).unwrap();
        let body_bytes = head.body_bytes().unwrap_or(0);
        let body = self.bytes.get(end..end + body_bytes)?;
        let answered = Answered {
            status: head.status(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            keep_alive: head.header("connection") != Some("close"),
        };
        if answered.status == 101 {
            assert_eq!(ClientHandshake::new(self.nonce).check_response(&head), Ok(()));
            self.is_open = true;
        }
        self.bytes.drain(..end + body_bytes);
        Some(answered)
    }

    /// Everything that has come on an open connection. The 101 is taken first, if it has not been.
    pub(super) fn heard(&mut self) -> Vec<Heard> {
        if !self.is_open {
            match self.answered() {
                None => return Vec::new(),
                Some(answered) => assert_eq!(answered.status, 101, "refused: {}", answered.body),
            }
        }
        self.bytes.extend(self.peer.take_received());
        let limits = DecoderLimits::UNLIMITED;
        let mut heard = Vec::new();
        let mut consumed = 0;
        while !self.is_closed {
            let decoded =
                self.decoder.decode(&limits, &mut self.bytes[consumed..], &mut self.assembly);
            let Decoded { consumed: used, event } =
                decoded.expect("the server keeps to the protocol");
            consumed += used;
            let Some(event) = event else { break };
            heard.push(match event {
                Event::Message(message) => Heard::Message(message.payload().to_vec()),
                Event::Ping(_) => Heard::Ping,
                Event::Pong(payload) => Heard::Pong(payload.to_vec()),
                Event::Close(frame) => {
                    self.is_closed = true;
                    let frame = frame.expect("a server's Close has a code");
                    Heard::Close(frame.code.as_u16(), frame.reason.to_owned())
                }
            });
        }
        self.bytes.drain(..consumed);
        assert!(!self.is_closed || self.bytes.is_empty(), "bytes after the Close frame");
        heard
    }

    /// The messages among what has come; everything else must not be there.
    pub(super) fn messages(&mut self) -> Vec<Vec<u8>> {
        let only_messages = |heard| match heard {
            Heard::Message(payload) => payload,
            other => panic!("not a message: {other:?}"),
        };
        self.heard().into_iter().map(only_messages).collect()
    }

    /// The code of the Close frame that has come, at the end of whatever else has.
    pub(super) fn close_code(&mut self) -> Option<u16> {
        match self.heard().pop() {
            Some(Heard::Close(code, _)) => Some(code),
            _ => None,
        }
    }

    /// The far end is gone in one way or the other.
    pub(super) fn is_gone(&self) -> bool {
        self.peer.is_reset() || self.peer.is_ended()
    }

    pub(super) fn stall(&self) {
        self.peer.set_window(0);
        self.peer.set_reading(false);
    }

    /// Takes some bytes, and then no more.
    pub(super) fn sip(&self, bytes: usize) {
        self.peer.set_window(bytes);
        self.peer.set_window(0);
        self.peer.read(bytes);
    }

    pub(super) fn wake(&self) {
        self.peer.set_window(1 << 20);
        self.peer.set_reading(true);
    }
}
