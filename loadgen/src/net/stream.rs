//! The bytes of one connection: a socket, or TLS over one. Callers need not know which, except for
//! two questions: whether a short read has emptied it, and whether bytes that it has taken still
//! wait in it.
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::tls::TlsStream;

/// Types of record that a server which speaks TLS may send first: an alert, or its half of the
/// handshake.
const TLS_ALERT: u8 = 21;
const TLS_HANDSHAKE: u8 = 22;
/// The first byte of every version of a record since SSL 3.
const TLS_VERSION: u8 = 3;

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Stream {
    /// TLS over a socket that may still be connecting. Nothing is sent before the first
    /// [`Stream::flush`].
    pub(crate) fn tls(
        tcp: TcpStream,
        config: &Arc<ClientConfig>,
        server_name: ServerName<'static>,
    ) -> io::Result<Stream> {
        Ok(Stream::Tls(Box::new(TlsStream::new(tcp, config, server_name)?)))
    }

    /// Reads what there is, with one `recv` that brings something at most. `WouldBlock`: the socket
    /// is empty, and so is everything above it. A failure of TLS is `InvalidData`, with a text for
    /// people.
    ///
    /// When the TLS handshake ends in a read, writing becomes possible without a readiness event:
    /// see [`Stream::is_handshaking`].
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
        }
    }

    /// Takes bytes to be sent. `WouldBlock`: none can be taken until the socket is writable or the
    /// handshake of TLS is over. Of bytes that TLS has taken some may wait in it: see
    /// [`Stream::wants_write`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
        }
    }

    /// Sends what TLS has to say, its handshake and records that the kernel has refused before.
    /// `WouldBlock`: it has refused again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(tls) => tls.flush(),
        }
    }

    /// Bytes wait for [`Stream::flush`]: call it whenever the socket becomes writable.
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.wants_write(),
        }
    }

    /// The handshake of TLS is under way, and nothing is taken for sending.
    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Readiness is edge-triggered. A read that brought less than it could has emptied a socket;
    /// with TLS it has perhaps only emptied a record, and reading goes on until `WouldBlock`.
    pub(crate) fn drained_by_short_read(&self) -> bool {
        match self {
            Stream::Plain(_) => true,
            Stream::Tls(_) => false,
        }
    }

    pub(crate) fn tcp_mut(&mut self) -> &mut TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.tcp_mut(),
        }
    }
}

/// Whether a server that was asked in plain text answers by TLS.
pub(crate) fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [TLS_ALERT | TLS_HANDSHAKE, TLS_VERSION, ..])
}
