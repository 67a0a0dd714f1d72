//! Segments: the blocks of memory of which logs consist, and their pool.

use super::cursor::Tally;
use super::free_list::FreeList;
use crate::protocol::HEADER_BYTES_MAX;
use std::collections::VecDeque;

/// The size of a log's first segment: a page, enough for a single message of the usual size.
pub(super) const SMALL_SEGMENT_BYTES: usize = 4 << 10;

/// The size of the largest segments: large enough that a burst seldom needs two system calls per
/// reader, small enough that slow subscribers lose little when one is freed. A message of 64 KiB,
/// the default limit, fits with its header, so that it needs no allocation of its own.
pub(super) const LARGE_SEGMENT_BYTES: usize = (64 << 10) + HEADER_BYTES_MAX;

/// The sizes of segments. Each segment of a log is about twice as large as the one before it, so
/// that a log takes little more memory than its frames.
const SIZES: [usize; 5] = [SMALL_SEGMENT_BYTES, 8 << 10, 16 << 10, 32 << 10, LARGE_SEGMENT_BYTES];

/// The segments of a log stay so small that a full channel buffer has at least this many: freeing
/// one drops only a part of the buffer.
const SEGMENTS_PER_LOG_MIN: usize = 4;

/// The number of free segments of each size that are always kept, together 1.8 MiB. Those of the
/// largest size are one full log of the default channel buffer, so that an occasional slow
/// subscriber needs no allocation.
const FREE_KEPT: [usize; SIZES.len()] = [64, 16, 8, 8, 17];
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
    /// The offset of the last frame.
    pub(super) last_start: u64,
    /// The number of cursors whose next byte is in this segment.
    pub(super) tally: Tally,
}

impl Segment {
    /// Returns the offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Returns true if a frame of this size fits into the segment.
    fn has_room_for(&self, frame_bytes: usize) -> bool {
        frame_bytes <= self.bytes.capacity() - self.bytes.len()
    }
}

/// All segments of a hub, in use and free, under one limit. It also keeps the lists in which logs
/// hold their segments, so that an idle channel owns neither.
#[derive(Debug)]
pub(super) struct SegmentPool {
    /// The free segments of each size.
    free: [FreeList<Vec<u8>>; SIZES.len()],
    lists: FreeList<VecDeque<Segment>>,
    /// The capacity of the segments in logs.
    in_use_bytes: usize,
    /// The limit of `in_use_bytes`, the free segments and `aside_bytes` together.
    bytes_max: usize,
    /// Memory that counts towards the limit and is not in segments: the channels and their names.
    aside_bytes: usize,
    /// The size of the largest segment that a log has, unless a frame needs a larger one.
    usual_bytes_max: usize,
    /// The most bytes of a segment with several frames. So a log within its bound always has its
    /// last segment, and in it the newest message.
    shared_bytes_max: usize,
}

impl SegmentPool {
    pub(super) fn new(bytes_max: usize, channel_buffer_bytes: usize) -> SegmentPool {
        let is_usual = |size: &usize| size * SEGMENTS_PER_LOG_MIN <= channel_buffer_bytes;
        SegmentPool {
            free: FREE_KEPT.map(FreeList::new),
            lists: FreeList::new(LIST_FREE_KEPT),
            in_use_bytes: 0,
            bytes_max,
            aside_bytes: 0,
            usual_bytes_max: SIZES.into_iter().rfind(is_usual).unwrap_or(SMALL_SEGMENT_BYTES),
            shared_bytes_max: channel_buffer_bytes,
        }
    }

    /// Returns the memory of the segments in logs.
    pub(super) fn in_use_bytes(&self) -> usize {
        self.in_use_bytes
    }

    /// Returns the memory of all segments, the free ones included.
    pub(super) fn allocated_bytes(&self) -> usize {
        let free = self.free.iter().zip(SIZES).map(|(free, size)| free.len() * size);
        self.in_use_bytes + free.sum::<usize>()
    }

    /// Sets how much memory counts towards the limit without being in segments.
    pub(super) fn set_aside(&mut self, bytes: usize) {
        self.aside_bytes = bytes;
        self.free_unused(0);
    }

