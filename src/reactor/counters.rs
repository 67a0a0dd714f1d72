//! The counters of one reactor. Only its own thread counts; any thread may read. Every end of a
//! connection is counted once, under one reason.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::hub::Refused;
use crate::protocol::{CloseCode, HandshakeError, HttpError};

use super::end_reason::Initiator;
use super::histogram::{HistogramOf, bucket_of};

/// The HTTP statuses that have a counter of their own. Any other status that a handler returns is
/// counted under 0.
pub const STATUSES: [u16; 23] = [
    0, 101, 200, 201, 202, 204, 301, 302, 400, 401, 403, 404, 405, 408, 413, 414, 417, 426, 429,
    431, 500, 501, 503,
];

/// The close codes that have a counter of their own. Any other code that a client sends is counted
/// under 0.
pub const CLOSE_CODES: [u16; 22] = [
    0, 1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 4008,
    4401, 4403, 4404, 4408, 4410, 4429,
];

/// Why a request, an opening handshake, or a connection that sent neither was refused. Each is
/// counted once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RejectReason {
    /// Not valid HTTP/1.1, not a valid opening handshake, or it needs a feature that is not
    /// supported: 400, 417, 426, 501.
    Malformed,
    /// The head or the body is too large: 413, 414, 431.
    TooLarge,
    /// The request did not arrive in time: 408.
    SlowRequest,
    /// There are no credentials where some are needed: 401.
    MissingCredentials,
    /// The credentials are wrong: 401.
    BadCredentials,
    /// The credentials were good once, and have expired: 401.
    Expired,
    /// Web pages of this origin may not connect: 403.
    ForbiddenOrigin,
    /// The Host header has a name that the server does not accept: 403.
    ForbiddenHost,
    /// The credentials do not allow to read this channel: 403.
    ForbiddenChannel,
    /// The requester may not publish: 403.
    ForbiddenPublish,
    /// The requester may not read the metrics: 403.
    ForbiddenMetrics,
    /// Nothing is served at this path: 404.
    NotFound,
    /// The path does not support this method: 405.
    Method,
    /// The application declined the handshake without giving a reason.
    Declined,
    /// The application that is asked over HTTP has given another answer than 2xx, 401 or 403, or
    /// none: its own status, or 503.
    Authorizer,
    /// Over `connections_per_address_max`: 429, or closed without an answer.
    AddressLimit,
    /// Too many wrong credentials came from the address: 429.
    CredentialLimit,
    /// The address has opened too many WebSockets: 429.
    OpeningLimit,
    /// Over `connections_max`: 503, or closed without an answer.
    ConnectionLimit,
    /// The channel does not exist, and there are too many: 503.
    ChannelLimit,
    /// There is no memory: 503.
    Memory,
    /// Arrived during the drain: 503.
    Draining,
    /// Came to a listener for the PROXY protocol, and not from a trusted proxy: closed without an
    /// answer.
    UntrustedProxy,
    /// Came to a listener for the PROXY protocol, and did not begin with its header: closed without
    /// an answer.
    ProxyHeader,
    /// The TLS handshake has failed: the end that TLS has for it, or 400 to a plain request.
    TlsHandshake,
}

impl RejectReason {
    /// All reasons, in the order of `Counters::rejects`.
    pub const ALL: [RejectReason; 25] = [
        RejectReason::Malformed,
        RejectReason::TooLarge,
        RejectReason::SlowRequest,
        RejectReason::MissingCredentials,
        RejectReason::BadCredentials,
        RejectReason::Expired,
        RejectReason::ForbiddenOrigin,
        RejectReason::ForbiddenHost,
        RejectReason::ForbiddenChannel,
        RejectReason::ForbiddenPublish,
        RejectReason::ForbiddenMetrics,
        RejectReason::NotFound,
        RejectReason::Method,
        RejectReason::Declined,
        RejectReason::Authorizer,
        RejectReason::AddressLimit,
        RejectReason::CredentialLimit,
        RejectReason::OpeningLimit,
        RejectReason::ConnectionLimit,
        RejectReason::ChannelLimit,
        RejectReason::Memory,
        RejectReason::Draining,
        RejectReason::UntrustedProxy,
        RejectReason::ProxyHeader,
        RejectReason::TlsHandshake,
    ];

