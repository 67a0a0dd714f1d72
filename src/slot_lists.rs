//! Linked lists of slots, all in one array. A slot is a small number, such as an index into a slab,
//! and is in at most one list. Every operation takes constant time, and none allocates once the
//! array has an entry for each slot.

/// Some lists of slots; see the module comment.
#[derive(Debug)]
pub(crate) struct SlotLists {
    /// First one entry per list, which closes the list to a circle, then one entry per slot. A slot
    /// that is in no list points to itself.
    links: Vec<Link>,
    lists: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    previous: u32,
}

impl SlotLists {
    /// Makes this many empty lists, numbered from zero.
    pub(crate) fn new(lists: u32) -> SlotLists {
        let links = (0..lists).map(|list| Link { next: list, previous: list }).collect();
        SlotLists { links, lists }
    }

    /// Appends a slot, which is in no list, to a list.
    pub(crate) fn push_back(&mut self, list: u32, slot: usize) {
        debug_assert!(!self.contains(slot), "a slot is in one list at a time");
        let place = self.place(slot);
        while self.links.len() <= place as usize {
            let alone = self.links.len() as u32;
            self.links.push(Link { next: alone, previous: alone });
        }
        let previous = std::mem::replace(&mut self.links[list as usize].previous, place);
        self.links[previous as usize].next = place;
        self.links[place as usize] = Link { next: list, previous };
    }

    /// Removes a slot from its list. Returns false if it is in no list.
    pub(crate) fn remove(&mut self, slot: usize) -> bool {
        if !self.contains(slot) {
            return false;
        }
        let place = self.place(slot);
        let Link { next, previous } = self.links[place as usize];
        self.links[previous as usize].next = next;
        self.links[next as usize].previous = previous;
        self.links[place as usize] = Link { next: place, previous: place };
        true
    }

    pub(crate) fn contains(&self, slot: usize) -> bool {
        let place = self.place(slot);
        self.links.get(place as usize).is_some_and(|link| link.next != place)
    }

    /// Returns the first slot of a list.
    pub(crate) fn front(&self, list: u32) -> Option<usize> {
        self.slot_at(self.links[list as usize].next)
    }

    /// Returns the last slot of a list.
    pub(crate) fn back(&self, list: u32) -> Option<usize> {
        self.slot_at(self.links[list as usize].previous)
    }

    /// Returns the slot before this one in its list.
    pub(crate) fn before(&self, slot: usize) -> Option<usize> {
        self.slot_at(self.links[self.place(slot) as usize].previous)
    }

    fn place(&self, slot: usize) -> u32 {
        // A slab that is indexed with 32 bits has fewer slots than this addition could overflow.
        self.lists + slot as u32
    }

    fn slot_at(&self, place: u32) -> Option<usize> {
        place.checked_sub(self.lists).map(|slot| slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compares the lists with a naive implementation: one queue per list, searched for the
        /// slot that is removed.
        #[test]
        fn lists_are_what_queues_of_slots_are(
            steps in prop::collection::vec((0..3u32, 0..12usize, 0..4u8), 0..200),
        ) {
            let mut lists = SlotLists::new(3);
            let mut naive = vec![VecDeque::new(); 3];
            for (list, slot, step) in steps {
                let is_in = naive.iter().any(|queue| queue.contains(&slot));
                prop_assert_eq!(lists.contains(slot), is_in);
                match step {
                    0 => {
                        prop_assert_eq!(lists.remove(slot), is_in);
                        naive.iter_mut().for_each(|queue| queue.retain(|other| *other != slot));
                    }
                    1 => {
                        let front = lists.front(list);
                        prop_assert_eq!(front, naive[list as usize].pop_front());
                        front.into_iter().for_each(|front| assert!(lists.remove(front)));
                    }
                    _ if !is_in => {
                        lists.push_back(list, slot);
                        naive[list as usize].push_back(slot);
                    }
                    _ => {}
                }
                for (list, queue) in naive.iter().enumerate() {
                    for pair in queue.iter().collect::<Vec<_>>().windows(2) {
                        prop_assert_eq!(lists.before(*pair[1]), Some(*pair[0]));
                    }
                    prop_assert_eq!(lists.front(list as u32), queue.front().copied());
                    prop_assert_eq!(lists.back(list as u32), queue.back().copied());
                }
            }
        }
    }
}
