//! A message: one unit that one side sent, after its fragments are put together (RFC 6455 section
//! 5.6).

use super::Opcode;
use super::utf8::is_utf8;

/// Whether a message is text or binary (RFC 6455 section 5.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageKind {
    /// Returns the opcode of the first or only frame of a message of this kind.
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        match self {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        }
    }
}

/// A whole message that borrows its payload. The payload of a text message is always UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'b> {
    kind: MessageKind,
    /// UTF-8 where `kind` is text.
    payload: &'b [u8],
}

impl<'b> Message<'b> {
    /// Makes a message of this kind. Returns `None` if it is text and the payload is not UTF-8.
    #[must_use]
    pub fn new(kind: MessageKind, payload: &'b [u8]) -> Option<Message<'b>> {
        let allowed = kind == MessageKind::Binary || is_utf8(payload);
        allowed.then_some(Message { kind, payload })
    }

    /// Makes a text message.
    #[must_use]
    pub const fn text(text: &'b str) -> Message<'b> {
        Message { kind: MessageKind::Text, payload: text.as_bytes() }
    }

    /// Makes a binary message.
    #[must_use]
    pub const fn binary(payload: &'b [u8]) -> Message<'b> {
        Message { kind: MessageKind::Binary, payload }
    }

    /// Makes a message without checking its payload: the decoder checks text as it arrives.
    pub(crate) const fn from_checked(kind: MessageKind, payload: &'b [u8]) -> Message<'b> {
        Message { kind, payload }
    }

    /// Returns whether the message is text or binary.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload.
    #[must_use]
    pub const fn payload(&self) -> &'b [u8] {
        self.payload
    }

    /// Returns the text, or `None` for a binary message.
    ///
    /// Checks again that the bytes are UTF-8, because a `str` cannot be made otherwise without
    /// `unsafe`. To forward a message, use [`Message::payload`].
    #[must_use]
    pub fn as_text(&self) -> Option<&'b str> {
        match self.kind {
            MessageKind::Text => simdutf8::basic::from_utf8(self.payload).ok(),
            MessageKind::Binary => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_by_construction() {
        assert_eq!(Message::new(MessageKind::Text, b"\xff"), None);
        assert_eq!(Message::new(MessageKind::Text, b"abc"), Some(Message::text("abc")));
        assert_eq!(Message::new(MessageKind::Binary, b"\xff"), Some(Message::binary(b"\xff")));
    }

    #[test]
    fn only_a_text_message_has_text() {
        assert_eq!(Message::text("grüße").as_text(), Some("grüße"));
        assert_eq!(Message::binary(b"abc").as_text(), None);
        assert_eq!(Message::binary(b"abc").payload(), b"abc");
    }
}
