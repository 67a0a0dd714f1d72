//! Why the decoding of a connection stopped.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Everything that can be decoded has been decoded; more bytes are needed.
    NeedMore,
    /// Decoding waits until a queued response or reply has been sent, a subscription has become
    /// live, or the channel's home reactor has answered or has room for a request.
    Paused,
    /// There is more to decode, but other work comes first; decoding goes on in the next turn.
    Yield,
    /// The connection has changed its phase or has ended; the bytes not yet decoded no longer
    /// matter.
    Left,
}
