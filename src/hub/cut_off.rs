//! Cuts slow subscribers off their channel's log when memory for the part that they have not read
//! is needed.

use super::channel_id::ChannelId;
use super::hub::Hub;
use super::ledger::DropReason;
use super::limits::SlowPolicy;
use super::overrun_queue::Overrun;
use super::subscriptions::SubscriptionId;

impl Hub {
    /// Removes every cursor from the part of a log before `kept_from`. `Log::make_room` has made
    /// sure that their subscribers are blocked.
    pub(super) fn cut_off(&mut self, id: ChannelId, kept_from: u64) {
        let log = &self.channels[id].log;
        if kept_from == log.start() {
            return;
        }
        let end = log.end();
        let new_place = match self.limits.slow_policy {
            SlowPolicy::Disconnect => None,
            SlowPolicy::Skip => Some(log.start_of(kept_from)),
            SlowPolicy::Latest => Some(end),
        };
        let mut rests = self.overrun.take_rests();
        // The loop runs from the back: when a subscriber is removed, the last one, which has been
        // checked already, takes its index.
        for index in self.channels[id].subscribers.blocked().rev() {
            let channel = &mut self.channels[id];
            let cursor = channel.subscribers.cursor(index);
            if cursor.offset >= kept_from {
                continue;
            }
            let whose = channel.subscribers.subscription(index);
            if self.subscriptions.is_held(whose.0) {
                self.ledger.owed -= end.number - cursor.number;
                channel.log.leave(cursor.offset, true);
                channel.log.enter(end.offset, true);
                channel.subscribers.set_cursor(index, end);
                continue;
            }
            // A subscriber can continue only if the rest of its partly sent frame can be kept.
            let new_place =
                new_place.filter(|_| self.private.has_room_for(cursor.under_way_bytes as usize));
            let rest_start = rests.end();
            let (until, reason) = match new_place {
                Some(place) => (place.number, DropReason::Skipped),
                None => (end.number, DropReason::SlowConsumer),
            };
            let outcome = self.detach(id, index, until, reason, Some(&mut rests.bytes));
            let channel = &mut self.channels[id];
            match new_place {
                Some(place) => {
                    channel.subscribers.set_cursor(index, place);
                    channel.log.enter(place.offset, true);
                }
                None => {
                    channel.subscribers.remove(index, &mut self.subscriptions);
                    self.subscriptions.set_overrun(whose.0);
                    self.subscribers_changed(id);
                }
            }
            self.overrun.push(whose, new_place.is_some(), outcome.map(|_| rest_start..rests.end()));
        }
        self.overrun.give_rests_back(rests);
        self.channels[id].log.release(&mut self.pool);
    }

    /// If memory is short, frees the oldest segments that only slow subscribers need, one channel
    /// after the other, and checks at most `budget` channels. Without this, homes would refuse
    /// messages for the subscribers here. Call [`next_overrun`](Self::next_overrun) afterwards.
    pub fn relieve_memory(&mut self, budget: usize) {
        for _ in 0..budget.min(self.channels.places()) {
            if !self.is_memory_full() {
                return;
            }
            let id = ChannelId((self.relief_at % self.channels.places()) as u32);
            self.relief_at = (self.relief_at + 1) % self.channels.places();
            let front =
                self.channels.find_by_id(id).and_then(|channel| channel.log.front_for_blocked());
            if let Some(kept_from) = front {
                self.cut_off(id, kept_from);
            }
        }
    }

    /// Returns the next subscriber that was overrun: it has lost messages that it had not read.
    pub fn next_overrun(&mut self) -> Option<Overrun<'_>> {
        let overrun = self.overrun.pop()?;
        if !overrun.lives_on {
            self.subscriptions.remove(overrun.subscription);
        }
        Some(overrun)
    }

    /// As [`next_overrun`](Self::next_overrun), of one subscription: whatever is done with a
    /// connection, its own overruns come first.
    pub fn overrun_of(&mut self, subscription: SubscriptionId) -> Option<Overrun<'_>> {
        let overrun = self.overrun.pop_of(subscription)?;
        if !overrun.lives_on {
            self.subscriptions.remove(subscription);
        }
        Some(overrun)
    }

    /// Returns true if a subscription has an overrun that was not fetched yet.
    pub fn is_overrun(&self, subscription: SubscriptionId) -> bool {
        self.overrun.contains(subscription)
    }

    /// Returns true if [`next_overrun`](Self::next_overrun) would return a subscriber.
    pub fn has_overrun(&self) -> bool {
        !self.overrun.is_empty()
    }
}
