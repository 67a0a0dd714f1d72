//! The ends of subscriptions: by their owner, or because its connection is gone. A cursor leaves
//! its place in a log, other than by reading on, through `Hub::detach` alone.

use super::channel_id::ChannelId;
use super::hub::Hub;
use super::ledger::DropReason;
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
    pub(super) fn detach(
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
}
