//! Lists of channels from which something can be freed when channels or memory run short: channels
//! at rest, least recently used first, and channels whose slow subscribers hold log memory. A
//! channel is in at most one list.

use super::channel_id::ChannelId;
use crate::instant::Instant;
use crate::slot_lists::SlotLists;

/// The lists in which a channel can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ChannelList {
    /// Channels at rest: this reactor is the home, and no reactor has subscribers. Ordered by last
    /// use. Each is forgotten after `HubLimits::forget_after`, or earlier if a new channel needs
    /// its slot or its memory.
    AtRest,
    /// Channels of another home that have lost their last subscriber here. This reactor will leave
    /// them.
    Lingering,
    /// Channels with a blocked subscriber. Cutting that subscriber off may free memory.
    Stalled,
}

/// The value of `ChannelLists::since` until the next `note_arrivals`: the hub has no clock, so the
/// time at which a channel was listed is filled in later.
const NEW: Instant = Instant::from_nanos(u64::MAX);

/// The lists; see the module comment.
#[derive(Debug)]
pub(super) struct ChannelLists {
    slots: SlotLists,
    /// For each listed channel, the time since when it has been in its list, or `NEW`.
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

    /// Sets `since` to `now` for all channels that were listed after the last call.
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
