//! The bytes between a client and its server: a socket, or TLS over one. Calls block.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};

/// A stream to a server.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Makes a stream of a socket. With a session, the TLS handshake is made at once.
    pub(crate) fn new(
        mut socket: TcpStream,
        session: Option<ClientConnection>,
    ) -> io::Result<Wire> {
        let Some(mut session) = session else { return Ok(Wire::Plain(socket)) };
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Wire::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// Returns the socket, for its settings.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(socket) => socket,
            Wire::Tls(stream) => &stream.sock,
        }
    }

    /// Returns true if the peer has ended the stream, or has sent anything. Does not block.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.socket().set_nonblocking(true).is_err() {
            return true;
        }
        let is_quiet = match self {
            Wire::Plain(socket) => is_empty(socket.peek(&mut [0])),
            // A server may send tickets at any time, which are no end.
            Wire::Tls(stream) => is_empty(stream.read(&mut [0])),
        };
        !is_quiet || self.socket().set_nonblocking(false).is_err()
    }
}

fn is_empty(read: io::Result<usize>) -> bool {
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl Read for Wire {
    /// Returns 0 at the end of the stream. Over TLS that is also an end without a `close_notify`:
    /// whether anything is missing can be seen in what was read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.read(buffer),
            Wire::Tls(stream) => match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(socket) => socket.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}
