//! The system calls of a simulated world that concern a socket, with the faults that can occur in
//! each.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::errors;
use super::socket::{Edges, Hold, Registration, Socket};
use super::trace::SimCall;
use super::world::{Id, SimEvent, World};
use crate::net::Token;

impl World {
    /// Begins a system call: moves the clock by its duration, and applies the events that are due.
    pub(super) fn begin_call(&mut self, call: SimCall) {
        self.advance(self.limits.call_duration);
        self.spend_on_call(call);
    }

    /// Returns the socket of an open stream. Panics if the stream has been closed.
    fn stream(&mut self, id: Id) -> &mut Socket {
        let socket = self.sockets.get_mut(&id).filter(|socket| socket.hold == Hold::Open);
        socket.expect("a call on a stream that has been closed: a bug of the caller")
    }

    pub(super) fn listen(&mut self, reactor: usize, id: Id, token: Token) {
        self.begin_call(SimCall::Listen);
        let listener = self.listeners.get_mut(&id).expect("the listener is open");
        assert!(listener.registration.is_none(), "a listener is registered once");
        listener.registration =
            Some(Registration { reactor, token, edges: Edges::default(), queued: false });
        self.tell(id, Edges::READABLE);
        self.record(reactor, SimCall::Listen, id, Ok(0));
    }

    /// Closes a listener. As in the kernel, the connections that it has not accepted are reset.
    pub(super) fn unlisten(&mut self, id: Id) {
        self.begin_call(SimCall::Unlisten);
        let Some(listener) = self.listeners.remove(&id) else { return };
        for waiting in listener.queue {
            self.abandon(waiting);
        }
        let reactor = listener.registration.map_or(0, |registration| registration.reactor);
        self.record(reactor, SimCall::Unlisten, id, Ok(0));
    }

    pub(super) fn accept(&mut self, reactor: usize, listener: Id) -> Result<(Id, SocketAddr), i32> {
        self.begin_call(SimCall::Accept);
        let result = self.accept_one(listener);
        self.record(reactor, SimCall::Accept, listener, result.map(|(id, _)| id as usize));
        result
    }

    fn accept_one(&mut self, listener: Id) -> Result<(Id, SocketAddr), i32> {
        if let Some(errno) = self.next_accept_error.take() {
            return Err(errno);
        }
        if self.open_streams >= self.limits.streams_max {
            return Err(libc::EMFILE);
        }
        if self.random.chance(self.faults.accept_shortage) {
            return Err(self.random.one_of(&errors::ACCEPT_NOTHING));
        }
        let queue = &mut self.listeners.get_mut(&listener).expect("the listener is open").queue;
        let id = queue.pop_front().ok_or(libc::EAGAIN)?;
        if self.random.chance(self.faults.accept_aborts) {
            self.abandon(id);
            return Err(self.random.one_of(errors::ACCEPT_ABORTED));
        }
        self.open_streams += 1;
        let socket = self.sockets.get_mut(&id).expect("a connection in the queue is there");
        socket.hold = Hold::Open;
        Ok((id, socket.addr))
    }

    pub(super) fn register(&mut self, reactor: usize, id: Id, token: Token) -> Result<(), i32> {
        self.begin_call(SimCall::Register);
        let result = self.register_one(reactor, id, token);
        self.record(reactor, SimCall::Register, id, result.map(|()| 0));
        result
    }

    fn register_one(&mut self, reactor: usize, id: Id, token: Token) -> Result<(), i32> {
        assert!(self.stream(id).registration.is_none(), "a stream is registered once");
        if self.random.chance(self.faults.register_shortage) {
            return Err(libc::ENOMEM);
        }
        self.stream(id).registration =
            Some(Registration { reactor, token, edges: Edges::default(), queued: false });
        self.tell(id, Edges::BOTH);
        Ok(())
    }

    pub(super) fn read(&mut self, reactor: usize, id: Id, buffer: &mut [u8]) -> Result<usize, i32> {
        assert!(!buffer.is_empty(), "a read of nothing looks like the end of the stream");
        self.begin_call(SimCall::Read);
        let result = self.read_some(id, buffer);
        if let Ok(bytes) = result {
            self.spend_on_bytes(SimCall::Read, bytes);
            self.trace.mix_bytes(&buffer[..bytes]);
        }
        self.record(reactor, SimCall::Read, id, result);
        result
    }

    fn read_some(&mut self, id: Id, buffer: &mut [u8]) -> Result<usize, i32> {
        if let Some(errno) = self.stream(id).next_read_error.take() {
            return Err(errno);
        }
        self.end_by_fault(id);
        if self.random.chance(self.faults.read_shortage) {
            return Err(self.random.one_of(&errors::NOTHING_DONE));
        }
        let there = self.stream(id).inbound.unread.len();
        if there > 0 && self.random.chance(self.faults.refused_reads) {
            self.later(id, SimEvent::Readable);
            return Err(libc::EAGAIN);
        }
        let asked = there.min(buffer.len());
        let mut bytes_max = asked;
        if asked > 1 && self.random.chance(self.faults.short_reads) {
            bytes_max = 1 + self.random.below(asked - 1);
            // The caller takes a short read as the sign that nothing is left. So the remaining
            // bytes count as arriving after this read.
            self.later(id, SimEvent::Readable);
        }
        let result = self.stream(id).read(buffer, bytes_max);
        self.schedule_inbound(id);
        self.settle();
        result
    }

