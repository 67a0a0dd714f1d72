//! One channel: its name, its numbering, its log and its subscribers.

use super::channel_lists::ChannelList;
use super::log::{FIRST_NUMBER, Log};
use super::members::NO_MEMBERS;
use super::membership::Membership;
use super::name::ChannelName;
use super::subscribers::Subscribers;
use std::fmt;

/// The id of a message: its number, within an epoch of its channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MessageId {
    /// One lifetime of the numbering: a channel that was forgotten and made again has another
    /// epoch, and starts at 1. Numbers from different epochs cannot be compared.
    pub epoch: u64,
    /// The number: 1, 2, 3 … within the epoch.
    pub number: u64,
}

/// `EPOCH-NUMBER`, the epoch in lower-case hexadecimal digits.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.number)
    }
}

/// The result of publishing a message that was numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// The message's id.
    pub id: MessageId,
    /// The number of subscribers, on all reactors, for which it was appended.
    pub subscribers: u64,
}

/// Figures of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelInfo {
    /// The number of subscribers on all reactors, as last reported to the home.
    pub subscribers: u64,
    /// The epoch of the message numbers.
    pub epoch: u64,
    /// The number of messages in this epoch.
    pub messages: u64,
    /// The number of the oldest message kept; `None` if no message is kept.
    pub first_number: Option<u64>,
    /// The number of the last message; `None` before the first message.
    pub last_number: Option<u64>,
}

/// A channel. When idle it owns its name and nothing else: its log has memory only while a
/// subscriber has unsent messages.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Box<str>,
    pub(super) epoch: u64,
    pub(super) log: Log,
    pub(super) subscribers: Subscribers,
    /// True while the channel is in the queue of the sweep.
    pub(super) is_queued: bool,
    /// The list that the channel is in (`ChannelLists`).
    pub(super) list: Option<ChannelList>,
    pub(super) membership: Membership,
    /// True while the channel is in the queue of updates for its home (`MembershipQueue`).
    pub(super) is_listed_for_home: bool,
    /// The key of the channel's `Members` if this is the home and there are any; otherwise
    /// `NO_MEMBERS`.
    pub(super) members: u32,
}

const _: () =
    assert!(size_of::<Channel>() <= 128, "a million idle channels take a million times this size");

impl Channel {
    pub(super) fn new(name: &str, epoch: u64, membership: Membership) -> Channel {
        Channel {
            name: name.into(),
            epoch,
            log: Log::new(),
            subscribers: Subscribers::default(),
            is_queued: false,
            list: None,
            membership,
            is_listed_for_home: false,
            members: NO_MEMBERS,
        }
    }

    pub(super) fn is_at_home(&self) -> bool {
        self.membership == Membership::Home
    }

    /// Returns true if the channel's home has not yet answered this reactor's join.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.membership, Membership::Unannounced | Membership::Joining)
    }

    /// Returns true if the channel has no subscribers, here or on other reactors, and no publisher
    /// waits for it.
    pub(super) fn is_unused(&self) -> bool {
        self.subscribers.is_empty() && self.members == NO_MEMBERS && !self.log.is_full
    }

    /// Cancels leaving the channel: a subscriber joined before the home was asked to send no
    /// more.
    pub(super) fn come_back(&mut self) {
        if self.membership == Membership::Leaving {
            self.membership = Membership::Live;
        }
    }

    pub(super) fn name(&self) -> ChannelName<'_> {
        ChannelName::from_checked(&self.name)
    }

    /// Returns the number of message copies not yet completely sent, summed over the channel's
    /// subscribers.
    pub(super) fn pending(&self) -> u64 {
        let next = self.log.end().number;
        self.subscribers.cursors().map(|(cursor, _)| next - cursor.number).sum()
    }

    pub(super) fn info(&self) -> ChannelInfo {
        let messages = self.log.end().number - FIRST_NUMBER;
        ChannelInfo {
            subscribers: self.subscribers.len() as u64,
            epoch: self.epoch,
            messages,
            first_number: self.log.first_number(),
            last_number: (messages > 0).then_some(messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_epoch_in_hexadecimal_and_the_number() {
        assert_eq!(MessageId { epoch: 0x00ab_cdef, number: 42 }.to_string(), "abcdef-42");
    }
}
