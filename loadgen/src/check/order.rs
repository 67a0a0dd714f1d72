//! Checks that all receivers received the messages of all publishers in the same order. Each
//! receiver's order is reduced to one hash, so no messages are kept. Two receivers of the same
//! messages have the same hash only if the order was the same.
use std::collections::HashMap;

use super::payload::mix;

#[derive(Default)]
pub(crate) struct Orders {
    /// For each receiver of this thread, the hash of what it has received so far.
    numbers: Vec<u64>,
    /// How many receivers ended with each hash. Filled by [`Orders::close`].
    seen: HashMap<u64, u64>,
}

impl Orders {
    pub(crate) fn new(receivers: usize) -> Orders {
        Orders { numbers: vec![0; receivers], seen: HashMap::new() }
    }

    pub(crate) fn note(&mut self, receiver: usize, publisher: usize, sequence: u32) {
        let number = &mut self.numbers[receiver];
        *number = mix(*number ^ (publisher as u64) << 32 ^ u64::from(sequence)).wrapping_add(1);
    }

    /// Counts the final hash of a receiver that has received everything.
    pub(crate) fn close(&mut self, receiver: usize) {
        *self.seen.entry(self.numbers[receiver]).or_default() += 1;
    }

    pub(crate) fn absorb(&mut self, other: Orders) {
        for (number, receivers) in other.seen {
            *self.seen.entry(number).or_default() += receivers;
        }
    }

    /// Returns how many receivers had a different order from the most common one.
    pub(crate) fn others(&self) -> u64 {
        self.seen.values().sum::<u64>() - self.seen.values().max().unwrap_or(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_another_order_is_found_on_any_thread() {
        let mut threads = [Orders::new(2), Orders::new(1)];
        let order = |orders: &mut Orders, receiver, messages: [(usize, u32); 3]| {
            messages
                .into_iter()
                .for_each(|(publisher, sequence)| orders.note(receiver, publisher, sequence));
            orders.close(receiver);
        };
        order(&mut threads[0], 0, [(0, 0), (1, 0), (0, 1)]);
        order(&mut threads[0], 1, [(0, 0), (0, 1), (1, 0)]);
        order(&mut threads[1], 0, [(0, 0), (1, 0), (0, 1)]);
        let [mut one, other] = threads;
        one.absorb(other);
        assert_eq!(one.others(), 1);
        assert_eq!(Orders::new(0).others(), 0);
    }
}
