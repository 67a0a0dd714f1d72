//! The stream of one connection and its buffers: bytes read but not yet decoded, and bytes not yet
//! sent.

use std::io;

use crate::net::{Net, is_shortage};

use super::{Buffer, BufferPool};

/// One connection's stream and buffers. An idle connection owns no buffer.
///
/// The stream stands first, so that it lies beside the other fields of a connection that the
/// delivery of a message touches.
#[repr(C)]
pub(crate) struct IoBuffers<S> {
    pub(crate) stream: S,
    /// How many bytes at the front of the queued output are the rest of a frame whose subscription
    /// has ended.
    pub(crate) rest_bytes: u32,
    /// Bytes read but not yet decoded: a partial frame or head, or what was read when decoding had
    /// to stop.
    spill: Option<Buffer>,
    /// The incomplete message, or the request whose body is incomplete.
    pub(crate) assembly: Option<Buffer>,
    /// Bytes for this peer alone that the kernel has not accepted yet.
    outbound: Option<Buffer>,
    /// Bytes for this peer that must not be sent before [`release`](Self::release).
    held: Option<Buffer>,
}

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

/// The result of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The kernel has accepted all bytes.
    All,
    /// The send buffer is full; what the kernel refused waits in the outbound buffer.
    Blocked,
    /// Like `Blocked`, but because the system is short of memory: no readiness event will follow.
    Starved,
}

impl<S> IoBuffers<S> {
    pub(crate) fn new(stream: S) -> IoBuffers<S> {
        IoBuffers { stream, rest_bytes: 0, spill: None, assembly: None, outbound: None, held: None }
    }

    /// Moves the bytes that `keep` has kept to the front of the reactor's receive buffer. Returns
    /// how many there are.
    pub(crate) fn restore(&mut self, receive: &mut [u8], pool: &mut BufferPool) -> usize {
        let Some(spill) = self.spill.take() else { return 0 };
        let kept = spill.unread().len();
        receive[..kept].copy_from_slice(spill.unread());
        pool.put(spill);
        kept
    }

    /// Keeps bytes that could not be decoded yet, until `restore`.
    pub(crate) fn keep(&mut self, rest: &[u8], pool: &mut BufferPool) {
        debug_assert!(self.spill.is_none(), "bytes kept earlier must be restored first");
        if !rest.is_empty() {
            let mut spill = pool.take();
            spill.append(rest);
            pool.count(&mut spill);
            self.spill = Some(spill);
        }
    }

