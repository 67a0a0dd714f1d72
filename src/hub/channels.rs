//! All channels of a hub: looked up by name, made when needed, forgotten when idle.

use super::channel::{Channel, Idleness};
use super::channel_id::ChannelId;
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

/// An entry of the table of names. It holds its hash, so that the table can grow without reading
/// the channels.
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
    /// How many of the channels have their home here.
    at_home: usize,
    /// The source of the channels' epochs. Epochs do not repeat within a process, and processes
    /// have different seeds.
    epochs: SplitMix64,
    /// Idle channels whose home is here; they will be forgotten.
    idle: Idle,
    /// Idle channels whose home is another reactor; this reactor will leave them.
    lingering: Idle,
    /// Channels that this reactor has left, and whose homes have not been notified yet.
    left: VecDeque<ChannelId>,
    channels_max: usize,
}

impl Channels {
    pub(super) fn new(
        channels_max: usize,
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
            idle: Idle::default(),
            lingering: Idle::default(),
            left: VecDeque::new(),
            channels_max,
        }
    }

    pub(super) fn homes(&self) -> &Homes {
        &self.homes
    }

    pub(super) fn at_home(&self) -> usize {
        self.at_home
    }

    /// Returns a bound that is above all ids. Not every number below it is in use.
    pub(super) fn places(&self) -> usize {
        self.channels.capacity()
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

    /// Finds the channel of a name, or makes it. Only its home counts it against the limit.
    pub(super) fn find_or_insert(&mut self, name: ChannelName<'_>) -> Result<ChannelId, Refused> {
        let hash = self.homes.hash(name.as_str());
        if let Some(channel) = self.find_hashed(name.as_str(), hash) {
            return Ok(channel);
        }
        let lives_here = self.homes.home_of_hash(hash) == self.own;
        // An id has only 32 bits.
        let has_id = self.channels.len() < u32::MAX as usize;
        if !has_id || (lives_here && !self.homes.add_channel(self.channels_max)) {
            return Err(Refused::TooManyChannels);
        }
        self.at_home += usize::from(lives_here);
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
        let channel = &mut self[id];
        match channel.idleness {
            Idleness::Listed | Idleness::ListedAndUsed => {
                channel.idleness = Idleness::ListedAndUsed;
            }
            Idleness::NotListed => {
                channel.idleness = Idleness::Listed;
                let list = if channel.is_at_home() { &mut self.idle } else { &mut self.lingering };
                list.arriving.push_back(id);
            }
        }
    }

    /// Forgets channels that have been idle for `forget_after`, and leaves channels of other homes
    /// that have had no subscribers for `linger`. Returns true if there is more to do.
    pub(super) fn forget_idle(
        &mut self,
        now: Instant,
        forget_after: Duration,
        linger: Duration,
    ) -> bool {
        self.idle.note_arrivals(now);
        self.lingering.note_arrivals(now);
        for _ in 0..IDLE_PER_CALL_MAX {
            let next = self.idle.next_over(now, forget_after);
            let Some(id) = next.or_else(|| self.lingering.next_over(now, linger)) else {
                return !self.idle.arriving.is_empty() || !self.lingering.arriving.is_empty();
            };
            self.look_at_idle(id);
        }
        true
    }

    fn look_at_idle(&mut self, id: ChannelId) {
        let channel = &mut self[id];
        let idleness = std::mem::replace(&mut channel.idleness, Idleness::NotListed);
        if !channel.is_unused() {
            return;
        }
        let was_used = idleness == Idleness::ListedAndUsed || channel.is_queued;
        match channel.membership {
            Membership::Home | Membership::Live if was_used => self.used_without_subscribers(id),
            Membership::Home => self.remove(id),
            Membership::Live => {
                channel.membership = Membership::Leaving;
                self.left.push_back(id);
            }
            // The home has refused the join, and there has been no subscriber since.
            Membership::Unannounced if !channel.is_listed_for_home => self.remove(id),
            // The channel is listed again when the home has answered.
            Membership::Unannounced | Membership::Joining | Membership::Leaving => {}
        }
    }

    /// Returns the next channel whose home must be notified that this reactor has left it.
    pub(super) fn next_left(&mut self) -> Option<ChannelId> {
        self.left.pop_front()
    }

    pub(super) fn remove(&mut self, id: ChannelId) {
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (ChannelId, &Channel)> {
        self.channels.iter().map(|(key, channel)| (ChannelId(key as u32), channel))
    }
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

/// Channels that have lost their last subscriber, or never had one. Only `forget_idle` knows the
/// time, so a channel is listed without a time, and gets it at the next call.
#[derive(Debug, Default)]
struct Idle {
    arriving: VecDeque<ChannelId>,
    /// Since when each channel has been idle, ordered by time.
    since: VecDeque<(Instant, ChannelId)>,
}

impl Idle {
    fn note_arrivals(&mut self, now: Instant) {
        let arriving = self.arriving.drain(..IDLE_PER_CALL_MAX.min(self.arriving.len()));
        self.since.extend(arriving.map(|id| (now, id)));
    }

    /// Removes and returns the next channel that has been idle for at least `patience`.
    fn next_over(&mut self, now: Instant, patience: Duration) -> Option<ChannelId> {
        self.since.pop_front_if(|(since, _)| *since + patience <= now).map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGET_AFTER: Duration = Duration::from_secs(60);

    fn alone(channels_max: usize) -> Channels {
        Channels::new(channels_max, Arc::new(Homes::new([1; 16], 1)), ReactorNumber(0), 1)
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
