//! The prices by which a loop of a turn adds up its work, so that it can stop at a budget
//! (`limits::LOOP_WORK_MAX`). One unit is about a sixteenth of a microsecond. Adding up counters
//! that the reactor keeps anyway is cheaper than reading a clock.

/// About how long one unit of work takes.
pub(super) const UNIT_NANOS: u64 = 62;

/// A message or control frame is decoded and handled.
pub(super) const FRAME: u64 = 2;
/// A request head is parsed and dispatched.
pub(super) const REQUEST: u64 = 16;
/// A record from another reactor is processed.
pub(super) const RECORD: u64 = 4;
/// A connection ends: its socket is closed.
pub(super) const END: u64 = 128;
/// A slot of the connection table is looked at.
pub(super) const SLOT: u64 = 1;
/// After a reload, the application decides on a connection.
pub(super) const REVIEW: u64 = 16;
/// The application is told of a request or connection that was served, and writes a line for it.
pub(super) const SERVED: u64 = 48;
/// The least that a step of a TLS handshake counts: about what a key exchange and a signature take.
/// What it takes is timed; in the simulator no time passes between two system calls.
pub(super) const TLS_HANDSHAKE: u64 = 2400;
/// One `send`.
pub(super) const SEND: u64 = 64;
/// One `recv`.
pub(super) const RECEIVE: u64 = 16;
/// The number of deflated bytes that cost one unit.
pub(super) const DEFLATED_BYTES_PER_UNIT: u64 = 4;
/// A compressed message is inflated.
const INFLATE: u64 = 8;
/// The number of inflated bytes that cost one unit.
const INFLATED_BYTES_PER_UNIT: u64 = 32;
/// The number of received bytes that cost one unit.
pub(super) const BYTES_PER_UNIT: u64 = 256;

/// Returns the price of inflating a message of so many bytes to so many. Each compressed byte costs
/// a unit, as it does at worst: in blocks that contain nothing but a code. Usual messages take a
/// fifth of it.
pub(super) const fn inflating(compressed_bytes: usize, inflated_bytes: usize) -> u64 {
    INFLATE + compressed_bytes as u64 + inflated_bytes as u64 / INFLATED_BYTES_PER_UNIT
}
