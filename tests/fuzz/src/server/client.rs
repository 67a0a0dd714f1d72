//! One client: what it says, and what it may be told. A byte that the protocol does not allow is a
//! panic.

use std::collections::VecDeque;

use fanfare::net::sim::{SimCrash, SimPeer};
use fanfare::protocol::{
    ClientHandshake, CloseCode, Decoded, Decoder, DecoderLimits, Event, FrameHeader, HeadScanner,
    HeaderStorage, HttpLimits, Opcode, ResponseHead, Role, apply_mask, encode_masked_close,
    encode_masked_frame, write_request,
};

use super::book::{Book, Known, MAIL, NEWS, SPORT};

/// The paths that clients open.
pub const PATHS: [&str; 10] =
    ["/news", "/sport", "/two", "/echo", "/mail", "/hop", "/leave", "/bye", "/shut", "/away"];

const HOST: &str = "localhost";

/// With 126 and more the header of a frame is longer.
const SIZES: [usize; 8] = [12, 40, 125, 126, 301, 700, 2_500, 9_000];

/// What it may be told whoever keeps to the protocol: of sizes, of time, of memory, of the end.
const STATUSES: [u16; 8] = [101, 200, 204, 403, 408, 413, 429, 503];
const CODES: [u16; 8] = [1000, 1008, 1009, 1012, 1013, 4008, 4403, 4408];

/// What the application never answers is the last on its connection.
const LAST: [u16; 9] = [400, 405, 408, 413, 417, 426, 429, 431, 501];

pub struct Client {
    pub peer: SimPeer,
    path: &'static str,
    /// Messages of each publisher come in the order of their numbers.
    publisher: usize,
    nonce: [u8; 16],
    masks: u32,
    /// Received and not yet understood.
    bytes: Vec<u8>,
    decoder: Decoder,
    assembly: Vec<u8>,
    pub phase: Phase,
    /// What it has said so far is what the protocol allows.
    pub is_clean: bool,
    /// It says nothing more.
    pub is_done: bool,
    /// It has been answered that this is the last answer.
    is_told_last: bool,
    is_stalled: bool,
    /// It crashes at some byte that is still to come.
    pub is_doomed: bool,
    /// The end of something that has been begun.
    unsaid: Vec<u8>,
    /// The numbers of its messages as an open connection, those it has begun included.
    pub said: Vec<u32>,
    echoes: VecDeque<Vec<u8>>,
    pings: VecDeque<Vec<u8>>,
    /// Requests that were not answered yet.
    pub asked: usize,
    /// A response has come: it was let in to ask.
    pub was_answered: bool,
    /// Everything that it has received of its channels.
    pub received: Vec<u32>,
    /// Messages of which it has received the beginning with something else behind it.
    pub torn: Vec<u32>,
    /// It has received what nobody has written down.
    pub has_foreign: bool,
    /// The next number of all messages when the 101 was read: of its channels it misses none from
    /// there.
    pub joined: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It asks over HTTP.
    Asking,
    /// It has asked to be let in.
    Waiting,
    Open,
    /// A Close has come.
    Closed(u16),
}

impl Client {
    pub fn new(peer: SimPeer, publisher: usize) -> Client {
        Client {
            peer,
            path: "",
            publisher,
            nonce: [publisher as u8; 16],
            masks: publisher as u32,
            bytes: Vec::new(),
            decoder: Decoder::new(Role::Client),
            assembly: Vec::new(),
            phase: Phase::Asking,
            is_clean: true,
            is_done: false,
            is_told_last: false,
            is_stalled: false,
            is_doomed: false,
            unsaid: Vec::new(),
            said: Vec::new(),
            echoes: VecDeque::new(),
            pings: VecDeque::new(),
            asked: 0,
            was_answered: false,
            received: Vec::new(),
            torn: Vec::new(),
            has_foreign: false,
            joined: 0,
        }
    }

    /// What it receives.
    pub fn channels(&self) -> &[&'static str] {
        match self.path {
            "/news" | "/leave" => &[NEWS],
            "/sport" => &[SPORT],
            "/mail" => &[MAIL],
            "/two" | "/hop" => &[NEWS, SPORT],
            _ => &[],
        }
    }

