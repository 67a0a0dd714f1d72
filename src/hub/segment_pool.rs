//! Segments: the blocks of memory of which logs consist, and their pool.

use super::cursor::Tally;
use super::free_list::FreeList;
use crate::protocol::HEADER_BYTES_MAX;
use std::collections::VecDeque;

/// The size of a log's first segment: a page, enough for a single message of the usual size.
pub(super) const SMALL_SEGMENT_BYTES: usize = 4 << 10;

/// The size of a log's further segments: large enough that a burst seldom needs two system calls
/// per reader, small enough that slow subscribers lose little when one is freed. A message of 64
/// KiB, the default limit, fits with its header, so that it needs no allocation of its own.
pub(super) const LARGE_SEGMENT_BYTES: usize = (64 << 10) + HEADER_BYTES_MAX;

/// If a channel buffer holds fewer large segments than this, only small ones are used: freeing a
/// large one would drop most of the buffer at once.
const SEGMENTS_PER_LOG_MIN: usize = 4;

/// The number of free segments of each kind that are always kept, together 1.3 MiB. The large ones
/// are one full log of the default channel buffer, so that an occasional slow subscriber needs no
/// allocation.
const SMALL_FREE_KEPT: usize = 64;
const LARGE_FREE_KEPT: usize = 17;
const LIST_FREE_KEPT: usize = 256;

/// Consecutive whole frames of one channel.
#[derive(Debug)]
pub(super) struct Segment {
    /// The frames. Never grows past its capacity: a frame that does not fit begins a new segment.
    pub(super) bytes: Vec<u8>,
    /// The offset of the first byte, counted since the start of the channel.
    pub(super) start: u64,
    /// The number of the first message.
    pub(super) first_number: u64,
    /// The number of cursors whose next byte is in this segment.
    pub(super) tally: Tally,
}

impl Segment {
    /// Returns the offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Returns true if a frame of this size fits into the segment.
    pub(super) fn has_room_for(&self, frame_bytes: usize) -> bool {
        frame_bytes <= self.bytes.capacity() - self.bytes.len()
    }
}

/// All segments of a hub, in use and free, under one limit. It also keeps the lists in which logs
/// hold their segments, so that an idle channel owns neither.
#[derive(Debug)]
pub(super) struct SegmentPool {
    small: FreeList<Vec<u8>>,
    large: FreeList<Vec<u8>>,
    lists: FreeList<VecDeque<Segment>>,
    /// The capacity of the segments in logs.
    in_use_bytes: usize,
    /// The limit of `in_use_bytes` and the free segments together.
    bytes_max: usize,
    /// The most bytes that one log keeps; if few, logs use small segments only.
    channel_buffer_bytes: usize,
}

impl SegmentPool {
    pub(super) fn new(bytes_max: usize, channel_buffer_bytes: usize) -> SegmentPool {
        SegmentPool {
            small: FreeList::new(SMALL_FREE_KEPT),
            large: FreeList::new(LARGE_FREE_KEPT),
            lists: FreeList::new(LIST_FREE_KEPT),
            in_use_bytes: 0,
            bytes_max,
            channel_buffer_bytes,
        }
    }

    /// Returns the memory of the segments in logs.
    pub(super) fn in_use_bytes(&self) -> usize {
        self.in_use_bytes
    }

