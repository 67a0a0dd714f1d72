//! The order in which channels are swept: round-robin, a few subscribers at a time.

use super::channel_id::ChannelId;
use super::channels::Channels;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;

/// Visits to one channel before the next has its turn: long enough for the dense scan to pay, short
/// enough that a room of two waits behind a channel of a hundred thousand for some tens of sends
/// only.
const VISITS_PER_CHANNEL: u32 = 64;

/// A subscriber that is behind and not blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// Whose cursor it is.
    pub subscription: SubscriptionId,
    /// To whom to send.
    pub owner: Owner,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The channels with somebody due, the one being swept first. Those with nobody due any more
    /// leave when their turn comes.
    queue: VecDeque<ChannelId>,
    /// What is left of the first one's turn.
    visits_left: u32,
    /// The last visit: whose, and where it stood.
    last_visit: Option<(SubscriptionId, ChannelId, usize)>,
}

impl Sweep {
    pub(super) fn new() -> Sweep {
        Sweep { queue: VecDeque::new(), visits_left: VISITS_PER_CHANNEL, last_visit: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Queues a channel that may have somebody due.
    pub(super) fn add(&mut self, id: ChannelId, channels: &mut Channels) {
        let channel = &mut channels[id];
        if channel.log.due() > 0 && !channel.is_queued {
            channel.is_queued = true;
            self.queue.push_back(id);
        }
    }

    /// Where a subscription stands, if it was visited last and has not moved: known without its
    /// back-pointer, which would be a cache line more for every visit.
    pub(super) fn place_of(
        &self,
        subscription: SubscriptionId,
        channels: &Channels,
    ) -> Option<(ChannelId, usize)> {
        let (_, id, index) = self.last_visit.filter(|(visited, ..)| *visited == subscription)?;
        let is_still_there = channels.find_by_id(id)?.subscribers.is_at(index, subscription);
        is_still_there.then_some((id, index))
    }

    /// The next visit.
    pub(super) fn next_due(&mut self, channels: &mut Channels) -> Option<Due> {
        while let Some(&id) = self.queue.front() {
            let channel = &mut channels[id];
            if channel.log.due() > 0 && self.visits_left > 0 {
                self.visits_left -= 1;
                let next = channel.subscribers.next_behind(channel.log.end().offset);
                debug_assert!(next.is_some(), "the tally says that somebody is due");
                if let Some(index) = next {
                    let (subscription, owner) = channel.subscribers.subscription(index);
                    self.last_visit = Some((subscription, id, index));
                    return Some(Due { subscription, owner });
                }
            }
            self.queue.pop_front();
            self.visits_left = VISITS_PER_CHANNEL;
            channel.is_queued = false;
            self.add(id, channels);
        }
        None
    }
}
