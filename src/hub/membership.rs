//! A channel whose home is another reactor: the states of a member, and what its home has to be
//! told.

use super::channel_id::ChannelId;
use super::limits::Refused;
use super::members::Slot;
use super::name::ChannelName;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;

/// How a reactor takes part in a channel. A member goes this way:
///
/// ```text
///             told         the home's answer      no subscribers for a while       told
///  Unannounced ────► Joining ───────────────► Live ──────────────────────► Leaving ────► (gone)
///       ▲                │ refused             ▲ ▲                            │
///       └────────────────┘                     │ └────── a new subscriber ────┘
///                                              └ messages are appended from here on
/// ```
///
/// All updates to one home go the same way, in order; so a message from before a leave cannot be
/// taken for one from after the next join (and its epoch and slot say so too).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Membership {
    /// This reactor is the home.
    Home,
    /// The channel has subscribers here, and its home does not know yet.
    Unannounced,
    /// The home has been told, and has not answered.
    Joining,
    /// The home sends every message.
    Live,
    /// The channel has had no subscribers here for a while, and its home does not know yet.
    Leaving,
}

/// What a member tells the home of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MembershipUpdate<'h> {
    /// The channel has subscribers here. The home answers with [`Joined`](super::Joined) or a
    /// refusal.
    Join {
        /// Where this reactor keeps the channel.
        slot: Slot,
        /// Which channel.
        channel: ChannelName<'h>,
        /// How many there are.
        subscribers: u32,
    },
    /// The number of subscribers has changed.
    Count {
        /// Which channel.
        channel: ChannelName<'h>,
        /// How many there are.
        subscribers: u32,
    },
    /// The channel has had no subscribers here for a while: send no more messages.
    Leave {
        /// Which channel.
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
    /// Live from now on; or refused, and the subscription, which receives nothing, must be ended.
    pub outcome: Result<(), Refused>,
}

/// The updates that have not been sent yet, and the join outcomes that have not been fetched yet.
#[derive(Debug)]
pub(super) struct MembershipQueue {
    /// By home, the channels that the home has to be told about.
    pub(super) by_home: Vec<VecDeque<ChannelId>>,
    pub(super) join_outcomes: VecDeque<JoinOutcome>,
}

impl MembershipQueue {
    pub(super) fn new(reactors: usize) -> MembershipQueue {
        MembershipQueue { by_home: vec![VecDeque::new(); reactors], join_outcomes: VecDeque::new() }
    }
}
