//! The subscribers of one form of a channel, in one array of three parts:
//!
//! ```text
//!  0           position          awake            len
//!  │  visited  │  to be visited  │    blocked     │
//! ```
//!
//! The sweep moves `position` up to `awake`, and begins again at 0. It never reads the blocked
//! part, so ten thousand blocked subscribers cost the others nothing; and only that part is
//! searched when a segment is cut off the log. A subscriber leaves the visited part by two swaps,
//! across `position` and across `awake`, so that no subscriber still to be visited is moved into
//! the visited part.

use super::cursor::Cursor;
use super::subscriptions::{Owner, SubscriptionId, Subscriptions};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

/// One subscriber, in half a cache line: the sweep reads nothing else of it.
#[derive(Clone, Copy, Debug)]
struct Subscriber {
    number: u64,
    offset: u64,
    owner: Owner,
    subscription: SubscriptionId,
    under_way_bytes: u32,
}

const _: () = assert!(size_of::<Subscriber>() == 32, "two subscribers per cache line");

/// An array with room for more subscribers is shrunk when over three quarters of it are unused.
const SHRUNK_ABOVE: usize = 64;

/// The subscribers of one form; see the module comment.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    entries: Vec<Subscriber>,
    /// The index at which the sweep goes on. Invariant: `position <= awake <= entries.len()`.
    position: u32,
    awake: u32,
}

impl Subscribers {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_blocked(&self, index: usize) -> bool {
        index >= self.awake as usize
    }

    /// Returns the indices of the blocked subscribers.
    pub(super) fn blocked(&self) -> std::ops::Range<usize> {
        self.awake as usize..self.entries.len()
    }

