//! What a hub does, besides publishing, for channels whose home is its reactor: it keeps account of
//! the other reactors that are members, and of how many subscribers each has.

use super::channel::ChannelInfo;
use super::channel_id::ChannelId;
use super::homes::ReactorNumber;
use super::hub::Hub;
use super::limits::Refused;
use super::members::{Joined, Member, Slot};
use super::name::ChannelName;

impl Hub {
    /// Handles a join: another reactor has its first subscribers of a channel whose home is here,
    /// and receives all messages from now on. Refused as [`Refused::TooManyChannels`].
    pub fn join_member(
        &mut self,
        reactor: ReactorNumber,
        slot: Slot,
        name: ChannelName<'_>,
        subscribers: u32,
    ) -> Result<Joined, Refused> {
        let id = self.home_channel(name)?;
        self.channels.in_use(id);
        let channel = &mut self.channels[id];
        let member = Member { reactor, slot, subscribers, is_full: false };
        channel.members = self.members.join(channel.members, member);
        Ok(Joined { slot, epoch: channel.epoch, next: channel.next_number() })
    }

    /// Handles a member's report of how many subscribers it has, and whether its log is full.
    /// Ignored if the reactor is not a member, because its join was refused.
    pub fn count_member(
        &mut self,
        reactor: ReactorNumber,
        name: ChannelName<'_>,
        subscribers: u32,
        is_full: bool,
    ) {
        let Some(id) = self.channels.find(name) else { return };
        let Some(member) = self.members.find(self.channels[id].members, reactor) else { return };
        (member.subscribers, member.is_full) = (subscribers, is_full);
        if is_full {
            self.note_full(id);
        }
    }

    /// Handles a leave: a member has had no subscribers for a while, and receives no more messages.
    pub fn leave_member(&mut self, reactor: ReactorNumber, name: ChannelName<'_>) {
        let Some(id) = self.channels.find(name) else { return };
        let channel = &mut self.channels[id];
        channel.members = self.members.leave(channel.members, reactor);
        if channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
    }

    /// Returns the figures of a channel whose home is here; `None` if the channel does not exist.
    pub fn inspect(&self, name: ChannelName<'_>) -> Option<ChannelInfo> {
        let channel = &self.channels[self.channels.find(name)?];
        let mut info = channel.info();
        info.subscribers += self.members.subscribers(channel.members);
        Some(info)
    }

    /// Finds or makes the channel of a name whose home is here.
    pub(super) fn home_channel(&mut self, name: ChannelName<'_>) -> Result<ChannelId, Refused> {
        let id = self.channel_named(name)?;
        debug_assert!(self.channels[id].is_at_home(), "only its home numbers a channel's messages");
        Ok(id)
    }
}
