//! The bodies of the answers about channels.

use std::fmt;

use serde::Serialize;

use crate::hub::{Accepted, ChannelInfo, ChannelName, MessageId, Refused};
use crate::protocol::Response;

/// Answers a publish that was accepted: 201 if the channel has subscribers, 202 if it has none.
pub(crate) fn published(accepted: &Accepted) -> Response {
    #[derive(Serialize)]
    struct Published<'a> {
        id: fmt::Arguments<'a>,
        subscribers: u64,
    }
    let Accepted { id, subscribers } = *accepted;
    let status = if subscribers > 0 { 201 } else { 202 };
    json(status, &Published { id: format_args!("{id}"), subscribers })
}

/// Answers a refused publish: 503. No subscriber receives the message.
pub(crate) fn refused(refused: Refused) -> Response {
    Response::text(503, format!("not published: {refused}\n")).header("Retry-After", "1")
}

/// Answers 503: the queue to the reactor that keeps the channel is full.
pub(crate) fn busy() -> Response {
    Response::text(503, "the channel is busy: try again\n").header("Retry-After", "1")
}

/// Answers 200 with the figures of a channel. A channel that has not been used is reported as an
/// empty one, not as an error.
pub(crate) fn channel(name: ChannelName<'_>, info: Option<ChannelInfo>) -> Response {
    #[derive(Serialize)]
    struct ChannelAnswer<'n> {
        channel: &'n str,
        subscribers: u64,
        messages: u64,
        first_id: Option<String>,
        last_id: Option<String>,
    }
    let id = |number: Option<u64>| {
        let (info, number) = (info.as_ref()?, number?);
        Some(MessageId { epoch: info.epoch, number }.to_string())
    };
    let answer = ChannelAnswer {
        channel: name.as_str(),
        subscribers: info.as_ref().map_or(0, |info| info.subscribers),
        messages: info.as_ref().map_or(0, |info| info.messages),
        first_id: id(info.as_ref().and_then(|info| info.first_number)),
        last_id: id(info.as_ref().and_then(|info| info.last_number)),
    };
    json(200, &answer).header("Vary", "Accept")
}

pub(crate) fn json(status: u16, body: &impl Serialize) -> Response {
    // Serialization of structs of numbers and strings cannot fail. The text ends with a line feed,
    // for shells.
    let mut text = serde_json::to_string(body).unwrap_or_default();
    text.push('\n');
    Response::json(status, text).header("Cache-Control", "no-store")
}
