//! The limits of one reactor. The hub and the protocol have limits of their own; the configuration
//! only gathers them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::ip_network::IpNetwork;
use crate::protocol::{CompressionOptions, DecoderLimits, HEADER_BYTES_MAX, HttpLimits};

/// What a reactor allows its peers.
#[derive(Clone, Debug)]
pub struct ReactorLimits {
    /// Connections open at the same time; any further one is answered 503.
    pub connections_max: usize,
    /// Connections from one IPv4 address or IPv6 /64 at the same time; further ones are answered
    /// 429.
    pub connections_per_address_max: Option<u32>,
    /// The proxies whose word about their clients' addresses is taken.
    pub trusted_proxies: Arc<[IpNetwork]>,
    /// Connections accepted per second; further ones wait in the kernel's queue.
    pub accepts_per_second_max: Option<u32>,
    /// Limits on messages and fragments.
    pub decoder: DecoderLimits,
    /// How messages are compressed for clients that offer permessage-deflate; `None`: not at all.
    pub compression: Option<CompressionOptions>,
    /// Limits on the heads and bodies of HTTP requests.
    pub http: HttpLimits,
    /// From accept, or from the first byte of a later request, to the complete head; after that,
    /// the answer is 408.
    pub handshake_timeout: Duration,
    /// How long a connection between two requests is kept open.
    pub idle_timeout: Duration,
    /// The time between pings to one peer, varied by up to a fifth, so that peers that connected
    /// together are not pinged together.
    pub ping_interval: Duration,
    /// From a sent ping until anything is received; after that, the connection is closed with 4408.
    pub pong_timeout: Duration,
    /// How long a peer may take none of the bytes that wait for it, before it is closed with 4008.
    pub slow_timeout: Duration,
    /// From the first byte of a message to its last; after that, the connection is closed with
    /// 1008. `None`: no limit.
    pub message_timeout: Option<Duration>,
    /// From the start of a drain to the end of the last connection, whatever its state.
    pub drain_timeout: Duration,
}

impl ReactorLimits {
    /// Takes over everything that can change while a reactor serves: all but the sizes, by which
    /// buffers and rings were made, and compression, on which connections have agreed.
    pub(super) fn change_to(&mut self, new: &ReactorLimits) {
        *self = ReactorLimits {
            decoder: self.decoder,
            compression: self.compression,
            http: self.http,
            ..new.clone()
        };
    }
}

