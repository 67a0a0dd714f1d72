//! One simulated connection: its two directions, the states of its two ends, and the readiness of
//! our end. Errors and their order are those of Linux; the tests of [`net`](crate::net) compare
//! them with real sockets.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;

use super::faults::SimCrash;
use crate::instant::Instant;
use crate::net::Token;

/// One direction of a connection: the bytes between the sender's write and the receiver's read.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Bytes written that have not arrived: they are in the sender's buffer.
    pub(super) unsent: VecDeque<u8>,
    /// Bytes that have arrived and are not yet read.
    pub(super) unread: VecDeque<u8>,
    /// The sender will write no more: the end of the stream follows the unsent bytes.
    pub(super) ending: bool,
    /// The end of the stream has arrived, behind the unread bytes. Invariant: nothing is unsent.
    pub(super) ended: bool,
    /// An event that will call `carry` is scheduled already.
    pub(super) carrying: bool,
    /// How many bytes have arrived since the connection began.
    pub(super) carried_bytes: u64,
    /// The peer crashes once this many bytes have arrived, and how. Invariant: no more arrive
    /// before the crash.
    pub(super) crash: Option<(u64, SimCrash)>,
}

/// What one [`Pipe::carry`] has delivered to the receiver.
pub(super) struct Arrived {
    pub(super) bytes: usize,
    pub(super) end: bool,
}

impl Pipe {
    /// Returns true if `carry` would deliver bytes or the end.
    pub(super) fn can_carry(&self, window_bytes: usize) -> bool {
        if self.unsent.is_empty() {
            self.ending && !self.ended
        } else {
            self.unread.len() < window_bytes
        }
    }

    /// Delivers up to `bytes_max` bytes, while the receiver holds no more than `window_bytes`
    /// unread; after the last byte also the end of the stream.
    pub(super) fn carry(&mut self, window_bytes: usize, bytes_max: usize) -> Arrived {
        let room = window_bytes.saturating_sub(self.unread.len());
        let before_crash = self.crash.map_or(u64::MAX, |(after, _)| after - self.carried_bytes);
        let bytes = self.unsent.len().min(room).min(bytes_max);
        let bytes = bytes.min(usize::try_from(before_crash).unwrap_or(usize::MAX));
        move_front(&mut self.unsent, &mut self.unread, bytes);
        self.carried_bytes += bytes as u64;
        let end =
            self.unsent.is_empty() && self.ending && !self.ended && self.crash_due().is_none();
        self.ended |= end;
        Arrived { bytes, end }
    }

    /// Returns how the peer must crash now, or `None` if no crash is due.
    pub(super) fn crash_due(&self) -> Option<SimCrash> {
        self.crash.filter(|(after, _)| *after <= self.carried_bytes).map(|(_, how)| how)
    }
}

/// The state of our end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    /// The connection has not been accepted yet.
    Queued,
    /// A `SimStream` exists.
    Open,
    /// We have closed it: the system still sends what was written, and answers further bytes with a
    /// reset.
    Closed,
}

/// The state of the peer's end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PeerState {
    Alive,
    /// The peer's program has closed the socket, or has ended: its system answers with resets.
    Gone,
    /// The peer's machine is out of reach: nothing arrives any more, in either direction.
    Silent,
}

/// What has changed on a socket since the last wait reported it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Edges {
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Edges {
    pub(super) const READABLE: Edges = Edges { readable: true, writable: false };
    pub(super) const WRITABLE: Edges = Edges { readable: false, writable: true };
    pub(super) const BOTH: Edges = Edges { readable: true, writable: true };
}

/// The reactor with which a listener or stream is registered, and the changes that have not been
/// reported to it yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registration {
    pub(super) reactor: usize,
    pub(super) token: Token,
    pub(super) edges: Edges,
    /// The socket is in the reactor's list of ready sockets.
    pub(super) queued: bool,
}

