//! Views of channels for tests, which compare homes with their members.

use super::channel::Channel;
use super::channel_id::ChannelId;
use super::homes::ReactorNumber;
use super::hub::Hub;
use super::members::Slot;
use super::membership::Membership;
use super::subscriptions::SubscriptionId;

/// A channel as one reactor sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ChannelView {
    pub(crate) name: String,
    pub(crate) slot: Slot,
    pub(crate) membership: Membership,
    pub(crate) epoch: u64,
    /// The number of the next message.
    pub(crate) next: u64,
    pub(crate) subscribers: usize,
    /// The size of its logs.
    pub(crate) log_bytes: usize,
    /// If this is the home: each member's reactor, its slot there, and its subscribers as last
    /// reported.
    pub(crate) members: Vec<(ReactorNumber, Slot, u32)>,
}

impl Hub {
    pub(crate) fn views(&self) -> Vec<ChannelView> {
        let view = |(id, channel): (ChannelId, &Channel)| ChannelView {
            name: channel.name.to_string(),
            slot: Slot(id.0),
            membership: channel.membership,
            epoch: channel.epoch,
            next: channel.next_number(),
            subscribers: channel.subscribers(),
            log_bytes: channel.kept_bytes(),
            members: self
                .members
                .of(channel.members)
                .iter()
                .map(|member| (member.reactor, member.slot, member.subscribers))
                .collect(),
        };
        self.channels.iter().map(view).collect()
    }

    /// Returns true if a subscription has an overrun that was not fetched yet.
    pub(crate) fn is_overrun(&self, subscription: SubscriptionId) -> bool {
        self.overrun.contains(subscription)
    }

    /// Returns true if a subscriber is marked as blocked.
    pub(crate) fn is_blocked(&self, subscription: SubscriptionId) -> bool {
        self.place_of(subscription)
            .is_some_and(|(id, index)| self.channels[id].subscribers.is_blocked(index))
    }

    pub(crate) fn limits(&self) -> &super::HubLimits {
        &self.limits
    }
}