    /// Whose messages come in the order of their numbers.
    pub fn publisher(&self) -> usize {
        self.publisher
    }

    /// It is subscribed to its channels as long as it is open.
    pub fn stays(&self) -> bool {
        self.path != "/hop"
    }

    // Saying.

    pub fn can_say(&self) -> bool {
        !self.is_done && !self.is_gone() && !matches!(self.phase, Phase::Closed(_))
    }

    /// The connection is over, in one way or the other.
    pub fn is_gone(&self) -> bool {
        self.peer.is_reset() || self.peer.is_ended() || self.peer.has_crashed()
    }

    /// It is let in, and nothing has ended.
    pub fn is_in(&self) -> bool {
        self.phase == Phase::Open && self.can_say()
    }

    /// Says something behind what is left of the last; all of it, or first only a part.
    fn say(&mut self, bytes: &[u8], cut: u8) {
        self.finish();
        let now = match cut {
            0 => bytes.len(),
            cut => bytes.len() * usize::from(cut) / 4,
        };
        self.peer.send(&bytes[..now]);
        self.unsaid = bytes[now..].to_vec();
    }

    /// Says the rest of what was begun.
    pub fn finish(&mut self) {
        let unsaid = std::mem::take(&mut self.unsaid);
        if self.can_say() && !unsaid.is_empty() {
            self.peer.send(&unsaid);
        }
    }

    pub fn upgrade(&mut self, path: &'static str, cut: u8) {
        if self.phase != Phase::Asking || !self.can_say() {
            return;
        }
        let mut request = Vec::new();
        ClientHandshake::new(self.nonce).write_request(&mut request, HOST, path, &[]);
        self.path = path;
        self.phase = Phase::Waiting;
        self.say(&request, cut);
    }

    /// Asks, or publishes over HTTP.
    pub fn ask(&mut self, book: &mut Book, what: u8, cut: u8, bytes_max: usize) {
        if self.phase != Phase::Asking || !self.can_say() {
            return;
        }
        let channel = [NEWS, SPORT][usize::from(what & 1)];
        let path = format!("/{channel}");
        let mut request = Vec::new();
        match what >> 1 & 3 {
            0 => write_request(&mut request, "GET", HOST, &path, &[], b""),
            1 => write_request(
                &mut request,
                "HEAD",
                HOST,
                ["/", &path][usize::from(what & 1)],
                &[],
                b"",
            ),
            2 => write_request(&mut request, "GET", HOST, "/", &[], b""),
            _ => {
                let bytes = SIZES[usize::from(what >> 3 & 7)].min(bytes_max);
                let path = if what >> 6 == 3 { "/no" } else { &path };
                let body = self.write(book, channel, bytes);
                write_request(&mut request, "POST", HOST, path, &[], &body);
            }
        }
        self.asked += 1;
        self.say(&request, cut);
    }

    fn write(&mut self, book: &mut Book, channel: &'static str, bytes: usize) -> Vec<u8> {
        if self.phase == Phase::Open {
            self.said.push(book.next());
        }
        book.write(channel, self.publisher, bytes)
    }

    /// A message, in one frame or in a few. What it is for is its path's business.
    pub fn message(&mut self, book: &mut Book, how: u8, cut: u8, bytes_max: usize) {
        if !self.is_in() {
            return;
        }
        let bytes = SIZES[usize::from(how & 7)].min(bytes_max);
        let payload = match self.path {
            "/news" | "/leave" => self.write(book, NEWS, bytes),
            "/two" | "/sport" => self.write(book, SPORT, bytes),
            "/mail" => self.write(book, MAIL, bytes),
            _ => vec![how & 127; bytes],
        };
        if self.path == "/echo" {
            self.echoes.push_back(payload.clone());
        }
        let fragments = usize::from(how >> 3 & 3);
        let mut frames = Vec::new();
        let is_text = how & 32 != 0 && matches!(self.path, "/echo" | "/hop");
        let (mut rest, mut opcode) =
            (&payload[..], if is_text { Opcode::Text } else { Opcode::Binary });
        for left in (0..=fragments).rev() {
            let (piece, behind) =
                rest.split_at(if left == 0 { rest.len() } else { rest.len() / 3 });
            let mask = self.mask();
            let header = FrameHeader {
                fin: left == 0,
                opcode,
                mask: Some(mask),
                payload_bytes: piece.len() as u64,
            };
            frames.extend_from_slice(&header.encode());
            let start = frames.len();
            frames.extend_from_slice(piece);
            apply_mask(&mut frames[start..], mask);
            (rest, opcode) = (behind, Opcode::Continuation);
        }
        self.say(&frames, cut);
    }

