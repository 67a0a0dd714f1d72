//! Compares what was received with what was sent, without sockets or threads.
//!
//! ```text
//! payload     what a published message contains    round_trip  what a round trip carries
//! sequence    each message once and in order       order       the same order at all receivers
//! ```
pub(crate) mod order;
pub(crate) mod payload;
pub(crate) mod round_trip;
pub(crate) mod sequence;
