//! The log of one channel: encoded frames in the order of their numbers. A frame is kept until
//! every cursor has passed it, or until the log is full.
//!
//! ```text
//!          front                       back
//!  ───────┬───────────────────────────┬─────────────────┐
//!  (gone) │ 41 │ 42 │ 43 │ 44 │ 45   │ 46 │ 47 │ 48    │ 49 …   `next` = 49, at offset `end`
//!  ───────┴───────────────────────────┴─────────────────┘
//!  tallies:   cursors 3, blocked 3        cursors 1          caught up: cursors 996
//! ```
//!
//! Offsets count the channel's bytes from its first message on and never restart, so cursors stay
//! valid when segments are freed. A cursor is counted in the segment of its next byte; a cursor at
//! `end` is caught up. An append adds the tally of all that are caught up to the segment it writes
//! to: one addition, for ten subscribers or a hundred thousand. A front segment without cursors
//! returns to the pool; when all subscribers are caught up, the log is two numbers.

use super::cursor::{Cursor, Tally};
use super::delivery_times::Followed;
use super::frames::{count_frames, frame_bytes_of};
use super::limits::{Bound, Refused};
use super::segment_pool::{Segment, SegmentPool};
use super::unsent::Unsent;
use crate::protocol::{Message, encode_frame};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};
use std::collections::VecDeque;

/// The number of a channel's first message.
pub(super) const FIRST_NUMBER: u64 = 1;

/// How a log makes room for a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Room {
    /// Everything before this offset must be cut off first.
    pub(super) kept_from: u64,
    /// The frame goes beyond the log's bound.
    pub(super) is_full: bool,
}

/// The log of one channel; see the module comment.
#[derive(Debug)]
pub(super) struct Log {
    /// Contiguous segments, each with at least one frame. Invariant: the front one has a cursor.
    segments: VecDeque<Segment>,
    /// The offset after the last byte.
    end: u64,
    /// The number of the next message.
    next: u64,
    /// The number of cursors at `end`.
    caught_up: Tally,
    /// The number of cursors that are behind and not blocked. Invariant: the sum over `segments` of
    /// `tally.awake()`.
    due: u32,
    /// The channel's publishers must wait: this log, or a member's, is beyond its bound (see the
    /// module `full`).
    pub(super) is_full: bool,
    /// The message of this channel whose delivery is being timed, if any.
    pub(super) followed: Option<Followed>,
}

impl Log {
    pub(super) fn new() -> Log {
        Log {
            segments: VecDeque::new(),
            end: 0,
            next: FIRST_NUMBER,
            caught_up: Tally::default(),
            due: 0,
            is_full: false,
            followed: None,
        }
    }

    /// Sets the number of the next message, as the channel's home has assigned it. Nothing may have
    /// been appended yet.
    pub(super) fn begin_at(&mut self, next: u64) {
        debug_assert!(self.segments.is_empty(), "numbers must not change after an append");
        self.next = next;
    }

    /// Returns the cursor of a subscriber that joins now: at the next message.
    pub(super) fn end(&self) -> Cursor {
        Cursor { number: self.next, offset: self.end, under_way_bytes: 0 }
    }

    /// Returns the offset of the oldest byte kept; `end` when there is none.
    pub(super) fn start(&self) -> u64 {
        self.segments.front().map_or(self.end, |segment| segment.start)
    }

    /// Returns how many cursors are behind and not blocked.
    pub(super) fn due(&self) -> u32 {
        self.due
    }

    /// Returns the end of the front segment if only blocked subscribers need it.
    pub(super) fn front_for_blocked(&self) -> Option<u64> {
        self.segments.front().filter(|front| front.tally.awake() == 0).map(Segment::end)
    }

    /// Returns how many cursors are before `offset`, which must be the start of a segment or the
    /// end.
    pub(super) fn cursors_before(&self, offset: u64) -> u32 {
        let before = self.segments.iter().take_while(|segment| segment.start < offset);
        before.map(|segment| segment.tally.cursors).sum()
    }

