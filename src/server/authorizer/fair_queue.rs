//! What waits to be asked, in a queue with a bound in which no address stands in the way of
//! another.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Whoever waits, by address. The addresses take turns, so whoever sends a thousand questions waits
/// behind himself. If the queue is full, a new one takes the place of the last one of the address
/// that has the most.
pub(super) struct FairQueue<T> {
    max: usize,
    len: usize,
    /// The addresses that have something waiting, in the order of their turns.
    turns: VecDeque<IpAddr>,
    /// Invariant: none of them is empty, and each address is in `turns` once.
    waiting: HashMap<IpAddr, VecDeque<T>>,
}

impl<T> FairQueue<T> {
    pub(super) fn new(max: usize) -> FairQueue<T> {
        FairQueue { max, len: 0, turns: VecDeque::new(), waiting: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= self.max
    }

    /// Adds one. If there is no room, returns the one that is left out, which may be another.
    pub(super) fn push(&mut self, address: IpAddr, one: T) -> Option<T> {
        let mut left_out = None;
        if self.is_full() {
            let own = self.waiting.get(&address).map_or(0, VecDeque::len);
            let most = self.waiting.iter().max_by_key(|(_, all)| all.len());
            let Some(longest) = most.filter(|(_, all)| all.len() > own + 1).map(|(ip, _)| *ip)
            else {
                return Some(one);
            };
            // It has two at least, so it is not empty afterwards.
            left_out = self.waiting.get_mut(&longest).and_then(VecDeque::pop_back);
            self.len -= 1;
        }
        let all = self.waiting.entry(address).or_default();
        if all.is_empty() {
            self.turns.push_back(address);
        }
        all.push_back(one);
        self.len += 1;
        left_out
    }

    /// Takes the one whose turn it is, of the addresses that may have one taken.
    pub(super) fn pop(&mut self, may: impl Fn(&IpAddr) -> bool) -> Option<T> {
        let place = self.turns.iter().position(may)?;
        let address = self.turns.remove(place)?;
        let all = self.waiting.get_mut(&address)?;
        let one = all.pop_front();
        if all.is_empty() {
            self.waiting.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        self.len -= 1;
        one
    }

    /// Removes all for which the function returns false, and returns them.
    pub(super) fn remove_unless(&mut self, mut stays: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for all in self.waiting.values_mut() {
            for _ in 0..all.len() {
                match all.pop_front() {
                    Some(one) if stays(&one) => all.push_back(one),
                    one => removed.extend(one),
                }
            }
        }
        self.waiting.retain(|_, all| !all.is_empty());
        self.turns.retain(|address| self.waiting.contains_key(address));
        self.len -= removed.len();
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn all<T>(queue: &mut FairQueue<T>) -> Vec<T> {
        std::iter::from_fn(|| queue.pop(|_| true)).collect()
    }

    #[test]
    fn the_addresses_take_turns() {
        let mut queue = FairQueue::new(100);
        for number in 0..4 {
            assert_eq!(queue.push(ip(1), (1, number)), None);
        }
        queue.push(ip(2), (2, 0));
        queue.push(ip(3), (3, 0));
        queue.push(ip(2), (2, 1));
        assert_eq!(queue.len(), 7);
        let order = [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3)];
        assert_eq!(all(&mut queue), order);
        assert_eq!((queue.len(), queue.turns.len(), queue.waiting.len()), (0, 0, 0));
    }

    #[test]
    fn an_address_that_may_not_keeps_its_turn_and_holds_up_nobody() {
        let mut queue = FairQueue::new(100);
        for number in [1, 2, 1, 2] {
            queue.push(ip(number), number);
        }
        let mut others = || queue.pop(|address| *address != ip(1));
        assert_eq!([others(), others(), others()], [Some(2), Some(2), None]);
        assert_eq!(all(&mut queue), [1, 1]);
    }

    #[test]
    fn in_a_full_queue_whoever_has_most_makes_room_for_the_others() {
        let mut queue = FairQueue::new(4);
        for number in 0..4 {
            queue.push(ip(1), (1, number));
        }
        assert_eq!(queue.push(ip(1), (1, 4)), Some((1, 4)), "it has most itself");
        assert_eq!(queue.push(ip(2), (2, 0)), Some((1, 3)));
        assert_eq!(queue.push(ip(2), (2, 1)), Some((1, 2)));
        assert_eq!(queue.push(ip(2), (2, 2)), Some((2, 2)), "now they have the same");
        assert_eq!(
            queue.push(ip(3), (3, 0)).map(|(from, number)| (from < 3, number)),
            Some((true, 1))
        );
        assert_eq!(
            queue.push(ip(4), (4, 0)).map(|(from, number)| (from < 3, number)),
            Some((true, 1))
        );
        assert_eq!(queue.push(ip(5), (5, 0)), Some((5, 0)), "each has one");
        assert_eq!(all(&mut queue).len(), 4);
    }

    #[test]
    fn what_need_not_wait_any_more_can_be_removed() {
        let mut queue = FairQueue::new(10);
        for number in 0..6 {
            queue.push(ip(number % 2), number);
        }
        let mut removed = queue.remove_unless(|number| *number == 3 || *number == 5);
        removed.sort_unstable();
        assert_eq!(removed, [0, 1, 2, 4]);
        assert_eq!((queue.len(), queue.turns.len()), (2, 1));
        assert_eq!(all(&mut queue), [3, 5]);
    }
}
