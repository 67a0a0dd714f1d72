//! Reading compressed messages: one inflater and one buffer for all connections of a reactor.

use crate::protocol::{CompressedMessage, DecoderLimits, Event, Inflater, Message, ProtocolError};

use super::budget;
use super::turn_state::TurnState;

/// A larger buffer is not kept for the next message.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// So many inflated bytes count as one more frame. So one step inflates at most 256 KiB and one
/// message.
const BYTES_PER_FRAME: usize = 256;

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

    /// Inflates a message if it is compressed. Returns it with how many frames it counts as, of
    /// those that one step decodes: small frames can inflate to much.
    #[inline]
    pub(super) fn inflated<'a>(
        &'a mut self,
        event: Event<'a>,
        limits: &DecoderLimits,
        turn: &mut TurnState,
    ) -> Result<(Event<'a>, u32), ProtocolError> {
        match event {
            Event::Compressed(compressed) => {
                let message = self.inflate(compressed, limits, turn)?;
                let frames = 1 + message.payload().len() / BYTES_PER_FRAME;
                Ok((Event::Message(message), frames as u32))
            }
            event => Ok((event, 1)),
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
