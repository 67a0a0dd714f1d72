//! Room in a channel for one more message: what must be cut off its forms, the oldest segment
//! first. The limit of a channel's size counts all its forms together.

use super::channel::Channel;
use super::form_id::FormKind;
use super::limits::{Bound, Refused};
use super::log::Log;
use super::segment_pool::{Segment, SegmentPool};

/// By `FormKind`: an offset in the log of that form.
pub(super) type Offsets = [u64; FormKind::COUNT];

/// How a channel makes room for a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Room {
    /// Everything before these offsets must be cut off first.
    pub(super) kept_from: Offsets,
    /// The message goes beyond the channel's bound.
    pub(super) is_full: bool,
}

/// The segments of all forms of a channel, in the order in which they are freed: by their first
/// message. Those that have been passed are thought to be freed.
struct Segments<'c> {
    logs: [Option<&'c Log>; FormKind::COUNT],
    /// How many segments of each log have been passed.
    passed: [usize; FormKind::COUNT],
}

impl<'c> Segments<'c> {
    fn of(channel: &'c Channel) -> Segments<'c> {
        let deflated = channel.deflated.as_deref().map(|form| &form.log);
        Segments { logs: [Some(&channel.plain.log), deflated], passed: [0; FormKind::COUNT] }
    }

    /// Returns the oldest segment that has not been passed, and whose it is.
    fn oldest(&self) -> Option<(FormKind, &'c Segment)> {
        let first = |kind: FormKind| {
            let segment = self.logs[kind as usize]?.segment(self.passed[kind as usize])?;
            Some((kind, segment))
        };
        match (first(FormKind::Plain), first(FormKind::Deflated)) {
            (Some(plain), Some(deflated)) => {
                let is_older = deflated.1.first_number < plain.1.first_number;
                Some(if is_older { deflated } else { plain })
            }
            (plain, deflated) => plain.or(deflated),
        }
    }

    fn pass(&mut self, kind: FormKind) {
        self.passed[kind as usize] += 1;
    }

    /// Returns where each log begins if what has been passed is freed.
    fn kept_from(&self) -> Offsets {
        let kept_from = |kind: FormKind| {
            self.logs[kind as usize].map_or(0, |log| log.start_after(self.passed[kind as usize]))
        };
        FormKind::ALL.map(kept_from)
    }

    /// Returns the bytes of the frames that have not been passed.
    fn kept_bytes(&self) -> usize {
        let logs = self.logs.iter().flatten().zip(&self.passed);
        logs.map(|(log, passed)| (log.end().offset - log.start_after(*passed)) as usize).sum()
    }

    /// Returns the memory that is needed for a frame of this size at the end of each log that has
    /// readers.
    fn more_bytes(&self, frame_bytes: usize, pool: &SegmentPool) -> usize {
        let logs = self.logs.iter().flatten().zip(&self.passed);
        logs.map(|(log, passed)| log.more_bytes(frame_bytes, *passed, pool))
            .fold(0, usize::saturating_add)
    }
}

impl Channel {
    /// Determines what must be cut off to make room for a message: everything before
    /// `Room::kept_from`. Its frame has at most `frame_bytes` in each form. Changes nothing.
    ///
    /// If a subscriber that is not blocked still needs that part, the message is taken beyond the
    /// bound, and the channel is full. `MemoryFull`: that excess is used up too, or there is no
    /// memory. `Busy`: there is no memory, and the sweep will free some.
    pub(super) fn make_room(
        &self,
        frame_bytes: usize,
        bound: Bound,
        pool: &SegmentPool,
    ) -> Result<Room, Refused> {
        let mut segments = Segments::of(self);
        let added_bytes = frame_bytes.saturating_mul(self.forms_read());
        let mut freed_bytes = 0;
        loop {
            let needed_bytes = segments.kept_bytes().saturating_add(added_bytes);
            let more_bytes = segments.more_bytes(frame_bytes, pool);
            let has_memory = pool.has_room_for(more_bytes, freed_bytes);
            let room = |is_full| Ok(Room { kept_from: segments.kept_from(), is_full });
            let Some((kind, oldest)) = segments.oldest() else {
                // The last message is always kept, however small the bound.
                return if has_memory { room(false) } else { Err(Refused::MemoryFull) };
            };
            if needed_bytes <= bound.bytes && has_memory {
                return room(false);
            }
            if oldest.tally.awake() > 0 {
                return match needed_bytes <= bound.bytes.saturating_add(bound.excess_bytes) {
                    true if has_memory => room(true),
                    true => Err(Refused::Busy),
                    false => Err(Refused::MemoryFull),
                };
            }
            freed_bytes += oldest.bytes.capacity();
            segments.pass(kind);
        }
    }

