//! How much is to be written, and what has become of a read and of a write.

use std::io;

use crate::net::is_shortage;

/// The result of one `recv`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// This many bytes were read, and there may be more.
    Bytes(usize),
    /// This many bytes were read, fewer than there was room for: the socket is empty, and the next
    /// readiness event reports more.
    Drained(usize),
    /// The peer has ended its side of the stream.
    End,
}

impl Received {
    /// Returns how many bytes were read.
    pub(crate) fn count(self) -> usize {
        match self {
            Received::Bytes(count) | Received::Drained(count) => count,
            Received::End => 0,
        }
    }
}

/// How much of what is offered is to be written, if the kernel takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// An encrypted stream takes only a part of very many bytes, so that other connections do not
    /// wait for it. The caller comes back with the rest although the socket is not full.
    Part,
    Whole,
    /// They are the last bytes of the stream, as in [`Net::write_last`](crate::net::Net).
    Last,
}

/// The result of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The kernel has accepted all bytes.
    All,
    /// The send buffer is full. What the kernel refused must be written before anything else.
    Blocked,
    /// Like `Blocked`, but because the system is short of memory: no readiness event will follow.
    Starved,
}

/// Interprets the result of a read into `room` bytes.
#[inline(always)]
pub(super) fn received(read: io::Result<usize>, room: usize) -> io::Result<Received> {
    match read {
        Ok(0) => Ok(Received::End),
        Ok(count) if count < room => Ok(Received::Drained(count)),
        Ok(count) => Ok(Received::Bytes(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Drained(0)),
        // Nothing was read and no readiness event will follow: the reactor reads this connection
        // again in the next turn.
        Err(error) if is_not_done(&error) => Ok(Received::Bytes(0)),
        Err(error) => Err(error),
    }
}

/// Interprets the result of a write of `offered` bytes. A full send buffer is not an error.
#[inline(always)]
pub(super) fn sent(written: io::Result<usize>, offered: usize) -> io::Result<(usize, Sent)> {
    match written {
        Ok(taken) if taken == offered => Ok((taken, Sent::All)),
        Ok(taken) => Ok((taken, Sent::Blocked)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok((0, Sent::Blocked)),
        Err(error) if is_not_done(&error) => Ok((0, Sent::Starved)),
        Err(error) => Err(error),
    }
}

/// Returns true if a failed call has done nothing and the connection is intact.
fn is_not_done(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted || is_shortage(error)
}
