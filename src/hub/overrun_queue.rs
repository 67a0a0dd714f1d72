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
    /// The number of the overrun of the same owner that came before this one, if there was one.
    earlier: Option<u64>,
    /// The overrun was fetched, or dropped, before earlier ones in the queue.
    is_done: bool,
}

/// The overruns (subscribers that lost unread messages) that owners have not fetched yet, at most
/// one of each subscription.
#[derive(Debug, Default)]
pub(super) struct OverrunQueue {
    events: VecDeque<QueuedOverrun>,
    /// The number of the first of `events`. They are numbered in the order in which they came.
    first: u64,
    by_subscription: HashMap<SubscriptionId, u64>,
    by_owner: HashMap<Owner, OfOwner>,
    rests: Rests,
}

/// The overruns of one owner, which may have many subscriptions. At least one is left.
#[derive(Debug)]
struct OfOwner {
    /// The number of the latest overrun that is not done, or of a later one that is done.
    latest: u64,
    left: u32,
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

    fn lend(&self, event: &QueuedOverrun) -> Overrun<'_> {
        let QueuedOverrun { subscription, owner, lives_on, ref rest, .. } = *event;
        let rest = rest.as_ref().map(|range| self.slice(range.clone())).map_err(|spent| *spent);
        Overrun { subscription, owner, lives_on, rest }
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

    /// Returns true if an owner has an overrun that it has not fetched yet.
    #[inline(never)]
    pub(super) fn concerns(&self, owner: Owner) -> bool {
        self.by_owner.contains_key(&owner)
    }

    #[cfg(test)]
    pub(super) fn contains(&self, subscription: SubscriptionId) -> bool {
        self.by_subscription.contains_key(&subscription)
    }

