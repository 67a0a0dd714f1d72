//! The client process: plain blocking sockets on the protocol's client half.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fanfare::protocol::{
    ClientHandshake, CloseCode, Decoded, Decoder, DecoderLimits, Event, FrameHeader, HeadScanner,
    HeaderStorage, HttpLimits, Opcode, ResponseHead, Role, apply_mask, encode_masked_close,
};
use socket2::SockRef;

use crate::cases::CASES;
use crate::{GO, WARM};

/// A server that does not answer fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Peers that come and go before anything is counted.
const CROWD: usize = 32;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) fn run(case: &str, address: &str) {
    let case = CASES.iter().find(|known| known.name == case).expect("a case of this name");
    let mut peers: Vec<_> = (0..case.peers).map(|_| Peer::open(address, case.path)).collect();
    // The slab and the pools grow to more than what connections that overlap by chance will need:
    // each of the crowd leaves the server with half a message and half a header at the same time.
    let mut crowd: Vec<_> = (0..CROWD).map(|_| Peer::open(address, case.path)).collect();
    for peer in &mut crowd {
        peer.queue_fragment(Opcode::Text, false, &[b'h'; 4096]);
        peer.queue(Opcode::Ping, b"half");
        peer.out.push(0x80);
        peer.flush();
    }
    for peer in &mut crowd {
        assert_eq!(peer.pong(), b"half");
    }
    crowd.into_iter().for_each(Peer::reset);
    for _ in 0..case.warm_up {
        (case.round)(address, &mut peers);
    }
    println!("{WARM}");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("the server's process is there");
    assert_eq!(line.trim(), GO);
    let done: u64 = (0..case.rounds).map(|_| (case.round)(address, &mut peers)).sum();
    println!("{done}");
    // The peers stay until it has been counted: the last subscriber's leaving is not part of any
    // case.
    std::io::stdin().lock().read_line(&mut line).expect("the server's process is there");
}

pub(crate) struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    received: Vec<u8>,
    assembly: Vec<u8>,
    out: Vec<u8>,
}

/// What a frame brought, as far as a case asks.
enum Got {
    Message(Vec<u8>),
    Pong(Vec<u8>),
    Close,
}

impl Peer {
    pub(crate) fn open(address: &str, path: &str) -> Peer {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
        stream.set_nodelay(true).expect("a socket has options");
        let (received, out, assembly) = (Vec::new(), Vec::new(), Vec::new());
        let mut peer =
            Peer { stream, decoder: Decoder::new(Role::Client), received, assembly, out };
        let handshake = ClientHandshake::new([7; 16]);
        handshake.write_request(&mut peer.out, "localhost", path, &[]);
        peer.flush();
        let mut scanner = HeadScanner::new();
        let limits = HttpLimits { head_bytes_max: 8192, body_bytes_max: 0 };
        let head_bytes = loop {
            peer.read();
            if let Some(bytes) = scanner.find_end(&peer.received, &limits).expect("a response head")
            {
                break bytes;
            }
        };
        let head: Vec<u8> = peer.received.drain(..head_bytes).collect();
        let mut storage = HeaderStorage::new();
        let response = ResponseHead::parse(&head, &mut storage).expect("a response");
        handshake.check_response(&response).expect("a 101");
        peer
    }

    fn read(&mut self) {
        let mut piece = [0; 64 * 1024];
        let count = self.stream.read(&mut piece).expect("the server answers in time");
        assert!(count > 0, "the server has closed");
        self.received.extend_from_slice(&piece[..count]);
    }

    pub(crate) fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        self.queue_fragment(opcode, true, payload);
    }

    pub(crate) fn queue_fragment(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        let header =
            FrameHeader { fin, opcode, mask: Some(MASK), payload_bytes: payload.len() as u64 };
        self.out.extend_from_slice(&header.encode());
        let start = self.out.len();
        self.out.extend_from_slice(payload);
        apply_mask(&mut self.out[start..], MASK);
    }

    pub(crate) fn flush(&mut self) {
        self.stream.write_all(&self.out).expect("the server reads");
        self.out.clear();
    }

    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.queue(opcode, payload);
        self.flush();
    }

    fn next(&mut self) -> Got {
        loop {
            let decoded = self.decoder.decode(
                &DecoderLimits::UNLIMITED,
                &mut self.received,
                &mut self.assembly,
            );
            let Decoded { consumed, event } = decoded.expect("the server keeps to the protocol");
            let got = event.map(|event| match event {
                Event::Message(message) => Got::Message(message.payload().to_vec()),
                Event::Pong(payload) => Got::Pong(payload.to_vec()),
                Event::Close(_) => Got::Close,
                Event::Ping(_) => panic!("no case lasts long enough for a ping"),
            });
            self.received.drain(..consumed);
            match got {
                Some(got) => return got,
                None => self.read(),
            }
        }
    }

    pub(crate) fn message(&mut self) -> Vec<u8> {
        match self.next() {
            Got::Message(payload) => payload,
            Got::Pong(_) | Got::Close => panic!("a message was expected"),
        }
    }

    pub(crate) fn pong(&mut self) -> Vec<u8> {
        match self.next() {
            Got::Pong(payload) => payload,
            Got::Message(_) | Got::Close => panic!("a pong was expected"),
        }
    }

    /// The closing handshake, to its end.
    pub(crate) fn close(mut self) {
        encode_masked_close(&mut self.out, CloseCode::NORMAL, "bye", MASK);
        self.flush();
        assert!(matches!(self.next(), Got::Close), "a Close is answered by one");
        assert_eq!(self.stream.read(&mut [0]).expect("the server closes"), 0);
    }

    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a socket has options");
    }
}