    fn mask(&mut self) -> [u8; 4] {
        self.masks = self.masks.wrapping_mul(0x9e37_79b1).wrapping_add(0x85eb_ca6b);
        self.masks.to_le_bytes()
    }

    pub fn ping(&mut self, count: u8) {
        for number in 0..count {
            if !self.is_in() {
                return;
            }
            let payload = vec![number; usize::from(count) * 9 % 126];
            let mut frame = Vec::new();
            encode_masked_frame(&mut frame, Opcode::Ping, &payload, self.mask());
            self.pings.push_back(payload);
            self.say(&frame, 0);
        }
    }

    fn pong(&mut self) {
        if self.is_in() && !self.is_stalled {
            let mut frame = Vec::new();
            encode_masked_frame(&mut frame, Opcode::Pong, b"", self.mask());
            self.say(&frame, 0);
        }
    }

    pub fn close(&mut self, how: u8) {
        if self.is_in() {
            let mut frame = Vec::new();
            let code = CloseCode::new(if how == 0 { 1000 } else { 3000 });
            encode_masked_close(&mut frame, code, "bye", self.mask());
            self.say(&frame, 0);
            self.is_done = true;
        }
    }

    /// Bytes that come from nowhere.
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.can_say() {
            self.is_clean = false;
            self.peer.send(bytes);
        }
    }

    /// Ends its side.
    pub fn hang_up(&mut self) {
        if !self.is_done && !self.is_gone() {
            self.is_done = true;
            self.peer.close_write();
        }
    }

    pub fn crash(&mut self, how: u8, bytes: usize) {
        self.is_doomed = true;
        let crash = [SimCrash::Close, SimCrash::Reset, SimCrash::Silence][usize::from(how % 3)];
        match how / 3 % 3 {
            0 => self.peer.crash(crash),
            1 => self.peer.crash_after_sent(bytes as u64, crash),
            _ => self.peer.crash_after_received(bytes as u64, crash),
        }
    }

    pub fn stall(&mut self) {
        self.is_stalled = true;
        self.peer.set_window(0);
        self.peer.set_reading(false);
    }

    /// Takes some bytes, and then no more.
    pub fn sip(&mut self, bytes: usize) {
        self.is_stalled = true;
        self.peer.set_reading(false);
        self.peer.set_window(bytes);
        self.peer.set_window(0);
        self.peer.read(bytes);
    }

    pub fn wake(&mut self) {
        self.is_stalled = false;
        self.peer.set_window(1 << 20);
        self.peer.set_reading(true);
    }

    // Hearing.

    /// Understands all that has come, and answers pings.
    pub fn hear(&mut self, book: &mut Book) {
        if self.peer.received_bytes() == 0 {
            return;
        }
        self.bytes.extend(self.peer.take_received());
        while matches!(self.phase, Phase::Asking | Phase::Waiting) && self.hear_response(book) {}
        if matches!(self.phase, Phase::Open | Phase::Closed(_)) {
            self.hear_frames(book);
        }
    }

    fn hear_response(&mut self, book: &mut Book) -> bool {
        assert!(!self.is_told_last || self.bytes.is_empty(), "bytes behind the last answer");
        let scanned = HeadScanner::new().find_end(&self.bytes, &HttpLimits::default());
        let Some(end) = scanned.expect("a response has a head") else { return false };
        let mut storage = HeaderStorage::default();
        let head =
            ResponseHead::parse(&self.bytes[..end], &mut storage).expect("a head is well-formed");
        let status = head.status();
        if status == 100 {
            assert!(!self.is_clean, "nobody has waited for 100");
            self.bytes.drain(..end);
            return true;
        }
        let requests = book.requests.entry(self.peer.addr()).or_default();
        let (is_of_application, is_head) = match requests.front() {
            Some(is_head) => (true, *is_head),
            None => (false, false),
        };
        let body_bytes =
            if is_head { 0 } else { head.body_bytes().expect("every body has a length") };
        if self.bytes.len() < end + body_bytes {
            return false;
        }
        requests.pop_front();
        let is_last =
            head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        assert!(
            is_of_application || is_last && (LAST.contains(&status) || status == 503),
            "{status}"
        );
        assert!(
            !self.is_clean || STATUSES.contains(&status),
            "{status} for somebody who did nothing wrong"
        );
        self.asked = self.asked.saturating_sub(1);
        self.was_answered = true;
        if status == 101 {
            if self.phase == Phase::Waiting && self.is_clean {
                let handshake = ClientHandshake::new(self.nonce);
                assert_eq!(handshake.check_response(&head), Ok(()));
            }
            assert!(is_of_application);
            self.phase = Phase::Open;
            self.joined = book.next();
        }
        self.bytes.drain(..end + body_bytes);
        self.is_told_last = is_last;
        self.is_done |= is_last;
        true
    }

    fn hear_frames(&mut self, book: &mut Book) {
        let mut consumed = 0;
        let mut pings = 0;
        let mut bytes = std::mem::take(&mut self.bytes);
        while self.phase == Phase::Open {
            let input = &mut bytes[consumed..];
            let decoded = self.decoder.decode(&DecoderLimits::UNLIMITED, input, &mut self.assembly);
            let Decoded { consumed: used, event } =
                decoded.expect("the server keeps to the protocol");
            consumed += used;
            let Some(event) = event else { break };
            match event {
                Event::Message(message) => {
                    let payload = message.payload();
                    match self.path {
                        "/echo" if self.is_clean => {
                            let echo = self.echoes.pop_front();
                            assert_eq!(echo.as_deref(), Some(payload), "an echo");
                        }
                        "/bye" | "/shut" | "/away" if self.is_clean => {
                            panic!("a message for nobody")
                        }
                        _ => match book.recognise(payload) {
                            Known::Whole(number) => self.received.push(number),
                            Known::Torn(number) => self.torn.push(number),
                            Known::Foreign => self.has_foreign = true,
                        },
                    }
                }
                Event::Ping(payload) => {
                    assert!(payload.len() <= 125);
                    pings += 1;
                }
                Event::Pong(payload) => {
                    let ping = self.pings.pop_front();
                    assert!(
                        !self.is_clean || ping.as_deref() == Some(payload),
                        "a pong without its ping"
                    );
                }
                Event::Close(frame) => {
                    let code = frame.expect("a server's Close has a code").code.as_u16();
                    let is_own = self.is_done && code == 3000;
                    assert!(
                        !self.is_clean || is_own || CODES.contains(&code),
                        "closed with {code}"
                    );
                    self.phase = Phase::Closed(code);
                }
            }
        }
        bytes.drain(..consumed);
        self.bytes = bytes;
        assert!(self.phase == Phase::Open || self.bytes.is_empty(), "bytes behind the Close");
        (0..pings).for_each(|_| self.pong());
    }

    /// Whether something is on its way from or to this client that must arrive. `all_are_let_in`:
    /// nobody has to wait for others.
    pub fn is_pending(&self, all_are_let_in: bool) -> bool {
        if !self.can_say() {
            return false;
        }
        let peer = &self.peer;
        let is_owed = match self.phase {
            Phase::Open => {
                peer.unread_bytes() > 0
                    || self.is_clean && !(self.echoes.is_empty() && self.pings.is_empty())
            }
            Phase::Waiting => self.is_clean && all_are_let_in,
            Phase::Asking => {
                self.is_clean && self.asked > 0 && (self.was_answered || all_are_let_in)
            }
            Phase::Closed(_) => false,
        };
        peer.bytes_under_way() > 0 || is_owed
    }
}
