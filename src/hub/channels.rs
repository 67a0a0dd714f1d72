//! All channels of a hub: looked up by name, made when needed, and forgotten (deleted with their
//! numbering) when idle, or when their slots or memory are needed.

use super::channel::Channel;
use super::channel_id::ChannelId;
use super::channel_lists::{ChannelList, ChannelLists};
use super::form::Form;
use super::form_id::FormId;
use super::homes::{Homes, NameHash, ReactorNumber};
use super::limits::Refused;
use super::membership::Membership;
use super::name::ChannelName;
use crate::instant::Instant;
use crate::split_mix::SplitMix64;
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};
use hashbrown::HashTable;
use slab::Slab;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

/// The most idle channels that one call of `forget_idle` checks, so that its share of a turn is
/// bounded.
const IDLE_PER_CALL_MAX: usize = 256;

/// The most channels that one search for a channel to forget passes over because they are still in
/// the queue of the sweep. Such channels were used a moment ago, so they are seldom among the
/// oldest.
const PASSED_OVER_MAX: usize = 16;

/// Channels are scarce when less than one part in this many of `channels_max` is unused.
const SCARCE_PART: usize = 8;

/// What a channel takes besides its name: the struct, its places in lists and in the table of
/// names, and what the allocator adds to the name.
const BYTES_BESIDE_NAME: usize = size_of::<Channel>() + 16 + 2 * size_of::<Named>() + 16;

const FORM_EXISTS: &str = "a form exists as long as it is read or queued";

/// An entry of the hash table of names. It stores the hash of its name, so that the table can grow
/// without reading the channels.
#[derive(Clone, Copy, Debug)]
struct Named {
    hash: u32,
    channel: ChannelId,
}

/// All channels of a hub; see the module comment.
#[derive(Debug)]
pub(super) struct Channels {
    channels: Slab<Channel>,
    by_name: HashTable<Named>,
    homes: Arc<Homes>,
    own: ReactorNumber,
    /// How many of the channels have this reactor as their home.
    at_home: usize,
    /// The source of the channels' epochs. Epochs do not repeat within a process, and processes
    /// have different seeds.
    epochs: SplitMix64,
    lists: ChannelLists,
    /// How many channels are at rest: their home is this reactor, and they have no subscribers.
    at_rest: usize,
    /// The memory of all names and structs of channels.
    bytes: usize,
    /// Channels that this reactor has left, and whose homes have not been notified yet.
    left: VecDeque<ChannelId>,
    channels_max: usize,
    bytes_max: usize,
}

impl Channels {
    /// Allows at most this many channels, on all reactors together, and this much memory for those
    /// of this reactor.
    pub(super) fn new(
        channels_max: usize,
        bytes_max: usize,
        homes: Arc<Homes>,
        own: ReactorNumber,
        epoch_seed: u64,
    ) -> Channels {
        Channels {
            channels: Slab::new(),
            by_name: HashTable::new(),
            homes,
            own,
            at_home: 0,
            epochs: SplitMix64(epoch_seed),
            lists: ChannelLists::new(),
            at_rest: 0,
            bytes: 0,
            left: VecDeque::new(),
            channels_max,
            bytes_max,
        }
    }

    pub(super) fn homes(&self) -> &Homes {
        &self.homes
    }

    pub(super) fn at_home(&self) -> usize {
        self.at_home
    }

    /// Returns the memory of all names and structs of channels.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns an estimate of the memory that the channels at rest take: their number times the
    /// average over all channels.
    pub(super) fn at_rest_bytes(&self) -> usize {
        self.bytes / self.channels.len().max(1) * self.at_rest
    }

    /// Returns the reactor that is the home of a channel.
    pub(super) fn home_of(&self, id: ChannelId) -> ReactorNumber {
        let channel = &self[id];
        if channel.is_at_home() { self.own } else { self.homes.home_of(channel.name()) }
    }

    pub(super) fn find(&self, name: ChannelName<'_>) -> Option<ChannelId> {
        self.find_hashed(name.as_str(), self.homes.hash(name.as_str()))
    }

