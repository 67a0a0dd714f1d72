//! The limits of one reactor. The hub's and the protocol's are their own; a configuration only
//! gathers them.

use std::time::Duration;

use crate::protocol::{DecoderLimits, HEADER_BYTES_MAX, HttpLimits};

/// What one reactor grants its peers.
#[derive(Clone, Debug)]
pub struct ReactorLimits {
    /// Connections at once; one more is answered 503.
    pub connections_max: usize,
    /// Connections at once from one IPv4 address or IPv6 /64; one more is answered 429.
    pub connections_per_address_max: Option<u32>,
    /// Connections taken per second; more wait in the kernel's queue.
    pub accepts_per_second_max: Option<u32>,
    /// Messages and fragments.
    pub decoder: DecoderLimits,
    /// Heads and bodies of HTTP requests.
    pub http: HttpLimits,
    /// From accept, or from the first byte of a later request, to the whole head; then 408.
    pub handshake_timeout: Duration,
    /// How long a connection is kept for another request.
    pub idle_timeout: Duration,
    /// Between pings to one peer, give or take a fifth, so that peers who came together are not
    /// pinged together.
    pub ping_interval: Duration,
    /// From a ping that has left to any sign of life; then 4408.
    pub pong_timeout: Duration,
    /// How long a peer may take no byte of what it is owed; then 4008.
    pub slow_timeout: Duration,
    /// From the first byte of a message to its last; then 1008. `None`: as long as it likes.
    pub message_timeout: Option<Duration>,
    /// From the start of a drain to the end of the last connection, whatever it is doing.
    pub drain_timeout: Duration,
}

impl Default for ReactorLimits {
    fn default() -> ReactorLimits {
        ReactorLimits {
            connections_max: 10_000,
            connections_per_address_max: None,
            accepts_per_second_max: None,
            decoder: DecoderLimits { message_bytes_max: 64 << 10, fragments_max: 1024 },
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

// Budgets: how much of one thing a turn does before it looks at everything else again.

/// One `recv` per connection and turn takes at most this much: four echoes of 16 KiB, or the
/// largest message by default with its header; and it stays in the processor's second-level cache.
pub(super) const RECEIVE_BYTES: usize = 64 * 1024 + HEADER_BYTES_MAX;
/// Replies to one peer that gather before they are written. With them in the same cache as what
/// they answer.
pub(super) const REPLIES_BYTES_MAX: usize = 64 * 1024;
/// As much as one wait brings at a time; room for it is made at the start.
pub(super) const READINESS_MAX: usize = 1024;
/// Requests of one connection answered per turn, if it sends them without waiting for the answers.
pub(super) const REQUESTS_PER_TURN_MAX: usize = 8;
/// Connections taken per turn: a storm of them must not starve those that are in.
pub(super) const ACCEPTS_PER_TURN_MAX: usize = 64;
/// Sends of the sweep between two looks at what has arrived: about two milliseconds.
pub(super) const SENDS_PER_TURN_MAX: usize = 256;
/// Publishes taken from other threads per turn.
pub(super) const PUBLISHES_PER_TURN_MAX: usize = 256;
/// Requests, and deliveries, taken from all reactors together per turn: less time than the sends of
/// the sweep take. Each reactor has an equal part, and no less than the minimum.
pub(super) const RECORDS_PER_TURN_MAX: usize = 1024;
pub(super) const RECORDS_OF_ONE_MIN: usize = 32;
/// Connections whose deadlines are looked at per turn.
pub(super) const DEADLINES_PER_TURN_MAX: usize = 4096;

// Timing of what no configuration needs to know.

/// Every connection's deadline is looked at once in this time, so a timeout is at most this much
/// late.
pub(super) const DEADLINE_SWEEP_PERIOD: Duration = Duration::from_millis(500);
/// The longest wait of a turn, so that the sweep of deadlines keeps pace.
pub(super) const WAIT_MAX: Duration = DEADLINE_SWEEP_PERIOD;
/// A turn that comes later than this after the last one follows a pause of the whole process, in
/// which no peer could be heard: deadlines are not judged until there was time to read.
pub(super) const PAUSE_MIN: Duration = Duration::from_secs(2);
/// How long deadlines are not judged after such a pause: so much time of ours, in turns that come
/// when they should.
pub(super) const PAUSE_GRACE: Duration = Duration::from_secs(1);
/// When the process is out of descriptors, accepting is tried again after this time.
pub(super) const ACCEPT_RETRY: Duration = Duration::from_millis(100);

// Ends of connections.

/// How long a peer that takes nothing may leave its Close frame waiting, before the connection is
/// reset.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How many such peers there may be; beyond, they are reset at once.
pub(super) const PATIENT_MAX: usize = 4096;
/// How long and how many bytes of what a peer still sends are discarded after our last byte.
pub(super) const LINGER: Duration = Duration::from_secs(2);
pub(super) const LINGER_BYTES_MAX: usize = 64 * 1024;
/// Connections over a limit that are let in so as to be told 503 or 429; beyond, they are closed at
/// once. For all reactors together. Stays below the 128 descriptors that the default of
/// `connections_max` leaves free.
pub(super) const REFUSALS_MAX: usize = 64;
/// A request's body may come as slowly as this, after the time that the head may take; and a
/// message, after the time that any message may take.
pub(super) const BODY_BYTES_PER_SECOND_MIN: u32 = 16 * 1024;

// Memory.

/// The part of the memory limit that connections may hold beyond the channels' logs (what they have
/// begun and not finished, what they are owed and do not take): one in so many.
pub(super) const HELD_MEMORY_SHARE: usize = 4;
/// When that is spent, a connection that holds more than this is ended. Below, there is nothing to
/// be had from it.
pub(super) const HELD_BYTES_HARMLESS: usize = 4 * 1024;
/// Where memory is short, so many channels are looked at in one go for what is kept for slow
/// subscribers alone.
pub(super) const CHANNELS_RELIEVED_MAX: usize = 64;
/// In a drain, this many connections per second are closed by all reactors together, or as many
/// more as it takes to be done in three quarters of the drain timeout: their clients all come back,
/// and somewhere else has to bear it.
pub(super) const DRAIN_CLOSES_PER_SECOND: u64 = 1000;