    /// Lends the rests, so that the rest of the next overrun can be appended to them.
    pub(super) fn take_rests(&mut self) -> Rests {
        if self.is_empty() {
            // Overruns that were fetched out of order are still in `events`, although they are
            // done.
            self.first += self.events.len() as u64;
            self.events.clear();
            self.rests.free_before(self.rests.end());
        }
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
            self.events[(number - self.first) as usize].lives_on &= lives_on;
            return;
        }
        let number = self.first + self.events.len() as u64;
        self.by_subscription.insert(subscription, number);
        let mut earlier = None;
        let of_owner = self.by_owner.entry(owner).or_insert(OfOwner { latest: number, left: 0 });
        if of_owner.left > 0 {
            earlier = Some(std::mem::replace(&mut of_owner.latest, number));
        }
        of_owner.left += 1;
        let is_done = false;
        self.events.push_back(QueuedOverrun {
            subscription,
            owner,
            lives_on,
            rest,
            earlier,
            is_done,
        });
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
        let event = &mut self.events[(number - self.first) as usize];
        let range = event.rest.as_mut().map_err(|spent| *spent)?;
        out.extend_from_slice(self.rests.slice(range.clone()));
        let had_rest = !range.is_empty();
        range.start = range.end;
        Ok(had_rest)
    }

    /// Drops the overrun of a subscription that had lived on and now ends, because its id may be
    /// used again. Returns how many bytes the rest of its partly sent frame has.
    pub(super) fn forget(&mut self, subscription: SubscriptionId) -> usize {
        let Some(number) = self.by_subscription.get(&subscription) else { return 0 };
        let number = *number;
        let event = &self.events[(number - self.first) as usize];
        let rest = event.rest.clone().unwrap_or_default();
        self.done(number);
        (rest.end - rest.start) as usize
    }

    /// Takes the oldest overrun.
    pub(super) fn pop(&mut self) -> Option<Overrun<'_>> {
        loop {
            let Some(event) = self.events.front() else {
                self.rests.free_before(self.rests.end());
                return None;
            };
            #[cfg(any(test, fuzzing))]
            work::note(Work::Entry);
            let is_done = event.is_done;
            if !is_done {
                self.done(self.first);
            }
            let event = self.events.pop_front()?;
            self.first += 1;
            if !is_done {
                if let Ok(range) = &event.rest {
                    self.rests.free_before(range.start);
                }
                return Some(self.rests.lend(&event));
            }
        }
    }

    /// Takes an overrun of this owner, not always the oldest.
    pub(super) fn pop_of(&mut self, owner: Owner) -> Option<Overrun<'_>> {
        let mut number = self.by_owner.get(&owner)?.latest;
        let index = loop {
            #[cfg(any(test, fuzzing))]
            work::note(Work::Entry);
            let index = (number - self.first) as usize;
            let event = &self.events[index];
            if !event.is_done {
                break index;
            }
            number = event.earlier?;
        };
        // The next search for an overrun of this owner begins at the one before.
        if let (Some(of_owner), Some(earlier)) =
            (self.by_owner.get_mut(&owner), self.events[index].earlier)
        {
            of_owner.latest = earlier;
        }
        self.done(number);
        Some(self.rests.lend(&self.events[index]))
    }

    fn done(&mut self, number: u64) {
        let event = &mut self.events[(number - self.first) as usize];
        event.is_done = true;
        self.by_subscription.remove(&event.subscription);
        if let Some(of_owner) = self.by_owner.get_mut(&event.owner) {
            of_owner.left -= 1;
            if of_owner.left == 0 {
                self.by_owner.remove(&event.owner);
            }
        }
    }

    /// Returns how many of the queued overruns end a subscription.
    #[cfg(test)]
    pub(super) fn ended(&self) -> usize {
        self.events.iter().filter(|event| !event.is_done && !event.lives_on).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel_id::ChannelId;
    use super::super::form_id::FormKind;
    use super::super::subscriptions::Subscriptions;
    use super::*;
    use proptest::prelude::*;

    const OWNERS: usize = 4;

    /// An overrun as a naive queue keeps it: subscription, owner, whether the subscription lives
    /// on, and the rest.
    type Naive = (SubscriptionId, Owner, bool, Vec<u8>);

    fn push(queue: &mut OverrunQueue, (subscription, owner, lives_on, rest): &Naive) {
        let mut rests = queue.take_rests();
        let start = rests.end();
        rests.bytes.extend_from_slice(rest);
        queue.push((*subscription, *owner), *lives_on, Ok(start..rests.end()));
        queue.give_rests_back(rests);
    }

    fn naive(overrun: Option<Overrun<'_>>) -> Option<Naive> {
        overrun.map(|Overrun { subscription, owner, lives_on, rest }| {
            (subscription, owner, lives_on, rest.expect("it had a budget").to_vec())
        })
    }

    proptest! {
        /// Compares the queue with a naive one that is searched from the front for every entry.
        #[test]
        fn a_queue_with_an_index_is_what_a_queue_is(
            steps in prop::collection::vec((0..20_usize, 0..8_u8, 0..50_usize), 0..200),
        ) {
            let mut ids = Subscriptions::default();
            let form = ChannelId(0).form(FormKind::Plain);
            let ids: Vec<_> = (0..20).map(|_| ids.insert(form)).collect();
            let (mut queue, mut all) = (OverrunQueue::default(), Vec::<Naive>::new());
            for (which, step, bytes) in steps {
                let (subscription, owner) = (ids[which], Owner((which % OWNERS) as u64));
                let place = all.iter().position(|one| one.0 == subscription);
                match step {
                    0 => {
                        let expected = (!all.is_empty()).then(|| all.remove(0));
                        prop_assert_eq!(naive(queue.pop()), expected);
                    }
                    1 => {
                        let of_owner = naive(queue.pop_of(owner));
                        prop_assert_eq!(of_owner.is_some(), all.iter().any(|one| one.1 == owner));
                        let is_taken = |one: &Naive| Some(one) == of_owner.as_ref();
                        let place = all.iter().position(is_taken);
                        prop_assert_eq!(place.is_some(), of_owner.is_some());
                        place.map(|place| all.remove(place));
                    }
                    2 => {
                        let expected = place.map_or(0, |place| all.remove(place).3.len());
                        prop_assert_eq!(queue.forget(subscription), expected);
                    }
                    3 => {
                        let mut out = Vec::new();
                        let rest = place.map(|place| std::mem::take(&mut all[place].3));
                        let rest = rest.unwrap_or_default();
                        let taken = queue.take_rest(subscription, &mut out);
                        prop_assert_eq!(taken, Ok(!rest.is_empty()));
                        prop_assert_eq!(out, rest);
                    }
                    _ => match place {
                        Some(place) => {
                            push(&mut queue, &(subscription, owner, step > 5, Vec::new()));
                            all[place].2 &= step > 5;
                        }
                        None => {
                            all.push((subscription, owner, step > 5, vec![which as u8; bytes]));
                            push(&mut queue, &all[all.len() - 1]);
                        }
                    },
                }
                for owner in (0..OWNERS as u64).map(Owner) {
                    prop_assert_eq!(queue.concerns(owner), all.iter().any(|one| one.1 == owner));
                }
                prop_assert_eq!(queue.ended(), all.iter().filter(|one| !one.2).count());
            }
            for expected in all {
                prop_assert_eq!(naive(queue.pop()), Some(expected));
            }
            prop_assert!(queue.pop().is_none() && queue.is_empty() && queue.by_owner.is_empty());
        }
    }

    #[test]
    fn overruns_that_are_never_fetched_in_their_order_do_not_gather() {
        let (mut ids, mut queue) = (Subscriptions::default(), OverrunQueue::default());
        for number in 0..100 {
            let subscription = ids.insert(ChannelId(0).form(FormKind::Plain));
            push(&mut queue, &(subscription, Owner(1), true, vec![0; 9]));
            match number % 2 {
                0 => assert!(queue.pop_of(Owner(1)).is_some()),
                _ => assert_eq!(queue.forget(subscription), 9),
            }
        }
        assert_eq!((queue.events.len(), queue.rests.bytes.len()), (1, 9));
    }

    #[test]
    fn the_overruns_of_an_owner_of_many_subscriptions_are_found_without_a_search() {
        let (mut ids, mut queue) = (Subscriptions::default(), OverrunQueue::default());
        let ids: Vec<_> =
            (0..3_000).map(|_| ids.insert(ChannelId(0).form(FormKind::Plain))).collect();
        for (number, id) in ids.iter().enumerate() {
            push(&mut queue, &(*id, Owner(number as u64 % 2), true, Vec::new()));
        }
        // Most overruns of the first owner are dropped.
        ids.iter().step_by(2).take(1_400).for_each(|id| assert_eq!(queue.forget(*id), 0));
        work::take();
        for (owner, left) in [(Owner(0), 100), (Owner(1), 1_500)] {
            for _ in 0..left {
                assert_eq!(queue.pop_of(owner).map(|overrun| overrun.owner), Some(owner));
            }
            assert!(queue.pop_of(owner).is_none());
        }
        assert_eq!(work::take()[Work::Entry as usize], 1_600, "each was looked at once");
    }
}
