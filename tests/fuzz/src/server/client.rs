//! One client of a fuzzed server: what it sends, and what it may receive. If the server sends bytes
//! that the protocol forbids, the client panics.

use std::collections::VecDeque;

use super::book::{Book, Known, MAIL, NEWS, SPORT};
use crate::frames::{self, FrameClient, Heard, Opcode};
use fanfare::net::sim::{SimCrash, SimPeer};

/// The paths that clients open.
pub const PATHS: [&str; 10] =
    ["/news", "/sport", "/two", "/echo", "/mail", "/hop", "/leave", "/bye", "/shut", "/away"];

/// Sizes of payloads. From 126 bytes on the frame header is longer.
const SIZES: [usize; 8] = [12, 40, 125, 126, 301, 700, 2_500, 9_000];

/// The statuses and close codes that a client may receive although it has broken no rule: for
/// reasons of size, time, memory, or the end of the server.
const STATUSES: [u16; 8] = [101, 200, 204, 403, 408, 413, 429, 503];
const CODES: [u16; 8] = [1000, 1008, 1009, 1012, 1013, 4008, 4403, 4408];

/// The server answers this many pings in a row one by one. After them a Pong may answer several
/// pings (RFC 6455 section 5.5.3).
const PONGS_IN_A_ROW: usize = 15;

/// Statuses that the reactor sends by itself. Each of these responses is the last on its
/// connection.
const LAST: [u16; 9] = [400, 405, 408, 413, 417, 426, 429, 431, 501];

pub struct Client {
    pub peer: SimPeer,
    path: &'static str,
    /// The client's number as a publisher. Its messages arrive in the order of their numbers.
    publisher: usize,
    frames: FrameClient,
    pub phase: Phase,
    /// Everything that the client has sent so far is allowed by the protocol.
    pub is_clean: bool,
    /// The client will send nothing more.
    pub is_done: bool,
    /// The client has received a response with `Connection: close`, so no further response may
    /// follow.
    is_told_last: bool,
    is_stalled: bool,
    /// The client crashes now, or after some further bytes.
    pub is_doomed: bool,
    /// The rest of a frame or request that the client has begun to send.
    unsaid: Vec<u8>,
    /// The numbers of the messages that the client has sent over its WebSocket, or begun to send.
    pub said: Vec<u32>,
    echoes: VecDeque<Vec<u8>>,
    /// The payloads of pings that were not answered yet.
    pings: VecDeque<Vec<u8>>,
    pings_so_far: u32,
    /// How many Pongs in a row have each answered a single ping.
    pongs_in_a_row: usize,
    /// How many requests were not answered yet.
    pub asked: usize,
    /// The client has received a response, so its connection was accepted.
    pub was_answered: bool,
    /// The numbers of all messages received from the client's channels, in order.
    pub received: Vec<u32>,
    /// The numbers of messages of which only the beginning was received, followed by other bytes.
    pub torn: Vec<u32>,
    /// The client has received a message that is not in the record.
    pub has_foreign: bool,
    /// The number of the next message when the client read its 101. It must receive all messages of
    /// its channels from this number on.
    pub joined: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The connection is used for HTTP requests.
    Asking,
    /// The opening handshake was sent, and not answered yet.
    Waiting,
    Open,
    /// A Close frame was received, with this code.
    Closed(u16),
}

impl Client {
    pub fn new(peer: SimPeer, publisher: usize) -> Client {
        Client {
            peer,
            path: "",
            publisher,
            frames: FrameClient::new(publisher as u32),
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
            pings_so_far: 0,
            pongs_in_a_row: 0,
            asked: 0,
            was_answered: false,
            received: Vec::new(),
            torn: Vec::new(),
            has_foreign: false,
            joined: 0,
        }
    }

    /// Returns the channels whose messages the client receives.
    pub fn channels(&self) -> &[&'static str] {
        match self.path {
            "/news" | "/leave" => &[NEWS],
            "/sport" => &[SPORT],
            "/mail" => &[MAIL],
            "/two" | "/hop" => &[NEWS, SPORT],
            _ => &[],
        }
    }

    /// Returns the client's number as a publisher.
    pub fn publisher(&self) -> usize {
        self.publisher
    }

    /// Returns true if the client stays subscribed to its channels as long as it is open.
    pub fn stays(&self) -> bool {
        self.path != "/hop"
    }

    // Sending.

    pub fn can_say(&self) -> bool {
        !self.is_done && !self.is_gone() && !matches!(self.phase, Phase::Closed(_))
    }

    /// Returns true if the connection has ended, in whatever way.
    pub fn is_gone(&self) -> bool {
        self.peer.is_reset() || self.peer.is_ended() || self.peer.has_crashed()
    }

    /// Returns true if the connection is open and neither side has begun to end it.
    pub fn is_in(&self) -> bool {
        self.phase == Phase::Open && self.can_say()
    }

    /// Sends the rest of the previous frame, then these bytes, or for now only a part of them.
    fn say(&mut self, bytes: &[u8], cut: u8) {
        self.finish();
        let now = match cut {
            0 => bytes.len(),
            cut => bytes.len() * usize::from(cut) / 4,
        };
        self.peer.send(&bytes[..now]);
        self.unsaid = bytes[now..].to_vec();
    }

