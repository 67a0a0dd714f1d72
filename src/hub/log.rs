//! The log of one form of a channel: encoded frames in the order of their numbers. A frame is kept
//! until every cursor has passed it, or until the log is full.
//!
//! ```text
//!          front                       back
//!  ───────┬───────────────────────────┬─────────────────┐
//!  (gone) │ 41 │ 42 │ 43 │ 44 │ 45   │ 46 │ 47 │ 48    │ 49 …   `next` = 49, at offset `end`
//!  ───────┴───────────────────────────┴─────────────────┘
//!  tallies:   cursors 3, blocked 3        cursors 1          caught up: cursors 996
//! ```
//!
//! Offsets count the log's bytes from its first message on and never restart, so cursors stay
//! valid when segments are freed. A cursor is counted in the segment of its next byte; a cursor at
//! `end` is caught up. An append adds the tally of all that are caught up to the segment it writes
//! to: one addition, for ten subscribers or a hundred thousand. A front segment without cursors
//! returns to the pool; when all subscribers are caught up, the log is two numbers.

use super::cursor::{Cursor, Tally};
use super::delivery_times::Followed;
use super::frames::{Frame, count_frames};
use super::segment_pool::{Segment, SegmentPool};
use super::unsent::Unsent;
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};
use std::collections::VecDeque;

/// The number of a channel's first message.
pub(super) const FIRST_NUMBER: u64 = 1;

/// The log of one form; see the module comment.
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
    /// True while the log's form is in the queue of the sweep.
    pub(super) is_queued: bool,
    /// The message of this log whose delivery is being timed, if any.
    pub(super) followed: Option<Followed>,
}

impl Log {
    /// Makes an empty log, whose first message will have the number `next`.
    pub(super) fn new(next: u64) -> Log {
        Log {
            segments: VecDeque::new(),
            end: 0,
            next,
            caught_up: Tally::default(),
            due: 0,
            is_queued: false,
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

    /// Returns the segment of this index, counted from the oldest one.
    pub(super) fn segment(&self, index: usize) -> Option<&Segment> {
        self.segments.get(index)
    }

    /// Returns the offset of the oldest byte that is kept if the first `passed` segments are freed.
    pub(super) fn start_after(&self, passed: usize) -> u64 {
        self.segments.get(passed).map_or(self.end, |segment| segment.start)
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

    /// Uses up a number for a message that has no readers here.
    pub(super) fn skip_number(&mut self) {
        debug_assert!(
            self.segments.is_empty() && self.caught_up.cursors == 0,
            "a subscriber needs this message"
        );
        self.next += 1;
    }

    /// Returns how much more memory a frame of this size needs once the first `passed` segments are
    /// freed: none if it fits into the last segment, or if the log has no readers.
    pub(super) fn more_bytes(
        &self,
        frame_bytes: usize,
        passed: usize,
        pool: &SegmentPool,
    ) -> usize {
        let back = self.segments.back().filter(|_| passed < self.segments.len());
        let fits = back.is_some_and(|back| pool.fits_in(back, frame_bytes));
        if fits || (self.segments.is_empty() && self.caught_up.cursors == 0) {
            return 0;
        }
        pool.capacity_for(frame_bytes, back.map_or(0, |back| back.bytes.capacity()))
    }

    /// Returns the memory that the next frame may need.
    pub(super) fn next_segment_bytes(&self, frame_bytes: usize, pool: &SegmentPool) -> usize {
        let previous = self.segments.back().map_or(0, |back| back.bytes.capacity());
        pool.capacity_for(frame_bytes, previous)
    }

    /// Appends the frame of the next message; cursors that were caught up are now behind. The part
    /// that `Channel::make_room` has determined must have been cut off before.
    pub(super) fn append(&mut self, frame: Frame<'_>, pool: &mut SegmentPool) {
        let frame_bytes = frame.bytes();
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
                first_number: self.next,
                last_start: self.end,
                tally,
            });
        }
        if let Some(back) = self.segments.back_mut() {
            back.last_start = self.end;
            frame.encode(&mut back.bytes);
            self.end = back.end();
            back.tally.merge(self.caught_up);
        }
        self.due += self.caught_up.awake();
        self.caught_up = Tally::default();
        self.next += 1;
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
    use crate::protocol::Message;

    /// Returns a log of messages of the given sizes, and a cursor at its start that is not blocked.
    fn log_of(payloads: &[usize]) -> (Log, Cursor, SegmentPool) {
        let mut pool = SegmentPool::new(usize::MAX, 1 << 20);
        let mut log = Log::new(FIRST_NUMBER);
        let cursor = log.end();
        log.enter(cursor.offset, false);
        for &payload_bytes in payloads {
            log.append(Frame::plain(Message::binary(&vec![b'x'; payload_bytes])), &mut pool);
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
}
