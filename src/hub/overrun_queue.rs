//! Subscribers that were overrun: the messages after their cursors are no longer in the log. This
//! happens during a publish, which must not touch other connections, so the owners fetch it from
//! this queue later.

use super::private::PrivateBudgetSpent;
use super::subscriptions::{Owner, SubscriptionId};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};
use std::collections::{HashMap, VecDeque};
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
    rest: Result<Range<u64>, PrivateBudgetSpent>,
}

/// The overruns (subscribers that lost unread messages) that owners have not fetched yet, at most
/// one of each subscription.
#[derive(Debug, Default)]
pub(super) struct OverrunQueue {
    /// `None` where an overrun was fetched before those in front of it.
    events: VecDeque<Option<QueuedOverrun>>,
    /// The number of the first of `events`. They are numbered in the order in which they came.
    first: u64,
    by_subscription: HashMap<SubscriptionId, u64>,
    rests: Rests,
}

/// The rests of partly sent frames of all queued overruns, one after the other, limited by the
/// budget of private rests. Offsets count from the first rest ever, so they stay valid when the
/// front is freed.
#[derive(Debug, Default)]
pub(super) struct Rests {
    pub(super) bytes: Vec<u8>,
    /// The offset of the first byte.
    start: u64,
}

/// Fetched rests are freed only when they take this many bytes. Freeing moves all later bytes to
/// the front, and so the cost of that is shared by many rests.
const FETCHED_BYTES_MIN: usize = 64 << 10;

impl Rests {
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn slice(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[(range.start - self.start) as usize..(range.end - self.start) as usize]
    }

    /// Frees everything before an offset, unless that is too little to be worth moving the rest.
    fn free_before(&mut self, offset: u64) {
        let fetched = (offset - self.start) as usize;
        if fetched == self.bytes.len() || fetched >= FETCHED_BYTES_MIN.max(self.bytes.len() / 2) {
            self.bytes.drain(..fetched);
            self.start = offset;
        }
    }
}

impl OverrunQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.by_subscription.is_empty()
    }

    /// Returns true if a subscription has an overrun that its owner has not fetched yet.
    pub(super) fn contains(&self, subscription: SubscriptionId) -> bool {
        !self.is_empty() && self.by_subscription.contains_key(&subscription)
    }

    /// Lends the rests, so that the rest of the next overrun can be appended to them.
    pub(super) fn take_rests(&mut self) -> Rests {
        std::mem::take(&mut self.rests)
    }

    pub(super) fn give_rests_back(&mut self, rests: Rests) {
        self.rests = rests;
    }

    /// Adds an overrun. `rest` is a range of the rests.
    pub(super) fn push(
        &mut self,
        (subscription, owner): (SubscriptionId, Owner),
        lives_on: bool,
        rest: Result<Range<u64>, PrivateBudgetSpent>,
    ) {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Entry);
        if let Some(number) = self.by_subscription.get(&subscription) {
            // The subscription was overrun again before its owner has fetched the first overrun.
            // Nothing was sent to it in between, so there is no further rest.
            if let Some(event) = &mut self.events[(number - self.first) as usize] {
                event.lives_on &= lives_on;
            }
            return;
        }
        self.by_subscription.insert(subscription, self.first + self.events.len() as u64);
        self.events.push_back(Some(QueuedOverrun { subscription, owner, lives_on, rest }));
    }

    /// Takes the rest of a partly sent frame out of the queued overrun of a subscription that ends,
    /// and appends it to `out`: it must be sent before anything else. Returns true if there was a
    /// rest.
    pub(super) fn take_rest(
        &mut self,
        subscription: SubscriptionId,
        out: &mut Vec<u8>,
    ) -> Result<bool, PrivateBudgetSpent> {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Entry);
        let Some(number) = self.by_subscription.get(&subscription) else { return Ok(false) };
        let event = self.events[(number - self.first) as usize].as_mut();
        let Some(QueuedOverrun { rest, .. }) = event else { return Ok(false) };
        let range = rest.as_mut().map_err(|spent| *spent)?;
        out.extend_from_slice(self.rests.slice(range.clone()));
        let had_rest = !range.is_empty();
        range.start = range.end;
        Ok(had_rest)
    }

    /// Takes the oldest overrun.
    pub(super) fn pop(&mut self) -> Option<Overrun<'_>> {
        while let Some(event) = self.events.pop_front() {
            self.first += 1;
            if let Some(event) = event {
                if let Ok(range) = &event.rest {
                    self.rests.free_before(range.start);
                }
                return Some(self.fetched(event));
            }
        }
        self.rests.free_before(self.rests.end());
        None
    }

    /// Takes the overrun of a subscription.
    pub(super) fn pop_of(&mut self, subscription: SubscriptionId) -> Option<Overrun<'_>> {
        let number = self.by_subscription.get(&subscription)?;
        let event = self.events[(number - self.first) as usize].take()?;
        Some(self.fetched(event))
    }

    fn fetched(&mut self, event: QueuedOverrun) -> Overrun<'_> {
        let QueuedOverrun { subscription, owner, lives_on, rest } = event;
        self.by_subscription.remove(&subscription);
        Overrun { subscription, owner, lives_on, rest: rest.map(|range| self.rests.slice(range)) }
    }

    /// Returns how many of the queued overruns end a subscription.
    #[cfg(test)]
    pub(super) fn ended(&self) -> usize {
        self.events.iter().flatten().filter(|event| !event.lives_on).count()
    }
}
