//! What a reactor keeps of one connection. Its size times the number of idle subscribers is memory
//! that users pay for, so a test bounds it.
//!
//! | file | holds |
//! |---|---|
//! | here | the connection and its phases |
//! | `slab` | all of them, by tokens that outlive their connection harmlessly |
//! | `peer_subscriptions`, `outgoing`, `packed_address` | parts of it |

mod outgoing;
mod packed_address;
mod peer_subscriptions;
mod slab;

use std::net::SocketAddr;
use std::num::NonZeroU64;

use crate::hub::SubscriptionId;
use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::{Decoder, HeadScanner};
use crate::transport::IoBuffers;

use super::group::Refusal;
use super::ticket::Ticket;
pub(super) use outgoing::Outgoing;
use packed_address::PackedAddress;
pub(super) use peer_subscriptions::PeerSubscriptions;
pub(super) use slab::{Connections, listener_number, listener_token, running_number};

/// One connection, from accept to close.
///
/// ```text
///           101                 Close frame            last byte out
///   Http ---------> Open -----------------> Closing -----------------> Lingering ---> Gone
///    |                |                        ^  |                                    ^
///    |                +--- lost -------------- | -+------------------------------------+
///    +--- last response ----------------------+        (nothing left unread)
/// ```
pub(super) struct Connection<T, S> {
    /// Its own, given by the slab.
    pub(super) token: Token,
    pub(super) io: IoBuffers<T>,
    pub(super) phase: Phase<S>,
    /// The next moment at which something is due, by the phase: the request is complete, a ping or
    /// the pong for it, the end of the patience with a peer that does not take its Close, the end
    /// of lingering.
    pub(super) deadline: Instant,
    /// While blocked: when the kernel last took a byte.
    pub(super) progress_at: Instant,
    /// Since when a message is under way.
    pub(super) message_since: Option<NonZeroInstant>,
    /// The subscription in the middle of whose frame the stream stands. It is blocked, or the sweep
    /// will go on with it in this turn.
    pub(super) under_way: Option<SubscriptionId>,
    /// So many bytes at the front of what is owed are the rest of a frame whose subscription has
    /// left it.
    pub(super) rest_bytes: u32,
    address: PackedAddress,
    /// It came by a listener that is the operator's.
    pub(super) is_admin: bool,
    /// It is over a limit, and was accepted only so that it can be answered 503 or 429.
    pub(super) refusal: Option<Refusal>,
    /// The socket was told readable, and has not been drained since.
    pub(super) readable: bool,
    /// A write was refused or cut short, and the socket has not been told writable since. Whatever
    /// is owed implies it.
    pub(super) blocked: bool,
    /// It was blocked until an edge came, and nothing has been taken since: `progress_at` still
    /// counts.
    pub(super) unproven: bool,
    /// Blocked for want of kernel memory: the deadline sweep tries again, for no edge will come.
    pub(super) starved: bool,
    /// The peer has closed its side, or an error is pending: a short read does not mean drained.
    pub(super) hung_up: bool,
    /// The end of the stream has been read.
    pub(super) ended: bool,
    /// It stands on a list of those that go on without a new edge.
    pub(super) unfinished: bool,
}

pub(super) enum Phase<S> {
    /// Requests over HTTP/1.1.
    Http(Http),
    /// A WebSocket connection.
    Open(Open<S>),
    /// Our last bytes (a Close frame, the last response) are on their way; nothing is read.
    Closing {
        /// The peer has said its last as well: no need to linger once our last byte is out.
        clean: bool,
        /// It is counted among those whose peers do not take their Close.
        patient: bool,
    },
    /// Our side is shut down. What the peer still sends is discarded, for a close with unread bytes
    /// would be a reset, and a reset destroys the answer that the peer has not read yet.
    Lingering { discarded_bytes: usize },
    /// The connection has ended. Its socket is closed, and its place given back, when the step that
    /// ended it has returned.
    Gone(Gone),
}

/// How the socket of a connection that has ended is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    Close,
    /// With a reset: what the peer has not read is destroyed.
    Reset,
}

/// Requests over HTTP/1.1 on one connection, one at a time.
#[derive(Default)]
pub(super) struct Http {
    pub(super) scanner: HeadScanner,
    /// The body under way: the request's head and what has come of its body stand in the assembly.
    pub(super) body: Option<Body>,
    /// [`Answer::Later`](super::Answer): nothing is decoded until the answer has been given.
    pub(super) answer: Option<Owed>,
    /// A request has been answered and nothing of the next one has come.
    pub(super) between_requests: bool,
}

/// A request body under way.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) head_bytes: u32,
    pub(super) bytes: u32,
}

/// How the answer that is owed has to be written.
#[derive(Clone, Copy)]
pub(super) struct Owed {
    pub(super) keep_alive: bool,
    pub(super) head_only: bool,
    /// The publish or question whose outcome it waits for.
    pub(super) ticket: Option<Ticket>,
}

impl Owed {
    /// The last answer of its connection.
    pub(super) const LAST: Owed = Owed { keep_alive: false, head_only: false, ticket: None };
}

/// An open WebSocket connection.
pub(super) struct Open<S> {
    pub(super) decoder: Decoder,
    pub(super) awaiting_pong: bool,
    pub(super) subscriptions: PeerSubscriptions,
    pub(super) session: S,
}

impl<T, S> Connection<T, S> {
    pub(super) fn new(
        token: Token,
        stream: T,
        address: SocketAddr,
        refusal: Option<Refusal>,
        deadline: Instant,
    ) -> Self {
        Connection {
            token,
            io: IoBuffers::new(stream),
            phase: Phase::Http(Http::default()),
            is_admin: false,
            refusal,
            deadline,
            progress_at: Instant::ZERO,
            message_since: None,
            under_way: None,
            rest_bytes: 0,
            address: PackedAddress::new(address),
            readable: false,
            blocked: false,
            unproven: false,
            starved: false,
            hung_up: false,
            ended: false,
            unfinished: false,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address.unpack()
    }

    /// The channels of an open connection; none in any other phase.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        let open = match &self.phase {
            Phase::Open(open) => Some(open),
            Phase::Http(_) | Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {
                None
            }
        };
        open.into_iter().flat_map(|open| open.subscriptions.iter())
    }
}

/// An [`Instant`] that leaves room for `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NonZeroInstant(NonZeroU64);

impl NonZeroInstant {
    /// The moment, or a nanosecond later at the very start of the clock.
    pub(super) fn new(instant: Instant) -> NonZeroInstant {
        NonZeroInstant(NonZeroU64::new(instant.as_nanos()).unwrap_or(NonZeroU64::MIN))
    }

    pub(super) fn instant(self) -> Instant {
        Instant::from_nanos(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_a_small_session_stays_within_its_share_of_256_bytes() {
        let bytes = size_of::<Connection<u32, [u64; 2]>>();
        assert!(
            bytes <= 192,
            "{bytes} bytes; the rest of the 256 is the hub's and the allocator's"
        );
    }
}
