//! Why the decoding of a connection stopped.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Everything that can be decoded has been decoded; more bytes are needed.
    NeedMore,
    /// Decoding waits until one of these has happened: a queued HTTP response or WebSocket reply is
    /// sent; a new subscription becomes live; the channel's home reactor answers an HTTP request;
    /// the ring to the home reactor has room.
    Paused,
    /// There is more to decode, but other work comes first; decoding goes on in the next turn.
    Yield,
    /// The connection has changed its phase or has ended; the bytes not yet decoded no longer
    /// matter.
    Left,
}
