//! What a hub does as the home of a channel beside publishing: it knows which other reactors are
//! members, and how many subscribers they have.

use super::channel::ChannelInfo;
use super::channel_id::ChannelId;
use super::homes::ReactorNumber;
use super::hub::Hub;
use super::limits::Refused;
use super::members::{Joined, Member, Slot};
use super::name::ChannelName;

impl Hub {
    /// A reactor has its first subscribers of a channel whose home is here: it receives all
    /// messages from now on. Refused as [`Refused::TooManyChannels`].
    pub fn join_member(
        &mut self,
        reactor: ReactorNumber,
        slot: Slot,
        name: ChannelName<'_>,
        subscribers: u32,
    ) -> Result<Joined, Refused> {
        let id = self.home_channel(name)?;
        let channel = &mut self.channels[id];
        channel.members = self.members.join(channel.members, Member { reactor, slot, subscribers });
        Ok(Joined { slot, epoch: channel.epoch, next: channel.log.end().number })
    }

    /// A member says how many subscribers it has. Ignored from a reactor that is no member, because
    /// its join was refused.
    pub fn count_member(
        &mut self,
        reactor: ReactorNumber,
        name: ChannelName<'_>,
        subscribers: u32,
    ) {
        let Some(id) = self.channels.find(name) else { return };
        if let Some(member) = self.members.find(self.channels[id].members, reactor) {
            member.subscribers = subscribers;
        }
    }

    /// A member has had no subscribers for a while: it receives nothing more.
    pub fn leave_member(&mut self, reactor: ReactorNumber, name: ChannelName<'_>) {
        let Some(id) = self.channels.find(name) else { return };
        let channel = &mut self.channels[id];
        channel.members = self.members.leave(channel.members, reactor);
        if channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
    }

    /// A channel as its home knows it; `None` if there is none of that name.
    pub fn inspect(&self, name: ChannelName<'_>) -> Option<ChannelInfo> {
        let channel = &self.channels[self.channels.find(name)?];
        let mut info = channel.info();
        info.subscribers += self.members.subscribers(channel.members);
        Some(info)
    }

    /// The channel of a name whose home is here.
    pub(super) fn home_channel(&mut self, name: ChannelName<'_>) -> Result<ChannelId, Refused> {
        let id = self.channels.find_or_insert(name)?;
        debug_assert!(self.channels[id].is_at_home(), "a channel is numbered by its home alone");
        Ok(id)
    }
}