    /// Calls `recv` once. If it reads less than `room`, the socket is empty.
    pub(crate) fn receive<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        room: &mut [u8],
    ) -> io::Result<Received> {
        match net.read(&mut self.stream, room) {
            Ok(0) => Ok(Received::End),
            Ok(count) if count < room.len() => Ok(Received::Drained(count)),
            Ok(count) => Ok(Received::Bytes(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Drained(0)),
            // Nothing was read and no readiness event will follow: the reactor reads this
            // connection again in the next turn.
            Err(error) if is_not_done(&error) => Ok(Received::Bytes(0)),
            Err(error) => Err(error),
        }
    }

    /// Sends `bytes` after everything that is queued already. If `may_write` is false (the
    /// connection is blocked, or in the middle of a frame from a channel's log), they are only
    /// queued. Returns how many bytes the kernel has accepted.
    pub(crate) fn send<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        bytes: &[u8],
        may_write: bool,
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        let (taken, sent) = match may_write && self.outbound.is_none() {
            true => sent(net.write(&mut self.stream, bytes), bytes.len())?,
            false => (0, Sent::Blocked),
        };
        if sent != Sent::All {
            let outbound = self.outbound.get_or_insert_with(|| pool.take());
            outbound.append(&bytes[taken..]);
            pool.count(outbound);
        }
        Ok((taken, sent))
    }

    /// As [`send`](Self::send), for the last bytes of the stream, when nothing is queued: if the
    /// kernel accepts all of them, the caller must end the stream next.
    pub(crate) fn send_last<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        bytes: &[u8],
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        debug_assert!(!self.owes(), "queued bytes must be sent first");
        let (taken, sent) = sent(net.write_last(&mut self.stream, bytes), bytes.len())?;
        if sent != Sent::All {
            // The next write is an ordinary one, which also sends what the kernel has held back.
            self.send(net, &bytes[taken..], false, pool)?;
        }
        Ok((taken, sent))
    }

    /// Queues bytes that must wait until [`release`](Self::release).
    pub(crate) fn hold(&mut self, bytes: &[u8], pool: &mut BufferPool) {
        let held = self.held.get_or_insert_with(|| pool.take());
        held.append(bytes);
        pool.count(held);
    }

    /// Returns true if bytes wait for [`release`](Self::release).
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Queues the held bytes for sending, after everything that is queued already.
    pub(crate) fn release(&mut self, pool: &mut BufferPool) {
        let Some(held) = self.held.take() else { return };
        if !held.unread().is_empty() && self.outbound.is_none() {
            self.outbound = Some(held);
            return;
        }
        if let Some(outbound) = &mut self.outbound {
            outbound.append(held.unread());
            pool.count(outbound);
        }
        pool.put(held);
    }

    /// Queues the rest of a frame that is partly sent, before everything else.
    pub(crate) fn owe_first(&mut self, rest: &[u8], pool: &mut BufferPool) {
        let outbound = self.outbound.get_or_insert_with(|| pool.take());
        outbound.prepend(rest);
        pool.count(outbound);
    }

    /// Makes one system call `send` with the queued bytes. Returns how many were accepted.
    pub(crate) fn flush<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        let Some(outbound) = &mut self.outbound else { return Ok((0, Sent::All)) };
        let (taken, sent) =
            sent(net.write(&mut self.stream, outbound.unread()), outbound.unread().len())?;
        outbound.use_up(taken);
        if sent == Sent::All
            && let Some(outbound) = self.outbound.take()
        {
            pool.put(outbound);
        }
        Ok((taken, sent))
    }

    /// Returns true if bytes are queued.
    pub(crate) fn owes(&self) -> bool {
        self.outbound.is_some()
    }

    /// Returns true if bytes are kept that could not be decoded yet.
    pub(crate) fn keeps_unread(&self) -> bool {
        self.spill.is_some()
    }

    /// Returns how many bytes of the message that is being assembled have been received.
    pub(crate) fn assembled_bytes(&self) -> u64 {
        self.assembly.as_ref().map_or(0, |assembly| assembly.unread().len() as u64)
    }

    /// Returns the memory that this connection's buffers hold.
    pub(crate) fn held_bytes(&self) -> usize {
        let buffers = [&self.spill, &self.assembly, &self.outbound, &self.held];
        buffers.into_iter().flatten().map(Buffer::counted_bytes).sum()
    }

    /// Shrinks every buffer to its content.
    pub(crate) fn shrink(&mut self, pool: &mut BufferPool) {
        let buffers = [&mut self.spill, &mut self.assembly, &mut self.outbound, &mut self.held];
        for buffer in buffers.into_iter().flatten() {
            pool.shrink(buffer);
        }
    }

    /// Drops what was read, because nothing more will be decoded.
    pub(crate) fn forget_inbound(&mut self, pool: &mut BufferPool) {
        for buffer in [self.spill.take(), self.assembly.take()].into_iter().flatten() {
            pool.put(buffer);
        }
    }

    /// Gives all buffers back to the pool, and returns the stream.
    pub(crate) fn dismantle(self, pool: &mut BufferPool) -> S {
        for buffer in [self.spill, self.assembly, self.outbound, self.held].into_iter().flatten() {
            pool.put(buffer);
        }
        self.stream
    }
}

/// Interprets the result of a write of `offered` bytes. A full send buffer is not an error.
#[inline]
pub(crate) fn sent(written: io::Result<usize>, offered: usize) -> io::Result<(usize, Sent)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sim::{SimFaults, SimNet};

    #[test]
    fn a_call_that_is_interrupted_or_short_of_memory_loses_neither_bytes_nor_the_connection() {
        for errno in [libc::EINTR, libc::ENOMEM, libc::ENOBUFS] {
            let (mut net, world) = SimNet::new(1, SimFaults::NONE);
            let mut listener = world.listener(80);
            let peer = world.connect(80);
            let mut io = IoBuffers::new(net.accept(&mut listener).unwrap().0);
            let mut pool = BufferPool::new(1 << 20);
            let mut room = [0; 16];
            peer.send(b"there");
            peer.fail_next_read(errno);
            assert_eq!(io.receive(&mut net, &mut room).unwrap(), Received::Bytes(0));
            assert_eq!(io.receive(&mut net, &mut room).unwrap(), Received::Drained(5));
            peer.fail_next_write(errno);
            assert_eq!(io.send(&mut net, b"back", true, &mut pool).unwrap(), (0, Sent::Starved));
            assert_eq!(io.flush(&mut net, &mut pool).unwrap(), (4, Sent::All));
            assert_eq!(peer.take_received(), b"back");
        }
    }

    #[test]
    fn a_connection_that_is_lost_is_an_error() {
        for errno in
            [libc::ECONNRESET, libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::EPIPE]
        {
            let (mut net, world) = SimNet::new(1, SimFaults::NONE);
            let mut listener = world.listener(80);
            let peer = world.connect(80);
            let mut io = IoBuffers::new(net.accept(&mut listener).unwrap().0);
            peer.fail_next_read(errno);
            assert!(io.receive(&mut net, &mut [0; 16]).is_err());
            peer.fail_next_write(errno);
            assert!(io.send(&mut net, b"x", true, &mut BufferPool::new(1 << 20)).is_err());
        }
    }
}
