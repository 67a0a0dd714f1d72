//! The members of a channel: the reactors, other than its home, that have subscribers of it. Also
//! the messages between a home and its members.

use super::homes::ReactorNumber;
use super::limits::Refused;
use crate::protocol::Message;
use slab::Slab;

/// The index at which a member keeps a channel. The home sends it back with every message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(pub u32);

/// A message as its channel's home has numbered it and sends it to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered<'m> {
    /// The slot at which the member keeps the channel.
    pub slot: Slot,
    /// The epoch in which the message was numbered. If the member has left the channel, its slot
    /// may belong to another channel by now. That channel has another epoch, so the member drops
    /// the message.
    pub epoch: u64,
    /// The message's number.
    pub number: u64,
    /// The message.
    pub message: Message<'m>,
}

/// The home's answer to a reactor that joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Joined {
    /// The slot at which the member keeps the channel.
    pub slot: Slot,
    /// The epoch of the channel's numbers.
    pub epoch: u64,
    /// The number of the next message. The home sends every message from this one on.
    pub next: u64,
}

/// How a home sends messages to the other reactors.
pub trait Outlet {
    /// Returns true if a message with a payload of this size fits; `deliver` must then succeed.
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool;

    /// Returns true if a reactor has reported that it has no memory left for messages.
    fn is_memory_full(&self, reactor: ReactorNumber) -> bool;

    /// Delivers a message to a reactor, after `has_room` has returned true for it.
    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>);
}

/// The outlet of a hub without other reactors: it has no members.
impl Outlet for () {
    fn has_room(&mut self, _: ReactorNumber, _: usize) -> bool {
        true
    }

    fn is_memory_full(&self, _: ReactorNumber) -> bool {
        false
    }

    fn deliver(&mut self, _: ReactorNumber, _: Numbered<'_>) {}
}

/// One member of one channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) reactor: ReactorNumber,
    pub(super) slot: Slot,
    /// The number of subscribers that the member has reported last.
    pub(super) subscribers: u32,
    /// The member has reported that its log of the channel is full.
    pub(super) is_full: bool,
}

/// The key of a channel without members.
pub(super) const NO_MEMBERS: u32 = u32::MAX;

/// The members of all channels that have any, by a key that the channel holds.
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

    /// Checks that every member can receive a message of this size.
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
        // All members must be asked, even after one has no room: a member wakes this reactor when
        // it has room again only if it was asked.
        let missing =
            self.of(key).iter().filter(|member| !outlet.has_room(member.reactor, payload_bytes));
        if missing.count() == 0 { Ok(()) } else { Err(Refused::WayFull) }
    }

    pub(super) fn join(&mut self, key: u32, member: Member) -> u32 {
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

    /// Removes a member. Returns the new key: `NO_MEMBERS` if it was the last member.
    pub(super) fn leave(&mut self, key: u32, reactor: ReactorNumber) -> u32 {
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

    pub(super) fn find(&mut self, key: u32, reactor: ReactorNumber) -> Option<&mut Member> {
        let list = self.lists.get_mut(key as usize).filter(|_| key != NO_MEMBERS)?;
        list.iter_mut().find(|member| member.reactor == reactor)
    }
}
