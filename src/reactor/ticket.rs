//! The identifiers that callbacks receive for publishes, inspections and subscriptions.

use crate::hub::SubscriptionId;
use crate::net::Token;

/// Identifies a publish, an inspection or a decision whose outcome a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    /// The connection of the request.
    pub(super) token: Token,
    /// Different for every ticket, so that the outcome of one publish is never taken for that of
    /// another; not zero.
    pub(super) number: u64,
}

/// One subscription of a peer. It is valid only for that peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscription(pub(super) SubscriptionId);

/// Why a publish or an inspection was not accepted. It had no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotPublished {
    /// The ring to the channel's home reactor is full for the moment.
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
