//! Subscribers that were overrun: the log went on, and the messages before their cursors are gone.
//! It happens in a publish, where no connection can be touched, so their owners fetch it from here.

use super::private::PrivateBudgetSpent;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;
use std::ops::Range;

/// A slow subscriber whose unread messages have left its channel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overrun<'h> {
    /// Its subscription.
    pub subscription: SubscriptionId,
    /// Its owner.
    pub owner: Owner,
    /// The subscription goes on at a later message (`skip`, `latest`), still blocked. Otherwise it
    /// has ended, and its id must not be used any more.
    pub lives_on: bool,
    /// The rest of the frame under way, empty between frames. It is private to the connection now:
    /// it must be sent before anything else, and reported to
    /// [`Hub::private_sent`](super::Hub::private_sent). An error: there is no budget for it, the
    /// connection must be reset, and `lives_on` is false.
    pub rest: Result<&'h [u8], PrivateBudgetSpent>,
}

/// An [`Overrun`] that has not been fetched; its rest is a range of `OverrunQueue::rests`.
#[derive(Debug)]
struct QueuedOverrun {
    subscription: SubscriptionId,
    owner: Owner,
    lives_on: bool,
    rest: Result<Range<usize>, PrivateBudgetSpent>,
}

/// The overruns that their owners have not fetched yet.
#[derive(Debug, Default)]
pub(super) struct OverrunQueue {
    events: VecDeque<QueuedOverrun>,
    /// The private rests of all of them, one behind the other. The budget of private rests bounds
    /// it.
    pub(super) rests: Vec<u8>,
}

impl OverrunQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// `rest` is a range of `rests`.
    pub(super) fn push(
        &mut self,
        (subscription, owner): (SubscriptionId, Owner),
        lives_on: bool,
        rest: Result<Range<usize>, PrivateBudgetSpent>,
    ) {
        self.events.push_back(QueuedOverrun { subscription, owner, lives_on, rest });
    }

    /// A subscriber leaves before its overrun has been fetched: appends the rest of its frame,
    /// which must be sent before anything else, to `out`. Returns whether there was one.
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

    pub(super) fn pop(&mut self) -> Option<Overrun<'_>> {
        let Some(QueuedOverrun { subscription, owner, lives_on, rest }) = self.events.pop_front()
        else {
            self.rests.clear();
            return None;
        };
        Some(Overrun { subscription, owner, lives_on, rest: rest.map(|range| &self.rests[range]) })
    }

    /// How many of them end a subscription.
    #[cfg(test)]
    pub(super) fn ended(&self) -> usize {
        self.events.iter().filter(|event| !event.lives_on).count()
    }
}
