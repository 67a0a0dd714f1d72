//! `--log-events`: one line for each connection, message, custom event and close.
//!
//! Text from a peer is logged as a text field, which both formats quote and escape, and it is
//! truncated: so a peer can neither forge a line nor fill the disk with one message.

use std::net::SocketAddr;

use tracing::field::display;
use tracing::info;

use crate::protocol::{CloseCode, Message, MessageKind};

use super::custom_event::CustomEvent;

/// The most bytes logged of one text from a peer: a line stays readable, and names are rarely
/// longer.
const TEXT_BYTES_MAX: usize = 256;

pub(crate) fn opened(connection: u64, address: SocketAddr, channel: &str) {
    info!(target: "fanfare::events", connection, %address, channel = cut(channel), "open");
}

pub(crate) fn refused(address: SocketAddr, path: &str, status: u16) {
    info!(target: "fanfare::events", %address, path = cut(path), status, "refused");
}

/// Logs an accepted message of a WebSocket peer.
pub(crate) fn message(connection: u64, channel: &str, message: Message<'_>) {
    log_message(Some(connection), None, channel, message);
}

/// Logs a message that was published by a POST.
pub(crate) fn posted(address: SocketAddr, channel: &str, message: Message<'_>) {
    log_message(None, Some(address), channel, message);
}

fn log_message(
    connection: Option<u64>,
    address: Option<SocketAddr>,
    channel: &str,
    message: Message<'_>,
) {
    let (address, channel) = (address.map(display), cut(channel));
    let bytes = message.payload().len();
    if let Some(event) = message.as_text().and_then(CustomEvent::parse) {
        let (event, data) = (cut(&event.name), cut(event.data.map_or("null", |data| data.get())));
        info!(
            target: "fanfare::events",
            connection, address, channel, event, data, bytes, "event"
        );
    } else {
        let kind = label(message.kind());
        info!(target: "fanfare::events", connection, address, channel, kind, bytes, "message");
    }
}

fn label(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    }
}

pub(crate) fn closed(connection: u64, code: CloseCode, reason: &str) {
    let (code, reason) = (code.as_u16(), cut(reason));
    info!(target: "fanfare::events", connection, code, reason, "close");
}

/// Cuts a text from a peer to the length that is logged.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"\u{20ac}".repeat(100)).len(), 255);
    }
}
