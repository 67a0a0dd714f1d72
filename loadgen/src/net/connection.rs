//! One client connection: its socket, the opening handshake, bytes read but not decoded, and bytes
//! waiting to be written.
use std::io;
use std::time::Duration;

use fanfare::protocol::{
    ClientHandshake, Decoder, HeadScanner, HeaderStorage, HttpLimits, ResponseHead, Role,
};
use socket2::SockRef;

use super::clock::Moment;
use super::ends::End;
use super::post::Responses;
use super::stream::{Stream, is_tls_record};

/// What a scenario uses a connection for. Each scenario defines its own parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part(pub(crate) u8);

/// How many parts one scenario may have.
pub(crate) const PARTS_MAX: usize = 5;

pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) part: Part,
    /// The connection's number within its part.
    pub(crate) index: u32,
    pub(crate) phase: ConnectionPhase,
    pub(crate) decoder: Decoder,
    /// The decoder's buffer for a message that does not arrive in one piece.
    pub(crate) assembly: Vec<u8>,
    /// Bytes that were read but not decoded yet: an incomplete HTTP head or frame header. They are
    /// decoded again together with the next bytes.
    pub(crate) rest: Vec<u8>,
    /// Bytes that the next [`Connection::flush`] writes.
    pub(crate) outbound: Vec<u8>,
    /// How many bytes of `outbound` the kernel has taken.
    sent: usize,
    pub(crate) writable: bool,
    /// False for a subscriber that is made to stall.
    pub(crate) reading: bool,
}

pub(crate) enum ConnectionPhase {
    Opening {
        handshake: ClientHandshake<'static>,
        scanner: HeadScanner,
        began: Moment,
        /// When TCP was connected; `None` until then.
        connected: Option<Moment>,
    },
    /// A connection for publishing by POST whose TCP handshake is under way.
    Connecting {
        began: Moment,
    },
    /// A connection for publishing by POST.
    Http(Responses),
    Open,
    /// We have begun the closing handshake.
    Closing,
    /// Both Close frames were sent, and the end has been reported. The server must now close the
    /// connection (RFC 6455 section 7.1.1).
    Closed,
}

impl Connection {
    /// Begins to connect. The opening handshake waits in `outbound`.
    pub(crate) fn new(
        stream: Stream,
        part: Part,
        index: u32,
        phase: ConnectionPhase,
        request: Vec<u8>,
    ) -> Connection {
        Connection {
            stream,
            part,
            index,
            phase,
            decoder: Decoder::new(Role::Client),
            assembly: Vec::new(),
            rest: Vec::new(),
            outbound: request,
            sent: 0,
            writable: false,
            reading: true,
        }
    }

    /// Reads with one `recv`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let was_handshaking = self.stream.is_handshaking();
        let taken = self.stream.read(buffer);
        if was_handshaking && !self.stream.is_handshaking() {
            // The request has waited for the TLS handshake, whose end causes no readiness event.
            self.writable = true;
            self.flush()?;
        }
        taken
    }

    /// Returns the length of the response at the front of `bytes` if it is a valid 101, or `None`
    /// if the response is not complete yet.
    pub(crate) fn take_response(&mut self, bytes: &[u8]) -> Result<Option<usize>, (End, String)> {
        let ConnectionPhase::Opening { handshake, scanner, .. } = &mut self.phase else {
            return Ok(Some(0));
        };
        if is_tls_record(bytes) {
            let text = "the server speaks TLS on this port: use wss://";
            return Err((End::HandshakeInvalid, text.to_owned()));
        }
        let invalid = |error: &dyn std::fmt::Display| (End::HandshakeInvalid, error.to_string());
        let found = scanner.find_end(bytes, &HttpLimits::default());
        let Some(head_bytes) = found.map_err(|error| invalid(&error))? else { return Ok(None) };
        let mut storage = HeaderStorage::new();
        let response = ResponseHead::parse(&bytes[..head_bytes], &mut storage)
            .map_err(|error| invalid(&error))?;
        if response.status() != 101 {
            return Err((End::HandshakeRefused, format!("status {}", response.status())));
        }
        handshake.check_response(&response).map_err(|error| invalid(&error))?;
        Ok(Some(head_bytes))
    }

    pub(crate) fn has_outbound(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// Writes the waiting bytes until the kernel refuses more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.writable && (self.has_outbound() || self.stream.wants_write()) {
            let written = if self.has_outbound() {
                self.stream.write(&self.outbound[self.sent..])
            } else {
                self.stream.flush().map(|()| 0)
            };
            match written {
                Ok(0) if !self.has_outbound() => {}
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.sent == self.outbound.len() {
                self.outbound.clear();
                self.sent = 0;
            }
        }
        Ok(())
    }

    /// Resets the connection. Unread and unsent bytes on both sides are lost.
    pub(crate) fn reset(mut self) {
        // This fails only for a socket that is already closed, and then there is nothing to reset.
        let _ = SockRef::from(&*self.stream.tcp_mut()).set_linger(Some(Duration::ZERO));
    }
}
