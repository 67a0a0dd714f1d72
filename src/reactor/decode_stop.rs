//! Why the decoding of a connection stopped.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Everything that can be decoded has been decoded; more bytes are needed.
    NeedMore,
    /// Nothing may be decoded for now: a response or reply has to be sent first, a channel has to
    /// become live, or the ring to a home is full. The connection goes on when that has happened.
    Paused,
    /// There is more to decode, but other work comes first; decoding goes on in the next turn.
    Yield,
    /// The connection has left this phase, or has ended; the bytes not yet decoded no longer
    /// matter.
    Left,
}
