//! One connection of the reference server: its socket, what has been read and not yet used, what
//! waits to be written, and how it ends.
use std::io;
use std::net::Shutdown;

use fanfare::protocol::{CloseCode, Decoder, HeadScanner, Role, encode_close};
use mio::net::TcpStream;

use super::faults::Ledger;
use super::outbound::Outbound;
use super::receiver::Receiver;

/// A receiver further behind than this is closed.
const BEHIND_BYTES_MAX: usize = 64 << 20;

pub(crate) struct ServerConnection {
    pub(crate) stream: TcpStream,
    pub(crate) phase: ServerPhase,
    pub(crate) decoder: Decoder,
    /// The body of a request; then used by the decoder for a message that does not arrive in one
    /// piece.
    pub(crate) assembly: Vec<u8>,
    /// Bytes that were read but not decoded yet: a piece of a head or of a frame header. They are
    /// decoded again together with the next bytes.
    pub(crate) rest: Vec<u8>,
    pub(crate) outbound: Outbound,
    pub(crate) receiver: Receiver,
    /// How many messages of the round under way it has, or is not to have.
    pub(crate) round_taken: usize,
    /// The kernel has refused bytes, and has not yet said that it takes more.
    pub(crate) blocked: bool,
    /// Our half of the stream has ended.
    shut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerPhase {
    /// Requests, until one is upgraded.
    Http {
        scanner: HeadScanner,
        body: Option<Body>,
    },
    Open,
    /// The last bytes of this side are queued, and what the client sends is ignored.
    Ending,
}

/// The body of a request, as far as it has not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Body {
    pub(crate) missing_bytes: usize,
    pub(crate) keep_alive: bool,
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

    /// Writes frames whose copies are in the ledger, at once if nothing waits.
    pub(crate) fn write_through(&mut self, frames: &[u8], ledger: &mut Ledger) -> io::Result<()> {
        if self.blocked || !self.outbound.is_empty() {
            self.outbound.frames().extend_from_slice(frames);
            return self.flush(ledger);
        }
        let taken = self.outbound.write_through(frames, &mut self.stream);
        self.note_written(taken, ledger)?;
        // What is left is tried once more, for the edge to come if the kernel still refuses it.
        self.flush(ledger)
    }

    /// Writes what waits, as far as the kernel takes it.
    pub(crate) fn flush(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        while !self.blocked && !self.outbound.is_empty() {
            let taken = self.outbound.write_to(&mut self.stream);
            self.note_written(taken, ledger)?;
        }
        if self.phase == ServerPhase::Ending && self.outbound.is_empty() && !self.shut {
            self.shut = true;
            // A peer that is gone already ends by the read that is to come.
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

    /// Queues a Close frame. It is the last frame, so a copy that was held back goes out before it.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str, ledger: &mut Ledger) {
        debug_assert_eq!(self.phase, ServerPhase::Open, "it is closed once");
        self.receiver.release_now(&mut self.outbound, ledger);
        encode_close(self.outbound.frames(), code, reason);
        self.phase = ServerPhase::Ending;
    }

    /// Discards what waits and queues a Close frame, because the client is too far behind.
    pub(crate) fn close_behind(&mut self, ledger: &mut Ledger) {
        self.outbound.cut(ledger);
        encode_close(self.outbound.frames(), CloseCode::TRY_AGAIN_LATER, "too far behind");
        self.phase = ServerPhase::Ending;
        ledger.closed_behind += 1;
    }
}