    /// Returns the number of the oldest message kept.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.first_number)
    }

    // Counting cursors.

    /// Counts a cursor that arrives at an offset.
    pub(super) fn enter(&mut self, offset: u64, blocked: bool) {
        self.tally_at(offset).add(blocked);
        self.due += u32::from(self.is_behind(offset) && !blocked);
    }

    /// Stops counting a cursor at an offset. Returns true if it was the last one in its segment:
    /// then `release` may free something, once the cursor has entered its new offset.
    pub(super) fn leave(&mut self, offset: u64, blocked: bool) -> bool {
        let tally = self.tally_at(offset);
        tally.remove(blocked);
        let was_last = tally.cursors == 0;
        self.due -= u32::from(self.is_behind(offset) && !blocked);
        was_last
    }

    /// Returns front segments without cursors to the pool.
    pub(super) fn release(&mut self, pool: &mut SegmentPool) {
        while let Some(front) = self.segments.pop_front_if(|front| front.tally.cursors == 0) {
            pool.give(front.bytes);
            if self.segments.is_empty() {
                pool.give_list(std::mem::take(&mut self.segments));
            }
        }
    }

    fn is_behind(&self, offset: u64) -> bool {
        offset < self.end
    }

    fn tally_at(&mut self, offset: u64) -> &mut Tally {
        if self.is_behind(offset) {
            let index = self.index_of(offset);
            &mut self.segments[index].tally
        } else {
            &mut self.caught_up
        }
    }

    /// Returns the index of the segment with the byte at this offset, which must be before the end.
    fn index_of(&self, offset: u64) -> usize {
        debug_assert!(self.is_behind(offset), "no byte at this offset yet");
        // Most cursors that are behind are in the last segment.
        let last = self.segments.len() - 1;
        if self.segments[last].start <= offset {
            return last;
        }
        // A cut removes every cursor from the segments that are freed, so no cursor is before the
        // start. Such a cursor would read bytes of another message.
        debug_assert!(self.segments[0].start <= offset, "a cursor before the start of its log");
        self.segments.partition_point(|segment| segment.start <= offset).saturating_sub(1)
    }

    // Appending.

    /// Uses up a number for a message that has no subscribers here.
    pub(super) fn skip_number(&mut self) -> u64 {
        debug_assert!(
            self.segments.is_empty() && self.caught_up.cursors == 0,
            "a subscriber needs this message"
        );
        self.next += 1;
        self.next - 1
    }

    /// Determines what must be cut off the front to make room for a frame: everything before
    /// `Room::kept_from`. Changes nothing.
    ///
    /// If a subscriber that is not blocked still needs that part, the log takes the frame beyond
    /// its bound and is full. `MemoryFull`: that excess is used up too, or there is no memory.
    /// `Busy`: there is no memory, and the sweep will free some.
    pub(super) fn make_room(
        &self,
        frame_bytes: usize,
        bound: Bound,
        pool: &SegmentPool,
    ) -> Result<Room, Refused> {
        let mut freed_bytes = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            let needed_bytes = ((self.end - segment.start) as usize).saturating_add(frame_bytes);
            let has_memory = self.memory_suffices(frame_bytes, index, freed_bytes, pool);
            if needed_bytes <= bound.bytes && has_memory {
                return Ok(Room { kept_from: segment.start, is_full: false });
            }
            if segment.tally.awake() > 0 {
                return match needed_bytes <= bound.bytes.saturating_add(bound.excess_bytes) {
                    true if has_memory => Ok(Room { kept_from: segment.start, is_full: true }),
                    true => Err(Refused::Busy),
                    false => Err(Refused::MemoryFull),
                };
            }
            freed_bytes += segment.bytes.capacity();
        }
        // The last message is always kept, however small the bound.
        if self.memory_suffices(frame_bytes, self.segments.len(), freed_bytes, pool) {
            Ok(Room { kept_from: self.end, is_full: false })
        } else {
            Err(Refused::MemoryFull)
        }
    }

    /// Determines what is cut off the front for a frame that must be appended even beyond the
    /// limits.
    pub(super) fn room_beyond_limits(&self, frame_bytes: usize, bound: Bound) -> Room {
        let bytes = bound.bytes.saturating_sub(frame_bytes);
        Room { kept_from: self.within_bound_from(Bound { bytes, ..bound }), is_full: true }
    }

    /// Returns the offset from which on the log is within its bound, unless subscribers that are
    /// not blocked still need what lies before. The last message is always kept.
    pub(super) fn within_bound_from(&self, bound: Bound) -> u64 {
        let is_last = |segment: &Segment| segment.first_number + 1 == self.next;
        let is_kept = |segment: &&Segment| {
            let kept_bytes = (self.end - segment.start) as usize;
            kept_bytes <= bound.bytes || segment.tally.awake() > 0 || is_last(segment)
        };
        self.segments.iter().find(is_kept).map_or(self.end, |segment| segment.start)
    }

    /// Returns true if a log that was full has room for further messages: if at most three quarters
    /// of the bound are kept for subscribers that are not blocked. With less distance between full
    /// and not full, publishers would be stopped and resumed for every message.
    pub(super) fn has_room_again(&self, bound: Bound) -> bool {
        let behind = self.segments.iter().find(|segment| segment.tally.awake() > 0);
        behind.is_none_or(|segment| (self.end - segment.start) as usize <= bound.bytes / 4 * 3)
    }

    /// Returns true if there is memory for a frame once the first `cut` segments, of `freed_bytes`,
    /// are freed.
    fn memory_suffices(
        &self,
        frame_bytes: usize,
        cut: usize,
        freed_bytes: usize,
        pool: &SegmentPool,
    ) -> bool {
        let back = self.segments.back().filter(|_| cut < self.segments.len());
        let fits_in_back = back.is_some_and(|back| pool.fits_in(back, frame_bytes));
        let previous = back.map_or(0, |back| back.bytes.capacity());
        fits_in_back || pool.has_room_for(pool.capacity_for(frame_bytes, previous), freed_bytes)
    }

    /// Returns the memory that the next frame may need.
    pub(super) fn next_segment_bytes(&self, frame_bytes: usize, pool: &SegmentPool) -> usize {
        let previous = self.segments.back().map_or(0, |back| back.bytes.capacity());
        pool.capacity_for(frame_bytes, previous)
    }

    /// Appends a message as one frame; cursors that were caught up are now behind. The part that
    /// `make_room` has determined must have been cut off before. Returns the message's number.
    pub(super) fn append(&mut self, message: Message<'_>, pool: &mut SegmentPool) -> u64 {
        let number = self.next;
        let frame_bytes = frame_bytes_of(message);
        #[cfg(any(test, fuzzing))]
        work::note(Work::Append);
        #[cfg(any(test, fuzzing))]
        work::note_many(Work::Byte, frame_bytes);
        if !self.segments.back().is_some_and(|back| pool.fits_in(back, frame_bytes)) {
            let bytes = pool.take(self.next_segment_bytes(frame_bytes, pool));
            if self.segments.is_empty() {
                self.segments = pool.take_list();
            }
            let tally = Tally::default();
            self.segments.push_back(Segment {
                bytes,
                start: self.end,
                first_number: number,
                last_start: self.end,
                tally,
            });
        }
        if let Some(back) = self.segments.back_mut() {
            back.last_start = self.end;
            encode_frame(&mut back.bytes, message.kind().opcode(), message.payload());
            self.end = back.end();
            back.tally.merge(self.caught_up);
        }
        self.due += self.caught_up.awake();
        self.caught_up = Tally::default();
        self.next += 1;
        number
    }

    // Reading.

    /// Returns the bytes after a cursor: at most two slices, for one vectored write.
    #[inline(always)]
    pub(super) fn unsent(&self, cursor: Cursor) -> Unsent<'_> {
        if !self.is_behind(cursor.offset) {
            return Unsent::default();
        }
        let index = self.index_of(cursor.offset);
        let segment = &self.segments[index];
        Unsent {
            first: &segment.bytes[(cursor.offset - segment.start) as usize..],
            second: self.segments.get(index + 1).map_or(&[], |segment| &segment.bytes),
            under_way_bytes: cursor.under_way_bytes as usize,
        }
    }

    /// Returns the cursor after `bytes_taken` more bytes.
    pub(super) fn advanced(&self, cursor: Cursor, bytes_taken: usize) -> Cursor {
        let offset = cursor.offset + bytes_taken as u64;
        debug_assert!(offset <= self.end, "the stream accepted more bytes than were offered");
        if !self.is_behind(offset) {
            return self.end();
        }
        let segment = &self.segments[self.index_of(offset)];
        let passed = (offset - segment.start) as usize;
        // Frames are counted from the start of this segment, whose number is known, or from the
        // cursor's old position if that is in it.
        let (number, from) = if cursor.offset < segment.start {
            (segment.first_number, 0)
        } else {
            let from = (cursor.offset - segment.start) as usize;
            if from + cursor.under_way_bytes as usize > passed {
                return Cursor {
                    offset,
                    under_way_bytes: cursor.under_way_bytes - bytes_taken as u32,
                    ..cursor
                };
            }
            (
                cursor.number + u64::from(cursor.under_way_bytes > 0),
                from + cursor.under_way_bytes as usize,
            )
        };
        let (messages, under_way_bytes) = count_frames(&segment.bytes, from, passed);
        Cursor { number: number + messages, offset, under_way_bytes }
    }

    /// Returns the rest of a frame that is partly sent; empty between frames.
    pub(super) fn rest_of_frame(&self, cursor: Cursor) -> &[u8] {
        &self.unsent(cursor).first[..cursor.under_way_bytes as usize]
    }

    /// Returns the cursor of the first message at or after `offset`, which must be the start of a
    /// segment or the end.
    pub(super) fn start_of(&self, offset: u64) -> Cursor {
        if !self.is_behind(offset) {
            return self.end();
        }
        let segment = &self.segments[self.index_of(offset)];
        debug_assert_eq!(segment.start, offset, "not the start of a segment");
        Cursor { number: segment.first_number, offset, under_way_bytes: 0 }
    }

    /// Returns the cursor of the newest message if it is kept when everything before `offset` is
    /// cut off, and otherwise the end.
    pub(super) fn newest_from(&self, offset: u64) -> Cursor {
        match self.segments.back().filter(|_| self.is_behind(offset)) {
            Some(back) => {
                Cursor { number: self.next - 1, offset: back.last_start, under_way_bytes: 0 }
            }
            None => self.end(),
        }
    }
}