    pub(super) fn cursor(&self, index: usize) -> Cursor {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Subscriber);
        let Subscriber { number, offset, under_way_bytes, .. } = self.entries[index];
        Cursor { number, offset, under_way_bytes }
    }

    pub(super) fn set_cursor(&mut self, index: usize, cursor: Cursor) {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Subscriber);
        let subscriber = &mut self.entries[index];
        subscriber.number = cursor.number;
        subscriber.offset = cursor.offset;
        subscriber.under_way_bytes = cursor.under_way_bytes;
    }

    pub(super) fn subscription(&self, index: usize) -> (SubscriptionId, Owner) {
        (self.entries[index].subscription, self.entries[index].owner)
    }

    pub(super) fn is_at(&self, index: usize, subscription: SubscriptionId) -> bool {
        self.entries.get(index).is_some_and(|subscriber| subscriber.subscription == subscription)
    }

    /// Returns every cursor, and whether it is blocked.
    pub(super) fn cursors(&self) -> impl Iterator<Item = (Cursor, bool)> {
        (0..self.len()).map(|index| (self.cursor(index), self.is_blocked(index)))
    }

    /// Returns the index of the next subscriber, in the order of the sweep, that is not blocked and
    /// whose cursor is before `end`.
    pub(super) fn next_behind(&mut self, end: u64) -> Option<usize> {
        // Scans from here to the end, then once more from the start: this ends even if no
        // subscriber is behind, which the log's tally rules out.
        for _ in 0..2 {
            let waiting = &self.entries[self.position as usize..self.awake as usize];
            let found = waiting.iter().position(|subscriber| subscriber.offset < end);
            #[cfg(any(test, fuzzing))]
            work::note_many(Work::Subscriber, found.map_or(waiting.len(), |distance| distance + 1));
            if let Some(distance) = found {
                self.position += distance as u32 + 1;
                return Some(self.position as usize - 1);
            }
            self.position = 0;
        }
        None
    }

    /// Adds a subscriber to the part that is not blocked.
    pub(super) fn join(
        &mut self,
        subscription: SubscriptionId,
        owner: Owner,
        cursor: Cursor,
        places: &mut Subscriptions,
    ) {
        if self.entries.len() == self.entries.capacity() {
            // Capacities double from one, because most of a million channels have one subscriber.
            self.entries.reserve_exact(self.entries.len().max(1));
        }
        let Cursor { number, offset, under_way_bytes } = cursor;
        let index = self.entries.len();
        self.entries.push(Subscriber { number, offset, owner, subscription, under_way_bytes });
        places.moved(subscription, index);
        self.unblock(index, places);
    }

    /// Moves all cursors to the start of a log that has just received its first number.
    pub(super) fn begin_at(&mut self, cursor: Cursor) {
        for index in 0..self.entries.len() {
            self.set_cursor(index, cursor);
        }
    }

    /// Removes a subscriber. The caller must remove its id from `places`.
    pub(super) fn remove(&mut self, index: usize, places: &mut Subscriptions) {
        let index = if self.is_blocked(index) { index } else { self.block(index, places) };
        self.swap(index, self.entries.len() - 1, places);
        self.entries.pop();
        if self.entries.capacity() > SHRUNK_ABOVE
            && self.entries.len() < self.entries.capacity() / 4
        {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Moves a subscriber that is not blocked to the blocked part. Returns its new index.
    pub(super) fn block(&mut self, index: usize, places: &mut Subscriptions) -> usize {
        debug_assert!(!self.is_blocked(index), "blocked twice");
        let mut index = index;
        if index < self.position as usize {
            self.position -= 1;
            self.swap(index, self.position as usize, places);
            index = self.position as usize;
        }
        self.awake -= 1;
        self.swap(index, self.awake as usize, places);
        self.awake as usize
    }

    /// Moves a blocked subscriber to the end of the part that is not blocked. Returns its new
    /// index.
    pub(super) fn unblock(&mut self, index: usize, places: &mut Subscriptions) -> usize {
        debug_assert!(self.is_blocked(index), "not blocked");
        self.swap(index, self.awake as usize, places);
        self.awake += 1;
        self.awake as usize - 1
    }

    /// Continues the sweep at this subscriber. Only allowed if no other is due, because the sweep
    /// skips all others.
    pub(super) fn visit_next(&mut self, index: usize) {
        self.position = index as u32;
    }

    fn swap(&mut self, a: usize, b: usize, places: &mut Subscriptions) {
        if a == b {
            return;
        }
        #[cfg(any(test, fuzzing))]
        work::note(Work::Subscriber);
        self.entries.swap(a, b);
        places.moved(self.entries[a].subscription, a);
        places.moved(self.entries[b].subscription, b);
    }

    #[cfg(test)]
    pub(super) fn next_to_look_at(&self) -> usize {
        self.position as usize
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self, form: super::form_id::FormId, places: &Subscriptions) {
        assert!(self.position <= self.awake && self.awake as usize <= self.entries.len());
        for (index, subscriber) in self.entries.iter().enumerate() {
            assert_eq!(
                places.place_of(subscriber.subscription),
                Some((form, index)),
                "the location of a subscription is wrong"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel_id::ChannelId;
    use super::super::form_id::{FormId, FormKind};
    use super::*;

    const FORM: FormId = FormId { channel: ChannelId(0), kind: FormKind::Plain };
    const START: Cursor = Cursor { number: 1, offset: 0, under_way_bytes: 0 };

    fn subscribers(count: u64) -> (Subscribers, Subscriptions) {
        let (mut subscribers, mut places) = (Subscribers::default(), Subscriptions::default());
        for owner in 0..count {
            let subscription = places.insert(FORM);
            subscribers.join(subscription, Owner(owner), START, &mut places);
        }
        (subscribers, places)
    }

    fn owners(subscribers: &Subscribers) -> Vec<u64> {
        (0..subscribers.len()).map(|index| subscribers.subscription(index).1.0).collect()
    }

    #[test]
    fn who_leaves_the_visited_part_takes_nobody_across_the_position() {
        let (mut subscribers, mut places) = subscribers(6);
        for _ in 0..3 {
            subscribers.next_behind(1);
        }
        subscribers.block(0, &mut places);
        assert_eq!(
            owners(&subscribers),
            [2, 1, 5, 3, 4, 0],
            "2 | 1 visited, 5 3 4 to be visited, 0 blocked"
        );
        assert_eq!((subscribers.position, subscribers.awake), (2, 5));
        subscribers.check_invariants(FORM, &places);
        subscribers.remove(3, &mut places);
        assert_eq!(owners(&subscribers), [2, 1, 5, 4, 0]);
        assert_eq!((subscribers.position, subscribers.awake), (2, 4));
        subscribers.check_invariants(FORM, &places);
    }

    #[test]
    fn a_scan_of_nobody_behind_ends() {
        let (mut subscribers, _) = subscribers(3);
        assert_eq!(subscribers.next_behind(0), None);
        assert_eq!(Subscribers::default().next_behind(1), None);
    }

    #[test]
    fn a_crowd_that_has_gone_leaves_little_memory_behind() {
        let (mut subscribers, mut places) = subscribers(1_000);
        while subscribers.len() > 10 {
            subscribers.remove(0, &mut places);
        }
        assert!(subscribers.entries.capacity() <= SHRUNK_ABOVE);
    }

    #[test]
    fn a_lone_subscriber_has_a_vector_of_one() {
        assert_eq!(subscribers(1).0.entries.capacity(), 1);
    }
}
