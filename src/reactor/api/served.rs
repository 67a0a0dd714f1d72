//! What an application is told of each request and connection that has been served.

use std::net::SocketAddr;
use std::time::Duration;

use crate::protocol::CloseCode;
use crate::reactor::counters::RejectReason;

/// A request that has been answered, or a WebSocket connection that has ended, as passed to
/// [`Handler::on_served`](super::Handler::on_served).
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The address of the peer; behind a trusted proxy that of the client.
    pub address: SocketAddr,
    /// The method of the request, at most 32 bytes of it; `None` if its head was malformed or did
    /// not arrive whole.
    pub method: Option<&'a str>,
    /// The path, percent-encoded and without the query, at most 1024 bytes of it.
    pub path: Option<&'a str>,
    /// The status of the answer: 101 for a connection that was a WebSocket. `None` if the
    /// connection has gone before there was an answer.
    pub status: Option<u16>,
    /// Why the request was refused, if it was, and not by a Close frame.
    pub rejected: Option<RejectReason>,
    /// Code and reason of the Close frame that ended a WebSocket connection; code 1006 if there was
    /// none.
    pub close: Option<(CloseCode, &'a str)>,
    /// The time from the first byte of the request to its answer, or to the end of the WebSocket
    /// connection; as exact as turns are short.
    pub duration: Duration,
    /// The bytes read from the peer meanwhile.
    pub received_bytes: u64,
    /// The length of the answer; of a WebSocket connection all bytes that were sent until it ended,
    /// without its Close frame.
    pub sent_bytes: u64,
}