    /// Returns the reason for which the protocol layer refuses a request with this status.
    const fn of_status(status: u16) -> RejectReason {
        match status {
            405 => RejectReason::Method,
            413 | 414 | 431 => RejectReason::TooLarge,
            _ => RejectReason::Malformed,
        }
    }

    /// Returns the value of the metric's label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            RejectReason::Malformed => "malformed",
            RejectReason::TooLarge => "too_large",
            RejectReason::SlowRequest => "slow_request",
            RejectReason::MissingCredentials => "missing_credentials",
            RejectReason::BadCredentials => "bad_credentials",
            RejectReason::Expired => "expired",
            RejectReason::ForbiddenOrigin => "forbidden_origin",
            RejectReason::ForbiddenHost => "forbidden_host",
            RejectReason::ForbiddenChannel => "forbidden_channel",
            RejectReason::ForbiddenPublish => "forbidden_publish",
            RejectReason::ForbiddenMetrics => "forbidden_metrics",
            RejectReason::NotFound => "not_found",
            RejectReason::Method => "method",
            RejectReason::Declined => "declined",
            RejectReason::Authorizer => "authorizer",
            RejectReason::AddressLimit => "address_limit",
            RejectReason::CredentialLimit => "credential_limit",
            RejectReason::OpeningLimit => "opening_limit",
            RejectReason::ConnectionLimit => "connection_limit",
            RejectReason::ChannelLimit => "channel_limit",
            RejectReason::Memory => "memory",
            RejectReason::Draining => "draining",
            RejectReason::UntrustedProxy => "untrusted_proxy",
            RejectReason::ProxyHeader => "proxy_header",
            RejectReason::TlsHandshake => "tls_handshake",
        }
    }
}

impl From<HttpError> for RejectReason {
    fn from(error: HttpError) -> RejectReason {
        RejectReason::of_status(error.status())
    }
}

impl From<HandshakeError> for RejectReason {
    fn from(error: HandshakeError) -> RejectReason {
        RejectReason::of_status(error.status())
    }
}

impl From<Refused> for RejectReason {
    fn from(refused: Refused) -> RejectReason {
        match refused {
            Refused::TooManyChannels => RejectReason::ChannelLimit,
            Refused::Busy | Refused::WayFull | Refused::MemoryFull => RejectReason::Memory,
        }
    }
}

/// Where a message came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A WebSocket connection.
    WebSocket,
    /// An HTTP request.
    Http,
    /// A [`Publisher`](super::Handle) in this process.
    Publisher,
}

impl Source {
    /// All sources, in the order of `Counters::published`.
    pub const ALL: [Source; 3] = [Source::WebSocket, Source::Http, Source::Publisher];

    /// Returns the value of the metric's label `source`.
    pub const fn label(self) -> &'static str {
        match self {
            Source::WebSocket => "websocket",
            Source::Http => "http",
            Source::Publisher => "publisher",
        }
    }
}

/// How a TLS handshake has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsHandshake {
    /// Well, with a certificate and a signature.
    Full,
    /// Well, with a ticket of an earlier connection.
    Resumed,
    /// The peer does not speak TLS.
    NotTls,
    /// Peer and server have no version, cipher suite or protocol in common.
    Incompatible,
    /// The peer has no certificate that the server accepts, and needs one.
    ClientCertificate,
    /// The peer has ended it by an alert, mostly because it does not trust the server's
    /// certificate.
    RefusedByClient,
    /// The peer has sent what is no valid TLS.
    Malformed,
    /// It was not complete in time.
    TimedOut,
    /// The connection has ended before.
    Closed,
}

impl TlsHandshake {
    /// All ends, in the order of `Counters::tls_handshakes`.
    pub const ALL: [TlsHandshake; 9] = [
        TlsHandshake::Full,
        TlsHandshake::Resumed,
        TlsHandshake::NotTls,
        TlsHandshake::Incompatible,
        TlsHandshake::ClientCertificate,
        TlsHandshake::RefusedByClient,
        TlsHandshake::Malformed,
        TlsHandshake::TimedOut,
        TlsHandshake::Closed,
    ];

