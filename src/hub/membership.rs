//! The states of a member of a channel whose home is another reactor, and the updates that it sends
//! to the home.

use super::channel_id::ChannelId;
use super::limits::Refused;
use super::members::Slot;
use super::name::ChannelName;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;

/// The role of a reactor in a channel. A member passes through these states:
///
/// ```text
///            notified      the home's answer      no subscribers for a while     notified
///  Unannounced ────► Joining ───────────────► Live ──────────────────────► Leaving ────► (gone)
///       ▲                │ refused             ▲ ▲                            │
///       └────────────────┘                     │ └────── a new subscriber ────┘
///                                              └ messages are appended from here on
/// ```
///
/// The answer to a join may overtake messages from before an earlier leave. They cannot be mistaken
/// for later ones: if their slot and epoch are the same, their numbers are below the one that the
/// answer names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Membership {
    /// This reactor is the channel's home.
    Home,
    /// The channel has subscribers here, and its home has not been notified yet.
    Unannounced,
    /// The home has been notified, and has not answered yet.
    Joining,
    /// The home has answered, and sends every message.
    Live,
    /// The channel has had no subscribers here for a while, and its home has not been notified yet.
    Leaving,
}

/// An update from a member to the home of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MembershipUpdate<'h> {
    /// The channel has subscribers here. The home answers with [`Joined`](super::Joined) or a
    /// refusal.
    Join {
        /// The slot at which this reactor keeps the channel.
        slot: Slot,
        /// The channel's name.
        channel: ChannelName<'h>,
        /// The number of subscribers.
        subscribers: u32,
    },
    /// The number of subscribers here has changed, or the log has become full or has room again.
    Count {
        /// The channel's name.
        channel: ChannelName<'h>,
        /// The number of subscribers.
        subscribers: u32,
        /// The log is full: the home must let its publishers wait.
        is_full: bool,
    },
    /// The channel has had no subscribers here for a while: the home must send no more messages.
    Leave {
        /// The channel's name.
        channel: ChannelName<'h>,
    },
}

/// The home's decision on a subscription that waited for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinOutcome {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Its owner.
    pub owner: Owner,
    /// `Ok`: the subscription is live. An error: it receives nothing, and must be ended.
    pub outcome: Result<(), Refused>,
}

/// The updates that have not been sent yet, and the join outcomes that have not been fetched yet.
#[derive(Debug)]
pub(super) struct MembershipQueue {
    /// For each home, the channels about which the home must be notified.
    pub(super) by_home: Vec<VecDeque<ChannelId>>,
    /// How many updates there are, for all homes together.
    pub(super) updates: usize,
    pub(super) join_outcomes: VecDeque<JoinOutcome>,
}

impl MembershipQueue {
    pub(super) fn new(reactors: usize) -> MembershipQueue {
        MembershipQueue {
            by_home: vec![VecDeque::new(); reactors],
            updates: 0,
            join_outcomes: VecDeque::new(),
        }
    }
}
