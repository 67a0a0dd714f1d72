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

/// At most this many bytes of the answer to a refused handshake are shown.
const REASON_BYTES_MAX: usize = 300;

/// The role of a connection in a scenario, such as subscriber. Each scenario numbers its own roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part(pub(crate) u8);

/// How many parts (roles of connections) one scenario may have.
pub(crate) const PARTS_MAX: usize = 5;

/// Which address of the server a connection tries, and what happened at those before it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Attempt {
    /// Number of the connection in the whole run.
    pub(crate) ordinal: u32,
    /// True if the connection is for publishing by POST.
    pub(crate) is_http: bool,
    /// Index of the address that is tried.
    pub(crate) address: usize,
    /// How many addresses have failed before.
    pub(crate) failed_count: usize,
    /// Why they have failed.
    pub(crate) failures: String,
}

pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) attempt: Attempt,
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
    /// The bytes to be written. Those that the kernel has taken stay at the front until it has
    /// taken all, so that a short write moves no bytes.
    pub(crate) outbound: Vec<u8>,
    /// How many bytes of `outbound` the kernel has taken. [`Connection::flush`] goes on there.
    sent: usize,
    pub(crate) writable: bool,
    /// Set when writing has failed. Nothing more is sent, but what the server has sent is read.
    pub(crate) write_error: Option<String>,
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
        attempt: Attempt,
        part: Part,
        index: u32,
        phase: ConnectionPhase,
        request: Vec<u8>,
    ) -> Connection {
        Connection {
            stream,
            attempt,
            part,
            index,
            phase,
            decoder: Decoder::new(Role::Client),
            assembly: Vec::new(),
            rest: Vec::new(),
            outbound: request,
            sent: 0,
            writable: false,
            write_error: None,
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
            let text = refusal(response.status(), &bytes[head_bytes..]);
            return Err((End::HandshakeRefused, text));
        }
        handshake.check_response(&response).map_err(|error| invalid(&error))?;
        Ok(Some(head_bytes))
    }

    /// Returns true until TCP is connected. Another address may then be tried instead.
    pub(crate) fn is_connecting(&self) -> bool {
        matches!(
            self.phase,
            ConnectionPhase::Connecting { .. } | ConnectionPhase::Opening { connected: None, .. }
        )
    }

    /// Returns how a connection has ended whose stream the server has ended.
    pub(crate) fn end_of_stream(&mut self) -> (End, String) {
        if let Some(error) = self.write_error.take() {
            return (End::Reset, error);
        }
        let (end, text) = match self.phase {
            ConnectionPhase::Opening { .. } | ConnectionPhase::Connecting { .. } => {
                (End::HandshakeInvalid, "the server ended the connection and answered nothing")
            }
            ConnectionPhase::Http(_) => (End::HttpClosed, "the server ended the connection"),
            ConnectionPhase::Open | ConnectionPhase::Closing | ConnectionPhase::Closed => {
                (End::NoCloseFrame, "the stream ended without one")
            }
        };
        (end, text.to_owned())
    }

    pub(crate) fn has_outbound(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// Writes the waiting bytes until the kernel refuses more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.write_error.is_some() {
            self.outbound.clear();
            return Ok(());
        }
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

    /// Records that writing has failed, so that nothing more is sent.
    pub(crate) fn stop_writing(&mut self, error: String) {
        self.write_error = Some(error);
        self.outbound.clear();
        self.sent = 0;
    }

    /// Resets the connection. Unread and unsent bytes on both sides are lost.
    pub(crate) fn reset(mut self) {
        // This fails only for a socket that is already closed, and then there is nothing to reset.
        let _ = SockRef::from(&*self.stream.tcp_mut()).set_linger(Some(Duration::ZERO));
    }
}

/// Describes a refused handshake: the status, and the first line of the answer that explains it.
fn refusal(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(REASON_BYTES_MAX)]);
    let line = text.lines().next().unwrap_or_default().trim();
    let separator = if line.is_empty() { "" } else { ": " };
    format!("status {status}{separator}{line}")
}
