//! Reading compressed messages: one inflater and one buffer for all connections of a reactor.

use crate::protocol::{CompressedMessage, DecoderLimits, Event, Inflater, Message, ProtocolError};

use super::budget;
use super::turn_state::TurnState;

/// A larger buffer is not kept for the next message.
const KEPT_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
pub(super) struct Inflation {
    /// Made for the first compressed message.
    inflater: Option<Inflater>,
    /// The last message, as it was before it was compressed.
    message: Vec<u8>,
}

impl Inflation {
    /// Returns the size of the buffer.
    #[cfg(test)]
    pub(super) fn buffer_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// Inflates a message if it is compressed.
    #[inline]
    pub(super) fn inflated<'a>(
        &'a mut self,
        event: Event<'a>,
        limits: &DecoderLimits,
        turn: &mut TurnState,
    ) -> Result<Event<'a>, ProtocolError> {
        match event {
            Event::Compressed(message) => self.inflate(message, limits, turn).map(Event::Message),
            event => Ok(event),
        }
    }

    /// Inflates a message, and checks that text is UTF-8.
    fn inflate(
        &mut self,
        compressed: CompressedMessage<'_>,
        limits: &DecoderLimits,
        turn: &mut TurnState,
    ) -> Result<Message<'_>, ProtocolError> {
        self.message.clear();
        if self.message.capacity() > KEPT_BYTES_MAX {
            self.message = Vec::new();
        }
        let inflater = self.inflater.get_or_insert_default();
        let payload = compressed.payload;
        let inflated = inflater.inflate(payload, limits.message_bytes_max, &mut self.message);
        turn.did(budget::inflating(payload.len(), self.message.len()));
        inflated?;
        Message::new(compressed.kind, &self.message).ok_or(ProtocolError::InvalidUtf8)
    }
}
