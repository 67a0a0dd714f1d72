//! What a reactor needs from the operating system: readiness, sockets, clocks, random bytes and the
//! wake-up from other threads. It knows nothing of WebSocket or of channels.
//!
//! [`MioNet`] is the real network, a thin layer on mio (which is named in this folder and nowhere
//! else); `bind` opens its listening sockets,
//! `unix_socket` those in the file system. `sim` is a deterministic network for tests.

mod bind;
mod mio_net;
mod shortage;
#[cfg(any(test, fuzzing))]
pub mod sim;
mod unix_socket;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

pub use bind::{Families, bind};
pub use mio_net::{MioListener, MioNet, MioStream, MioWaker};
pub use shortage::is_shortage;
pub use unix_socket::{HandedAddress, SocketFile, adopt, bind_unix};

use crate::instant::Instant;

/// Identifies a registered socket in a [`Readiness`]. Any number but `u64::MAX`, which the wake-up
/// uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

/// What has become possible on one socket. Edge-triggered: it is reported once, so a reactor that
/// does not read or write until `WouldBlock` must remember it. It may be stale (the socket has been
/// closed) or spurious (the call that it announces returns `WouldBlock`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readiness {
    /// The token under which the socket was registered.
    pub token: Token,
    /// There is something to read: bytes, the end of the stream or an error; on a listener, a
    /// connection.
    pub readable: bool,
    /// The send buffer has room.
    pub writable: bool,
    /// The peer has closed its side, or an error is pending. A short read then does not mean that
    /// nothing is left to read.
    pub hung_up: bool,
}

/// Interrupts the wait of one reactor, from any thread.
pub trait Wake {
    /// Makes the current or the next [`Net::wait`] return. Several wake-ups before a wait have the
    /// effect of one.
    fn wake(&self);
}

/// The operating system as a reactor uses it. Each method makes at most one system call (`reset`,
/// and an accept from a socket in the file system, make two).
///
/// The errors are those of the system calls. After `WouldBlock` a readiness event will follow.
/// After `Interrupted` or a [shortage](is_shortage) nothing has been done, and no readiness event
/// will follow: the reactor must repeat the call, now or later. Any other error means that the
/// connection is lost.
pub trait Net {
    /// A listening socket.
    type Listener;
    /// A connected, non-blocking stream.
    type Stream;
    /// Wakes this reactor from other threads.
    type Waker: Wake + Clone + Send + Sync + 'static;

    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// The wall clock: the time since 1970-01-01 UTC. It may jump, also backwards.
    fn unix_time(&self) -> Duration;

    /// Waits until something is ready, a wake-up arrives or the timeout is over (`None`: no
    /// timeout; zero: polls and does not block), and replaces the contents of `readiness` by what
    /// is ready. After a wake-up or a signal it returns without an event for it. May return late by
    /// up to a millisecond, and early with nothing.
    fn wait(&mut self, readiness: &mut Vec<Readiness>, timeout: Option<Duration>)
    -> io::Result<()>;

    /// Returns a handle that wakes this reactor.
    fn waker(&self) -> Self::Waker;

    /// Registers a listener: once in its life. Connections that wait already are reported too.
    fn listen(&mut self, listener: &mut Self::Listener, token: Token) -> io::Result<()>;

    /// Closes a listener. Connections in its queue are reset.
    fn unlisten(&mut self, listener: Self::Listener);

    /// Accepts one connection, which is not registered yet. The address of a peer at a socket in
    /// the file system is `[::]:0`, which is nobody's. `PermissionDenied`, like a shortage, leaves
    /// the queue unchanged. Any other error concerns the connection that was first in the queue:
    /// that connection is gone, and the next one may be intact.
    fn accept(&mut self, listener: &mut Self::Listener) -> io::Result<(Self::Stream, SocketAddr)>;

    /// Registers a stream for reading and writing, edge-triggered: once in its life. The next
    /// `wait` reports what is possible already.
    fn register(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// Calls `recv` once; the buffer is not empty. `Ok(0)` is the end of the stream. A read shorter
    /// than the buffer means that nothing is left, unless the peer has hung up; a readiness event
    /// reports bytes that arrive later.
    fn read(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize>;

    /// Calls `send` once; `bytes` is not empty. A short write means that the send buffer is full,
    /// and a readiness event will follow.
    fn write(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize>;

    /// As [`write`](Self::write), for the last bytes of a stream: if all are accepted, the caller
    /// must call `shutdown_write` or `close` next. Until then the bytes may be held back, so that
    /// the end of the stream leaves in the same packet.
    fn write_last(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize> {
        self.write(stream, bytes)
    }

    /// Calls `writev` once, with all slices as if they were one; not all are empty.
    fn write_vectored(
        &mut self,
        stream: &mut Self::Stream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize>;

    /// Ends our side of the stream, after what was written. Fails after a reset (`NotConnected`).
    fn shutdown_write(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// Closes a stream and ends its registration. Bytes that have been written are still sent,
    /// unless received bytes are left unread: then the kernel resets the connection.
    fn close(&mut self, stream: Self::Stream);

    /// Closes a stream with a reset: bytes that have been written but not delivered are lost.
    fn reset(&mut self, stream: Self::Stream);

    /// Fills `bytes` with random bytes that are secure enough for keys.
    fn fill_random(&mut self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests;
