//! The members of a channel: the reactors, other than its home, that have subscribers of it. And
//! what a home and its members send each other.

use super::homes::ReactorNumber;
use super::limits::Refused;
use crate::protocol::Message;
use slab::Slab;

/// Where a member keeps a channel. The home sends it back with every message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(pub u32);

/// A message on its way from its home to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered<'m> {
    /// Where the member keeps the channel.
    pub slot: Slot,
    /// The epoch in which it was numbered. A member that has left the channel, and perhaps uses the
    /// slot for another one by now, finds another epoch there and drops the message.
    pub epoch: u64,
    /// Its number.
    pub number: u64,
    /// The message.
    pub message: Message<'m>,
}

/// The home's answer to a reactor that joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Joined {
    /// Where the member keeps the channel.
    pub slot: Slot,
    /// The epoch of the channel's numbers.
    pub epoch: u64,
    /// The number of the next message. The home sends every message from this one on.
    pub next: u64,
}

/// The way from a home to the other reactors.
pub trait Outlet {
    /// Returns true if a message with a payload of this size fits; `deliver` must then succeed.
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool;

    /// Whether a reactor has said that it has no memory left for messages.
    fn is_memory_full(&self, reactor: ReactorNumber) -> bool;

    /// Delivers a message, after `has_room` has returned true for it.
    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>);
}

/// The outlet of a hub that is alone: it has no members.
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
    /// As the member has told last.
    pub(super) subscribers: u32,
}

/// A channel without members has this key.
pub(super) const NO_MEMBERS: u32 = u32::MAX;

/// The members of all channels that have any, by a key that stands in the channel.
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
        // Ask all of them, not only until one is full: each that is full will wake this reactor
        // when it has room.
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

    /// Returns the new key: `NO_MEMBERS` if that was the last member.
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
