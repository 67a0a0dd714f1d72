//! What has passed over each connection since its current request began. It is kept only while the
//! application wants to be told of what was served, and then beside the connections, so that they
//! are no larger for it.

use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::Request;

use super::connection::slot_of;

/// The longest method and path that are kept. The percent-encoded name of a channel fits.
const METHOD_BYTES_MAX: usize = 32;
const PATH_BYTES_MAX: usize = 1024;

/// The traffic of the connections of one reactor.
#[derive(Default)]
pub(crate) struct Traffic {
    is_counted: bool,
    /// By slot. `None` for a connection from which nothing has been read, and for a WebSocket
    /// connection that was opened while nothing was counted.
    by_slot: Vec<Option<PeerTraffic>>,
}

/// The traffic of one connection since its current request began. It goes on when the request opens
/// a WebSocket connection.
pub(super) struct PeerTraffic {
    pub(super) since: Instant,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    /// The request, once its head has arrived, until the application is told what became of it.
    pub(super) request: Option<RequestLine>,
}

/// The method and the path of a request, cut to what is kept.
pub(super) struct RequestLine {
    /// Both, one behind the other.
    text: Box<str>,
    method_bytes: usize,
}

impl RequestLine {
    fn of(request: &Request<'_>) -> RequestLine {
        let cut = |text: &str, bytes_max| text.floor_char_boundary(bytes_max);
        let method = &request.method()[..cut(request.method(), METHOD_BYTES_MAX)];
        let path = &request.path()[..cut(request.path(), PATH_BYTES_MAX)];
        RequestLine { text: [method, path].concat().into(), method_bytes: method.len() }
    }

    pub(super) fn method(&self) -> &str {
        &self.text[..self.method_bytes]
    }

    pub(super) fn path(&self) -> &str {
        &self.text[self.method_bytes..]
    }
}

impl PeerTraffic {
    fn new(now: Instant) -> PeerTraffic {
        PeerTraffic { since: now, received_bytes: 0, sent_bytes: 0, request: None }
    }
}

impl Traffic {
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Counts the traffic of connections from now on, or no longer.
    pub(super) fn count(&mut self, is_counted: bool) {
        if !is_counted {
            self.by_slot = Vec::new();
        }
        self.is_counted = is_counted;
    }

    /// Begins to count the traffic of a connection, unless it is counted already.
    pub(super) fn begin(&mut self, token: Token, now: Instant) {
        let slot = slot_of(token);
        if self.by_slot.len() <= slot {
            self.by_slot.resize_with(slot + 1, || None);
        }
        self.by_slot[slot].get_or_insert_with(|| PeerTraffic::new(now));
    }

    /// A connection has gone.
    pub(super) fn end(&mut self, token: Token) {
        if let Some(place) = self.by_slot.get_mut(slot_of(token)) {
            *place = None;
        }
    }

    /// Bytes were read from the peer.
    pub(super) fn received(&mut self, token: Token, bytes: usize, now: Instant) {
        let Some(counted) = self.of(token) else { return };
        if counted.received_bytes == 0 {
            counted.since = now;
        }
        counted.received_bytes += bytes as u64;
    }

    /// The kernel has taken bytes for the peer.
    #[inline(always)]
    pub(super) fn sent(&mut self, token: Token, bytes: usize) {
        if self.is_counted {
            self.count_sent(token, bytes);
        }
    }

    #[cold]
    fn count_sent(&mut self, token: Token, bytes: usize) {
        if let Some(counted) = self.of(token) {
            counted.sent_bytes += bytes as u64;
        }
    }

    /// The head of a request has arrived.
    #[inline(always)]
    pub(super) fn note_request(&mut self, token: Token, request: &Request<'_>) {
        if self.is_counted {
            self.keep_request(token, request);
        }
    }

    #[cold]
    fn keep_request(&mut self, token: Token, request: &Request<'_>) {
        if let Some(counted) = self.of(token) {
            // What was sent until now was the answer to the request before.
            counted.sent_bytes = 0;
            counted.request = Some(RequestLine::of(request));
        }
    }

    /// Returns true if a request has arrived and the application has not been told what became of
    /// it.
    pub(super) fn has_request(&mut self, token: Token) -> bool {
        self.of(token).is_some_and(|counted| counted.request.is_some())
    }

    /// Returns the traffic of a connection, and begins anew with the next request. `None` if it is
    /// not counted.
    pub(super) fn take(&mut self, token: Token, now: Instant) -> Option<PeerTraffic> {
        self.of(token).map(|counted| std::mem::replace(counted, PeerTraffic::new(now)))
    }

    fn of(&mut self, token: Token) -> Option<&mut PeerTraffic> {
        self.by_slot.get_mut(slot_of(token))?.as_mut()
    }
}
