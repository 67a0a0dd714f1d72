//! Who has fallen off a log, to be told to their owners: found in a publish, where no connection
//! can be touched, and fetched from here when one can.

use super::private::PrivateBudgetSpent;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;
use std::ops::Range;

/// A slow subscriber that has fallen off its channel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fallen<'h> {
    /// Its subscription.
    pub subscription: SubscriptionId,
    /// Its owner.
    pub owner: Owner,
    /// The subscription goes on at a later message (`skip`, `latest`), still blocked. Otherwise it
    /// has ended, and its id with this event.
    pub lives_on: bool,
    /// The rest of the frame under way, now private to the connection: to be sent before anything
    /// else, and accounted for with [`Hub::private_sent`](super::Hub::private_sent). Empty: it
    /// stood between frames. Past the budget the connection can only be reset; then `lives_on` is
    /// false.
    pub rest: Result<&'h [u8], PrivateBudgetSpent>,
}

/// One event, its rest being a range of `FallenQueue::rests`.
#[derive(Debug)]
struct Event {
    subscription: SubscriptionId,
    owner: Owner,
    lives_on: bool,
    rest: Result<Range<usize>, PrivateBudgetSpent>,
}

/// The events not yet fetched.
#[derive(Debug, Default)]
pub(super) struct FallenQueue {
    events: VecDeque<Event>,
    /// The private rests of all events, one behind the other. Within the budget of private rests.
    pub(super) rests: Vec<u8>,
}

impl FallenQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The rest, if there is one, stands in `rests` from `rest_start` on.
    pub(super) fn push(
        &mut self,
        (subscription, owner): (SubscriptionId, Owner),
        lives_on: bool,
        rest: Result<Range<usize>, PrivateBudgetSpent>,
    ) {
        self.events.push_back(Event { subscription, owner, lives_on, rest });
    }

    /// Takes the rest of its frame out of the event of one that leaves before it has been fetched:
    /// it has to be sent before anything that is said at the leave. False if there is none.
    pub(super) fn take_rest(
        &mut self,
        subscription: SubscriptionId,
        out: &mut Vec<u8>,
    ) -> Result<bool, PrivateBudgetSpent> {
        for event in self.events.iter_mut().filter(|event| event.subscription == subscription) {
            let range = std::mem::replace(event.rest.as_mut().map_err(|spent| *spent)?, 0..0);
            if !range.is_empty() {
                out.extend_from_slice(&self.rests[range]);
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn pop(&mut self) -> Option<Fallen<'_>> {
        let Some(Event { subscription, owner, lives_on, rest }) = self.events.pop_front() else {
            self.rests.clear();
            return None;
        };
        Some(Fallen { subscription, owner, lives_on, rest: rest.map(|range| &self.rests[range]) })
    }

    /// How many of the events end a subscription.
    #[cfg(test)]
    pub(super) fn ended(&self) -> usize {
        self.events.iter().filter(|event| !event.lives_on).count()
    }
}
