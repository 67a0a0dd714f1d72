//! What a reactor keeps of one connection. Its size times the number of idle subscribers is memory
//! that users pay for, so it is counted in a test.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::hub::SubscriptionId;
use crate::instant::Instant;
use crate::protocol::{CloseCode, Decoder, HeadScanner};
use crate::transport::IoBuffers;

use super::context::Ticket;

/// One connection, from accept to close.
///
/// ```text
///           101                 Close frame            last byte out
///   Http ---------> Open -----------------> Closing -----------------> Lingering ---> gone
///    |                |                        ^  |                                    ^
///    |                +--- lost -------------- | -+------------------------------------+
///    +--- last response ----------------------+        (nothing left unread)
/// ```
pub(super) struct Connection<T, S> {
    pub(super) link: IoBuffers<T>,
    pub(super) phase: Phase<S>,
    /// The next moment at which something is due, by the phase: the request complete, a ping or the
    /// pong for it, the patience with a peer that does not take its Close, the end of lingering.
    pub(super) deadline: Instant,
    /// While blocked: when the kernel last took a byte.
    pub(super) progress_at: Instant,
    /// While a message is under way: since when.
    pub(super) message_since: Option<NonZeroInstant>,
    /// The subscription in the middle of whose frame the stream stands. It is blocked, or the sweep
    /// will go on with it in this turn.
    pub(super) under_way: Option<SubscriptionId>,
    /// So many bytes at the front of what is owed are the rest of a frame whose subscription has
    /// left it.
    pub(super) rest_bytes: u32,
    address: PackedAddress,
    /// Came by a listener that is the operator's.
    pub(super) is_admin: bool,
    /// Let in only to be told that it is not.
    pub(super) refusal: Option<Refusal>,
    /// Readable was told and the socket is not drained yet.
    pub(super) readable: bool,
    /// A write was refused or cut short, and writable has not been told since. Whatever is owed
    /// implies it.
    pub(super) blocked: bool,
    /// Was blocked until an edge came, and nothing has been taken since: `progress_at` still
    /// counts.
    pub(super) unproven: bool,
    /// Blocked for want of kernel memory: the deadline sweep tries again, for no edge will come.
    pub(super) starved: bool,
    /// The peer has closed its side, or an error is pending: a short read does not mean drained.
    pub(super) hung_up: bool,
    /// The end of the stream has been read.
    pub(super) ended: bool,
    /// Stands on the list of those that go on in the next turn.
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
        /// Counted among the patient ones.
        patient: bool,
    },
    /// Our side is shut down. What the peer still sends is discarded, for a close with unread bytes
    /// would be a reset, and a reset destroys the answer that the peer has not read yet.
    Lingering { discarded_bytes: usize },
}

/// Requests over HTTP/1.1 on one connection, one at a time.
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
    /// The publish whose outcome it waits for.
    pub(super) ticket: Option<Ticket>,
}

impl Owed {
    /// The last answer of its connection.
    pub(super) const LAST: Owed = Owed { keep_alive: false, head_only: false, ticket: None };
}

/// Why a connection is answered before its request is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    TooManyConnections,
    TooManyFromAddress,
    Draining,
}

/// An open WebSocket connection.
pub(super) struct Open<S> {
    pub(super) decoder: Decoder,
    pub(super) awaiting_pong: bool,
    pub(super) subscriptions: Subscriptions,
    pub(super) session: S,
}

/// Who sent the Close frame that ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Initiator {
    /// The server.
    Server,
    /// The peer.
    Client,
    /// Nobody: the connection was lost.
    Nobody,
}

/// How a connection ended.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) code: CloseCode,
    pub(super) initiator: Initiator,
}

impl<T, S> Connection<T, S> {
    pub(super) fn new(
        stream: T,
        address: SocketAddr,
        refusal: Option<Refusal>,
        deadline: Instant,
    ) -> Self {
        Connection {
            link: IoBuffers::new(stream),
            phase: Phase::Http(Http {
                scanner: HeadScanner::default(),
                body: None,
                answer: None,
                between_requests: false,
            }),
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
}

/// The channels that one connection is subscribed to. Nearly always one, which needs no memory of
/// its own.
#[derive(Default)]
pub(super) struct Subscriptions {
    first: Option<SubscriptionId>,
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More(Vec<SubscriptionId>);

impl Subscriptions {
    pub(super) fn add(&mut self, subscription: SubscriptionId) {
        match self.first {
            None => self.first = Some(subscription),
            Some(_) => self.more.get_or_insert_default().0.push(subscription),
        }
    }

    /// Takes one out; false if it is not there.
    pub(super) fn remove(&mut self, subscription: SubscriptionId) -> bool {
        let more = self.more.as_mut().map(|more| &mut more.0);
        if self.first == Some(subscription) {
            self.first = more.and_then(Vec::pop);
            return true;
        }
        let Some(more) = more else { return false };
        let Some(place) = more.iter().position(|one| *one == subscription) else { return false };
        more.swap_remove(place);
        true
    }

    /// Takes any one out.
    pub(super) fn take(&mut self) -> Option<SubscriptionId> {
        let one = self.first?;
        self.remove(one);
        Some(one)
    }

    pub(super) fn contains(&self, subscription: SubscriptionId) -> bool {
        self.iter().any(|one| one == subscription)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.first.into_iter().chain(self.more.iter().flat_map(|more| more.0.iter().copied()))
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }
}

/// An [`Instant`] that leaves room for `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NonZeroInstant(std::num::NonZeroU64);

impl NonZeroInstant {
    /// The moment, or a nanosecond later at the very start of the clock.
    pub(super) fn new(instant: Instant) -> NonZeroInstant {
        NonZeroInstant(
            std::num::NonZeroU64::new(instant.as_nanos()).unwrap_or(std::num::NonZeroU64::MIN),
        )
    }

    pub(super) fn instant(self) -> Instant {
        Instant::from_nanos(self.0.get())
    }
}

/// A socket address in 18 bytes; the standard library's takes 32. An IPv4 address is kept as mapped
/// into IPv6; a scope is not kept.
#[derive(Clone, Copy)]
struct PackedAddress {
    ip: [u8; 16],
    port: [u8; 2],
}

impl PackedAddress {
    fn new(address: SocketAddr) -> PackedAddress {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        PackedAddress { ip: ip.octets(), port: address.port().to_be_bytes() }
    }

    fn unpack(self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.ip).to_canonical(), u16::from_be_bytes(self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_a_small_session_stays_within_its_share_of_256_bytes() {
        let bytes = size_of::<(u32, Connection<u32, [u64; 2]>)>();
        assert!(
            bytes <= 192,
            "{bytes} bytes; the rest of the 256 is the hub's and the allocator's"
        );
    }

    #[test]
    fn an_address_comes_out_as_it_went_in() {
        for text in ["127.0.0.1:8080", "[::1]:1", "[2001:db8::7]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(PackedAddress::new(address).unpack(), address);
        }
        let mapped: SocketAddr = "[::ffff:10.1.2.3]:9".parse().unwrap();
        assert_eq!(PackedAddress::new(mapped).unpack(), "10.1.2.3:9".parse().unwrap());
    }
}