    /// May end the connection by a fault just before a read or write. The call then fails; only a
    /// read still returns the bytes that have arrived before.
    fn end_by_fault(&mut self, id: Id) {
        if self.random.chance(self.faults.resets) {
            self.reset_by_peer(id);
        }
        if self.random.chance(self.faults.losses) {
            let errno = self.random.one_of(errors::LOST);
            self.lose(id, errno);
        }
    }

    pub(super) fn write(
        &mut self,
        reactor: usize,
        id: Id,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, i32> {
        assert!(
            slices.iter().any(|slice| !slice.is_empty()),
            "a write of nothing is a wasted call"
        );
        self.begin_call(SimCall::Write);
        let result = self.write_some(id, slices);
        let mut unmixed = result.unwrap_or(0);
        self.spend_on_bytes(SimCall::Write, unmixed);
        // If the peer discards everything, the bytes cannot influence the run, so they are not
        // hashed.
        let is_seen = !self.discards(id);
        for slice in slices.iter().take_while(|_| is_seen) {
            let taken = slice.len().min(unmixed);
            self.trace.mix_bytes(&slice[..taken]);
            unmixed -= taken;
        }
        self.record(reactor, SimCall::Write, id, result);
        result
    }

    fn write_some(&mut self, id: Id, slices: &[IoSlice<'_>]) -> Result<usize, i32> {
        if let Some(errno) = self.stream(id).next_write_error.take() {
            return Err(errno);
        }
        self.end_by_fault(id);
        self.stream(id).check_write()?;
        if self.random.chance(self.faults.write_shortage) {
            return Err(self.random.one_of(&errors::NOTHING_DONE));
        }
        if self.stream(id).shut {
            return Err(libc::EAGAIN);
        }
        if self.random.chance(self.faults.refused_writes) {
            self.shut_send_buffer(id);
            return Err(libc::EAGAIN);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut bytes_max = offered;
        if offered > 1 && self.random.chance(self.faults.short_writes) {
            bytes_max = 1 + self.random.below(offered - 1);
        }
        let taken = self.take_in(id, slices, bytes_max);
        if taken < bytes_max {
            self.stream(id).wants_room = true;
        } else if taken < offered {
            self.shut_send_buffer(id);
        }
        if taken == 0 { Err(libc::EAGAIN) } else { Ok(taken) }
    }

    /// Returns true if bytes written now would reach their peer at once, and the peer discards
    /// them.
    fn discards(&self, id: Id) -> bool {
        let discards = |socket: &Socket| socket.discards() && self.limits.latency_max.is_zero();
        self.sockets.get(&id).is_some_and(discards)
    }

    /// Copies up to `bytes_max` bytes into the send buffer, from which bytes meanwhile move on into
    /// the peer's receive window. Returns how many were copied.
    fn take_in(&mut self, id: Id, slices: &[IoSlice<'_>], bytes_max: usize) -> usize {
        let mut taken = 0;
        if self.discards(id) {
            let clock = self.clock;
            self.stream(id).discard(bytes_max, clock);
            return bytes_max;
        }
        while taken < bytes_max && !self.stream(id).reset {
            let pushed = self.stream(id).push(slices, taken, bytes_max);
            if pushed == 0 {
                break;
            }
            taken += pushed;
            self.schedule_outbound(id);
            self.settle();
        }
        taken
    }

    /// Applies a fault: the send buffer looks full until a scheduled event reports room.
    fn shut_send_buffer(&mut self, id: Id) {
        self.stream(id).shut = true;
        self.later(id, SimEvent::Room);
    }

    pub(super) fn shutdown_write(&mut self, reactor: usize, id: Id) -> Result<(), i32> {
        self.begin_call(SimCall::ShutdownWrite);
        let socket = self.stream(id);
        let result = if socket.reset { Err(libc::ENOTCONN) } else { Ok(()) };
        socket.outbound.ending = true;
        self.schedule_outbound(id);
        // Linux reports the new state of the socket, also when the call has failed.
        self.tell(id, Edges::WRITABLE);
        self.settle();
        self.record(reactor, SimCall::ShutdownWrite, id, result.map(|()| 0));
        result
    }

    /// Closes a stream. Written bytes are still sent, unless bytes from the peer are unread.
    pub(super) fn close(&mut self, id: Id) {
        self.begin_call(SimCall::Close);
        let reactor = self.let_go(id);
        let socket = self.sockets.get_mut(&id).expect("the stream was open");
        if socket.inbound.unread.is_empty() {
            socket.outbound.ending = true;
            self.schedule_outbound(id);
            self.settle();
        } else {
            self.reset_to_peer(id);
        }
        self.forget_if_unseen(id);
        self.record(reactor, SimCall::Close, id, Ok(0));
    }

    pub(super) fn reset(&mut self, id: Id) {
        self.begin_call(SimCall::Reset);
        let reactor = self.let_go(id);
        self.reset_to_peer(id);
        self.forget_if_unseen(id);
        self.record(reactor, SimCall::Reset, id, Ok(0));
    }

    pub(super) fn fill_random(&mut self, reactor: usize, bytes: &mut [u8]) {
        self.spend_on_call(SimCall::FillRandom);
        self.random.fill(bytes);
        self.record(reactor, SimCall::FillRandom, 0, Ok(bytes.len()));
    }

    /// Closes our end of a connection and ends its registration. Returns the reactor's number.
    fn let_go(&mut self, id: Id) -> usize {
        let socket = self.stream(id);
        socket.hold = Hold::Closed;
        let registration = socket.registration.take();
        self.open_streams -= 1;
        if let Some(registration) = registration {
            self.unregister(registration);
        }
        registration.map_or(0, |registration| registration.reactor)
    }
}
