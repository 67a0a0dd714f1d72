//! Lists of channels by what can be taken from them when room is short: names at rest, oldest
//! first, and the logs of slow subscribers. A channel is in at most one list.

use super::channel_id::ChannelId;
use crate::instant::Instant;
use crate::slot_lists::SlotLists;

/// One of the lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ChannelList {
    /// Names at rest: this reactor is the home, and there are no subscribers. Ordered by their last
    /// use; each is forgotten after a while, or when its place is needed.
    AtRest,
    /// Channels of another home that have lost their last subscriber here. This reactor will leave
    /// them.
    Lingering,
    /// Channels with a blocked subscriber. Memory may be gained by cutting it off.
    Stalled,
}

/// Stands for the time of a channel that came after the lists were last told the time.
const NEW: Instant = Instant::from_nanos(u64::MAX);

/// The lists; see the module comment.
#[derive(Debug)]
pub(super) struct ChannelLists {
    slots: SlotLists,
    /// For each listed channel since when it has been in its list, or `NEW`.
    since: Vec<Instant>,
}

impl ChannelLists {
    pub(super) fn new() -> ChannelLists {
        ChannelLists { slots: SlotLists::new(3), since: Vec::new() }
    }

    /// Moves a channel, whatever list it is in, to the end of a list.
    pub(super) fn push_back(&mut self, list: ChannelList, id: ChannelId) {
        let slot = id.0 as usize;
        self.slots.remove(slot);
        self.slots.push_back(list as u32, slot);
        if self.since.len() <= slot {
            self.since.resize(slot + 1, NEW);
        }
        self.since[slot] = NEW;
    }

    pub(super) fn remove(&mut self, id: ChannelId) {
        self.slots.remove(id.0 as usize);
    }

    /// Returns the channel that has been in a list for longest.
    pub(super) fn front(&self, list: ChannelList) -> Option<ChannelId> {
        self.slots.front(list as u32).map(|slot| ChannelId(slot as u32))
    }

    /// Tells the time to all channels that have come since the last call.
    pub(super) fn note_arrivals(&mut self, now: Instant) {
        for list in [ChannelList::AtRest, ChannelList::Lingering] {
            let mut latest = self.slots.back(list as u32);
            while let Some(slot) = latest
                && self.since[slot] == NEW
            {
                self.since[slot] = now;
                latest = self.slots.before(slot);
            }
        }
    }

    /// Returns the first channel of a list if it has been there for at least `patience`.
    pub(super) fn first_over(
        &self,
        list: ChannelList,
        now: Instant,
        patience: std::time::Duration,
    ) -> Option<ChannelId> {
        self.front(list).filter(|id| {
            let since = self.since[id.0 as usize];
            since != NEW && since + patience <= now
        })
    }
}
