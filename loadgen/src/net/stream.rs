//! The bytes of one connection: a plain socket, or TLS over one. Callers need not know which,
//! except that a short read does not empty a TLS stream, and that TLS may hold bytes that were
//! accepted for sending but not written to the socket yet.
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::tls::TlsStream;

/// TLS record types that a server may send first: an alert, or its part of the handshake.
const TLS_ALERT: u8 = 21;
const TLS_HANDSHAKE: u8 = 22;
/// The first byte of the version in every record since SSL 3.
const TLS_VERSION: u8 = 3;

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Creates TLS over a socket that may still be connecting. Nothing is sent before the first
    /// [`Stream::flush`].
    pub(crate) fn tls(
        tcp: TcpStream,
        config: &Arc<ClientConfig>,
        server_name: ServerName<'static>,
    ) -> io::Result<Stream> {
        Ok(Stream::Tls(Box::new(TlsStream::new(tcp, config, server_name)?)))
    }

    /// Returns bytes that TLS already holds, or else reads the socket until a `recv` brings some.
    /// `WouldBlock` means that socket and TLS are both empty. A TLS error is `InvalidData` with a
    /// readable text.
    ///
    /// The TLS handshake may end during a read. Writing then becomes possible without a readiness
    /// event: see [`Stream::is_handshaking`].
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
        }
    }

    /// Accepts bytes for sending and returns how many. `WouldBlock` means that none can be accepted
    /// until the socket is writable or the TLS handshake is over. TLS may keep bytes that it has
    /// accepted: see [`Stream::wants_write`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
        }
    }

    /// Writes what TLS has pending: its handshake, and records that the kernel refused before.
    /// `WouldBlock` means that the kernel has refused again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(tls) => tls.flush(),
        }
    }

    /// Returns true if bytes wait for [`Stream::flush`], which must then be called whenever the
    /// socket becomes writable.
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.wants_write(),
        }
    }

    /// Returns true during the TLS handshake. No bytes are accepted for sending until it is over.
    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Returns true if a read that does not fill its buffer shows that the stream is empty, as for
    /// a plain socket. With TLS it may only be the end of a record, so reading must go on until
    /// `WouldBlock`; readiness is edge-triggered.
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

/// Returns true if these bytes, a server's answer to a plain-text request, begin a TLS record.
pub(crate) fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [TLS_ALERT | TLS_HANDSHAKE, TLS_VERSION, ..])
}