    /// Sends the rest of a frame that was sent in part.
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
        self.path = path;
        self.phase = Phase::Waiting;
        self.say(&frames::handshake(path), cut);
    }

    /// Sends a request: a GET, a HEAD, or a POST that publishes.
    pub fn ask(&mut self, book: &mut Book, what: u8, cut: u8, bytes_max: usize) {
        if self.phase != Phase::Asking || !self.can_say() {
            return;
        }
        let channel = [NEWS, SPORT][usize::from(what & 1)];
        let path = format!("/{channel}");
        let request = match what >> 1 & 3 {
            0 => frames::request("GET", &path, &[], b""),
            1 => frames::request("HEAD", ["/", &path][usize::from(what & 1)], &[], b""),
            2 => frames::request("GET", "/", &[], b""),
            _ => {
                let bytes = SIZES[usize::from(what >> 3 & 7)].min(bytes_max);
                let path = if what >> 6 == 3 { "/no" } else { &path };
                frames::request("POST", path, &[], &self.write(book, channel, bytes))
            }
        };
        self.asked += 1;
        self.say(&request, cut);
    }

    fn write(&mut self, book: &mut Book, channel: &'static str, bytes: usize) -> Vec<u8> {
        if self.phase == Phase::Open {
            self.said.push(book.next());
        }
        book.write(channel, self.publisher, bytes)
    }

    /// Sends a message, as one frame or several fragments. The client's path decides what the
    /// payload is.
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
            frames.extend(self.frames.fragment(left == 0, opcode, piece));
            (rest, opcode) = (behind, Opcode::Continuation);
        }
        self.say(&frames, cut);
    }

    pub fn ping(&mut self, count: u8) {
        for _ in 0..count {
            if !self.is_in() {
                return;
            }
            // Each ping has another payload.
            self.pings_so_far += 1;
            let mut payload = self.pings_so_far.to_le_bytes().to_vec();
            payload.resize(4 + usize::from(count) * 9 % 122, count);
            let frame = self.frames.frame(Opcode::Ping, &payload);
            self.pings.push_back(payload);
            self.say(&frame, 0);
        }
    }

    fn pong(&mut self) {
        if self.is_in() && !self.is_stalled {
            let frame = self.frames.frame(Opcode::Pong, b"");
            self.say(&frame, 0);
        }
    }

    pub fn close(&mut self, how: u8) {
        if self.is_in() {
            let frame = self.frames.close(if how == 0 { 1000 } else { 3000 }, "bye");
            self.say(&frame, 0);
            self.is_done = true;
        }
    }

    /// Sends bytes of the input as they are, which will usually break a rule.
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.can_say() {
            self.is_clean = false;
            self.peer.send(bytes);
        }
    }

    /// Ends the client's side of the stream.
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

    /// Reads up to this many bytes, and then nothing more.
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

    // Receiving.

    /// Decodes everything that has arrived, and answers pings.
    pub fn hear(&mut self, book: &mut Book) {
        if self.peer.received_bytes() == 0 {
            return;
        }
        self.frames.receive(&self.peer.take_received());
        while matches!(self.phase, Phase::Asking | Phase::Waiting) && self.hear_response(book) {}
        if matches!(self.phase, Phase::Open | Phase::Closed(_)) {
            self.hear_frames(book);
        }
    }

    fn hear_response(&mut self, book: &mut Book) -> bool {
        let is_over = self.is_told_last && !self.frames.has_decoded_all();
        assert!(!is_over, "bytes behind the last answer");
        let requests = book.requests.entry(self.peer.addr()).or_default();
        let is_head = requests.front().copied();
        let Some(answered) = self.frames.response(is_head.unwrap_or(false)) else { return false };
        let status = answered.status;
        if status == 100 {
            assert!(!self.is_clean, "nobody has waited for 100");
            return true;
        }
        requests.pop_front();
        let is_of_application = is_head.is_some();
        let is_last = !answered.keep_alive;
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
            assert!(is_of_application);
            self.phase = Phase::Open;
            self.joined = book.next();
        }
        self.is_told_last = is_last;
        self.is_done |= is_last;
        true
    }

    fn hear_frames(&mut self, book: &mut Book) {
        let mut pings = 0;
        for heard in self.frames.heard() {
            match heard {
                Heard::Message(payload) => self.hear_message(book, &payload),
                Heard::Compressed(_) => unreachable!("compression is not offered"),
                Heard::Ping => pings += 1,
                Heard::Pong(payload) => self.hear_pong(&payload),
                Heard::Close(code, _) => {
                    let is_own = self.is_done && code == 3000;
                    assert!(
                        !self.is_clean || is_own || CODES.contains(&code),
                        "closed with {code}"
                    );
                    self.phase = Phase::Closed(code);
                }
            }
        }
        (0..pings).for_each(|_| self.pong());
    }

    fn hear_pong(&mut self, payload: &[u8]) {
        let passed_over = self.pings.iter().position(|ping| ping == payload);
        assert!(!self.is_clean || passed_over.is_some(), "a pong without its ping");
        let Some(passed_over) = passed_over else { return };
        self.pings.drain(..=passed_over);
        if passed_over == 0 {
            self.pongs_in_a_row += 1;
        } else {
            assert!(self.pongs_in_a_row >= PONGS_IN_A_ROW, "a ping was passed over");
            self.pongs_in_a_row = 0;
        }
    }

    fn hear_message(&mut self, book: &mut Book, payload: &[u8]) {
        match self.path {
            "/echo" if self.is_clean => {
                let echo = self.echoes.pop_front();
                assert_eq!(echo.as_deref(), Some(payload), "an echo");
            }
            "/bye" | "/shut" | "/away" if self.is_clean => panic!("a message for nobody"),
            _ => match book.recognise(payload) {
                Known::Whole(number) => self.received.push(number),
                Known::Torn(number) => self.torn.push(number),
                Known::Foreign => self.has_foreign = true,
            },
        }
    }

    /// Returns true if the client still waits for something that must arrive. `all_are_let_in`: no
    /// limit makes a client wait for others.
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
