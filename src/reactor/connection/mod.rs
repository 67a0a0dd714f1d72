//! What a reactor keeps for one connection. A server may have very many idle subscribers, each
//! with one [`Connection`], so a test limits its size.
//!
//! | file | holds |
//! |---|---|
//! | here | the connection and its phases |
//! | `slab` | all connections of a reactor, by token; that of a closed one finds nothing |
//! | `peer_subscriptions`, `outgoing` | parts of a connection |
//! | `packed_address`, `coarse_instant` | an address in 18 bytes; a moment in four |

mod coarse_instant;
mod outgoing;
mod packed_address;
mod peer_subscriptions;
mod slab;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};

use crate::hub::SubscriptionId;
use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::{Decoder, HeadScanner, Persistence};
use crate::transport::IoBuffers;

use super::group::{Quota, Refusal};
use super::response_headers::ResponseHeaders;
use super::ticket::Ticket;
pub(super) use coarse_instant::CoarseInstant;
pub(super) use outgoing::Outgoing;
pub(super) use packed_address::PackedAddress;
pub(super) use peer_subscriptions::PeerSubscriptions;
pub(super) use slab::{Connections, listener_number, listener_token, running_number, slot_of};

/// One connection, from accept to close.
///
/// ```text
///         101              Close frame             last byte out
///   Http ------> Open ----------------> Closing -----------------> Lingering
///    |                                     ^                           |
///    +------------ last response ----------+                           v
///                                    any phase, when it is over ----> Gone
/// ```
///
/// The fields that the delivery of a message touches stand first, so that it reads one or two cache
/// lines of a connection. With many thousands of connections, none of these lines is in the cache.
#[repr(C)]
pub(super) struct Connection<T, S> {
    /// Identifies the connection: its slot in the table of connections (`slab`), and a generation.
    pub(super) token: Token,
    /// The subscription whose frame has been sent only in part. The connection is blocked, or the
    /// rest is sent in this turn.
    pub(super) under_way: Option<SubscriptionId>,
    /// A write was refused or taken in part, and the socket has not been reported writable since.
    /// Invariant: true whenever output is queued, except output held until subscriptions are live.
    pub(super) blocked: bool,
    /// The socket has just been reported writable after being blocked, and no byte has been
    /// accepted since. Until a byte is, `progress_at` keeps its value.
    pub(super) unproven: bool,
    /// Blocked because the kernel had no memory. No readiness event will follow, so the next
    /// deadline check tries the write again.
    pub(super) starved: bool,
    /// A ping was sent, and nothing has been received since. False unless the connection is open.
    pub(super) awaiting_pong: bool,
    /// The socket was reported readable, and has not been read empty since.
    pub(super) readable: bool,
    /// The peer has closed its side, or an error is pending: a short read does not mean that the
    /// socket is empty.
    pub(super) hung_up: bool,
    /// The peer has closed its side, and everything that it sent has been read.
    pub(super) ended: bool,
    /// The connection is on one of the lists `Core::unfinished`, `Core::waiting_for_room` and
    /// `Core::handshaking`, so it is read again without a new readiness event.
    pub(super) unfinished: bool,
    /// How many full channels, and half full rings to homes, this peer has published to. While
    /// there are any, nothing more is read from the peer. The home of each channel reports when it
    /// has room again.
    pub(super) waits_to_publish: u16,
    /// The limit that the connection counts towards.
    pub(super) quota: Quota,
    /// `Some` if requests on this connection are answered 503 or 429, except those that are exempt
    /// from limits: the connection is over a limit, or the server is draining.
    pub(super) refusal: Option<Refusal>,
    /// The socket is the first field of these buffers, so it lies in the same cache lines.
    pub(super) io: IoBuffers<T>,
    pub(super) phase: Phase<S>,
    /// How many bytes at the front of the queued output are the rest of a frame whose subscription
    /// has ended.
    pub(super) rest_bytes: u32,
    /// When something is due next. What it is depends on the phase: the request must be complete, a
    /// ping must be sent or its pong must have arrived, the peer must have taken its Close frame,
    /// or lingering ends. Set by `Core::set_deadline`.
    pub(super) deadline: CoarseInstant,
    /// While blocked: when the kernel last accepted a byte.
    pub(super) progress_at: CoarseInstant,
    /// When the message that is being received began, if there is one.
    pub(super) message_since: Option<CoarseInstant>,
    /// The address of the peer; behind a trusted proxy that of the client whose request is under
    /// way, or whose WebSocket it is.
    pub(super) packed_address: PackedAddress,
    /// The connection counts towards the limit of connections from `packed_address`. False for one
    /// of a trusted proxy while no client's request is under way on it, and on an admin listener.
    pub(super) is_counted: bool,
    /// When the peer's credentials expire, in whole seconds since 1970-01-01 UTC. An open
    /// connection is then closed. It is a time of the wall clock, because it is given as one.
    pub(super) expires_at: Option<NonZeroU32>,
}

pub(super) enum Phase<S> {
    /// HTTP/1.1 requests.
    Http(Http),
    /// A WebSocket connection.
    Open(Open<S>),
    /// The last bytes of our side (a Close frame or the last response) are being sent. What the
    /// peer still sends is discarded, because it may read nothing before it has sent everything.
    Closing {
        /// The peer has finished too: lingering is not needed once our last byte has been sent.
        clean: bool,
        /// The socket did not take all of the last bytes, so the connection waits up to `PATIENCE`
        /// for the rest. It counts towards `PATIENT_MAX`.
        patient: bool,
        discarded_bytes: usize,
    },
    /// Our side is shut down, and what the peer still sends is discarded. Closing with unread bytes
    /// would send a reset, and a reset would destroy the answer that the peer has not read yet.
    Lingering {
        discarded_bytes: usize,
        /// The connection is closed at this moment even if the peer still sends.
        until: Instant,
    },
    /// The connection has ended. Once the step that ended it has returned, its socket is closed and
    /// its slot is released.
    Gone(Gone),
}

