//! The stream of one connection and its buffers: bytes read but not yet decoded, and bytes not yet
//! sent.

use std::io::{self, IoSlice};

use crate::net::Net;

use super::io_results::{Extent, Received, Sent, received, sent};
use super::tls_failure::TlsFailure;
use super::tls_session::TlsSession;
use super::{Buffer, BufferPool};

/// One connection's stream and buffers. An idle connection owns no buffer.
///
/// The stream stands first, so that it lies beside the other fields of a connection that the
/// delivery of a message touches.
#[repr(C)]
pub(crate) struct IoBuffers<S> {
    pub(crate) stream: S,
    /// What is in `outbound` must not be sent before [`release`](Self::release).
    is_held: bool,
    /// What the stream is encrypted with, if it is.
    pub(crate) tls: Option<Box<TlsSession>>,
    /// Bytes read but not yet decoded: a partial frame or head, or what was read when decoding had
    /// to stop.
    spill: Option<Buffer>,
    /// The incomplete message, or the request whose body is incomplete.
    pub(crate) assembly: Option<Buffer>,
    /// Bytes for this peer alone that the kernel has not accepted yet.
    outbound: Option<Buffer>,
}

impl<S> IoBuffers<S> {
    pub(crate) fn new(stream: S, tls: Option<Box<TlsSession>>) -> IoBuffers<S> {
        IoBuffers { stream, tls, spill: None, assembly: None, outbound: None, is_held: false }
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

    /// Calls `recv` once, on a stream that is not encrypted or whose bytes are not wanted. If it
    /// reads less than `room`, the socket is empty.
    pub(crate) fn receive<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        room: &mut [u8],
    ) -> io::Result<Received> {
        received(net.read(&mut self.stream, room), room.len())
    }

