//! The ways a cursor leaves its place other than by reading on: its subscription ends, its
//! connection is gone, or it is slow and overrun. All of them go through `Hub::detach`.

use super::channel_id::ChannelId;
use super::hub::Hub;
use super::ledger::DropReason;
use super::limits::SlowPolicy;
use super::overrun::Overrun;
use super::private::PrivateBudgetSpent;
use super::subscriptions::SubscriptionId;

impl Hub {
    /// Ends a subscription whose connection lives on, at least until it is closed. The rest of the
    /// frame under way, if there is one, is appended to `rest`, and must be sent before anything
    /// else; returns whether there was one. All other pending messages are dropped for `reason`.
    ///
    /// After an error the subscription has ended all the same, but there is no budget to finish the
    /// frame: the connection must be reset.
    pub fn unsubscribe(
        &mut self,
        subscription: SubscriptionId,
        reason: DropReason,
        rest: &mut Vec<u8>,
    ) -> Result<bool, PrivateBudgetSpent> {
        self.end(subscription, reason, Some(rest))
    }

    /// Ends a subscription whose connection is gone: everything pending is dropped for `reason`.
    pub fn remove(&mut self, subscription: SubscriptionId, reason: DropReason) {
        // An error would concern the rest, which nobody wants here.
        let _ = self.end(subscription, reason, None);
    }

    /// The stream has taken so many bytes of a private rest, up to its end if `completed`.
    pub fn private_sent(&mut self, bytes: usize, completed: bool) {
        self.private.take(bytes, completed);
        self.ledger.delivered += u64::from(completed);
    }

    /// The connection of a private rest is gone, with so many bytes of it unsent.
    pub fn private_abandoned(&mut self, bytes_left: usize, reason: DropReason) {
        self.private.take(bytes_left, true);
        self.ledger.drop_copies(reason, 1);
    }

    /// The next subscriber that was overrun.
    pub fn next_overrun(&mut self) -> Option<Overrun<'_>> {
        let overrun = self.overrun.pop()?;
        if !overrun.lives_on {
            self.subscriptions.remove(overrun.subscription);
        }
        Some(overrun)
    }

    /// Whether [`next_overrun`](Self::next_overrun) has somebody.
    pub fn has_overrun(&self) -> bool {
        !self.overrun.is_empty()
    }

    /// Ends a subscription. The rest of its frame under way goes to `rest`, if that is given.
    pub(super) fn end(
        &mut self,
        subscription: SubscriptionId,
        reason: DropReason,
        mut rest: Option<&mut Vec<u8>>,
    ) -> Result<bool, PrivateBudgetSpent> {
        // If it was overrun before, the rest of its frame is in an event that nobody has fetched.
        let overrun = match rest.as_deref_mut() {
            Some(rest) => self.overrun.take_rest(subscription, rest),
            None => Ok(false),
        };
        let Some((id, index)) = self.place_of(subscription) else { return overrun };
        let until = self.channels[id].log.end().number;
        let outcome = self.detach(id, index, until, reason, rest);
        let outcome = overrun.and_then(|overrun| outcome.map(|under_way| under_way || overrun));
        let channel = &mut self.channels[id];
        channel.subscribers.remove(index, &mut self.subscriptions);
        channel.log.release(&mut self.pool);
        self.subscriptions.remove(subscription);
        self.subscribers_changed(id);
        outcome
    }

    /// Takes a cursor off its place in the log. Of the messages up to `until`, the one under way
    /// becomes private if `rest` is given and the budget allows it; the others are dropped.
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

    /// Takes every cursor off the part of a log before `kept_from`. They are all blocked:
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
        let mut rests = std::mem::take(&mut self.overrun.rests);
        // From the back: the last subscriber takes the place of a removed one, and has then been
        // looked at.
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
            // A subscriber that cannot finish its frame cannot live on.
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
                    self.subscriptions.set_overrun(whose.0);
                    self.subscribers_changed(id);
                }
            }
            self.overrun.push(whose, new_place.is_some(), outcome.map(|_| rest_start..rests.len()));
        }
        self.overrun.rests = rests;
        self.channels[id].log.release(&mut self.pool);
    }

    /// If memory is short, frees the oldest segments that only slow subscribers need, of one
    /// channel after the other, and looks at no more channels than the budget says. Without this
    /// the homes of other channels would have to refuse messages. Then fetch
    /// [`next_overrun`](Self::next_overrun).
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