    /// Returns the memory of all segments, the free ones included.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.in_use_bytes
            + self.small.len() * SMALL_SEGMENT_BYTES
            + self.large.len() * LARGE_SEGMENT_BYTES
    }

    /// Returns the size of the segment that a frame would begin. A frame that is larger than a
    /// large segment gets a segment of its own size.
    pub(super) fn capacity_for(&self, frame_bytes: usize, log_is_empty: bool) -> usize {
        let stays_small =
            log_is_empty || self.channel_buffer_bytes < SEGMENTS_PER_LOG_MIN * LARGE_SEGMENT_BYTES;
        if frame_bytes <= SMALL_SEGMENT_BYTES && stays_small {
            SMALL_SEGMENT_BYTES
        } else {
            frame_bytes.max(LARGE_SEGMENT_BYTES)
        }
    }

    /// Returns true if a segment is available within the limit once `freed_bytes` have been
    /// returned.
    pub(super) fn has_room_for(&self, capacity: usize, freed_bytes: usize) -> bool {
        // Free segments do not count: `take` frees them if they take up the limit.
        capacity <= self.bytes_max.saturating_sub(self.in_use_bytes - freed_bytes)
    }

    /// Returns the memory of a segment. `has_room_for` must have returned true.
    pub(super) fn take(&mut self, capacity: usize) -> Vec<u8> {
        let free = match capacity {
            SMALL_SEGMENT_BYTES => self.small.take(),
            LARGE_SEGMENT_BYTES => self.large.take(),
            _ => None,
        };
        let bytes = free.unwrap_or_else(|| {
            self.free_unused(capacity);
            Vec::with_capacity(capacity)
        });
        self.in_use_bytes += bytes.capacity();
        bytes
    }

    /// Takes back a segment that no cursor needs any more.
    pub(super) fn give(&mut self, mut bytes: Vec<u8>) {
        self.in_use_bytes -= bytes.capacity();
        bytes.clear();
        match bytes.capacity() {
            SMALL_SEGMENT_BYTES => self.small.give(bytes),
            LARGE_SEGMENT_BYTES => self.large.give(bytes),
            _ => drop(bytes),
        }
    }

    pub(super) fn take_list(&mut self) -> VecDeque<Segment> {
        self.lists.take().unwrap_or_default()
    }

    pub(super) fn give_list(&mut self, list: VecDeque<Segment>) {
        debug_assert!(list.is_empty(), "a list of segments still in use");
        self.lists.give(list);
    }

    /// Gives the system a part of the memory that was not needed since the last trim.
    pub(super) fn trim(&mut self) {
        self.small.trim();
        self.large.trim();
        self.lists.trim();
    }

    /// Frees unused segments until a new one of this capacity fits within the limit.
    fn free_unused(&mut self, capacity: usize) {
        while self.allocated_bytes() + capacity > self.bytes_max {
            if self.large.take().or_else(|| self.small.take()).is_none() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(bytes_max: usize) -> SegmentPool {
        SegmentPool::new(bytes_max, 1 << 20)
    }

    #[test]
    fn a_segment_given_back_is_taken_again() {
        let mut pool = pool(1 << 20);
        let first = pool.take(SMALL_SEGMENT_BYTES);
        let address = first.as_ptr();
        assert_eq!((pool.in_use_bytes(), pool.allocated_bytes()), (4096, 4096));
        pool.give(first);
        assert_eq!((pool.in_use_bytes(), pool.allocated_bytes()), (0, 4096));
        let second = pool.take(SMALL_SEGMENT_BYTES);
        assert_eq!(second.as_ptr(), address);
    }

    #[test]
    fn an_oversized_segment_is_freed_afterwards() {
        let mut pool = pool(1 << 20);
        let segment = pool.take(100_000);
        assert_eq!(pool.allocated_bytes(), 100_000);
        pool.give(segment);
        assert_eq!(pool.allocated_bytes(), 0);
    }

    #[test]
    fn free_segments_of_another_class_make_way_at_the_limit() {
        let mut pool = pool(LARGE_SEGMENT_BYTES);
        let small: Vec<_> = (0..16).map(|_| pool.take(SMALL_SEGMENT_BYTES)).collect();
        assert!(!pool.has_room_for(SMALL_SEGMENT_BYTES, 0));
        assert!(pool.has_room_for(SMALL_SEGMENT_BYTES, SMALL_SEGMENT_BYTES));
        small.into_iter().for_each(|segment| pool.give(segment));
        assert!(pool.has_room_for(LARGE_SEGMENT_BYTES, 0));
        let large = pool.take(LARGE_SEGMENT_BYTES);
        assert_eq!(pool.allocated_bytes(), LARGE_SEGMENT_BYTES);
        pool.give(large);
    }

    #[test]
    fn a_log_begins_small_and_goes_on_large_where_its_buffer_is_worth_it() {
        let roomy = pool(1 << 20);
        assert_eq!(roomy.capacity_for(66, true), SMALL_SEGMENT_BYTES);
        assert_eq!(roomy.capacity_for(66, false), LARGE_SEGMENT_BYTES);
        assert_eq!(roomy.capacity_for(5_000, true), LARGE_SEGMENT_BYTES);
        assert_eq!(roomy.capacity_for((64 << 10) + 10, false), LARGE_SEGMENT_BYTES);
        assert_eq!(roomy.capacity_for(70_000, false), 70_000);
        let tight = SegmentPool::new(1 << 20, 64 << 10);
        assert_eq!(tight.capacity_for(66, false), SMALL_SEGMENT_BYTES);
    }
}
