//! Whether what came is what was sent. No sockets, no threads.
//!
//! ```text
//! payload     what a published message says        round_trip  what a round trip carries
//! sequence    once and in order                    order       all publishers in one order
//! ```
pub(crate) mod order;
pub(crate) mod payload;
pub(crate) mod round_trip;
pub(crate) mod sequence;