    /// As [`receive`](Self::receive), for an encrypted stream. `hung_up`: a short read does not
    /// mean that the socket is empty.
    pub(crate) fn receive_encrypted<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        room: &mut [u8],
        hung_up: bool,
        pool: &mut BufferPool,
    ) -> Result<Received, TlsFailure> {
        match &mut self.tls {
            Some(tls) => tls.receive(net, &mut self.stream, room, hung_up, pool),
            None => Ok(self.receive(net, room)?),
        }
    }

    /// Sends `bytes`; they are not queued. Returns how many were accepted. What was refused must be
    /// written before anything else.
    #[inline(always)]
    pub(crate) fn write<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        bytes: &[u8],
        extent: Extent,
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        if let Some(tls) = &mut self.tls {
            return tls.write(net, &mut self.stream, bytes, extent, pool);
        }
        let written = match extent {
            Extent::Part | Extent::Whole => net.write(&mut self.stream, bytes),
            Extent::Last => net.write_last(&mut self.stream, bytes),
        };
        sent(written, bytes.len())
    }

    /// As [`write`](Self::write), for a part of a log in two slices.
    pub(crate) fn write_both<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        first: &[u8],
        second: &[u8],
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        let Some(tls) = &mut self.tls else {
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            let offered = first.len() + second.len();
            return sent(net.write_vectored(&mut self.stream, &slices), offered);
        };
        let (of_first, outcome) = tls.write(net, &mut self.stream, first, Extent::Part, pool)?;
        if outcome != Sent::All || of_first < first.len() {
            return Ok((of_first, outcome));
        }
        let (of_second, outcome) = tls.write(net, &mut self.stream, second, Extent::Part, pool)?;
        Ok((of_first + of_second, outcome))
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
            true => self.write(net, bytes, Extent::Whole, pool)?,
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
        let (taken, sent) = self.write(net, bytes, Extent::Last, pool)?;
        if sent != Sent::All {
            // The next write is an ordinary one, which also sends what the kernel has held back.
            self.send(net, &bytes[taken..], false, pool)?;
        }
        Ok((taken, sent))
    }

    /// Queues bytes that must wait until [`release`](Self::release). Nothing else may be queued.
    pub(crate) fn hold(&mut self, bytes: &[u8], pool: &mut BufferPool) {
        debug_assert!(!self.owes(), "a handshake is answered when nothing is queued");
        self.is_held = true;
        if !bytes.is_empty() {
            let outbound = self.outbound.get_or_insert_with(|| pool.take());
            outbound.append(bytes);
            pool.count(outbound);
        }
    }

    /// Returns true if bytes wait for [`release`](Self::release).
    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Lets the bytes that wait be sent.
    pub(crate) fn release(&mut self) {
        self.is_held = false;
    }

    /// Queues the rest of a frame that is partly sent, before everything else.
    pub(crate) fn owe_first(&mut self, rest: &[u8], pool: &mut BufferPool) {
        debug_assert!(!self.is_held, "whoever waits for its 101 has been sent no frame");
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
        let Some(mut outbound) = self.outbound.take_if(|_| !self.is_held) else {
            return Ok((0, self.send_ciphertext(net, pool)?));
        };
        let written = self.write(net, outbound.unread(), Extent::Whole, pool);
        if let Ok((taken, Sent::All)) = written {
            pool.put(outbound);
            return Ok((taken, Sent::All));
        }
        outbound.use_up(written.as_ref().map_or(0, |(taken, _)| *taken));
        self.outbound = Some(outbound);
        written
    }

    /// Sends what the kernel has refused of what is encrypted already, if anything.
    pub(crate) fn send_ciphertext<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        pool: &mut BufferPool,
    ) -> io::Result<Sent> {
        match &mut self.tls {
            None => Ok(Sent::All),
            Some(tls) => tls.send_rest(net, &mut self.stream, pool),
        }
    }

    /// Ends our side of the stream, after what was written.
    pub(crate) fn shut_down_write<N: Net<Stream = S>>(
        &mut self,
        net: &mut N,
        pool: &mut BufferPool,
    ) -> io::Result<()> {
        self.say_goodbye(net, pool);
        net.shutdown_write(&mut self.stream)
    }

    /// Tells the peer of an encrypted stream that nothing more comes.
    pub(crate) fn say_goodbye<N: Net<Stream = S>>(&mut self, net: &mut N, pool: &mut BufferPool) {
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye(net, &mut self.stream, pool);
        }
    }

    /// Returns true if bytes are queued.
    pub(crate) fn owes(&self) -> bool {
        self.outbound.is_some() && !self.is_held
    }

    /// Returns how the kernel has refused ciphertext, if it has. Mostly that belongs to bytes that
    /// are queued or will be written again; in a handshake it does not.
    pub(crate) fn refused_ciphertext(&self) -> Option<Sent> {
        self.tls.as_ref().and_then(|tls| tls.refusal())
    }

    /// Returns true until the TLS handshake of an encrypted stream is complete.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
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
        let buffers = [&self.spill, &self.assembly, &self.outbound];
        let of_tls = self.tls.iter().flat_map(|tls| tls.buffers());
        buffers.into_iter().flatten().chain(of_tls).map(Buffer::counted_bytes).sum()
    }

    /// Shrinks every buffer to its content.
    pub(crate) fn shrink(&mut self, pool: &mut BufferPool) {
        let buffers = [&mut self.spill, &mut self.assembly, &mut self.outbound];
        let of_tls = self.tls.iter_mut().flat_map(|tls| tls.buffers_mut());
        for buffer in buffers.into_iter().flatten().chain(of_tls) {
            pool.shrink(buffer);
        }
    }

    /// Drops what was read, because nothing more will be decoded.
    pub(crate) fn forget_inbound(&mut self, pool: &mut BufferPool) {
        for buffer in [self.spill.take(), self.assembly.take()].into_iter().flatten() {
            pool.put(buffer);
        }
        if let Some(tls) = &mut self.tls {
            tls.forget_received(pool);
        }
    }

    /// Gives all buffers back to the pool, and returns the stream.
    pub(crate) fn dismantle(self, pool: &mut BufferPool) -> S {
        for buffer in [self.spill, self.assembly, self.outbound].into_iter().flatten() {
            pool.put(buffer);
        }
        if let Some(tls) = self.tls {
            tls.dismantle(pool);
        }
        self.stream
    }
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
            let mut io = IoBuffers::new(net.accept(&mut listener).unwrap().0, None);
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
            let mut io = IoBuffers::new(net.accept(&mut listener).unwrap().0, None);
            peer.fail_next_read(errno);
            assert!(io.receive(&mut net, &mut [0; 16]).is_err());
            peer.fail_next_write(errno);
            assert!(io.send(&mut net, b"x", true, &mut BufferPool::new(1 << 20)).is_err());
        }
    }
}