#[cfg(test)]
impl Log {
    /// Recounts all maintained figures, given the cursors (and whether each is blocked).
    pub(super) fn check_invariants(&self, cursors: &[(Cursor, bool)]) {
        let (mut offset, mut number) = (self.start(), None);
        let mut due = 0;
        for segment in &self.segments {
            assert_eq!(segment.start, offset, "segments are contiguous");
            assert!(
                number.is_none_or(|number| number == segment.first_number),
                "numbers are contiguous"
            );
            assert!(!segment.bytes.is_empty(), "an empty segment");
            let (frames, left) = count_frames(&segment.bytes, 0, segment.bytes.len());
            assert_eq!(left, 0, "segments hold whole frames");
            number = Some(segment.first_number + frames);
            let range = offset..segment.end();
            assert_eq!(segment.tally, recount(cursors, |cursor| range.contains(&cursor.offset)));
            due += segment.tally.awake();
            offset = segment.end();
        }
        assert_eq!(offset, self.end);
        assert!(number.is_none_or(|number| number == self.next));
        assert_eq!(self.caught_up, recount(cursors, |cursor| cursor.offset == self.end));
        assert_eq!(self.due, due, "the tally of who is due");
        assert!(
            self.segments.front().is_none_or(|front| front.tally.cursors > 0),
            "a front segment that no cursor needs"
        );
        assert!(
            !self.segments.is_empty() || self.segments.capacity() == 0,
            "an idle log owns a list"
        );
        for (cursor, _) in cursors {
            self.check_cursor(*cursor);
        }
    }

