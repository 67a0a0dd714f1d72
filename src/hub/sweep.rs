//! The hub's part in the sweep: which subscriber is sent what next, and how much of it the kernel
//! has taken. A subscriber whose socket accepts no more bytes is blocked until it does again.

use super::hub::Hub;
use super::subscriptions::SubscriptionId;
use super::sweep_order::Due;
use super::unsent::{Advanced, Unsent};

impl Hub {
    /// Returns the next subscriber that has unsent messages and is not blocked: round-robin over
    /// the channels, and over the subscribers of each. The same subscriber is returned again after
    /// all others, unless it has [advanced](Self::advance) to the end or is [blocked](Self::block).
    pub fn next_due(&mut self) -> Option<Due> {
        self.sweep.next_due(&mut self.channels, &mut self.delivery_times)
    }

    /// A quick check: if false, [`next_due`](Self::next_due) returns `None`; if true, it may still
    /// do so.
    pub fn has_due(&self) -> bool {
        !self.sweep.is_empty()
    }

    /// Returns the bytes between a subscriber's cursor and the end of the log, limited to what one
    /// vectored write takes.
    #[inline(always)]
    pub fn unsent(&self, subscription: SubscriptionId) -> Unsent<'_> {
        let Some((id, index)) = self.place_of(subscription) else { return Unsent::default() };
        let form = &self.channels[id];
        form.log.unsent(form.subscribers.cursor(index))
    }

    /// Moves a cursor after the stream has accepted `bytes_taken` of the unsent bytes.
    pub fn advance(&mut self, subscription: SubscriptionId, bytes_taken: usize) -> Advanced {
        let Some((id, index)) = self.place_of(subscription) else { return Advanced::default() };
        self.sweep.sent(bytes_taken);
        let form = &mut self.channels[id];
        let before = form.subscribers.cursor(index);
        let after = form.log.advanced(before, bytes_taken);
        let blocked = form.subscribers.is_blocked(index);
        let was_last = form.log.leave(before.offset, blocked);
        form.log.enter(after.offset, blocked);
        if was_last {
            form.log.release(&mut self.pool);
        }
        form.subscribers.set_cursor(index, after);
        let delivered = after.number - before.number;
        self.ledger.delivered += delivered;
        Advanced { delivered, under_way: after.under_way_bytes > 0 }
    }

    /// Marks a subscriber whose socket accepts no more bytes: the sweep skips it, and it may be
    /// overrun. Idempotent. Returns true if it was not marked before.
    ///
    /// A connection may have many subscriptions. Those for which no message has come need not be
    /// marked, because the sweep does not visit them.
    pub fn block(&mut self, subscription: SubscriptionId) -> bool {
        let Some((id, index)) = self.place_of(subscription) else { return false };
        let form = &mut self.channels[id];
        if form.subscribers.is_blocked(index) {
            return false;
        }
        let offset = form.subscribers.cursor(index).offset;
        form.subscribers.block(index, &mut self.subscriptions);
        form.log.leave(offset, false);
        form.log.enter(offset, true);
        self.channels.blocked_changed(id.channel);
        true
    }

    /// Marks a subscriber whose socket accepts bytes again. Idempotent.
    pub fn unblock(&mut self, subscription: SubscriptionId) {
        let Some((id, index)) = self.place_of(subscription) else { return };
        let form = &mut self.channels[id];
        if !form.subscribers.is_blocked(index) {
            return;
        }
        let offset = form.subscribers.cursor(index).offset;
        let nobody_was_due = form.log.due() == 0;
        let index = form.subscribers.unblock(index, &mut self.subscriptions);
        form.log.leave(offset, true);
        form.log.enter(offset, false);
        if nobody_was_due {
            // No other subscriber was due, so the sweep goes on at this one. Otherwise it would
            // scan all subscribers for each of ten thousand blocked ones that become ready one by
            // one.
            form.subscribers.visit_next(index);
        }
        self.sweep.add(id, form);
        self.channels.blocked_changed(id.channel);
    }

    /// Returns true if the subscriber has been sent everything.
    pub fn is_caught_up(&self, subscription: SubscriptionId) -> bool {
        self.unsent(subscription).is_empty()
    }
}
