//! A free list: unused items kept for their next use, and dropped if they are not needed for long.

/// The most items that one call of `trim` drops, because freeing memory takes time too.
const TRIMMED_MAX: usize = 64;

/// A stack of unused items.
#[derive(Debug)]
pub(super) struct FreeList<T> {
    items: Vec<T>,
    /// The smallest length of the list since the last trim: this many items have not been needed.
    fewest: usize,
    /// `trim` keeps at least this many items.
    kept: usize,
}

impl<T> FreeList<T> {
    pub(super) fn new(kept: usize) -> FreeList<T> {
        FreeList { items: Vec::new(), fewest: 0, kept }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn take(&mut self) -> Option<T> {
        let item = self.items.pop();
        self.fewest = self.fewest.min(self.items.len());
        item
    }

    pub(super) fn give(&mut self, item: T) {
        self.items.push(item);
    }

    /// Drops half of the items that were not needed since the last call. So items that a periodic
    /// load needs are kept, and those of a single peak are dropped within a few calls.
    pub(super) fn trim(&mut self) {
        let surplus = self.fewest.min(self.items.len().saturating_sub(self.kept));
        self.items.truncate(self.items.len() - surplus.div_ceil(2).min(TRIMMED_MAX));
        self.fewest = self.items.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_needed_since_the_last_trim_stays() {
        let mut free_list = FreeList::new(1);
        (0..8).for_each(|item| free_list.give(item));
        free_list.trim();
        assert_eq!(free_list.len(), 8, "they were all in use at some time before the first trim");
        for _ in 0..6 {
            free_list.take();
        }
        (0..6).for_each(|item| free_list.give(item));
        free_list.trim();
        assert_eq!(free_list.len(), 7, "two were not needed, and one of them goes");
    }

    #[test]
    fn a_peak_is_forgotten_but_for_the_kept_ones() {
        let mut free_list = FreeList::new(3);
        (0..100).for_each(|item| free_list.give(item));
        for _ in 0..20 {
            free_list.trim();
        }
        assert_eq!(free_list.len(), 3);
    }
}
