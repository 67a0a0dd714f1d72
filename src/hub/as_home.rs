//! What a hub does as the home of a channel: it numbers the messages, and knows which other
//! reactors are members.

use super::channel::{Accepted, ChannelInfo, MessageId};
use super::channel_id::ChannelId;
use super::frames::frame_bytes_of;
use super::homes::ReactorNumber;
use super::hub::Hub;
use super::limits::Refused;
use super::members::{Joined, Member, Numbered, Outlet, Slot};
use super::name::ChannelName;
use super::subscriptions::SubscriptionId;
use crate::protocol::Message;

impl Hub {
    /// Numbers a message, appends it to its channel's log, and delivers it to all members. The home
    /// of the channel is this reactor; the channel is made if there is none. A refused message has
    /// changed nothing, and goes to nobody. Then fetch [`next_overrun`](Self::next_overrun).
    pub fn publish(
        &mut self,
        name: ChannelName<'_>,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Accepted, Refused> {
        let id = self.home_channel(name)?;
        self.publish_on(id, message, outlet)
    }

    /// As [`publish`](Self::publish), to the channel of a subscription: without a look-up by name.
    pub fn publish_to(
        &mut self,
        subscription: SubscriptionId,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Accepted, Refused> {
        self.publish_on(self.subscriptions.channel_of(subscription), message, outlet)
    }

    fn publish_on(
        &mut self,
        id: ChannelId,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Accepted, Refused> {
        let channel = &mut self.channels[id];
        let frame_bytes = frame_bytes_of(message);
        if u32::try_from(frame_bytes).is_err() {
            return Err(Refused::MemoryFull); // What is left of a frame is counted in 32 bits.
        }
        self.members.check_room(channel.members, message.payload().len(), outlet)?;
        if !channel.subscribers.is_empty() {
            let bound = self.limits.channel_buffer_bytes;
            let kept_from = channel.log.make_room(frame_bytes, bound, Some(&self.pool))?;
            self.cut_off(id, kept_from);
        }
        let (number, mut subscribers) = self.append_for_all(id, message);
        let channel = &self.channels[id];
        let epoch = channel.epoch;
        for member in self.members.of(channel.members) {
            subscribers += u64::from(member.subscribers);
            outlet.deliver(member.reactor, Numbered { slot: member.slot, epoch, number, message });
        }
        if channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
        #[cfg(test)]
        self.numbered.push((
            self.channels[id].name.to_string(),
            MessageId { epoch, number },
            message.payload().to_vec(),
        ));
        Ok(Accepted { id: MessageId { epoch, number }, subscribers })
    }

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
