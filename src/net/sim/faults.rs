//! The faults of a simulated world, their probabilities, and its limits.

use std::time::Duration;

use super::random::Random;

/// The faults of a simulated world. Each field is a probability in `0.0..=1.0`, drawn whenever the
/// fault could happen. The contract of [`Net`](crate::net::Net) allows all of this behaviour.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SimFaults {
    /// A read returns only a part of the bytes that have arrived; the rest counts as arriving after
    /// the read, with a readiness event.
    pub short_reads: f64,
    /// A write accepts fewer bytes than there is room for; more room appears later, with a
    /// readiness event.
    pub short_writes: f64,
    /// A read returns `WouldBlock` although bytes have arrived; a readiness event follows.
    pub refused_reads: f64,
    /// A write returns `WouldBlock` although there is room; a readiness event follows.
    pub refused_writes: f64,
    /// A wait also reports a socket that has not changed, and that may be neither readable nor
    /// writable.
    pub spurious_readiness: f64,
    /// A wait also reports the token of a stream that has been closed.
    pub stale_readiness: f64,
    /// A readiness event reports only what has changed, as kqueue does with its separate filters
    /// for reading and writing. Without this fault it reports everything that is possible, as epoll
    /// does.
    pub narrow_readiness: f64,
    /// A wait reports events in a random order, not in the order in which they happened.
    pub shuffled_readiness: f64,
    /// A wait returns immediately with nothing, as after a signal; ready sockets stay ready for the
    /// next wait.
    pub early_waits: f64,
    /// Before a read or write, a reset by the peer arrives.
    pub resets: f64,
    /// A reset destroys bytes that had arrived but were not read. Linux keeps these readable; other
    /// systems, and a reset that overtakes them, do not.
    pub destroying_resets: f64,
    /// Before a read or write, our system gives the connection up. One call then fails with
    /// `ETIMEDOUT`, or with the reason why the path is blocked (`EHOSTUNREACH`, `ENETUNREACH` and
    /// rarer ones).
    pub losses: f64,
    /// A read fails with `ENOBUFS` or `ENOMEM`, or is interrupted (`EINTR`): it has read nothing,
    /// and no readiness event follows.
    pub read_shortage: f64,
    /// A write fails with `ENOBUFS` or `ENOMEM`, or is interrupted (`EINTR`): it has written
    /// nothing, and no readiness event follows.
    pub write_shortage: f64,
    /// An accept fails with `EMFILE`, `ENFILE`, `ENOBUFS` or `ENOMEM`, is forbidden (`EPERM`) or
    /// interrupted (`EINTR`). The connection stays in the queue, and no readiness event follows.
    pub accept_shortage: f64,
    /// An accept fails with `ECONNABORTED`, or with a network error that is pending on the first
    /// connection of the queue: that connection is lost, and the next one may be intact.
    pub accept_aborts: f64,
    /// A registration fails with `ENOMEM`.
    pub register_shortage: f64,
    /// The whole process is suspended before a wait, for up to 20 seconds: deadlines pass, although
    /// the bytes that would have met them have arrived meanwhile.
    pub pauses: f64,
    /// Before a wait the wall clock jumps by up to an hour, either way.
    pub wall_clock_jumps: f64,
}

impl SimFaults {
    /// No faults.
    pub const NONE: SimFaults = SimFaults {
        short_reads: 0.0,
        short_writes: 0.0,
        refused_reads: 0.0,
        refused_writes: 0.0,
        spurious_readiness: 0.0,
        stale_readiness: 0.0,
        narrow_readiness: 0.0,
        shuffled_readiness: 0.0,
        early_waits: 0.0,
        resets: 0.0,
        destroying_resets: 0.0,
        losses: 0.0,
        read_shortage: 0.0,
        write_shortage: 0.0,
        accept_shortage: 0.0,
        accept_aborts: 0.0,
        register_shortage: 0.0,
        pauses: 0.0,
        wall_clock_jumps: 0.0,
    };

    /// Returns the faults of this seed. About half of them are absent, so that each also appears
    /// without the others; the probabilities of the rest vary from rare to very frequent.
    pub fn from_seed(seed: u64) -> SimFaults {
        let mut random = Random::new(seed);
        let mut usual = || random.one_of(&[0.0, 0.0, 0.0, 0.02, 0.2, 0.6]);
        let mut faults = SimFaults {
            short_reads: usual(),
            short_writes: usual(),
            refused_reads: usual(),
            refused_writes: usual(),
            spurious_readiness: usual(),
            stale_readiness: usual(),
            narrow_readiness: usual(),
            shuffled_readiness: usual(),
            early_waits: usual(),
            destroying_resets: usual(),
            write_shortage: usual(),
            accept_shortage: usual(),
            accept_aborts: usual(),
            register_shortage: usual(),
            wall_clock_jumps: usual(),
            read_shortage: usual(),
            ..SimFaults::NONE
        };
        // These faults end connections, or let every deadline pass: if they were more frequent,
        // little else would happen.
        faults.resets = random.one_of(&[0.0, 0.0, 0.0002, 0.005]);
        faults.pauses = random.one_of(&[0.0, 0.0, 0.0002, 0.005]);
        faults.losses = random.one_of(&[0.0, 0.0, 0.0002, 0.005]);
        faults
    }
}

impl Default for SimFaults {
    fn default() -> SimFaults {
        SimFaults::NONE
    }
}

/// How a peer crashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SimCrash {
    /// The peer's program ends, and its system closes the socket: what has been sent still arrives,
    /// followed by the end of the stream. If something was unread it is a reset instead.
    Close,
    /// The connection is reset.
    Reset,
    /// The peer's machine or the path to it has failed: nothing arrives any more and nothing is
    /// answered, not even by a reset. Only timeouts detect it.
    Silence,
}

/// Sizes and durations in a world. Probabilities are in [`SimFaults`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimLimits {
    /// The size of a stream's send buffer, not zero; a write that needs more is cut short. 16 KiB,
    /// as the server sets it.
    pub send_buffer_bytes: usize,
    /// Unread bytes that a stream's receive buffer holds; further ones wait at the peer. 128 KiB,
    /// the initial size in Linux.
    pub receive_buffer_bytes: usize,
    /// Bytes that a peer's system accepts while its program does not read. 64 KiB; a test may set
    /// another window for each peer.
    pub peer_window_bytes: usize,
    /// The most events that one wait reports; more stay for the next one. 1024.
    pub events_per_wait_max: usize,
    /// The most open streams: above this an accept fails with `EMFILE`. 1,000,000.
    pub streams_max: usize,
    /// The longest time that a connection, bytes, an end or a reset takes to arrive; each time is
    /// drawn separately. With zero, the default, everything arrives immediately and whole.
    pub latency_max: Duration,
    /// How far each system call moves the clock, so that events also happen in the middle of a
    /// reactor's turn. Zero by default.
    pub call_duration: Duration,
}

impl Default for SimLimits {
    fn default() -> SimLimits {
        SimLimits {
            send_buffer_bytes: 16 * 1024,
            receive_buffer_bytes: 128 * 1024,
            peer_window_bytes: 64 * 1024,
            events_per_wait_max: 1024,
            streams_max: 1_000_000,
            latency_max: Duration::ZERO,
            call_duration: Duration::ZERO,
        }
    }
}
