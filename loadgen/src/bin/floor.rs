//! The floor: what echo and broadcast cost on a server that only receives and sends. Messages have
//! a fixed size, nothing is checked, and sends are few. Other servers can be compared with it under
//! the same load.
//!
//! It is a separate program, so that it can be pinned to a core like the measured server. It is a
//! binary of loadgen, so that it is built together with the load generator and no part of it is
//! built into the server.
//!
//! ```text
//! floor --listen 127.0.0.1:9001 --size 64 echo | broadcast
//! ```
//! Echo: as many prepared frames are sent back as were received. Broadcast: everything received in
//! one poll round is sent to every connection in one send. A broadcast sends the publisher's
//! payloads unmasked, so that receivers can be checked.
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use fanfare::protocol::{
    HeadScanner, HeaderStorage, HttpLimits, Opcode, Request, apply_mask, check_upgrade,
    encode_frame, encode_masked_frame, encode_switching_protocols,
};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

/// Bytes read by one `recv`.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Readiness events processed in one poll round.
const EVENTS_PER_ROUND_MAX: usize = 1024;
/// The echo frames prepared for one send take at least this many bytes. If more replies are due,
/// several sends are made.
const PREPARED_BYTES_MIN: usize = 256 * 1024;
const LISTENER: Token = Token(usize::MAX);

#[derive(Parser)]
#[command(
    version,
    about = "The least that an echo or broadcast server can do: recv and send of fixed bytes"
)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Payload bytes of every message
    #[arg(short = 's', long, default_value_t = 64)]
    size: usize,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Echo,
    Broadcast,
}

struct Connection {
    stream: TcpStream,
    is_open: bool,
    /// Received bytes of an incomplete request or frame.
    partial: Vec<u8>,
    /// Bytes that the kernel has refused, to be sent when the socket is writable.
    outbound: Vec<u8>,
}

struct Floor {
    mode: Mode,
    poll: Poll,
    connections: Slab<Connection>,
    buffer: Vec<u8>,
    /// The size of a masked frame with a payload of the fixed size: header, mask, payload.
    request_bytes: usize,
    /// The size of the same frame without a mask.
    reply_bytes: usize,
    payload_bytes: usize,
    /// Echo: many copies of the reply, one after the other.
    prepared: Vec<u8>,
    /// Broadcast: frames received in this poll round, unmasked, to be sent to every connection.
    round: Vec<u8>,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let mut listener = TcpListener::bind(options.listen)?;
    // Accepted sockets inherit this option.
    socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
    let mut floor = Floor::new(options.mode, options.size)?;
    floor.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    // This line reports that the floor is ready, and its port.
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let mut events = Events::with_capacity(EVENTS_PER_ROUND_MAX);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener)?,
                Token(key) => floor.on_ready(key, event),
            }
        }
        floor.end_round();
    }
}

