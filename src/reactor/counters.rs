//! The counters of one reactor: plain integers, because only its own thread counts. Every end of a
//! connection is counted once, under one reason.

use crate::hub::Refused;
use crate::protocol::{CloseCode, HandshakeError, HttpError};

use super::end_reason::Initiator;

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
    /// Web pages of this origin may not connect: 403.
    ForbiddenOrigin,
    /// The server is not known by the name in Host: 403.
    ForbiddenHost,
    /// Whoever asks may not publish: 403.
    ForbiddenPublish,
    /// Whoever asks may not read the metrics: 403.
    ForbiddenMetrics,
    /// Nothing is served at this path: 404.
    NotFound,
    /// The path does not support this method: 405.
    Method,
    /// The application declined the handshake, and has not said why.
    Declined,
    /// Over `connections_per_address_max`: 429, or closed without an answer.
    AddressLimit,
    /// Over `connections_max`: 503, or closed without an answer.
    ConnectionLimit,
    /// The channel does not exist, and there are too many: 503.
    ChannelLimit,
    /// There is no memory: 503.
    Memory,
    /// Arrived during the drain: 503.
    Draining,
}

impl RejectReason {
    /// All reasons, in the order of [`Counters::rejects`].
    pub const ALL: [RejectReason; 17] = [
        RejectReason::Malformed,
        RejectReason::TooLarge,
        RejectReason::SlowRequest,
        RejectReason::MissingCredentials,
        RejectReason::BadCredentials,
        RejectReason::ForbiddenOrigin,
        RejectReason::ForbiddenHost,
        RejectReason::ForbiddenPublish,
        RejectReason::ForbiddenMetrics,
        RejectReason::NotFound,
        RejectReason::Method,
        RejectReason::Declined,
        RejectReason::AddressLimit,
        RejectReason::ConnectionLimit,
        RejectReason::ChannelLimit,
        RejectReason::Memory,
        RejectReason::Draining,
    ];

    /// The reason for which the protocol layer refuses with this status.
    const fn of_status(status: u16) -> RejectReason {
        match status {
            405 => RejectReason::Method,
            413 | 414 | 431 => RejectReason::TooLarge,
            _ => RejectReason::Malformed,
        }
    }

    /// The reason as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            RejectReason::Malformed => "malformed",
            RejectReason::TooLarge => "too_large",
            RejectReason::SlowRequest => "slow_request",
            RejectReason::MissingCredentials => "missing_credentials",
            RejectReason::BadCredentials => "bad_credentials",
            RejectReason::ForbiddenOrigin => "forbidden_origin",
            RejectReason::ForbiddenHost => "forbidden_host",
            RejectReason::ForbiddenPublish => "forbidden_publish",
            RejectReason::ForbiddenMetrics => "forbidden_metrics",
            RejectReason::NotFound => "not_found",
            RejectReason::Method => "method",
            RejectReason::Declined => "declined",
            RejectReason::AddressLimit => "address_limit",
            RejectReason::ConnectionLimit => "connection_limit",
            RejectReason::ChannelLimit => "channel_limit",
            RejectReason::Memory => "memory",
            RejectReason::Draining => "draining",
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
    /// All sources, in the order of [`Counters::published`].
    pub const ALL: [Source; 3] = [Source::WebSocket, Source::Http, Source::Publisher];

    /// The source as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Source::WebSocket => "websocket",
            Source::Http => "http",
            Source::Publisher => "publisher",
        }
    }
}

