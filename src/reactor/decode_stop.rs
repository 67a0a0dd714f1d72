//! Why the decoding of a connection stopped.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// All that can be used has been used.
    NeedMore,
    /// Nothing may be decoded for now: an answer or a reply has to leave first, a channel has to
    /// become live, or the ring to a home is full. Whatever ends that lets the connection go on.
    Paused,
    /// There is more to decode, but something else comes first: it goes on in the next turn.
    Yield,
    /// The connection has left this phase, or has gone; what was read behind it is of no interest.
    Left,
}