impl Default for ReactorLimits {
    fn default() -> ReactorLimits {
        ReactorLimits {
            connections_max: 10_000,
            connections_per_address_max: None,
            trusted_proxies: Arc::default(),
            accepts_per_second_max: None,
            decoder: DecoderLimits { message_bytes_max: 64 << 10, fragments_max: 1024 },
            compression: None,
            http: HttpLimits { body_bytes_max: 64 << 10, ..HttpLimits::default() },
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            slow_timeout: Duration::from_secs(10),
            message_timeout: Some(Duration::from_secs(60)),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl ReactorLimits {
    /// Returns true if this is the address of a trusted proxy. A peer at a socket in the file
    /// system has none, and is trusted: whoever may open the socket was let in by the file's mode.
    #[inline]
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        address.is_unspecified() || (!self.trusted_proxies.is_empty() && self.lists(address))
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|proxies| proxies.contains(address))
    }
}

// Budgets: how much work of one kind a turn does before it goes on to the next kind.

/// The most work of one loop of a turn, in units of `budget`: about a millisecond. Reading has two
/// loops, for connections that have become ready and for those with more to decode.
pub(super) const LOOP_WORK_MAX: u64 = 16 * 1024;
/// Frames of one connection that are decoded before other connections are served.
pub(super) const FRAMES_PER_STEP_MAX: u32 = 1024;
/// The same for a connection whose socket has just become ready. It is smaller because whoever
/// sends only a little may stand behind a crowd that has begun to send much at the same moment.
pub(super) const FRAMES_WHEN_READY_MAX: u32 = 128;
/// Overrun subscribers, and subscribers whose join was answered, that are handled per turn. One
/// message can overrun thousands of them, and each costs some system calls.
pub(super) const CROWD_PER_TURN_MAX: usize = 64;
/// The most that is read per connection and turn, in one `recv`. It has room for four messages of
/// 16 KiB, or for the largest message allowed by default with its header, and fits into the
/// processor's second-level cache.
pub(super) const RECEIVE_BYTES: usize = 64 * 1024 + HEADER_BYTES_MAX;
/// Replies to one peer are written once this many bytes have gathered. They fit into the
/// processor's second-level cache.
pub(super) const REPLIES_BYTES_MAX: usize = 64 * 1024;
/// Readiness events returned by one wait, at most. Memory for them is allocated at the start.
pub(super) const READINESS_MAX: usize = 1024;
/// Pipelined HTTP requests of one connection that are answered per turn.
pub(super) const REQUESTS_PER_TURN_MAX: usize = 8;
/// Connections accepted per turn: many new ones must not starve the existing ones.
pub(super) const ACCEPTS_PER_TURN_MAX: usize = 64;
/// Sends to subscribers per turn, before the reactor reads again: about a millisecond.
pub(super) const SENDS_PER_TURN_MAX: usize = 256;
/// Bytes sent to subscribers per turn: about a millisecond too, where messages are large or
/// subscribers far behind.
pub(super) const SENT_BYTES_PER_TURN_MAX: u64 = 2 << 20;
/// Publishes taken from other threads per turn.
pub(super) const PUBLISHES_PER_TURN_MAX: usize = 256;
/// Requests taken from the rings of all reactors together per turn, as many messages from homes,
/// and as many answers. They take less time than the sends to subscribers. The rings have equal
/// shares.
pub(super) const RECORDS_PER_TURN_MAX: usize = 1024;
/// At least this many records may be taken from one ring per turn, however many reactors there are.
pub(super) const RECORDS_OF_ONE_MIN: usize = 32;
/// Full channels that are checked per turn for room.
pub(super) const FULL_CHANNELS_PER_TURN_MAX: usize = 1024;
pub(super) const PUBLISHERS_PER_TURN_MAX: usize = 256;
/// Connections whose deadlines are checked per turn: each may be sent a ping.
pub(super) const DEADLINES_PER_TURN_MAX: usize = 256;
/// Slots of the connection table that a drain looks at per turn.
pub(super) const DRAIN_SLOTS_PER_TURN_MAX: usize = 4096;

// Timing that is not configurable.

/// A connection whose passed deadline cannot be enforced yet is checked again after this time.
pub(super) const DEADLINE_RETRY: Duration = Duration::from_millis(500);
/// The longest time that a turn waits for events, so that the deadline checks keep pace. A timeout
/// is late by at most this time and one tick of the timer wheel.
pub(super) const WAIT_MAX: Duration = Duration::from_millis(500);
/// A reactor that has not begun a turn for this long stands still.
pub(super) const STANDSTILL_MIN: Duration = Duration::from_secs(2);
/// If a turn begins at least this long after the last one, the whole process was paused and could
/// not read meanwhile. Timeouts are then not enforced for `PAUSE_GRACE`.
pub(super) const PAUSE_MIN: Duration = Duration::from_secs(2);
/// Grace period after a pause of the process: peers' bytes are read before timeouts are enforced.
/// Further pauses extend it.
pub(super) const PAUSE_GRACE: Duration = Duration::from_secs(1);
/// After accept has failed for lack of descriptors or memory, it is tried again after this time.
pub(super) const ACCEPT_RETRY: Duration = Duration::from_millis(100);

// Ends of connections.

/// Close timeout: a connection is reset if its last bytes are still unsent after this time.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// At most this many connections may wait for the close timeout; any further one is reset
/// immediately.
pub(super) const PATIENT_MAX: usize = 4096;
/// After our last byte, what the peer still sends is read and discarded for at most this long. A
/// client that sends everything before it reads learns in this time why it was refused, even if
/// half a minute of uploading is left.
pub(super) const LINGER_MAX: Duration = Duration::from_secs(30);
/// After our last byte, a peer that sends nothing for this long is closed.
pub(super) const LINGER_QUIET_MAX: Duration = Duration::from_secs(2);
/// At most this many bytes of a connection are discarded; a peer that sends more is closed.
pub(super) const LINGER_BYTES_MAX: usize = 256 << 20;
/// Connections over a limit that are accepted so that they can be answered 503 or 429, for all
/// reactors together; any further one is closed immediately. Stays below the 128 descriptors that
/// the program's default for `connections_max` leaves free.
pub(super) const REFUSALS_MAX: usize = 64;
/// Connections at once from the admin listeners, for all reactors together: enough for several
/// scrapers and probes. No other limit applies to them. Their descriptors too are among the 128
/// that the default for `connections_max` leaves free.
pub(super) const ADMIN_CONNECTIONS_MAX: usize = 32;
/// The timeouts of a request body and of a message are extended by one second per this many bytes.
pub(super) const BODY_BYTES_PER_SECOND_MIN: u32 = 16 * 1024;

// Memory.

/// One part in this many of the memory limit is for connections instead of channels' logs: for
/// unfinished messages, and for bytes that peers have not taken.
pub(super) const HELD_MEMORY_SHARE: usize = 4;
/// Once the memory set aside for connections is almost used up, connections that hold more than
/// this are ended. Those that hold less are ended only once it is used up completely, because
/// ending them frees little.
pub(super) const HELD_BYTES_HARMLESS: usize = 4 * 1024;
/// All reactors together close this many connections per second in a drain, or more if that is
/// needed to be done in three quarters of the drain timeout. Their clients reconnect, and another
/// server has to bear that.
pub(super) const DRAIN_CLOSES_PER_SECOND: u64 = 1000;
/// The most time between the last call of a drain, which closes all peers that are still open, and
/// the end of the drain timeout. If the timeout is short, an eighth of it.
pub(super) const LAST_CALL_MAX: Duration = Duration::from_secs(2);
/// Connections that the last call closes per turn before other connections are served: a few
/// milliseconds of work.
pub(super) const LAST_CLOSES_PER_TURN_MAX: usize = 512;