/// One reactor's counters since its start. Deliveries are counted in the hub's ledger instead.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Connections accepted from the listeners.
    pub accepted: u64,
    /// Connections that were answered 101.
    pub opened: u64,
    /// Ended WebSocket connections, by index in [`CLOSE_CODES`] and by [`Initiator`].
    pub closed: [[u64; 3]; CLOSE_CODES.len()],
    /// Answers to opening handshakes, by index in [`STATUSES`].
    pub handshakes: [u64; STATUSES.len()],
    /// Answers to all other requests, by index in [`STATUSES`].
    pub responses: [u64; STATUSES.len()],
    /// Refused requests, handshakes and connections without either, by [`RejectReason`].
    pub rejects: [u64; RejectReason::ALL.len()],
    /// Connections that ended before their first request, or between two requests.
    pub silent: u64,
    /// Messages that this reactor, as their channel's home, has accepted, by [`Source`].
    pub published: [u64; Source::ALL.len()],
    /// Publishes that this reactor, as the channel's home, has refused.
    pub refused: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// Bytes that the kernel has taken.
    pub sent_bytes: u64,
    /// System calls that wrote to sockets.
    pub sends: u64,
    /// System calls that read from sockets.
    pub receives: u64,
    /// Turns of the event loop.
    pub turns: u64,
    /// Ping frames received.
    pub pings_received: u64,
    /// Pong frames received.
    pub pongs_received: u64,
    /// Ping frames sent.
    pub pings_sent: u64,
    /// How often accepting a connection failed, mostly for lack of descriptors or memory.
    pub accept_shortages: u64,
    /// Connections that were reset before their last bytes were sent.
    pub impatient_resets: u64,
    /// Callbacks that have panicked. Each has ended its connection.
    pub panics: u64,
}

impl Counters {
    /// Adds the counters of another reactor.
    pub(super) fn add(&mut self, other: &Counters) {
        let mut sums = self.each_mut();
        let mut others = other.clone();
        sums.iter_mut().zip(others.each_mut()).for_each(|(sum, count)| **sum += *count);
    }

    /// Returns every counter; an array counts as one counter per element.
    fn each_mut(&mut self) -> Vec<&mut u64> {
        // Destructured by name, so that the compiler reports a counter that is missing here.
        let Counters {
            accepted,
            opened,
            closed,
            handshakes,
            responses,
            rejects,
            silent,
            published,
            refused,
            received_bytes,
            sent_bytes,
            sends,
            receives,
            turns,
            pings_received,
            pongs_received,
            pings_sent,
            accept_shortages,
            impatient_resets,
            panics,
        } = self;
        let single = [
            accepted,
            opened,
            silent,
            refused,
            received_bytes,
            sent_bytes,
            sends,
            receives,
            turns,
            pings_received,
            pongs_received,
            pings_sent,
            accept_shortages,
            impatient_resets,
            panics,
        ];
        let tables: [&mut [u64]; 5] =
            [closed.as_flattened_mut(), handshakes, responses, rejects, published];
        single.into_iter().chain(tables.into_iter().flatten()).collect()
    }

    /// Counts the end of a WebSocket connection.
    pub(super) fn close(&mut self, code: CloseCode, initiator: Initiator) {
        let place = CLOSE_CODES.iter().position(|known| *known == code.as_u16()).unwrap_or(0);
        self.closed[place][initiator as usize] += 1;
    }

    pub(super) fn handshake(&mut self, status: u16) {
        self.handshakes[status_place(status)] += 1;
    }

    pub(super) fn response(&mut self, status: u16) {
        self.responses[status_place(status)] += 1;
    }

    pub(super) fn reject(&mut self, reason: RejectReason) {
        self.rejects[reason as usize] += 1;
    }

    pub(super) fn publish(&mut self, source: Source) {
        self.published[source as usize] += 1;
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
        let mut counters = Counters::default();
        counters.handshake(418);
        counters.handshake(403);
        assert_eq!(counters.handshakes[0], 1);
        assert_eq!(counters.handshakes.iter().sum::<u64>(), 2);
    }

    #[test]
    fn every_count_is_added() {
        let mut one = Counters::default();
        one.each_mut().into_iter().enumerate().for_each(|(number, count)| *count = number as u64);
        let mut sum = one.clone();
        sum.add(&one);
        let mut doubled = one.clone();
        doubled.each_mut().into_iter().for_each(|count| *count *= 2);
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
    }
}