/// What is possible on a socket at the moment, as a level-triggered poll would report it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Possible {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) hung_up: bool,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) addr: SocketAddr,
    /// Bytes from the peer to us.
    pub(super) inbound: Pipe,
    /// Bytes from us to the peer.
    pub(super) outbound: Pipe,
    pub(super) hold: Hold,
    pub(super) registration: Option<Registration>,
    pub(super) send_buffer_bytes: usize,
    /// A write was refused or cut short for lack of room: a readiness event must follow once there
    /// is room.
    pub(super) wants_room: bool,
    /// An injected fault makes the send buffer look full: writes fail with `EAGAIN` until the
    /// scheduled `SimEvent::Room`.
    pub(super) shut: bool,
    /// Either side has reset the connection, or our system has given it up.
    pub(super) reset: bool,
    /// The errno of the reset, until our program has seen it. One call returns it: the next write,
    /// or the next read that finds no buffered bytes.
    pub(super) untold_error: Option<i32>,
    /// Set by a test: the errno with which the next read, or write, fails.
    pub(super) next_read_error: Option<i32>,
    pub(super) next_write_error: Option<i32>,

    pub(super) peer: PeerState,
    /// The test holds a `SimPeer`, so it may still look at the connection.
    pub(super) peer_watched: bool,
    /// The peer's program reads everything as it arrives.
    pub(super) peer_reads: bool,
    pub(super) peer_window_bytes: usize,
    /// The peer's program throws everything away that it reads.
    pub(super) peer_discards: bool,
    /// What the peer's program has read, until the test takes it.
    pub(super) received: Vec<u8>,
    /// When bytes last arrived at the peer.
    pub(super) received_at: Instant,
}

impl Socket {
    pub(super) fn new(
        addr: SocketAddr,
        send_buffer_bytes: usize,
        peer_window_bytes: usize,
    ) -> Socket {
        Socket {
            addr,
            inbound: Pipe::default(),
            outbound: Pipe::default(),
            hold: Hold::Queued,
            registration: None,
            send_buffer_bytes,
            wants_room: false,
            shut: false,
            reset: false,
            untold_error: None,
            next_read_error: None,
            next_write_error: None,
            peer: PeerState::Alive,
            peer_watched: true,
            peer_reads: true,
            peer_window_bytes,
            peer_discards: false,
            received: Vec::new(),
            received_at: Instant::ZERO,
        }
    }

    pub(super) fn possible(&self) -> Possible {
        Possible {
            readable: self.reset || self.inbound.ended || !self.inbound.unread.is_empty(),
            writable: self.reset || self.outbound.ending || self.has_room(),
            hung_up: self.reset || self.inbound.ended,
        }
    }

    /// Returns true if a readiness event may report room to write: more than half of the buffer is
    /// free, as in Linux. With less, each small segment that leaves would cause an event.
    pub(super) fn has_room(&self) -> bool {
        !self.shut && self.outbound.unsent.len() * 2 < self.send_buffer_bytes
    }

    /// Reads at most `bytes_max` bytes into the front of `buffer`. Unread bytes are returned before
    /// the end of the stream or a reset.
    pub(super) fn read(&mut self, buffer: &mut [u8], bytes_max: usize) -> Result<usize, i32> {
        let bytes = self.inbound.unread.len().min(buffer.len()).min(bytes_max);
        if bytes > 0 {
            copy_front(&mut self.inbound.unread, &mut buffer[..bytes]);
            return Ok(bytes);
        }
        if self.inbound.ended {
            return Ok(0);
        }
        if self.reset {
            return self.untold_error.take().map_or(Ok(0), Err);
        }
        Err(libc::EAGAIN)
    }

    /// Returns an error if a write must fail even if there is room.
    pub(super) fn check_write(&mut self) -> Result<(), i32> {
        if let Some(errno) = self.untold_error.take() {
            return Err(errno);
        }
        if self.reset || self.outbound.ending {
            return Err(libc::EPIPE);
        }
        Ok(())
    }

