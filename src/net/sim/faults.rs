//! What goes wrong in a simulated world, how often, and how large things are in it.

use std::time::Duration;

use super::random::Random;

/// The faults of a world: each a probability in `0.0..=1.0`, drawn whenever the fault could happen.
/// All of them are behaviour that the contract of [`Net`](crate::net::Net) allows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SimFaults {
    /// A read takes only a part of what is there; the rest counts as arriving after it, with an
    /// edge.
    pub short_reads: f64,
    /// A write takes only a part of what there is room for; room appears later, with an edge.
    pub short_writes: f64,
    /// A read answers `WouldBlock` although bytes are there; an edge follows.
    pub refused_reads: f64,
    /// A write answers `WouldBlock` although there is room; an edge follows.
    pub refused_writes: f64,
    /// A wait also tells of a socket of which nothing is new (and perhaps nothing possible).
    pub spurious_readiness: f64,
    /// A wait also tells of a stream that has been closed.
    pub stale_readiness: f64,
    /// An edge tells only what is new, as filters of their own for reading and writing do (kqueue),
    /// and not, as epoll does, everything that is possible at the moment.
    pub narrow_readiness: f64,
    /// A wait tells in another order than things happened in.
    pub shuffled_readiness: f64,
    /// A wait returns at once with nothing, as a signal makes it do; what is ready stays for the
    /// next.
    pub early_waits: f64,
    /// Before a read or write, a reset by the peer arrives.
    pub resets: f64,
    /// A reset destroys bytes that had arrived but were not read. Linux keeps these readable; other
    /// systems, and a reset that overtakes them, do not.
    pub destroying_resets: f64,
    /// Before a read or write our system gives the connection up: `ETIMEDOUT`, or why the way to
    /// the peer is barred (`EHOSTUNREACH`, `ENETUNREACH` and the rarer ones). One call tells.
    pub losses: f64,
    /// A read fails with `ENOBUFS` or `ENOMEM`, or is interrupted (`EINTR`): it has read nothing,
    /// and no edge follows.
    pub read_shortage: f64,
    /// A write fails with `ENOBUFS` or `ENOMEM`, or is interrupted (`EINTR`): it has taken nothing,
    /// and no edge follows.
    pub write_shortage: f64,
    /// An accept fails with `EMFILE`, `ENFILE`, `ENOBUFS` or `ENOMEM`, is forbidden (`EPERM`) or
    /// interrupted (`EINTR`). The connection stays in the queue, and no edge follows.
    pub accept_shortage: f64,
    /// An accept fails with `ECONNABORTED`, or with an error of the network that is pending on the
    /// connection first in the queue: that one is lost, and the next may be sound.
    pub accept_aborts: f64,
    /// A registration fails with `ENOMEM`.
    pub register_shortage: f64,
    /// The whole process stands still before a wait, for up to 20 seconds: deadlines pass while
    /// readiness that would have met them gathers.
    pub pauses: f64,
    /// Before a wait the wall clock jumps by up to an hour, either way.
    pub wall_clock_jumps: f64,
}

impl SimFaults {
    /// Nothing goes wrong.
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

    /// A mixture for this seed: about half of the faults are absent, so that each also appears
    /// without the others, and those present are rare, frequent or usual.
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
        // These end connections, or let every deadline pass: more often and little else would
        // happen.
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
    /// Its program ends, and its system closes the socket: what has been sent still arrives, and
    /// the end behind it. With something unread it is a reset instead.
    Close,
    /// The connection is reset.
    Reset,
    /// Its machine is gone, or the way to it: nothing arrives any more, nothing is answered, not
    /// even by a reset. Only timeouts find it.
    Silence,
}

/// How large and how slow things are in a world. No probabilities: see [`SimFaults`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimLimits {
    /// Bytes that the send buffer of a stream holds before a write is cut short; not zero. 16 KiB,
    /// as `bind` sets it.
    pub send_buffer_bytes: usize,
    /// Bytes that may have arrived at a stream unread; further ones wait at the peer. 128 KiB, as
    /// Linux begins.
    pub receive_buffer_bytes: usize,
    /// Bytes that a peer's system takes in while its program does not read. 64 KiB; a peer may set
    /// its own.
    pub peer_window_bytes: usize,
    /// Readiness told by one wait; more stays for the next. 1024.
    pub events_per_wait_max: usize,
    /// Streams open at one time: an accept beyond fails with `EMFILE`. 1,000,000.
    pub streams_max: usize,
    /// What a connection, bytes, an end or a reset take at most to arrive; each time drawn anew.
    /// Zero, the default: everything arrives at once and whole.
    pub latency_max: Duration,
    /// How far the clock goes on at each call, so that things happen in the middle of a turn. Zero
    /// by default.
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