    /// Returns the value of the metric's label `result`.
    pub const fn label(self) -> &'static str {
        match self {
            TlsHandshake::Full => "full",
            TlsHandshake::Resumed => "resumed",
            TlsHandshake::NotTls => "not_tls",
            TlsHandshake::Incompatible => "incompatible",
            TlsHandshake::ClientCertificate => "client_certificate",
            TlsHandshake::RefusedByClient => "refused_by_client",
            TlsHandshake::Malformed => "malformed",
            TlsHandshake::TimedOut => "timed_out",
            TlsHandshake::Closed => "closed",
        }
    }
}

/// One reactor's counters since its start. Deliveries are counted in the hub's ledger instead. `N`
/// is what one counter is: a number, or a [`Count`] while the reactor counts.
#[derive(Clone, Debug, Default)]
pub struct CountersOf<N> {
    /// Connections accepted from the listeners.
    pub accepted: N,
    /// Connections that were answered 101.
    pub opened: N,
    /// Ended WebSocket connections, by index in [`CLOSE_CODES`] and by [`Initiator`].
    pub closed: [[N; 3]; CLOSE_CODES.len()],
    /// Answers to opening handshakes, by index in [`STATUSES`].
    pub handshakes: [N; STATUSES.len()],
    /// Answers to all other requests, by index in [`STATUSES`].
    pub responses: [N; STATUSES.len()],
    /// Refused requests, handshakes and connections without either, by [`RejectReason`].
    pub rejects: [N; RejectReason::ALL.len()],
    /// TLS handshakes that have ended, by [`TlsHandshake`].
    pub tls_handshakes: [N; TlsHandshake::ALL.len()],
    /// Connections that ended before their first request, or between two requests.
    pub silent: N,
    /// Messages that this reactor, as their channel's home, has accepted, by [`Source`].
    pub published: [N; Source::ALL.len()],
    /// Publishes that this reactor, as the channel's home, has refused.
    pub refused: N,
    /// Bytes read.
    pub received_bytes: N,
    /// Bytes that the kernel has taken.
    pub sent_bytes: N,
    /// System calls that wrote to sockets.
    pub sends: N,
    /// System calls that read from sockets.
    pub receives: N,
    /// Turns of the event loop.
    pub turns: N,
    /// How long the turns took, without the time that they waited for events.
    pub turn_times: HistogramOf<N>,
    /// How long deliveries took: from the beginning of the turn in which this reactor appended a
    /// message to the end of the turn in which the last of its subscribers that were ready was
    /// sent it.
    pub delivery_times: HistogramOf<N>,
    /// Ping frames received.
    pub pings_received: N,
    /// Pong frames received.
    pub pongs_received: N,
    /// Ping frames sent.
    pub pings_sent: N,
    /// How often accepting a connection failed, mostly for lack of descriptors or memory.
    pub accept_shortages: N,
    /// Connections that were reset before their last bytes were sent.
    pub impatient_resets: N,
    /// Callbacks that have panicked. Each has ended its connection.
    pub panics: N,
}

/// Counters that have been read.
pub type Counters = CountersOf<u64>;

/// The counters that a reactor writes, and that other reactors may read at any time.
pub(super) type LiveCounters = CountersOf<Count>;

