//! One connection of the reference server: its socket, bytes read but not processed, bytes waiting
//! to be written, and how it ends.
use std::io;
use std::net::Shutdown;

use fanfare::protocol::{CloseCode, Decoder, HeadScanner, Persistence, Role, encode_close};
use mio::net::TcpStream;

use super::faults::Ledger;
use super::outbound::Outbound;
use super::receiver::Receiver;

/// A receiver with more unwritten bytes than this is closed.
const BEHIND_BYTES_MAX: usize = 64 << 20;

pub(crate) struct ServerConnection {
    pub(crate) stream: TcpStream,
    pub(crate) phase: ServerPhase,
    pub(crate) decoder: Decoder,
    /// The body of a POST request, or the decoder's buffer for a message that arrives in pieces.
    pub(crate) assembly: Vec<u8>,
    /// Bytes that were read but not decoded yet: an incomplete HTTP head or frame header. The next
    /// bytes that are read are decoded together with them.
    pub(crate) rest: Vec<u8>,
    pub(crate) outbound: Outbound,
    pub(crate) receiver: Receiver,
    /// How many messages of the present broadcast round were sent to this client or skipped.
    pub(crate) round_taken: usize,
    /// True if the kernel has refused bytes and has not reported the socket as writable since.
    pub(crate) blocked: bool,
    /// True once our side of the TCP stream is shut down.
    shut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerPhase {
    /// HTTP requests, until one is upgraded to a WebSocket.
    Http {
        scanner: HeadScanner,
        body: Option<Body>,
    },
    Open,
    /// The last bytes of this side are queued, and everything that the client sends is ignored.
    Ending,
}

/// A request body of which some bytes are still missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Body {
    pub(crate) missing_bytes: usize,
    pub(crate) persistence: Persistence,
}

impl ServerConnection {
    pub(crate) fn new(stream: TcpStream, receiver: Receiver) -> ServerConnection {
        ServerConnection {
            stream,
            phase: ServerPhase::Http { scanner: HeadScanner::new(), body: None },
            decoder: Decoder::new(Role::Server),
            assembly: Vec::new(),
            rest: Vec::new(),
            outbound: Outbound::default(),
            receiver,
            round_taken: 0,
            blocked: false,
            shut: false,
        }
    }

    /// Writes frames that the ledger has already counted. They are queued if bytes are waiting.
    pub(crate) fn write_through(&mut self, frames: &[u8], ledger: &mut Ledger) -> io::Result<()> {
        if self.blocked || !self.outbound.is_empty() {
            self.outbound.frames().extend_from_slice(frames);
            return self.flush(ledger);
        }
        let taken = self.outbound.write_through(frames, &mut self.stream);
        self.note_written(taken, ledger)?;
        // Try once more to write the rest. If the kernel refuses it, a readiness event will follow.
        self.flush(ledger)
    }

    /// Writes the waiting bytes until the kernel refuses more.
    pub(crate) fn flush(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        while !self.blocked && !self.outbound.is_empty() {
            let taken = self.outbound.write_to(&mut self.stream);
            self.note_written(taken, ledger)?;
        }
        if self.phase == ServerPhase::Ending && self.outbound.is_empty() && !self.shut {
            self.shut = true;
            // If the peer has already gone, the next read reports it.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn note_written(&mut self, taken: io::Result<usize>, ledger: &mut Ledger) -> io::Result<()> {
        match taken {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => ledger.bytes_out += taken as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(crate) fn is_too_far_behind(&self) -> bool {
        self.phase == ServerPhase::Open && self.outbound.unsent_bytes() > BEHIND_BYTES_MAX
    }

    /// Queues a Close frame as the last frame. A copy held for reordering is queued before it.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str, ledger: &mut Ledger) {
        debug_assert_eq!(self.phase, ServerPhase::Open, "a connection is closed only once");
        self.receiver.release_now(&mut self.outbound, ledger);
        encode_close(self.outbound.frames(), code, reason);
        self.phase = ServerPhase::Ending;
    }

    /// Discards the waiting bytes and queues a Close frame, because the client is too far behind.
    pub(crate) fn close_behind(&mut self, ledger: &mut Ledger) {
        self.outbound.cut(ledger);
        encode_close(self.outbound.frames(), CloseCode::TRY_AGAIN_LATER, "too far behind");
        self.phase = ServerPhase::Ending;
        ledger.closed_behind += 1;
    }
}