    /// Determines what is cut off for a message that must be appended even beyond the limits.
    pub(super) fn room_beyond_limits(&self, frame_bytes: usize, bound: Bound) -> Room {
        let added_bytes = frame_bytes.saturating_mul(self.forms_read());
        let bytes = bound.bytes.saturating_sub(added_bytes);
        Room { kept_from: self.within_bound_from(Bound { bytes, ..bound }), is_full: true }
    }

    /// Returns the offsets from which on the channel is within its bound, unless subscribers that
    /// are not blocked still need what lies before. The last message is always kept.
    pub(super) fn within_bound_from(&self, bound: Bound) -> Offsets {
        let mut segments = Segments::of(self);
        while let Some((kind, oldest)) = segments.oldest() {
            let is_last = oldest.first_number + 1 == self.next_number();
            if segments.kept_bytes() <= bound.bytes || oldest.tally.awake() > 0 || is_last {
                break;
            }
            segments.pass(kind);
        }
        segments.kept_from()
    }

    /// Returns true if a channel that was full has room for further messages: if at most three
    /// quarters of the bound are kept for subscribers that are not blocked. With less distance
    /// between full and not full, publishers would be stopped and resumed for every message.
    pub(super) fn has_room_again(&self, bound: Bound) -> bool {
        let mut segments = Segments::of(self);
        while let Some((kind, oldest)) = segments.oldest() {
            if oldest.tally.awake() > 0 {
                return segments.kept_bytes() <= bound.bytes / 4 * 3;
            }
            segments.pass(kind);
        }
        true
    }

    /// Returns a form whose oldest segment only blocked subscribers need, and the end of that
    /// segment. Of two such forms it is the one that is further behind.
    pub(super) fn front_for_blocked(&self) -> Option<(FormKind, u64)> {
        let fronts = self.forms().filter_map(|(kind, form)| {
            let front = form.log.segment(0).filter(|front| front.tally.awake() == 0)?;
            Some((front.first_number, kind, front.end()))
        });
        fronts.min_by_key(|(first, ..)| *first).map(|(_, kind, end)| (kind, end))
    }

