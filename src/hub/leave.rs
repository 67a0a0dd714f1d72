//! The ways a cursor leaves its place other than by reading on: its subscription ends, its connection is
//! gone, or it is slow and falls off the log. All of them go through `Hub::detach`.

use super::Hub;
use super::channels::ChannelId;
use super::ledger::DropReason;
use super::limits::SlowPolicy;
use super::private::PrivateBudgetSpent;
use super::subscriptions::SubscriptionId;

impl Hub {
    /// Ends a subscription. Where there is a place for it, the rest of its frame under way goes to `rest`.
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
        if self.channels[id].subscribers.is_empty() {
            self.channels.used_without_subscribers(id);
        }
        outcome
    }

    /// The one way for a cursor to leave its place in a log without having read on. Of the messages up to
    /// `until`, the one under way becomes private if there is a place for its rest; the others are dropped.
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

    /// Moves every cursor away from the part of a log before `kept_from`. They are all blocked: `make_room`
    /// has made sure of it.
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
        // From the back, so that the last one, which takes a removed one's place, has been looked at.
        for index in self.channels[id].subscribers.blocked().rev() {
            let channel = &mut self.channels[id];
            let cursor = channel.subscribers.cursor(index);
            if cursor.offset >= kept_from {
                continue;
            }
            // One that cannot finish its frame cannot live on.
            let new_place = new_place.filter(|_| self.private.has_room_for(cursor.under_way_bytes as usize));
            let whose = channel.subscribers.subscription(index);
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
                }
            }
            self.fallen.push(whose, new_place.is_some(), outcome.map(|_| rest_start..rests.len()));
        }
        self.fallen.rests = rests;
        self.channels[id].log.release(&mut self.pool);
    }
}