impl Floor {
    fn new(mode: Mode, size: usize) -> io::Result<Floor> {
        let payload = vec![b'x'; size];
        let (mut request, mut prepared) = (Vec::new(), Vec::new());
        encode_masked_frame(&mut request, Opcode::Text, &payload, [0; 4]);
        encode_frame(&mut prepared, Opcode::Text, &payload);
        let reply_bytes = prepared.len();
        while prepared.len() < PREPARED_BYTES_MIN {
            prepared.extend_from_within(..reply_bytes);
        }
        Ok(Floor {
            mode,
            poll: Poll::new()?,
            connections: Slab::new(),
            buffer: vec![0; READ_BYTES_MAX],
            request_bytes: request.len(),
            reply_bytes,
            payload_bytes: size,
            prepared,
            round: Vec::new(),
        })
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let (mut stream, _) = match listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The connection was reset before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                other => other?,
            };
            let entry = self.connections.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(entry.key()), interest)?;
            entry.insert(Connection {
                stream,
                is_open: false,
                partial: Vec::new(),
                outbound: Vec::new(),
            });
        }
    }

    fn on_ready(&mut self, key: usize, event: &Event) {
        let hung_up = event.is_read_closed() || event.is_error();
        let Some(connection) = self.connections.get_mut(key) else { return };
        let mut alive = !event.is_writable() || connection.flush();
        while alive && (event.is_readable() || hung_up) {
            let Some(connection) = self.connections.get_mut(key) else { return };
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => alive = false,
                Ok(taken) => {
                    alive = self.take(key, taken);
                    // A short read means that the socket is empty, unless the peer has closed.
                    if taken < READ_BYTES_MAX && !hung_up {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => alive = false,
            }
        }
        if !alive {
            self.connections.remove(key);
        }
    }

    /// Processes the first `taken` bytes of the buffer. Returns false to close the connection.
    fn take(&mut self, key: usize, taken: usize) -> bool {
        let Floor { connections, buffer, round, prepared, .. } = self;
        let connection = &mut connections[key];
        let mut bytes = &mut buffer[..taken];
        if !connection.is_open {
            connection.partial.extend_from_slice(bytes);
            // A client sends no frame before it has received the 101, so all bytes are the request.
            return connection.try_open();
        }
        // First complete a frame whose beginning was read earlier.
        let mut frames = 0;
        if !connection.partial.is_empty() {
            let missing = (self.request_bytes - connection.partial.len()).min(bytes.len());
            let (end, rest) = bytes.split_at_mut(missing);
            connection.partial.extend_from_slice(end);
            bytes = rest;
            if connection.partial.len() < self.request_bytes {
                return true;
            }
            frames = 1;
            if self.mode == Mode::Broadcast {
                append(round, &connection.partial, self.payload_bytes);
            }
            connection.partial.clear();
        }
        let whole = bytes.len() / self.request_bytes * self.request_bytes;
        frames += whole / self.request_bytes;
        if self.mode == Mode::Broadcast {
            for frame in bytes[..whole].chunks_exact(self.request_bytes) {
                append(round, frame, self.payload_bytes);
            }
        }
        connection.partial.extend_from_slice(&bytes[whole..]);
        if self.mode == Mode::Broadcast {
            return true;
        }
        while frames > 0 {
            let now = frames.min(prepared.len() / self.reply_bytes);
            if !connection.send(&prepared[..now * self.reply_bytes]) {
                return false;
            }
            frames -= now;
        }
        true
    }

    /// Broadcast: sends what this poll round received to every connection, with one send each.
    fn end_round(&mut self) {
        if !self.round.is_empty() {
            let round = &self.round;
            self.connections.retain(|_, connection| !connection.is_open || connection.send(round));
            self.round.clear();
        }
    }
}

/// Appends a publisher's frame without its mask. In `frame` the mask precedes the payload.
fn append(round: &mut Vec<u8>, frame: &[u8], payload_bytes: usize) {
    let (head, payload) = frame.split_at(frame.len() - payload_bytes);
    let Some(mask) = head.last_chunk() else { return };
    encode_frame(round, Opcode::Text, payload);
    let start = round.len() - payload_bytes;
    apply_mask(&mut round[start..], *mask);
}

impl Connection {
    /// Answers the opening handshake if the request is complete. Returns false if it is invalid.
    fn try_open(&mut self) -> bool {
        let head_bytes =
            match HeadScanner::default().find_end(&self.partial, &HttpLimits::default()) {
                Ok(Some(head_bytes)) => head_bytes,
                Ok(None) => return true,
                Err(_) => return false,
            };
        let mut storage = HeaderStorage::new();
        let mut answer = Vec::new();
        match Request::parse(&self.partial[..head_bytes], &mut storage).map(|request| {
            check_upgrade(&request)
                .map(|upgrade| encode_switching_protocols(&mut answer, upgrade.key, None, None))
        }) {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return false,
        }
        self.partial.clear();
        self.is_open = true;
        self.send(&answer)
    }

    /// Sends once, or queues `bytes` behind waiting ones. Returns false if the connection is gone.
    fn send(&mut self, bytes: &[u8]) -> bool {
        let taken = if self.outbound.is_empty() {
            match self.stream.write(bytes) {
                Ok(taken) => taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return false,
            }
        } else {
            0
        };
        self.outbound.extend_from_slice(&bytes[taken..]);
        true
    }

    /// Sends the waiting bytes. Returns false if the connection is gone.
    fn flush(&mut self) -> bool {
        while !self.outbound.is_empty() {
            match self.stream.write(&self.outbound) {
                Ok(taken) => drop(self.outbound.drain(..taken)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        true
    }
}
