//! Subscribers that were overrun: the messages after their cursors are no longer in the log. This
//! happens during a publish, which must not touch other connections, so the owners fetch it from
//! this queue later.

use super::private::PrivateBudgetSpent;
use super::subscriptions::{Owner, SubscriptionId};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};
use std::collections::VecDeque;
use std::ops::Range;

/// A slow subscriber whose unread messages are no longer in its channel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overrun<'h> {
    /// Its subscription.
    pub subscription: SubscriptionId,
    /// Its owner.
    pub owner: Owner,
    /// The subscription goes on at a later message (`skip`, `latest`), still blocked. Otherwise it
    /// has ended, and its id must not be used any more.
    pub lives_on: bool,
    /// The rest of the frame that is partly sent; empty between frames. It is now private to the
    /// connection: the owner must send it before anything else, and report it to
    /// [`Hub::private_sent`](super::Hub::private_sent). An error: there is no budget for it, the
    /// owner must reset the connection, and `lives_on` is false.
    pub rest: Result<&'h [u8], PrivateBudgetSpent>,
}

/// An [`Overrun`] that was not fetched yet; its rest is a range of `OverrunQueue::rests`.
#[derive(Debug)]
struct QueuedOverrun {
    subscription: SubscriptionId,
    owner: Owner,
    lives_on: bool,
    rest: Result<Range<usize>, PrivateBudgetSpent>,
}

/// The overruns (subscribers that lost unread messages) that owners have not fetched yet.
#[derive(Debug, Default)]
pub(super) struct OverrunQueue {
    events: VecDeque<QueuedOverrun>,
    /// The rests of partly sent frames of all queued overruns, one after the other, limited by the
    /// budget of private rests.
    pub(super) rests: Vec<u8>,
}

impl OverrunQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Adds an overrun. `rest` is a range of `rests`.
    pub(super) fn push(
        &mut self,
        (subscription, owner): (SubscriptionId, Owner),
        lives_on: bool,
        rest: Result<Range<usize>, PrivateBudgetSpent>,
    ) {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Entry);
        self.events.push_back(QueuedOverrun { subscription, owner, lives_on, rest });
    }

    /// Takes the rest of a partly sent frame out of the queued overrun of a subscription that ends,
    /// and appends it to `out`: it must be sent before anything else. Returns true if there was a
    /// rest.
    pub(super) fn take_rest(
        &mut self,
        subscription: SubscriptionId,
        out: &mut Vec<u8>,
    ) -> Result<bool, PrivateBudgetSpent> {
        for event in &mut self.events {
            #[cfg(any(test, fuzzing))]
            work::note(Work::Entry);
            if event.subscription != subscription {
                continue;
            }
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

    /// Returns how many of the queued overruns end a subscription.
    #[cfg(test)]
    pub(super) fn ended(&self) -> usize {
        self.events.iter().filter(|event| !event.lives_on).count()
    }
}