    /// Appends bytes `from..to` of the concatenated `slices`, up to the room in the send buffer.
    pub(super) fn push(&mut self, slices: &[IoSlice<'_>], from: usize, to: usize) -> usize {
        let to = to.min(from + self.send_buffer_bytes.saturating_sub(self.outbound.unsent.len()));
        let mut start = 0;
        for slice in slices {
            let end = start + slice.len();
            if from < end && start < to {
                self.outbound.unsent.extend(&slice[from.max(start) - start..to.min(end) - start]);
            }
            start = end;
        }
        to - from
    }

    /// Returns true if bytes or a reset can still arrive at either end.
    pub(super) fn is_connected(&self) -> bool {
        !self.reset && self.peer != PeerState::Silent
    }

    /// Breaks the connection: nothing that is on its way arrives. `untold_error` is the errno that
    /// our program must still see, or `None` if our program itself has reset the connection.
    pub(super) fn tear(&mut self, untold_error: Option<i32>) {
        self.reset = true;
        self.untold_error = untold_error;
        self.inbound.unsent.clear();
        self.outbound.unsent.clear();
    }

    /// Lets the peer's program read at most `bytes_max` of the bytes that have arrived; none if it
    /// has ended. Returns how many.
    pub(super) fn read_as_peer(&mut self, bytes_max: usize) -> usize {
        if self.peer != PeerState::Alive {
            return 0;
        }
        let bytes = self.outbound.unread.len().min(bytes_max);
        let read = self.outbound.unread.drain(..bytes);
        if !self.peer_discards {
            self.received.extend(read);
        }
        bytes
    }

    /// Returns true if bytes need not even be copied: the peer's program throws all away as they
    /// arrive, and none are on their way.
    pub(super) fn discards(&self) -> bool {
        let is_clear = self.outbound.unsent.is_empty() && self.outbound.unread.is_empty();
        let is_plain = self.outbound.crash.is_none() && self.peer == PeerState::Alive;
        self.peer_discards && self.peer_reads && is_clear && is_plain && !self.reset
    }

    /// Carries bytes to a peer that throws them away.
    pub(super) fn discard(&mut self, bytes: usize, now: Instant) {
        self.outbound.carried_bytes += bytes as u64;
        self.received_at = now;
    }
}

/// Moves the first bytes of one queue to the end of another one.
fn move_front(from: &mut VecDeque<u8>, to: &mut VecDeque<u8>, bytes: usize) {
    if to.is_empty() && bytes == from.len() {
        return std::mem::swap(from, to);
    }
    let (first, second) = from.as_slices();
    let of_first = bytes.min(first.len());
    to.extend(&first[..of_first]);
    to.extend(&second[..bytes - of_first]);
    from.drain(..bytes);
}

/// Fills a buffer with the first bytes of a queue, and removes them there.
fn copy_front(from: &mut VecDeque<u8>, to: &mut [u8]) {
    let (first, second) = from.as_slices();
    let of_first = to.len().min(first.len());
    to[..of_first].copy_from_slice(&first[..of_first]);
    let of_second = to.len() - of_first;
    to[of_first..].copy_from_slice(&second[..of_second]);
    from.drain(..to.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_carries_into_the_window_and_the_end_comes_last() {
        let mut pipe = Pipe { ending: true, ..Pipe::default() };
        pipe.unsent.extend(b"abcdef");
        assert!(pipe.can_carry(4));
        assert_eq!(pipe.carry(4, 3).bytes, 3);
        assert_eq!(pipe.carry(4, 3).bytes, 1);
        assert!(!pipe.can_carry(4));
        assert_eq!(pipe.unread, b"abcd");
        pipe.unread.clear();
        let arrived = pipe.carry(4, 3);
        assert!(arrived.bytes == 2 && arrived.end && pipe.ended);
        assert!(!pipe.can_carry(4));
    }

    #[test]
    fn a_push_goes_on_inside_a_slice_and_stops_when_the_buffer_is_full() {
        let mut socket = Socket::new(SocketAddr::from(([127, 0, 0, 1], 1)), 6, 100);
        let slices = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defgh")];
        assert_eq!(socket.push(&slices, 0, 2), 2);
        assert_eq!(socket.push(&slices, 2, 8), 4);
        assert_eq!(socket.push(&slices, 6, 8), 0);
        assert_eq!(socket.outbound.unsent, b"abcdef");
    }
}