    /// Returns a channel; `None` if it has been forgotten.
    pub(super) fn find_by_id(&self, id: ChannelId) -> Option<&Channel> {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Channel);
        self.channels.get(id.0 as usize)
    }

    /// Returns a number that is greater than the id of every channel.
    pub(super) fn slots_end(&self) -> usize {
        self.channels.capacity()
    }

    /// Finds the channel of a name, or makes it. Only on its home does a new channel count towards
    /// the limit of channels. The limit may be exceeded while channels are at rest: the caller must
    /// then call [`forget_surplus`](Self::forget_surplus).
    pub(super) fn find_or_insert(&mut self, name: ChannelName<'_>) -> Result<ChannelId, Refused> {
        let hash = self.homes.hash(name.as_str());
        if let Some(channel) = self.find_hashed(name.as_str(), hash) {
            return Ok(channel);
        }
        let bytes = bytes_of(name.as_str());
        if self.bytes + bytes > self.bytes_max {
            return Err(Refused::MemoryFull);
        }
        let lives_here = self.homes.home_of_hash(hash) == self.own;
        // An id has only 32 bits.
        let has_id = self.channels.len() < u32::MAX as usize;
        if !has_id || (lives_here && !self.homes.add_channel(self.channels_max)) {
            return Err(Refused::TooManyChannels);
        }
        self.at_home += usize::from(lives_here);
        self.bytes += bytes;
        let channel = match lives_here {
            true => Channel::new(name.as_str(), self.epochs.next(), Membership::Home),
            false => Channel::new(name.as_str(), 0, Membership::Unannounced),
        };
        let (hash, channel) = (hash.in_table(), ChannelId(self.channels.insert(channel) as u32));
        self.by_name
            .insert_unique(spread(hash), Named { hash, channel }, |named| spread(named.hash));
        Ok(channel)
    }

    /// Must be called when a channel without subscribers was used, or a channel has lost its last
    /// subscriber. If no subscriber comes for a while, the channel is forgotten.
    pub(super) fn used_without_subscribers(&mut self, id: ChannelId) {
        let list = match self[id].is_at_home() {
            true => ChannelList::AtRest,
            false => ChannelList::Lingering,
        };
        self.move_to(Some(list), id);
    }

    /// Must be called when a channel has a subscriber or a member.
    pub(super) fn in_use(&mut self, id: ChannelId) {
        if matches!(self[id].list, Some(ChannelList::AtRest | ChannelList::Lingering)) {
            self.move_to(None, id);
        }
    }

    /// Must be called when the number of a channel's blocked subscribers has changed.
    pub(super) fn blocked_changed(&mut self, id: ChannelId) {
        let channel = &self[id];
        match (channel.list, channel.has_blocked()) {
            (None, true) => self.move_to(Some(ChannelList::Stalled), id),
            (Some(ChannelList::Stalled), false) => self.move_to(None, id),
            _ => {}
        }
    }

    /// Returns the channel whose slow subscribers are to be cut off next when memory is short, and
    /// moves that channel to the end of the list.
    pub(super) fn next_stalled(&mut self) -> Option<ChannelId> {
        let id = self.lists.front(ChannelList::Stalled)?;
        self.move_to(Some(ChannelList::Stalled), id);
        Some(id)
    }

    fn move_to(&mut self, list: Option<ChannelList>, id: ChannelId) {
        let before = std::mem::replace(&mut self[id].list, list);
        match list {
            Some(list) => self.lists.push_back(list, id),
            None => self.lists.remove(id),
        }
        let rested = before == Some(ChannelList::AtRest);
        let rests = list == Some(ChannelList::AtRest);
        if rested != rests {
            self.homes.count_at_rest(rests);
            self.at_rest = self.at_rest + usize::from(rests) - usize::from(rested);
        }
    }

    /// Forgets the channel that has been at rest for longest. Returns false if there is none.
    pub(super) fn forget_oldest(&mut self) -> bool {
        for _ in 0..PASSED_OVER_MAX {
            let Some(id) = self.lists.front(ChannelList::AtRest) else { return false };
            if self[id].is_queued() {
                self.used_without_subscribers(id);
            } else if self[id].is_unused() {
                self.remove(id);
                return true;
            } else {
                self.move_to(None, id);
            }
        }
        false
    }

    /// Returns true if there are almost as many channels as allowed, on all reactors together.
    pub(super) fn are_scarce(&self) -> bool {
        self.homes.channels() >= self.channels_max - self.channels_max / SCARCE_PART
    }

    /// Forgets channels at rest, least recently used first, until all reactors together have no
    /// more channels than the limit. Returns true if there are still too many, and this reactor may
    /// have more to forget.
    pub(super) fn forget_surplus(&mut self) -> bool {
        for _ in 0..IDLE_PER_CALL_MAX {
            if self.homes.channels() <= self.channels_max || !self.forget_oldest() {
                return false;
            }
        }
        true
    }

    /// Forgets channels that have been idle for `forget_after`, and leaves channels of other homes
    /// that have had no subscribers for `linger`. Returns true if there is more to do.
    pub(super) fn forget_idle(
        &mut self,
        now: Instant,
        forget_after: Duration,
        linger: Duration,
    ) -> bool {
        self.lists.note_arrivals(now);
        for _ in 0..IDLE_PER_CALL_MAX {
            let next = self
                .lists
                .first_over(ChannelList::AtRest, now, forget_after)
                .or_else(|| self.lists.first_over(ChannelList::Lingering, now, linger));
            let Some(id) = next else { return self.forget_surplus() };
            self.look_at_idle(id);
        }
        true
    }

    fn look_at_idle(&mut self, id: ChannelId) {
        let channel = &mut self[id];
        if !channel.is_unused() {
            return self.move_to(None, id);
        }
        match channel.membership {
            Membership::Home | Membership::Live if channel.is_queued() => {
                self.used_without_subscribers(id);
            }
            Membership::Home => self.remove(id),
            Membership::Live => {
                channel.membership = Membership::Leaving;
                self.move_to(None, id);
                self.left.push_back(id);
            }
            // The home has refused the join, and there has been no subscriber since, so the channel
            // is not needed.
            Membership::Unannounced if !channel.is_listed_for_home => self.remove(id),
            // The channel waits for its home, and is in no list meanwhile. It is listed again when
            // the home has answered.
            Membership::Unannounced | Membership::Joining | Membership::Leaving => {
                self.move_to(None, id);
            }
        }
    }

    /// Returns the next channel whose home must be notified that this reactor has left it.
    pub(super) fn next_left(&mut self) -> Option<ChannelId> {
        self.left.pop_front()
    }

    pub(super) fn remove(&mut self, id: ChannelId) {
        self.move_to(None, id);
        self.bytes -= bytes_of(&self[id].name);
        let hash = self.homes.hash(&self[id].name).in_table();
        if let Ok(entry) = self.by_name.find_entry(spread(hash), |named| named.channel == id) {
            entry.remove();
        }
        if self.channels.remove(id.0 as usize).is_at_home() {
            self.at_home -= 1;
            self.homes.remove_channel();
        }
    }

    fn find_hashed(&self, name: &str, hash: NameHash) -> Option<ChannelId> {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Name);
        let hash = hash.in_table();
        let is_it = |named: &Named| named.hash == hash && *self[named.channel].name == *name;
        self.by_name.find(spread(hash), is_it).map(|named| named.channel)
    }

    /// Recounts the figures that are kept up to date, and checks that each channel is in the right
    /// list.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let (mut bytes, mut at_rest) = (0, 0);
        for (id, channel) in self.iter() {
            bytes += bytes_of(&channel.name);
            at_rest += usize::from(channel.list == Some(ChannelList::AtRest));
            let rests = matches!(channel.list, Some(ChannelList::AtRest | ChannelList::Lingering));
            assert!(!rests || channel.is_unused(), "a channel in use is listed as idle");
            assert_eq!(channel.has_blocked(), channel.list == Some(ChannelList::Stalled), "{id:?}");
        }
        assert_eq!((self.bytes, self.at_rest), (bytes, at_rest));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ChannelId, &Channel)> {
        self.channels.iter().map(|(key, channel)| (ChannelId(key as u32), channel))
    }
}