    /// Checks a cursor by counting frames from the start of its segment.
    fn check_cursor(&self, cursor: Cursor) {
        assert!(
            cursor.offset <= self.end && cursor.number <= self.next,
            "a cursor after the end of its log"
        );
        if !self.is_behind(cursor.offset) {
            return assert_eq!(cursor, self.end());
        }
        let segment = &self.segments[self.index_of(cursor.offset)];
        assert!(segment.start <= cursor.offset, "a cursor before the start of its log");
        let passed = (cursor.offset - segment.start) as usize;
        let (frames, left) = count_frames(&segment.bytes, 0, passed);
        assert_eq!((cursor.number, cursor.under_way_bytes), (segment.first_number + frames, left));
    }

    pub(super) fn segment_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes.capacity()).sum()
    }
}

#[cfg(test)]
fn recount(cursors: &[(Cursor, bool)], is_here: impl Fn(&Cursor) -> bool) -> Tally {
    let mut tally = Tally::default();
    for (_, blocked) in cursors.iter().filter(|(cursor, _)| is_here(cursor)) {
        tally.add(*blocked);
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a log of messages of the given sizes, and a cursor at its start that is not blocked.
    fn log_of(payloads: &[usize]) -> (Log, Cursor, SegmentPool) {
        let mut pool = SegmentPool::new(usize::MAX, 1 << 20);
        let mut log = Log::new();
        let cursor = log.end();
        log.enter(cursor.offset, false);
        for &payload_bytes in payloads {
            log.append(Message::binary(&vec![b'x'; payload_bytes]), &mut pool);
        }
        (log, cursor, pool)
    }

    #[test]
    fn every_short_write_finds_its_place_wherever_it_ends() {
        let (log, start, _) = log_of(&[0, 3, 125, 126, 4_000, 1, 66_000, 200]);
        let total = log.end as usize;
        // From each offset in turn, and from each offset to several later ones, also inside
        // headers.
        for from in 0..=total {
            let cursor = log.advanced(start, from);
            log.check_cursor(cursor);
            for step in [0, 1, 2, 3, 5, 130, 4_100, 66_000] {
                let to = (from + step).min(total);
                assert_eq!(log.advanced(cursor, to - from), log.advanced(start, to));
            }
        }
    }

    #[test]
    fn at_most_two_segments_are_offered_at_a_time() {
        let (log, start, _) = log_of(&[4_000, 60_000, 60_000]);
        assert_eq!(log.segments.len(), 3);
        let unsent = log.unsent(start);
        assert_eq!((unsent.first.len(), unsent.second.len()), (4_004, 60_004));
        let last = log.advanced(start, 64_008);
        assert_eq!((log.unsent(last).first.len(), log.unsent(last).second.len()), (60_004, 0));
    }

    #[test]
    fn a_log_with_nobody_behind_owns_nothing() {
        let (mut log, cursor, mut pool) = log_of(&[10, 10]);
        assert!(pool.in_use_bytes() > 0);
        log.leave(cursor.offset, false);
        log.enter(log.end, false);
        log.release(&mut pool);
        assert_eq!((pool.in_use_bytes(), log.segments.capacity()), (0, 0));
    }

    #[test]
    fn a_reader_who_is_not_slow_holds_the_room_that_a_slow_one_loses() {
        let (mut log, cursor, pool) = log_of(&[1_000, 1_000]);
        let room = |kept_from, is_full| Ok(Room { kept_from, is_full });
        let bound = |bytes, excess_bytes| Bound { bytes, excess_bytes };
        assert_eq!(log.make_room(500, bound(4_000, 0), &pool), room(0, false));
        assert_eq!(log.make_room(500, bound(2_000, 0), &pool), Err(Refused::MemoryFull));
        let no_memory = SegmentPool::new(0, 1 << 20);
        assert_eq!(log.make_room(5_000, bound(2_000, 9_000), &no_memory), Err(Refused::Busy));
        assert_eq!(log.make_room(500, bound(2_000, 508), &pool), room(0, true));
        log.leave(cursor.offset, false);
        log.enter(cursor.offset, true);
        assert_eq!(log.make_room(500, bound(2_000, 508), &pool), room(log.end, false));
    }
}