/// How the socket of a connection that has ended is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    Close,
    /// With a reset: what the peer has not read yet is lost.
    Reset,
}

/// HTTP/1.1 requests on one connection, one at a time.
#[derive(Default)]
pub(super) struct Http {
    pub(super) scanner: HeadScanner,
    /// The body that is being received. The head and the part of the body received so far are in
    /// the assembly buffer.
    pub(super) body: Option<Body>,
    /// Set while a request that was answered [`Answer::Later`](super::Answer) waits for its
    /// response. Nothing is decoded until then.
    pub(super) answer: Option<Owed>,
    /// What waits is an opening handshake, on which the application decides later.
    pub(super) is_deferred: bool,
    /// A request has been answered, and no byte of the next one has arrived.
    pub(super) between_requests: bool,
    /// The application's headers for the answer to the current request.
    pub(super) headers: Option<Box<ResponseHeaders>>,
    /// The address of the peer if it is a trusted proxy, whose word is taken about the client of
    /// each request. In a box, because few connections have one.
    pub(super) proxy: Option<Box<PackedAddress>>,
    /// A header of the PROXY protocol must come before anything else.
    pub(super) awaits_proxy_header: bool,
    /// A proxy that is not on this machine has told the address, or one has told none: so the peer
    /// does not count as one on this machine.
    pub(super) is_far: bool,
}

/// A request body that is being received.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) head_bytes: u32,
    /// Not zero, because a body without bytes need not be received. So an `Option` of this takes no
    /// more room.
    pub(super) bytes: NonZeroU32,
}

/// How the response to a request must be written.
#[derive(Clone, Copy)]
pub(super) struct Owed {
    pub(super) persistence: Persistence,
    pub(super) head_only: bool,
    /// The number of the ticket of the publish or inspection whose outcome the response waits for.
    pub(super) ticket: Option<NonZeroU64>,
}

impl Owed {
    /// For a response after which the connection is closed.
    pub(super) const LAST: Owed =
        Owed { persistence: Persistence::Close, head_only: false, ticket: None };

    /// Returns true if the response waits for the outcome of this ticket.
    pub(super) fn waits_for(&self, ticket: Ticket) -> bool {
        self.ticket == NonZeroU64::new(ticket.number)
    }
}

/// An open WebSocket connection.
pub(super) struct Open<S> {
    pub(super) decoder: Decoder,
    pub(super) subscriptions: PeerSubscriptions,
    pub(super) session: S,
}

/// From whom a connection was accepted.
#[derive(Clone, Copy)]
pub(super) struct AcceptedFrom {
    pub(super) address: SocketAddr,
    /// It is a trusted proxy.
    pub(super) is_proxy: bool,
    /// It begins with a header of the PROXY protocol.
    pub(super) tells_first: bool,
}

impl<T, S> Connection<T, S> {
    /// Makes a connection that counts towards the limit of its address, unless it is one of a
    /// trusted proxy or on an admin listener.
    pub(super) fn new(
        token: Token,
        io: IoBuffers<T>,
        from: AcceptedFrom,
        quota: Quota,
        refusal: Option<Refusal>,
        deadline: Instant,
    ) -> Self {
        let packed_address = PackedAddress::new(from.address);
        let proxy = from.is_proxy.then(|| Box::new(packed_address));
        Connection {
            token,
            io,
            phase: Phase::Http(Http {
                proxy,
                awaits_proxy_header: from.tells_first,
                ..Http::default()
            }),
            quota,
            is_counted: !from.is_proxy && quota != Quota::Admin,
            refusal,
            deadline: CoarseInstant::new(deadline),
            progress_at: CoarseInstant::new(Instant::ZERO),
            message_since: None,
            rest_bytes: 0,
            under_way: None,
            packed_address,
            awaiting_pong: false,
            readable: false,
            blocked: false,
            unproven: false,
            starved: false,
            hung_up: false,
            ended: false,
            unfinished: false,
            waits_to_publish: 0,
            expires_at: None,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.packed_address.unpack()
    }

    /// Returns true if the connection was accepted on an admin listener, meant for the operator.
    pub(super) fn is_admin(&self) -> bool {
        self.quota == Quota::Admin
    }

    /// Returns the subscriptions of an open connection, and none in any other phase.
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

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn a_connection_with_a_small_session_stays_within_its_share_of_208_bytes() {
        let bytes = size_of::<Connection<u32, [u64; 2]>>();
        assert!(
            bytes <= 160,
            "{bytes} bytes; the rest is for the hub, the wheel and the allocator"
        );
        assert_eq!(size_of::<Entry<Connection<u32, [u64; 2]>>>(), bytes, "a slot takes no more");
    }

    /// A slot of a slab.
    #[expect(dead_code, reason = "only its size is of interest")]
    enum Entry<T> {
        Vacant(usize),
        Occupied(T),
    }

    #[test]
    fn what_a_delivery_touches_lies_in_half_a_cache_line() {
        type Example = Connection<u32, [u64; 2]>;
        let ends = [
            offset_of!(Example, token) + size_of::<Token>(),
            offset_of!(Example, under_way) + size_of::<Option<SubscriptionId>>(),
            offset_of!(Example, blocked) + 1,
            offset_of!(Example, unproven) + 1,
            offset_of!(Example, io) + offset_of!(IoBuffers<u32>, stream) + size_of::<u32>(),
        ];
        assert!(ends.iter().all(|end| *end <= 32), "{ends:?}");
    }
}