/// Returns the memory that a channel of this name takes when it is idle.
fn bytes_of(name: &str) -> usize {
    name.len() + BYTES_BESIDE_NAME
}

/// Widens a hash to 64 bits for the table, which takes buckets from the low bits and tags from the
/// highest ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Index<ChannelId> for Channels {
    type Output = Channel;

    fn index(&self, id: ChannelId) -> &Channel {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Channel);
        &self.channels[id.0 as usize]
    }
}

impl IndexMut<ChannelId> for Channels {
    fn index_mut(&mut self, id: ChannelId) -> &mut Channel {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Channel);
        &mut self.channels[id.0 as usize]
    }
}

/// The form of a subscription, or one in the queue of the sweep: so it exists.
impl Index<FormId> for Channels {
    type Output = Form;

    fn index(&self, id: FormId) -> &Form {
        self[id.channel].form(id.kind).expect(FORM_EXISTS)
    }
}

impl IndexMut<FormId> for Channels {
    fn index_mut(&mut self, id: FormId) -> &mut Form {
        self[id.channel].form_mut(id.kind).expect(FORM_EXISTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGET_AFTER: Duration = Duration::from_secs(60);

    fn alone(channels_max: usize) -> Channels {
        Channels::new(
            channels_max,
            usize::MAX,
            Arc::new(Homes::new([1; 16], 1)),
            ReactorNumber(0),
            1,
        )
    }

    fn channels() -> Channels {
        alone(1_000_000)
    }

    fn name(text: &str) -> ChannelName<'_> {
        ChannelName::parse(text).expect("a name")
    }

    fn second(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_name_leads_to_one_channel() {
        let mut channels = channels();
        let ids: Vec<_> = (0..1_000)
            .map(|number| channels.find_or_insert(name(&format!("channel/{number}"))).unwrap())
            .collect();
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(channels.find(name(&format!("channel/{number}"))), Some(*id));
        }
        assert_eq!(channels.find(name("channel")), None);
        assert_eq!(channels.at_home(), 1_000);
    }

    #[test]
    fn no_more_channels_than_allowed() {
        let mut channels = alone(1);
        let first = channels.find_or_insert(name("a")).unwrap();
        assert_eq!(channels.find_or_insert(name("b")), Err(Refused::TooManyChannels));
        assert_eq!(channels.find_or_insert(name("a")), Ok(first));
    }

    #[test]
    fn an_idle_channel_is_forgotten_and_comes_back_with_a_new_epoch() {
        let mut channels = channels();
        let id = channels.find_or_insert(name("a")).unwrap();
        let epoch = channels[id].epoch;
        channels.used_without_subscribers(id);
        channels.forget_idle(second(100), FORGET_AFTER, FORGET_AFTER);
        channels.forget_idle(second(159), FORGET_AFTER, FORGET_AFTER);
        assert_eq!(channels.find(name("a")), Some(id), "59 s after it was first seen idle");
        channels.forget_idle(second(160), FORGET_AFTER, FORGET_AFTER);
        assert_eq!(channels.find(name("a")), None);
        let id = channels.find_or_insert(name("a")).unwrap();
        assert_ne!(channels[id].epoch, epoch);
    }

    #[test]
    fn a_channel_that_is_published_to_keeps_its_numbering() {
        let mut channels = channels();
        let id = channels.find_or_insert(name("a")).unwrap();
        for seconds in (0..600).step_by(30) {
            channels.used_without_subscribers(id);
            channels.forget_idle(second(seconds), FORGET_AFTER, FORGET_AFTER);
        }
        assert_eq!(channels.find(name("a")), Some(id));
    }

    #[test]
    fn a_great_many_idle_channels_are_forgotten_bit_by_bit() {
        let mut channels = channels();
        for number in 0..1_000 {
            let id = channels.find_or_insert(name(&number.to_string())).unwrap();
            channels.used_without_subscribers(id);
        }
        while channels.forget_idle(second(0), FORGET_AFTER, FORGET_AFTER) {}
        assert_eq!(channels.at_home(), 1_000);
        assert!(channels.forget_idle(second(60), FORGET_AFTER, FORGET_AFTER));
        assert_eq!(channels.at_home(), 1_000 - IDLE_PER_CALL_MAX);
        while channels.forget_idle(second(60), FORGET_AFTER, FORGET_AFTER) {}
        assert_eq!(channels.at_home(), 0);
    }
}
