//! The ends of subscriptions: their owner ends them, or their connection is gone. Except by
//! reading, a cursor leaves its position in a log only through `Hub::detach`.

use super::form_id::FormId;
use super::hub::Hub;
use super::ledger::DropReason;
use super::private::PrivateBudgetSpent;
use super::subscriptions::SubscriptionId;

impl Hub {
    /// Ends a subscription whose connection goes on, at least until it is closed. If its current
    /// frame is partly sent, the rest of it is appended to `rest`, and the owner must send it
    /// before anything else; returns true in this case. All other pending messages are dropped for
    /// `reason`.
    ///
    /// After an error the subscription has ended too, but there is no budget to finish the frame:
    /// the owner must reset the connection.
    pub fn unsubscribe(
        &mut self,
        subscription: SubscriptionId,
        reason: DropReason,
        rest: &mut Vec<u8>,
    ) -> Result<bool, PrivateBudgetSpent> {
        self.end(subscription, reason, Some(rest))
    }

    /// Ends a subscription whose connection is gone: its unsent messages are dropped for `reason`.
    pub fn remove(&mut self, subscription: SubscriptionId, reason: DropReason) {
        // An error would concern the rest of the frame, which is not needed here.
        let _ = self.end(subscription, reason, None);
    }

    /// Must be called when the stream has accepted bytes of a private rest (the end of a frame that
    /// is no longer in the log). `completed` is true if nothing of the rest is left.
    pub fn private_sent(&mut self, bytes: usize, completed: bool) {
        self.private.take(bytes, completed);
        self.ledger.delivered += u64::from(completed);
    }

    /// Must be called when a connection is gone and `bytes_left` bytes of its private rest (the end
    /// of a partly sent frame) are unsent.
    pub fn private_abandoned(&mut self, bytes_left: usize, reason: DropReason) {
        self.private.take(bytes_left, true);
        self.ledger.drop_copies(reason, 1);
    }

    /// Ends a subscription. If `rest` is given, appends the rest of a partly sent frame to it, and
    /// returns true if there was one.
    pub(super) fn end(
        &mut self,
        subscription: SubscriptionId,
        reason: DropReason,
        mut rest: Option<&mut Vec<u8>>,
    ) -> Result<bool, PrivateBudgetSpent> {
        // If the subscription was overrun before, the rest of its frame is in an overrun that its
        // owner has not fetched. If the subscription has lived on, that overrun is dropped below.
        let overrun = match rest.as_deref_mut() {
            Some(rest) => self.overrun.take_rest(subscription, rest),
            None => Ok(false),
        };
        let Some((id, index)) = self.place_of(subscription) else { return overrun };
        let rest_bytes = self.overrun.forget(subscription);
        if rest_bytes > 0 {
            self.private_abandoned(rest_bytes, reason);
        }
        let until = self.channels[id].log.end().number;
        let outcome = self.detach(id, index, until, reason, rest);
        let outcome = overrun.and_then(|overrun| outcome.map(|under_way| under_way || overrun));
        let form = &mut self.channels[id];
        form.subscribers.remove(index, &mut self.subscriptions);
        form.log.release(&mut self.pool);
        self.channels[id.channel].drop_unread_form();
        self.subscriptions.remove(subscription);
        self.subscribers_changed(id.channel);
        outcome
    }

    /// Removes a cursor from its position in the log. If `rest` is given and the budget allows it,
    /// the unsent end of a partly sent message is appended to `rest`: returns true. All other
    /// messages before `until` are dropped.
    pub(super) fn detach(
        &mut self,
        id: FormId,
        index: usize,
        until: u64,
        reason: DropReason,
        rest: Option<&mut Vec<u8>>,
    ) -> Result<bool, PrivateBudgetSpent> {
        let form = &mut self.channels[id];
        let cursor = form.subscribers.cursor(index);
        let outcome = match rest {
            Some(rest) if cursor.under_way_bytes > 0 => {
                self.private.add(cursor.under_way_bytes as usize).map(|()| {
                    rest.extend_from_slice(form.log.rest_of_frame(cursor));
                    true
                })
            }
            Some(_) | None => Ok(false),
        };
        let kept = u64::from(outcome == Ok(true));
        self.ledger.drop_copies(reason, until - cursor.number - kept);
        form.log.leave(cursor.offset, form.subscribers.is_blocked(index));
        outcome
    }
}
