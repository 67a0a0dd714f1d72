//! Publishes on their way to a channel's home.
//!
//! A home that cannot take a message yet (a healthy subscriber has not been visited by the sweep since the
//! log became full) leaves it at the head of this queue and tries again in the next turn; what came later
//! waits behind it, so that one publisher's messages keep their order. The queue is bounded, and while it
//! has no room for one largest message no connection is decoded: TCP pushes back on the publishers.

use std::collections::VecDeque;

use crate::hub::ChannelName;
use crate::net::Token;
use crate::protocol::{Message, MessageKind};

use super::context::Ticket;

/// Who published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// A WebSocket connection: closed with 1013 if the home refuses.
    Peer(Token),
    /// A request: answered with the outcome.
    Request(Ticket),
    /// Another thread of this process.
    Publisher,
}

/// Why a callback's message was not taken. It has reached nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotPublished {
    /// The way to the channel's home is full for the moment.
    Busy,
    /// The peer is not, or no longer, subscribed to that channel.
    NotSubscribed,
}

impl std::fmt::Display for NotPublished {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            NotPublished::Busy => "the way to the channel is full for the moment",
            NotPublished::NotSubscribed => "the peer is not subscribed to the channel",
        })
    }
}

impl std::error::Error for NotPublished {}

/// A bounded queue of publishes, as bytes: nothing is allocated per message once it has grown.
pub(super) struct Requests {
    queue: VecDeque<Request>,
    /// Names and payloads of the queue, one after the other, each in one piece.
    bytes: Vec<u8>,
    /// Everything in `bytes` before this belongs to requests that have been taken.
    start: usize,
    /// What one largest message with the longest name takes.
    largest_bytes: usize,
}

struct Request {
    origin: Origin,
    kind: MessageKind,
    name_bytes: usize,
    payload_bytes: usize,
}

/// The queue holds one largest message and about this much more, for a burst of small ones.
const BURST_BYTES: usize = 256 * 1024;
const NAME_BYTES_MAX: usize = 255;

impl Requests {
    pub(super) fn new(message_bytes_max: usize) -> Requests {
        let largest_bytes = message_bytes_max.saturating_add(NAME_BYTES_MAX);
        Requests { queue: VecDeque::new(), bytes: Vec::new(), start: 0, largest_bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a message of any allowed size fits.
    pub(super) fn has_room(&self) -> bool {
        self.queued_bytes() <= BURST_BYTES
    }

    fn queued_bytes(&self) -> usize {
        self.bytes.len() - self.start + self.queue.len() * size_of::<Request>()
    }

    pub(super) fn push(
        &mut self,
        origin: Origin,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        let (name, payload) = (channel.as_str().as_bytes(), message.payload());
        if self.queued_bytes() + name.len() + payload.len() > BURST_BYTES.saturating_add(self.largest_bytes) {
            return Err(NotPublished::Busy);
        }
        if self.start > 0 && self.bytes.len() + name.len() + payload.len() > self.bytes.capacity() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(payload);
        self.queue.push_back(Request {
            origin,
            kind: message.kind(),
            name_bytes: name.len(),
            payload_bytes: payload.len(),
        });
        Ok(())
    }

    /// The oldest request; it stays.
    pub(super) fn head(&self) -> Option<(Origin, ChannelName<'_>, Message<'_>)> {
        let request = self.queue.front()?;
        let (name, rest) = self.bytes[self.start..].split_at(request.name_bytes);
        // Both went in as what they are said to be here.
        let name = std::str::from_utf8(name).ok().and_then(|name| ChannelName::parse(name).ok());
        debug_assert!(name.is_some(), "a channel's name went in");
        let message = Message::from_checked(request.kind, &rest[..request.payload_bytes]);
        Some((request.origin, name?, message))
    }

    /// Takes the oldest request out.
    pub(super) fn pop(&mut self) {
        let Some(request) = self.queue.pop_front() else { return };
        self.start += request.name_bytes + request.payload_bytes;
        if self.queue.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ChannelName<'_> {
        ChannelName::parse(text).unwrap()
    }

    #[test]
    fn requests_come_out_whole_and_in_order() {
        let mut requests = Requests::new(1024);
        requests.push(Origin::Publisher, name("news"), Message::text("one")).unwrap();
        requests.push(Origin::Peer(Token(7)), name("sport"), Message::binary(b"two")).unwrap();
        let (origin, channel, message) = requests.head().unwrap();
        assert_eq!((origin, channel.as_str(), message.payload()), (Origin::Publisher, "news", &b"one"[..]));
        requests.pop();
        let (origin, channel, message) = requests.head().unwrap();
        assert_eq!(
            (origin, channel.as_str(), message.payload()),
            (Origin::Peer(Token(7)), "sport", &b"two"[..])
        );
        assert_eq!(message.kind(), MessageKind::Binary);
        requests.pop();
        assert!(requests.is_empty() && requests.head().is_none());
    }

    #[test]
    fn with_room_there_is_room_for_a_largest_message_and_without_none_is_taken_beyond_the_bound() {
        let largest = vec![0; 600 * 1024];
        let mut requests = Requests::new(largest.len());
        let mut taken = 0;
        while requests.has_room() {
            requests.push(Origin::Publisher, name("news"), Message::binary(&largest)).unwrap();
            taken += 1;
        }
        assert_eq!(taken, 1);
        assert_eq!(
            requests.push(Origin::Publisher, name("news"), Message::binary(&largest)),
            Err(NotPublished::Busy)
        );
        requests.pop();
        assert!(requests.has_room());
    }
}