    /// Returns the size of the segments that the next message may begin.
    pub(super) fn next_segments_bytes(&self, frame_bytes: usize, pool: &SegmentPool) -> usize {
        let read = self.forms().filter(|(_, form)| !form.subscribers.is_empty());
        read.map(|(_, form)| form.log.next_segment_bytes(frame_bytes, pool))
            .fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::Form;
    use super::super::frames::Frame;
    use super::super::membership::Membership;
    use super::super::subscriptions::{Owner, Subscriptions};
    use super::super::{ChannelId, FormKind};
    use super::*;
    use crate::protocol::Message;

    /// A channel with one subscriber of each of these forms, all at its start.
    struct Scene {
        channel: Channel,
        pool: SegmentPool,
    }

    impl Scene {
        fn new(kinds: &[FormKind]) -> Scene {
            let mut channel = Channel::new("news", 1, Membership::Home);
            let mut places = Subscriptions::default();
            for &kind in kinds {
                let subscription = places.insert(ChannelId(0).form(kind));
                let form = channel.form_or_new(kind);
                let cursor = form.log.end();
                form.log.enter(cursor.offset, false);
                form.subscribers.join(subscription, Owner(0), cursor, &mut places);
            }
            Scene { channel, pool: SegmentPool::new(usize::MAX, 1 << 20) }
        }

        fn form(&mut self, kind: FormKind) -> &mut Form {
            self.channel.form_mut(kind).expect("a form of this channel")
        }

        /// Appends a message: by form, the size of its payload there.
        fn append(&mut self, payload_bytes: [usize; 2]) {
            for (kind, bytes) in FormKind::ALL.into_iter().zip(payload_bytes) {
                if let Some(form) = self.channel.form_mut(kind) {
                    form.log.append(Frame::plain(Message::binary(&vec![0; bytes])), &mut self.pool);
                }
            }
        }

        fn block(&mut self, kind: FormKind) {
            let start = self.form(kind).log.start();
            self.form(kind).log.leave(start, false);
            self.form(kind).log.enter(start, true);
        }

        fn room(
            &self,
            frame_bytes: usize,
            bytes: usize,
            excess_bytes: usize,
        ) -> Result<Room, Refused> {
            self.channel.make_room(frame_bytes, Bound { bytes, excess_bytes }, &self.pool)
        }
    }

    const BOTH: [FormKind; 2] = FormKind::ALL;

    #[test]
    fn a_reader_who_is_not_slow_holds_the_room_that_a_slow_one_loses() {
        let mut scene = Scene::new(&[FormKind::Plain]);
        scene.append([1_000, 0]);
        scene.append([1_000, 0]);
        let room = |kept_from, is_full| Ok(Room { kept_from: [kept_from, 0], is_full });
        assert_eq!(scene.room(500, 4_000, 0), room(0, false));
        assert_eq!(scene.room(500, 2_000, 0), Err(Refused::MemoryFull));
        let no_memory = SegmentPool::new(0, 1 << 20);
        let bound = Bound { bytes: 2_000, excess_bytes: 9_000 };
        assert_eq!(scene.channel.make_room(5_000, bound, &no_memory), Err(Refused::Busy));
        assert_eq!(scene.room(500, 2_000, 508), room(0, true));
        scene.block(FormKind::Plain);
        assert_eq!(scene.room(500, 2_000, 508), room(2_008, false));
    }

    #[test]
    fn the_bound_counts_all_forms_and_each_is_given_room_for_a_whole_message() {
        let mut scene = Scene::new(&BOTH);
        scene.append([1_000, 300]);
        let kept_bytes = 1_004 + 304;
        let room = |is_full| Ok(Room { kept_from: [0, 0], is_full });
        assert_eq!(scene.room(500, kept_bytes + 1_000, 0), room(false));
        assert_eq!(scene.room(500, kept_bytes + 999, 1), room(true));
        assert_eq!(scene.room(500, kept_bytes + 999, 0), Err(Refused::MemoryFull));
    }

    #[test]
    fn memory_is_counted_for_the_new_segments_of_all_forms() {
        let mut scene = Scene::new(&BOTH);
        scene.append([4_000, 4_000]);
        let bound = Bound { bytes: 1 << 20, excess_bytes: 0 };
        for (segments, enough) in [(0, false), (1, false), (2, true)] {
            let pool = SegmentPool::new(segments * (8 << 10), 1 << 20);
            let room = scene.channel.make_room(500, bound, &pool);
            assert_eq!(room.is_ok(), enough, "room for {segments} more: {room:?}");
        }
    }

    #[test]
    fn of_all_forms_the_segment_with_the_oldest_message_goes_first() {
        let mut scene = Scene::new(&BOTH);
        // Two segments of the plain form, one of the other.
        scene.append([4_000, 100]);
        scene.append([4_000, 100]);
        let [first, both] = [4_004, 2 * 4_004];
        BOTH.into_iter().for_each(|kind| scene.block(kind));
        let kept_from = |bytes| scene.room(10, bytes, 0).map(|room| room.kept_from);
        let all = 2 * 4_004 + 2 * 102 + 20;
        assert_eq!(kept_from(all), Ok([0, 0]));
        assert_eq!(kept_from(all - 1), Ok([first, 0]), "as old as the other, and plain");
        assert_eq!(kept_from(4_004 + 20), Ok([first, 204]));
        assert_eq!(kept_from(30), Ok([both, 204]));
    }

    #[test]
    fn a_full_channel_has_room_again_when_no_form_keeps_too_much() {
        let mut scene = Scene::new(&BOTH);
        scene.append([300, 300]);
        let has_room =
            |scene: &Scene, bytes| scene.channel.has_room_again(Bound { bytes, excess_bytes: 0 });
        let enough = (304 + 304) / 3 * 4 + 4;
        assert!(has_room(&scene, enough) && !has_room(&scene, enough - 4));
        scene.block(FormKind::Plain);
        assert!(has_room(&scene, 408) && !has_room(&scene, 404), "the other form alone");
        scene.block(FormKind::Deflated);
        assert!(has_room(&scene, 0));
    }
}
