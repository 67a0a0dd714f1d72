//! The order in which the forms of channels are swept: round-robin, a few subscribers at a time.

use super::channels::Channels;
use super::delivery_times::DeliveryTimes;
use super::form::Form;
use super::form_id::FormId;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;

/// The most visits to one form before the next one's turn: enough to benefit from the dense
/// array, and so few that a small channel waits for some tens of sends only, even behind a channel
/// of a hundred thousand subscribers.
const VISITS_PER_FORM: u32 = 64;

/// A visit counts as one more visit for each of this many bytes sent, because a visit to a
/// subscriber that is far behind takes longer.
const BYTES_PER_VISIT: usize = 8 << 10;

/// A subscriber that has unsent messages and is not blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The owner, to whose stream the bytes must be sent.
    pub owner: Owner,
}

/// The order of the sweep; see the module comment.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The forms with a due subscriber; the front one is being swept. A form that has no due
    /// subscriber any more is removed at its turn.
    queue: VecDeque<FormId>,
    /// The visits left in the front form's turn.
    visits_left: u32,
    /// The visits made in the front form's turn.
    visits_made: u32,
    /// The subscription visited last, its form and its index there. The hub asks for just this
    /// place next, and need not look it up in `Subscriptions`.
    last_visit: Option<(SubscriptionId, FormId, usize)>,
}

impl Sweep {
    pub(super) fn new() -> Sweep {
        Sweep {
            queue: VecDeque::new(),
            visits_left: VISITS_PER_FORM,
            visits_made: 0,
            last_visit: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Queues a form if one of its subscribers is behind and not blocked.
    pub(super) fn add(&mut self, id: FormId, form: &mut Form) {
        if form.log.due() > 0 && !form.log.is_queued {
            form.log.is_queued = true;
            self.queue.push_back(id);
        }
    }

    /// Returns how many visits have been made in this form's turn, if it is its turn.
    pub(super) fn visits_made(&self, id: FormId) -> u32 {
        if self.queue.front() == Some(&id) { self.visits_made } else { 0 }
    }

    /// Counts the bytes that were sent at a visit.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        let visits = (bytes / BYTES_PER_VISIT) as u32;
        self.visits_left = self.visits_left.saturating_sub(visits);
    }

    /// Returns the form and index of a subscription if it was visited last and has not moved.
    /// This avoids reading `Subscriptions`, which would be one more cache line for each visit.
    pub(super) fn place_of(
        &self,
        subscription: SubscriptionId,
        channels: &Channels,
    ) -> Option<(FormId, usize)> {
        let (_, id, index) = self.last_visit.filter(|(visited, ..)| *visited == subscription)?;
        let form = channels.find_by_id(id.channel)?.form(id.kind)?;
        let is_still_there = form.subscribers.is_at(index, subscription);
        is_still_there.then_some((id, index))
    }

    /// Tells `times` what has been visited in the turn of the reactor that ends.
    pub(super) fn end_turn(&mut self, channels: &mut Channels, times: &mut DeliveryTimes) {
        if let Some(&id) = self.queue.front() {
            count_visits(&mut self.visits_made, &mut channels[id], times);
        }
    }

    /// Returns the next subscriber to visit. Tells `times` when a form's turn is over.
    pub(super) fn next_due(
        &mut self,
        channels: &mut Channels,
        times: &mut DeliveryTimes,
    ) -> Option<Due> {
        while let Some(&id) = self.queue.front() {
            let form = &mut channels[id];
            if form.log.due() > 0 && self.visits_left > 0 {
                self.visits_left -= 1;
                self.visits_made += 1;
                let next = form.subscribers.next_behind(form.log.end().offset);
                debug_assert!(next.is_some(), "the tally says that a subscriber is due");
                if let Some(index) = next {
                    let (subscription, owner) = form.subscribers.subscription(index);
                    self.last_visit = Some((subscription, id, index));
                    return Some(Due { subscription, owner });
                }
            }
            self.queue.pop_front();
            self.visits_left = VISITS_PER_FORM;
            count_visits(&mut self.visits_made, form, times);
            form.log.is_queued = false;
            self.add(id, form);
            if form.subscribers.is_empty() {
                channels[id.channel].drop_unread_form();
            }
        }
        None
    }
}

/// Counts visits to a form towards the delivery that is timed there, if any.
fn count_visits(visits: &mut u32, form: &mut Form, times: &mut DeliveryTimes) {
    let visits = std::mem::take(visits);
    if let Some(followed) = form.log.followed {
        form.log.followed = match form.log.due() {
            0 => times.end(followed),
            _ => times.visited(followed, visits),
        };
    }
}
