//! What a reactor asks of the operating system: readiness, sockets, clocks, random bytes and the
//! wake-up from other threads. It knows nothing of WebSocket or of channels.
//!
//! [`MioNet`] is the real one, a thin layer on mio (which is named in this folder and nowhere
//! else); `bind` opens its listening sockets. `sim` is a deterministic one, for tests and fuzzing.

mod bind;
mod mio_net;
mod shortage;
#[cfg(any(test, fuzzing))]
pub mod sim;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

pub use bind::bind;
pub use mio_net::{MioListener, MioNet, MioStream, MioWaker};
pub use shortage::is_shortage;

use crate::instant::Instant;

/// Names a registered socket in a [`Readiness`]. Any number but `u64::MAX`, which is the wake-up's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

/// What has become possible on one socket. Edge-triggered: it is told once, so a reactor that does
/// not use it up must remember it. It may be stale (the socket has been closed) or spurious (the
/// call that it announces answers `WouldBlock`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readiness {
    /// The socket, by the token it was registered under.
    pub token: Token,
    /// There is something to read: bytes, the end of the stream or an error; on a listener, a
    /// connection.
    pub readable: bool,
    /// The send buffer has room.
    pub writable: bool,
    /// The peer has closed its side, or an error is pending. A short read then does not mean that
    /// nothing is left.
    pub hung_up: bool,
}

/// Interrupts the wait of one reactor, from any thread.
pub trait Wake {
    /// Makes the current or the next [`Net::wait`] return. Several wake-ups before that are one.
    fn wake(&self);
}

/// What a reactor asks of the operating system. Each method is at most one system call (`reset` is
/// two: an option, then the close).
///
/// The errors are those of the system calls. After `WouldBlock` an edge will follow. After
/// `Interrupted` or a [shortage](is_shortage) nothing has been done, and no edge will follow: the
/// call must be made again, at once or after a while. Any other error means that the connection is
/// lost.
pub trait Net {
    /// A listening socket.
    type Listener;
    /// A connected, non-blocking stream.
    type Stream;
    /// Wakes this reactor from other threads.
    type Waker: Wake + Clone + Send + 'static;

    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// The wall clock: the time since 1970-01-01 UTC. It may jump, also backwards.
    fn unix_time(&self) -> Duration;

    /// Waits until something is ready, a wake-up comes or the timeout is over (`None`: without end;
    /// zero: polls and does not block), and replaces the contents of `readiness` by what is ready.
    /// A wake-up reports nothing but returns, and so does a signal. May return late by up to a
    /// millisecond, and early with nothing.
    fn wait(&mut self, readiness: &mut Vec<Readiness>, timeout: Option<Duration>)
    -> io::Result<()>;

    /// A handle that wakes this reactor.
    fn waker(&self) -> Self::Waker;

    /// Registers a listener, once. Readiness for connections that wait already is told too.
    fn listen(&mut self, listener: &mut Self::Listener, token: Token) -> io::Result<()>;

    /// Closes a listener. Connections in its queue are reset.
    fn unlisten(&mut self, listener: Self::Listener);

    /// Accepts one connection, which is not registered yet. `PermissionDenied`, like a shortage,
    /// leaves the queue as it is. Any other error concerns the connection that was first in the
    /// queue: it is gone, and the next may be sound.
    fn accept(&mut self, listener: &mut Self::Listener) -> io::Result<(Self::Stream, SocketAddr)>;

    /// Registers a stream, edge-triggered, for reading and writing: once in its life. What is
    /// possible already is told by the next `wait`.
    fn register(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// One `recv`; the buffer is not empty. `Ok(0)` is the end of the stream. A read shorter than
    /// the buffer means that nothing is left, unless the peer has hung up; what comes later is told
    /// by an edge.
    fn read(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize>;

    /// One `send`; `bytes` is not empty. A short write means that the send buffer is full, and an
    /// edge will follow.
    fn write(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize>;

    /// As [`write`](Self::write), for the last bytes of a stream: if all are taken,
    /// `shutdown_write` or `close` must follow at once. Until then the bytes may be kept back, so
    /// that the end of the stream leaves in the same packet.
    fn write_last(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize> {
        self.write(stream, bytes)
    }

    /// One `writev`, of all slices as if they were one; not all are empty.
    fn write_vectored(
        &mut self,
        stream: &mut Self::Stream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize>;

    /// Ends our side of the stream, after what has been written. `NotConnected` after a reset.
    fn shutdown_write(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// Closes a stream; its registration goes with it. Bytes that have been written still leave,
    /// unless something is left unread: then the kernel resets.
    fn close(&mut self, stream: Self::Stream);

    /// Closes a stream with a reset: what has been written and not yet delivered is destroyed.
    fn reset(&mut self, stream: Self::Stream);

    /// Fills `bytes` with random bytes fit for keys.
    fn fill_random(&mut self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests;