/// One counter that only its own thread adds to, so that it needs no atomic addition.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<N> CountersOf<N> {
    /// Combines each counter with the same counter of another set.
    fn merge<M, R>(
        &self,
        other: &CountersOf<M>,
        mut merge: impl FnMut(&N, &M) -> R,
    ) -> CountersOf<R> {
        CountersOf {
            accepted: merge(&self.accepted, &other.accepted),
            opened: merge(&self.opened, &other.opened),
            closed: from_fn(|at| {
                from_fn(|who| merge(&self.closed[at][who], &other.closed[at][who]))
            }),
            handshakes: from_fn(|at| merge(&self.handshakes[at], &other.handshakes[at])),
            responses: from_fn(|at| merge(&self.responses[at], &other.responses[at])),
            rejects: from_fn(|at| merge(&self.rejects[at], &other.rejects[at])),
            tls_handshakes: from_fn(|at| {
                merge(&self.tls_handshakes[at], &other.tls_handshakes[at])
            }),
            silent: merge(&self.silent, &other.silent),
            published: from_fn(|at| merge(&self.published[at], &other.published[at])),
            refused: merge(&self.refused, &other.refused),
            received_bytes: merge(&self.received_bytes, &other.received_bytes),
            sent_bytes: merge(&self.sent_bytes, &other.sent_bytes),
            sends: merge(&self.sends, &other.sends),
            receives: merge(&self.receives, &other.receives),
            turns: merge(&self.turns, &other.turns),
            turn_times: self.turn_times.merge(&other.turn_times, &mut merge),
            delivery_times: self.delivery_times.merge(&other.delivery_times, &mut merge),
            pings_received: merge(&self.pings_received, &other.pings_received),
            pongs_received: merge(&self.pongs_received, &other.pongs_received),
            pings_sent: merge(&self.pings_sent, &other.pings_sent),
            accept_shortages: merge(&self.accept_shortages, &other.accept_shortages),
            impatient_resets: merge(&self.impatient_resets, &other.impatient_resets),
            panics: merge(&self.panics, &other.panics),
        }
    }
}

impl Counters {
    /// Adds the counters of another reactor.
    pub(super) fn add(&mut self, other: &Counters) {
        *self = self.merge(other, |sum, count| sum + count);
    }
}

impl LiveCounters {
    /// Reads all counters.
    pub(super) fn read(&self) -> Counters {
        self.merge(self, |count, _| count.read())
    }

    /// Counts the end of a WebSocket connection.
    pub(super) fn close(&self, code: CloseCode, initiator: Initiator) {
        let place = CLOSE_CODES.iter().position(|known| *known == code.as_u16()).unwrap_or(0);
        self.closed[place][initiator as usize].add(1);
    }

    pub(super) fn handshake(&self, status: u16) {
        self.handshakes[status_place(status)].add(1);
    }

    pub(super) fn response(&self, status: u16) {
        self.responses[status_place(status)].add(1);
    }

    pub(super) fn reject(&self, reason: RejectReason) {
        self.rejects[reason as usize].add(1);
    }

    pub(super) fn tls_handshake(&self, end: TlsHandshake) {
        self.tls_handshakes[end as usize].add(1);
    }

    pub(super) fn turn_took(&self, nanos: u64) {
        self.turn_times.note(nanos);
    }

    pub(super) fn delivery_took(&self, nanos: u64) {
        self.delivery_times.note(nanos);
    }

    pub(super) fn publish(&self, source: Source) {
        self.published[source as usize].add(1);
    }
}

impl HistogramOf<Count> {
    fn note(&self, nanos: u64) {
        self.buckets[bucket_of(nanos)].add(1);
        self.nanos.add(nanos);
    }
}

fn status_place(status: u16) -> usize {
    STATUSES.iter().position(|known| *known == status).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_counter_of_its_own_is_counted_as_other() {
        let counters = LiveCounters::default();
        counters.handshake(418);
        counters.handshake(403);
        let counters = counters.read();
        assert_eq!(counters.handshakes[0], 1);
        assert_eq!(counters.handshakes.iter().sum::<u64>(), 2);
    }

    #[test]
    fn every_count_is_added() {
        let (zero, mut number) = (Counters::default(), 0);
        let one = zero.merge(&zero, |_, _| {
            number += 1;
            number
        });
        let mut sum = one.clone();
        sum.add(&one);
        let doubled = one.merge(&one, |count, _| 2 * count);
        assert_eq!(format!("{sum:?}"), format!("{doubled:?}"));
    }

    #[test]
    fn the_reasons_stand_at_their_own_places() {
        for (place, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
        }
        for (place, source) in Source::ALL.into_iter().enumerate() {
            assert_eq!(source as usize, place);
        }
        for (place, end) in TlsHandshake::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, place);
        }
    }
}
