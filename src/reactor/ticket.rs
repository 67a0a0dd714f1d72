//! What a callback gets for a publish, a question or a subscription.

use crate::hub::SubscriptionId;
use crate::net::Token;

/// Stands for a publish, or a question, whose outcome a request is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The connection of the request.
    pub(super) token: Token,
    /// Counts all tickets, so that no other publish can be taken for the one that is waited for.
    pub(super) number: u64,
}

/// One subscription of the peer; only valid for the peer that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscription(pub(super) SubscriptionId);

/// Why a callback's message or question was not taken. It has reached nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotPublished {
    /// The ring to the channel's home is full for the moment.
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
