//! The home's side of a channel that has subscribers on other reactors: those are its members. A
//! message is numbered here, once, and goes to each member in the order of its number.

use super::Hub;
use super::channel::{ChannelInfo, NO_MEMBERS};
use super::channels::ChannelId;
use super::homes::ReactorNumber;
use super::limits::Refused;
use super::name::ChannelName;
use crate::protocol::Message;
use slab::Slab;

/// Where a member keeps a channel: its own business, and said back to it with every message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(pub u32);

/// A message on its way from its home to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered<'m> {
    /// Where the member keeps the channel.
    pub slot: Slot,
    /// The epoch in which it was numbered: a member that has come to use the slot for another
    /// channel, or left this one, knows by it that the message is not meant for what is there now.
    pub epoch: u64,
    /// Its number.
    pub number: u64,
    /// The message.
    pub message: Message<'m>,
}

/// The home's answer to one who wants to be a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Joined {
    /// Where the member keeps the channel.
    pub slot: Slot,
    /// The epoch of the channel's numbers.
    pub epoch: u64,
    /// The number of the next message: all from this one on will come.
    pub next: u64,
}

/// The way from a home to the other reactors.
pub trait Outlet {
    /// Whether a message with a payload of this size can be delivered to a reactor. It then will
    /// be.
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool;

    /// Whether a reactor has no memory left for messages.
    fn is_memory_full(&self, reactor: ReactorNumber) -> bool;

    /// Delivers a message; there is room.
    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>);
}

/// A hub alone has nobody to deliver to.
impl Outlet for () {
    fn has_room(&mut self, _: ReactorNumber, _: usize) -> bool {
        true
    }

    fn is_memory_full(&self, _: ReactorNumber) -> bool {
        false
    }

    fn deliver(&mut self, _: ReactorNumber, _: Numbered<'_>) {}
}

/// A reactor with subscribers of a channel whose home is elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) reactor: ReactorNumber,
    pub(super) slot: Slot,
    /// As last told.
    pub(super) subscribers: u32,
}

/// The members of all channels that have any.
#[derive(Debug, Default)]
pub(super) struct Members {
    lists: Slab<Vec<Member>>,
}

impl Members {
    pub(super) fn of(&self, key: u32) -> &[Member] {
        if key == NO_MEMBERS { &[] } else { &self.lists[key as usize] }
    }

    pub(super) fn subscribers(&self, key: u32) -> u64 {
        self.of(key).iter().map(|member| u64::from(member.subscribers)).sum()
    }

    /// Whether a message of this size can go to all of them.
    pub(super) fn check_room(
        &self,
        key: u32,
        payload_bytes: usize,
        outlet: &mut impl Outlet,
    ) -> Result<(), Refused> {
        for member in self.of(key) {
            if outlet.is_memory_full(member.reactor) {
                return Err(Refused::MemoryFull);
            }
        }
        // Of all of them: each that has none will have to say when it has some.
        let missing =
            self.of(key).iter().filter(|member| !outlet.has_room(member.reactor, payload_bytes));
        if missing.count() == 0 { Ok(()) } else { Err(Refused::WayFull) }
    }

    fn join(&mut self, key: u32, member: Member) -> u32 {
        let key = match key {
            NO_MEMBERS => self.lists.insert(Vec::with_capacity(1)) as u32,
            key => key,
        };
        let list = &mut self.lists[key as usize];
        debug_assert!(
            list.iter().all(|other| other.reactor != member.reactor),
            "a member joins once"
        );
        list.push(member);
        key
    }

    /// `NO_MEMBERS` when that was the last one.
    fn leave(&mut self, key: u32, reactor: ReactorNumber) -> u32 {
        if key == NO_MEMBERS {
            return NO_MEMBERS;
        }
        let list = &mut self.lists[key as usize];
        list.retain(|member| member.reactor != reactor);
        if !list.is_empty() {
            return key;
        }
        self.lists.remove(key as usize);
        NO_MEMBERS
    }

    fn find(&mut self, key: u32, reactor: ReactorNumber) -> Option<&mut Member> {
        let list = self.lists.get_mut(key as usize).filter(|_| key != NO_MEMBERS)?;
        list.iter_mut().find(|member| member.reactor == reactor)
    }
}

impl Hub {
    /// A reactor has its first subscribers of a channel that lives here: it receives all messages
    /// from now on. Refused as [`Refused::TooManyChannels`].
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

    /// A member says how many subscribers it has. One that is no member (it was refused) is not
    /// heard.
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

    /// A channel as its home knows it; `None`: there is none of that name.
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
