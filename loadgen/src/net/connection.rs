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

/// The role of a connection in a scenario, such as subscriber. Each scenario numbers its own roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part(pub(crate) u8);

/// How many parts (roles of connections) one scenario may have.
pub(crate) const PARTS_MAX: usize = 5;

pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) part: Part,
    /// Number of this connection among those with the same `part`.
    pub(crate) index: u32,
    pub(crate) phase: ConnectionPhase,
    pub(crate) decoder: Decoder,
    /// The decoder's buffer for a message that does not arrive in one piece.
    pub(crate) assembly: Vec<u8>,
    /// Bytes that were read but not decoded yet: an incomplete HTTP head or frame header. The next
    /// bytes that are read are decoded together with them.
    pub(crate) rest: Vec<u8>,
    /// Bytes that the next [`Connection::flush`] writes.
    pub(crate) outbound: Vec<u8>,
    /// How many bytes of `outbound` the kernel has taken.
    sent: usize,
    pub(crate) writable: bool,
    /// False for a subscriber that deliberately stops reading.
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
    /// For publishing by POST: the TCP connection is being established.
    Connecting {
        began: Moment,
    },
    /// For publishing by POST: connected, and parsing the responses.
    Http(Responses),
    Open,
    /// We have begun the closing handshake.
    Closing,
    /// Close frames were sent in both directions, and the end of the connection has been reported.
    /// The server must now close the TCP connection (RFC 6455 section 7.1.1).
    Closed,
}

impl Connection {
    /// Creates a connection whose stream may still be connecting. `request` is written once it has.
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

    /// Reads with one `recv`. If that ends the TLS handshake, also writes the waiting bytes.
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

    /// Parses the response to the opening handshake. Returns its length if it is a valid 101, zero
    /// after the handshake, `None` if it is incomplete, and an error if it is anything else.
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
