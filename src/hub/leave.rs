//! The ways a cursor leaves its place other than by reading on: its subscription ends, its
//! connection is gone, or it is slow and falls off the log. All of them go through `Hub::detach`.

use super::Hub;
use super::channels::ChannelId;
use super::ledger::DropReason;
use super::limits::SlowPolicy;
use super::private::PrivateBudgetSpent;
use super::subscriptions::SubscriptionId;

impl Hub {
    /// Ends a subscription. Where there is a place for it, the rest of its frame under way goes to
    /// `rest`.
    pub(super) fn end(
        &mut self,
        subscription: SubscriptionId,
        reason: DropReason,
        mut rest: Option<&mut Vec<u8>>,
    ) -> Result<bool, PrivateBudgetSpent> {
        // One that falls off leaves its frame; the event, with the rest, may be still to come.
        let fallen = match rest.as_deref_mut() {
            Some(rest) => self.fallen.take_rest(subscription, rest),
            None => Ok(false),
        };
        let Some((id, index)) = self.place_of(subscription) else { return fallen };
        let until = self.channels[id].log.end().number;
        let outcome = self.detach(id, index, until, reason, rest);
        let outcome = fallen.and_then(|fallen| outcome.map(|under_way| under_way || fallen));
        let channel = &mut self.channels[id];
        channel.subscribers.remove(index, &mut self.subscriptions);
        channel.log.release(&mut self.pool);
        self.subscriptions.remove(subscription);
        self.subscribers_changed(id);
        outcome
    }

    /// The one way for a cursor to leave its place in a log without having read on. Of the messages
    /// up to `until`, the one under way becomes private if there is a place for its rest; the
    /// others are dropped.
    fn detach(
        &mut self,
        id: ChannelId,
        index: usize,
        until: u64,
        reason: DropReason,
        rest: Option<&mut Vec<u8>>,
    ) -> Result<bool, PrivateBudgetSpent> {
        let channel = &mut self.channels[id];
        let cursor = channel.subscribers.cursor(index);
        let outcome = match rest {
            Some(rest) if cursor.under_way_bytes > 0 => {
                self.private.add(cursor.under_way_bytes as usize).map(|()| {
                    rest.extend_from_slice(channel.log.rest_of_frame(cursor));
                    true
                })
            }
            Some(_) | None => Ok(false),
        };
        let kept = u64::from(outcome == Ok(true));
        self.ledger.drop_copies(reason, until - cursor.number - kept);
        channel.log.leave(cursor.offset, channel.subscribers.is_blocked(index));
        outcome
    }

    /// Moves every cursor away from the part of a log before `kept_from`. They are all blocked:
    /// `make_room` has made sure of it.
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
        let mut rests = std::mem::take(&mut self.fallen.rests);
        // From the back, so that the last one, which takes a removed one's place, has been looked
        // at.
        for index in self.channels[id].subscribers.blocked().rev() {
            let channel = &mut self.channels[id];
            let cursor = channel.subscribers.cursor(index);
            if cursor.offset >= kept_from {
                continue;
            }
            let whose = channel.subscribers.subscription(index);
            if self.subscriptions.is_parked(whose.0) {
                self.ledger.owed -= end.number - cursor.number;
                channel.log.leave(cursor.offset, true);
                channel.log.enter(end.offset, true);
                channel.subscribers.set_cursor(index, end);
                continue;
            }
            // One that cannot finish its frame cannot live on.
            let new_place =
                new_place.filter(|_| self.private.has_room_for(cursor.under_way_bytes as usize));
            let rest_start = rests.len();
            let (until, reason) = match new_place {
                Some(place) => (place.number, DropReason::Skipped),
                None => (end.number, DropReason::SlowConsumer),
            };
            let outcome = self.detach(id, index, until, reason, Some(&mut rests));
            let channel = &mut self.channels[id];
            match new_place {
                Some(place) => {
                    channel.subscribers.set_cursor(index, place);
                    channel.log.enter(place.offset, true);
                }
                None => {
                    channel.subscribers.remove(index, &mut self.subscriptions);
                    self.subscriptions.fell(whose.0);
                    self.subscribers_changed(id);
                }
            }
            self.fallen.push(whose, new_place.is_some(), outcome.map(|_| rest_start..rests.len()));
        }
        self.fallen.rests = rests;
        self.channels[id].log.release(&mut self.pool);
    }

    /// Where memory is short, and the homes of channels elsewhere would have to refuse: cuts off
    /// the oldest segments that are kept for slow subscribers alone, of one channel after the
    /// other; as many channels are looked at as the budget says. Fetch
    /// [`next_fallen`](Self::next_fallen) after it.
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
}