    /// Returns true if a frame of this size is appended to the last segment of a log. If not, it
    /// begins a new one.
    pub(super) fn fits_in(&self, segment: &Segment, frame_bytes: usize) -> bool {
        segment.has_room_for(frame_bytes)
            && segment.bytes.len() + frame_bytes <= self.shared_bytes_max
    }

    /// Returns the size of the segment that a frame would begin after one of `previous` bytes; zero
    /// if it is the first of its log. A frame that is larger than the largest size gets a segment
    /// of its own size.
    pub(super) fn capacity_for(&self, frame_bytes: usize, previous: usize) -> usize {
        let wanted = frame_bytes.max(previous.saturating_mul(2).min(self.usual_bytes_max));
        SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(wanted)
    }

    /// Returns true if a segment is available within the limit once `freed_bytes` have been
    /// returned.
    pub(super) fn has_room_for(&self, capacity: usize, freed_bytes: usize) -> bool {
        // Free segments do not count: `take` frees them if they take up the limit.
        let needed_bytes = self.in_use_bytes - freed_bytes + self.aside_bytes;
        capacity <= self.bytes_max.saturating_sub(needed_bytes)
    }

    /// Returns how many bytes must become free before a segment of this capacity is available.
    pub(super) fn bytes_short_of(&self, capacity: usize) -> usize {
        let needed_bytes = self.in_use_bytes.saturating_add(self.aside_bytes);
        needed_bytes.saturating_add(capacity).saturating_sub(self.bytes_max)
    }

    /// Returns the memory of a segment. `has_room_for` must have returned true.
    pub(super) fn take(&mut self, capacity: usize) -> Vec<u8> {
        let free = self.free_of(capacity).and_then(FreeList::take);
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
        if let Some(free) = self.free_of(bytes.capacity()) {
            free.give(bytes);
        }
    }

    /// Returns the free segments of a size; `None` if it is not one of the usual sizes.
    fn free_of(&mut self, capacity: usize) -> Option<&mut FreeList<Vec<u8>>> {
        let place = SIZES.iter().position(|size| *size == capacity)?;
        Some(&mut self.free[place])
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
        self.free.iter_mut().for_each(FreeList::trim);
        self.lists.trim();
    }

    /// Frees unused segments until a new one of this capacity fits within the limit.
    fn free_unused(&mut self, capacity: usize) {
        while self.allocated_bytes() + self.aside_bytes + capacity > self.bytes_max {
            if !self.free.iter_mut().rev().any(|free| free.take().is_some()) {
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
    fn each_segment_of_a_log_is_twice_the_one_before_as_far_as_its_buffer_is_worth_it() {
        let roomy = pool(1 << 20);
        let sizes = |pool: &SegmentPool| {
            let next = |size: &usize| Some(pool.capacity_for(66, *size));
            std::iter::successors(next(&0), next).take(6).collect::<Vec<_>>()
        };
        let [kib_4, large] = [SMALL_SEGMENT_BYTES, LARGE_SEGMENT_BYTES];
        assert_eq!(sizes(&roomy), [kib_4, 2 * kib_4, 4 * kib_4, 8 * kib_4, large, large]);
        assert_eq!(roomy.capacity_for(5_000, 0), 2 * kib_4);
        assert_eq!(roomy.capacity_for((64 << 10) + 10, kib_4), large);
        assert_eq!(roomy.capacity_for(70_000, large), 70_000);
        assert_eq!(roomy.capacity_for(66, 70_000), large);
        let tight = SegmentPool::new(1 << 20, 64 << 10);
        assert_eq!(sizes(&tight)[2..], [4 * kib_4; 4], "a quarter of its buffer");
        assert_eq!(sizes(&SegmentPool::new(1 << 20, 100)), [kib_4; 6]);
    }

    #[test]
    fn what_is_set_aside_is_not_there_for_segments() {
        let mut pool = pool(3 * SMALL_SEGMENT_BYTES);
        pool.set_aside(SMALL_SEGMENT_BYTES + 1);
        assert!(pool.has_room_for(SMALL_SEGMENT_BYTES, 0));
        pool.take(SMALL_SEGMENT_BYTES);
        assert!(!pool.has_room_for(SMALL_SEGMENT_BYTES, 0));
        assert_eq!(pool.bytes_short_of(SMALL_SEGMENT_BYTES), 1);
    }
}
