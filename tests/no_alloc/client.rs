//! The client process: the frame client of the tests on blocking sockets.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use socket2::SockRef;

use crate::cases::CASES;
use crate::support::DEADLINE;
use crate::support::frames::{self, Answered, FrameClient, Heard, Opcode};
use crate::{GO, WARM, guard};

/// The token with which every peer signs in, if the case needs one.
static TOKEN: OnceLock<String> = OnceLock::new();

/// How many peers connect and leave again before anything is counted.
const CROWD: usize = 32;

pub(crate) fn run(case: &str, address: &str) {
    let case = CASES.iter().find(|known| known.name == case).expect("a case of this name");
    if case.is_guarded {
        TOKEN.set(guard::token()).expect("it is set once");
    }
    let peers = (0..case.peers).map(|_| Peer::open(address, case.path)).collect();
    let mut clients = Clients { address: address.to_owned(), peers, http: None };
    // Lets the server's slab and pools grow beyond what the case needs even if some connections
    // overlap by chance: all these peers leave at the same time, each with an unfinished message
    // and half a frame header. The unfinished messages are as long as the longest message of any
    // case, because a buffer that has to grow allocates.
    let mut crowd: Vec<_> = (0..CROWD).map(|_| Peer::open(address, case.path)).collect();
    for peer in &mut crowd {
        peer.queue_fragment(Opcode::Text, false, &[b'h'; 40 * 1024]);
        peer.queue(Opcode::Ping, b"half");
        peer.out.push(0x80);
        peer.flush();
    }
    for peer in &mut crowd {
        assert_eq!(peer.pong(), b"half");
    }
    crowd.into_iter().for_each(Peer::reset);
    for _ in 0..case.warm_up {
        (case.round)(&mut clients);
    }
    println!("{WARM}");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("the server's process is there");
    assert_eq!(line.trim(), GO);
    let done: u64 = (0..case.rounds).map(|_| (case.round)(&mut clients)).sum();
    println!("{done}");
    // The peers stay connected until the allocations are counted, because no case includes the
    // leaving of the last subscriber.
    std::io::stdin().lock().read_line(&mut line).expect("the server's process is there");
}

/// The clients of one case.
pub(crate) struct Clients {
    pub(crate) address: String,
    pub(crate) peers: Vec<Peer>,
    /// The HTTP connection, in cases that have one.
    pub(crate) http: Option<Peer>,
}

pub(crate) struct Peer {
    stream: TcpStream,
    frames: FrameClient,
    /// What was received but not asked for yet, the newest first.
    heard: Vec<Heard>,
    out: Vec<u8>,
}

impl Peer {
    pub(crate) fn connect(address: &str) -> Peer {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket has time-outs");
        stream.set_nodelay(true).expect("a socket has options");
        Peer { stream, frames: FrameClient::new(1), heard: Vec::new(), out: Vec::new() }
    }

    pub(crate) fn open(address: &str, path: &str) -> Peer {
        let mut peer = Peer::connect(address);
        let bearer = TOKEN.get().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", &bearer[..])).collect();
        assert_eq!(peer.ask(&frames::handshake_with(path, &headers)).status, 101);
        peer
    }

    /// Sends a request and reads the answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Answered {
        self.out.extend_from_slice(request);
        self.flush();
        loop {
            match self.frames.response(false) {
                Some(answered) => return answered,
                None => self.read(),
            }
        }
    }

    fn read(&mut self) {
        let mut piece = [0; 64 * 1024];
        let count = self.stream.read(&mut piece).expect("the server answers in time");
        assert!(count > 0, "the server has closed");
        self.frames.receive(&piece[..count]);
    }

    pub(crate) fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        self.queue_fragment(opcode, true, payload);
    }

    pub(crate) fn queue_fragment(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        self.out.extend(self.frames.fragment(fin, opcode, payload));
    }

    pub(crate) fn flush(&mut self) {
        self.stream.write_all(&self.out).expect("the server reads");
        self.out.clear();
    }

    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.queue(opcode, payload);
        self.flush();
    }

    fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop() {
                return heard;
            }
            self.heard = self.frames.heard();
            self.heard.reverse();
            if self.heard.is_empty() {
                self.read();
            }
        }
    }

    pub(crate) fn message(&mut self) -> Vec<u8> {
        match self.next() {
            Heard::Message(payload) => payload,
            other => panic!("{other:?} instead of a message"),
        }
    }

    pub(crate) fn pong(&mut self) -> Vec<u8> {
        match self.next() {
            Heard::Pong(payload) => payload,
            other => panic!("{other:?} instead of a pong"),
        }
    }

    /// Performs the closing handshake, and waits for the end of the stream.
    pub(crate) fn close(mut self) {
        self.out = self.frames.close(1000, "bye");
        self.flush();
        assert_eq!(self.next(), Heard::Close(1000, "bye".to_owned()));
        self.end();
    }

    /// Waits for the end of the stream. The server must send nothing more before it.
    pub(crate) fn end(mut self) {
        assert_eq!(self.stream.read(&mut [0]).expect("the server closes"), 0);
    }

    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a socket has options");
    }
}
