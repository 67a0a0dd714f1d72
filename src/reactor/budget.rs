//! How much work a turn has done, so that each of its loops can stop at a budget. The unit is about
//! a sixteenth of a microsecond. System calls are counted by the counters anyway, so what is
//! counted here costs next to nothing.

/// A message or control frame is decoded and handled.
pub(super) const FRAME: u64 = 2;
/// A request head is parsed and dispatched.
pub(super) const REQUEST: u64 = 16;
/// A record from another reactor is processed.
pub(super) const RECORD: u64 = 4;
/// A connection ends: its socket is closed.
pub(super) const END: u64 = 128;
/// One `send`.
pub(super) const SEND: u64 = 64;
/// One `recv`.
pub(super) const RECEIVE: u64 = 16;
/// So many bytes are received in a unit.
pub(super) const BYTES_PER_UNIT: u64 = 256;
