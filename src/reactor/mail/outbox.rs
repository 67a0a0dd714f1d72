//! The writing ends of the rings from this reactor to all reactors, itself included.

use std::sync::Arc;

use crate::hub::{MembershipUpdate, Numbered, Outlet, ReactorNumber};
use crate::reactor::group::Shared;

use super::flags::Senders;
use super::large_payloads::LargePayloads;
use super::reactor_set::ReactorSet;
use super::record::{
    ANSWER_HEAD_BYTES_MAX, AnswerRecord, HomeRequest, encode_numbered, encode_update,
};
use super::ring::{HEAD_BYTES_MAX, RingWriter};
use super::waiting_for_ring::RequestRoom;

pub(crate) struct Outbox {
    own: ReactorNumber,
    shared: Arc<Shared>,
    to: Vec<RingsTo>,
    /// Large payloads of requests. They have a limit of their own: a request may wait until there
    /// is room for a numbered message, which must never wait for a request.
    pub(super) large_requests: LargePayloads,
    pub(super) large_messages: LargePayloads,
    /// The reactors that were written to since they were last woken.
    news: ReactorSet,
    /// How many request rings are short of room (see `is_short`).
    short: usize,
    /// How many request rings are half full (see `RingsTo::is_half_full`).
    half_full: usize,
    /// True if half of the large payloads of requests are used. As with a ring, it stays true until
    /// `look_for_half_of_large_payloads`.
    are_large_half_full: bool,
    /// How many large payloads had been sent when half of them became used.
    large_half_full_at: u64,
    message_bytes_max: usize,
    /// How many records were written, for all reactors together.
    put: u64,
}

struct RingsTo {
    updates: RingWriter,
    requests: RingWriter,
    messages: RingWriter,
    answers: RingWriter,
    /// The flags by which the other reactor learns that this one has written.
    senders: Arc<Senders>,
    /// True if a request of maximum size did not fit, or not all updates were sent, at the last
    /// check. Invariant: if false, such a request fits.
    is_short: bool,
    /// True if half of the request ring is used. It stays true until `look_for_half`. This reactor
    /// is woken when records are taken.
    is_half_full: bool,
    /// Where the request ring ended when it became half full.
    half_full_to: u64,
}

impl Outbox {
    pub(super) fn new(
        own: ReactorNumber,
        shared: Arc<Shared>,
        message_bytes_max: usize,
        large_payloads_max: usize,
    ) -> Outbox {
        Outbox {
            own,
            news: ReactorSet::new(shared.reactors()),
            shared,
            to: Vec::new(),
            large_requests: LargePayloads::new(large_payloads_max),
            large_messages: LargePayloads::new(large_payloads_max),
            short: 0,
            half_full: 0,
            are_large_half_full: false,
            large_half_full_at: 0,
            message_bytes_max,
            put: 0,
        }
    }

    pub(super) fn add(
        &mut self,
        updates: RingWriter,
        requests: RingWriter,
        messages: RingWriter,
        answers: RingWriter,
        senders: Arc<Senders>,
    ) {
        self.to.push(RingsTo {
            updates,
            requests,
            messages,
            answers,
            senders,
            is_short: false,
            is_half_full: false,
            half_full_to: 0,
        });
    }

    /// Returns true if no request ring is half full or full, and less than half of the large
    /// payloads are used.
    pub(crate) fn has_plenty_of_room(&self) -> bool {
        self.short + self.half_full == 0 && !self.are_large_half_full
    }

    /// Returns true if every request ring has room for one more request of maximum size.
    pub(crate) fn has_room(&self) -> bool {
        self.short == 0
    }

    /// Returns true if the ring to this home has room for one more request of maximum size.
    pub(crate) fn has_room_to(&self, home: ReactorNumber) -> bool {
        !self.to[home.index()].is_short
    }

    /// Writes an update into the ring to its channel's home. Returns false if it does not fit.
    pub(crate) fn tell(&mut self, home: ReactorNumber, update: MembershipUpdate<'_>) -> bool {
        let rings = &mut self.to[home.index()];
        let payloads = &mut self.large_requests;
        let is_in = rings.updates.has_room(HEAD_BYTES_MAX, 0, payloads)
            && rings.updates.put(|head| encode_update(update, head), b"", payloads, None);
        if is_in {
            self.note_written(home);
            // The updates must be visible to the home before a peer that reads its 101 now can send
            // the home a request: the answer must count that peer.
            self.to[home.index()].senders.add(self.own.index());
        }
        is_in
    }

    /// Writes a request into the ring to its channel's home. Returns false if it does not fit.
    pub(crate) fn request(&mut self, home: ReactorNumber, request: &HomeRequest<'_>) -> bool {
        let rings = &mut self.to[home.index()];
        let payloads = &mut self.large_requests;
        let payload = request.payload();
        let is_in = rings.requests.put(|head| request.encode(head), payload, payloads, None);
        if !rings.is_half_full && !rings.requests.has_half() {
            rings.is_half_full = true;
            rings.half_full_to = rings.requests.filled_to();
            self.half_full += 1;
        }
        if rings.requests.is_large(payload.len()) && !self.are_large_half_full {
            self.are_large_half_full = !payloads.has_half();
            self.large_half_full_at = payloads.sent_so_far();
        }
        if is_in {
            self.note_written(home);
        }
        self.look_for_room(home, true);
        is_in
    }

    /// Returns true if half of this room is used: a peer that publishes must wait until it is not.
    pub(crate) fn is_half_full(&self, room: RequestRoom) -> bool {
        match room {
            RequestRoom::Ring(home) => self.to[home.index()].is_half_full,
            RequestRoom::LargePayloads => self.are_large_half_full,
        }
    }

    /// Returns the room for which a peer may have to wait that has sent a request to a home.
    pub(crate) fn room_for(&self, home: ReactorNumber, payload_bytes: usize) -> RequestRoom {
        let rings = &self.to[home.index()];
        match rings.requests.is_large(payload_bytes) && !rings.is_half_full {
            true => RequestRoom::LargePayloads,
            false => RequestRoom::Ring(home),
        }
    }

    /// Returns the size of half a request ring.
    pub(crate) fn half_bytes(&self) -> usize {
        self.to[self.own.index()].requests.half_bytes()
    }

    /// Checks again whether a request ring that was half full still is. Returns true if it is not:
    /// those who wait for it can go on.
    ///
    /// If requests of others, which do not wait for half of the ring, keep it half full, it counts
    /// as such only until everything has been taken that was in it at the beginning. Then the first
    /// who waits goes on, and with what he publishes the ring is half full again.
    pub(crate) fn look_for_half(&mut self, home: ReactorNumber) -> bool {
        let rings = &mut self.to[home.index()];
        if !rings.is_half_full
            || !rings.requests.has_half() && !rings.requests.is_taken_to(rings.half_full_to)
        {
            return false;
        }
        rings.is_half_full = false;
        self.half_full -= 1;
        true
    }

    /// Like [`look_for_half`](Self::look_for_half), for large payloads.
    pub(crate) fn look_for_half_of_large_payloads(&mut self) -> bool {
        let payloads = &self.large_requests;
        if !self.are_large_half_full
            || !payloads.has_half() && !payloads.are_used_up_to(self.large_half_full_at)
        {
            return false;
        }
        self.are_large_half_full = false;
        true
    }

    /// Checks again whether the ring to a home has room. `is_told` is true if all updates for the
    /// home have been sent; otherwise the ring counts as full, because a request must not overtake
    /// them.
    pub(crate) fn look_for_room(&mut self, home: ReactorNumber, is_told: bool) {
        let rings = &mut self.to[home.index()];
        let was_short = rings.is_short;
        let payloads = &self.large_requests;
        rings.is_short =
            !rings.requests.has_room(HEAD_BYTES_MAX, self.message_bytes_max, payloads) || !is_told;
        self.short = self.short + usize::from(rings.is_short) - usize::from(was_short);
    }

    /// Returns true if the ring to a reactor has room for one more answer, except to an inspection.
    pub(crate) fn has_room_to_answer(&mut self, reactor: ReactorNumber) -> bool {
        let payloads = &self.large_messages;
        self.to[reactor.index()].answers.has_room(ANSWER_HEAD_BYTES_MAX, 0, payloads)
    }

    /// Returns true if the ring to a reactor has room for the answer to an inspection, which has a
    /// name in it.
    pub(crate) fn has_room_to_inform(&mut self, reactor: ReactorNumber) -> bool {
        self.to[reactor.index()].answers.has_room(HEAD_BYTES_MAX, 0, &self.large_messages)
    }

    /// Writes an answer into the ring to a reactor. The caller has checked that there is room.
    pub(crate) fn answer(&mut self, reactor: ReactorNumber, answer: &AnswerRecord<'_>) {
        let payloads = &mut self.large_messages;
        let answers = &mut self.to[reactor.index()].answers;
        let is_in = answers.put(|head| answer.encode(head), b"", payloads, None);
        // If this fails, a publisher or a member would wait for ever: a bug that must not go
        // unnoticed.
        assert!(is_in, "the caller has checked that there is room");
        self.note_written(reactor);
    }

    /// Notes that a record was written for a reactor, which is woken once for all records of a
    /// turn.
    fn note_written(&mut self, reactor: ReactorNumber) {
        self.put += 1;
        if !self.news.contains(reactor) {
            self.news.insert(reactor);
            self.to[reactor.index()].senders.add(self.own.index());
        }
    }

    /// Returns a reactor for which something was written since it was last returned: it must be
    /// woken.
    pub(crate) fn take_news(&mut self) -> Option<ReactorNumber> {
        let reactor = self.news.take_first()?;
        self.to[reactor.index()].senders.add(self.own.index());
        Some(reactor)
    }

    /// Returns the offset at which the next answer to a reactor will be written.
    pub(crate) fn answers_filled_to(&self, reactor: ReactorNumber) -> u64 {
        self.to[reactor.index()].answers.filled_to()
    }

    /// Returns true if a reactor has taken all answers before this offset.
    pub(crate) fn has_taken_answers(&self, reactor: ReactorNumber, place: u64) -> bool {
        self.to[reactor.index()].answers.is_taken_to(place)
    }

    /// Returns how many records were written for a reactor: updates, requests, messages, answers.
    pub(crate) fn put_so_far(&self, reactor: ReactorNumber) -> [u64; 4] {
        let rings = &self.to[reactor.index()];
        let rings = [&rings.updates, &rings.requests, &rings.messages, &rings.answers];
        rings.map(RingWriter::put_so_far)
    }

    /// Returns how many records were written for all other reactors.
    pub(crate) fn put_for_others(&self) -> u64 {
        self.put - self.put_so_far(self.own).iter().sum::<u64>()
    }
}

impl Outlet for Outbox {
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool {
        self.to[reactor.index()].messages.has_room(
            HEAD_BYTES_MAX,
            payload_bytes,
            &self.large_messages,
        )
    }

    fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.shared.is_memory_full(reactor)
    }

    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>) {
        let messages = &mut self.to[reactor.index()].messages;
        let is_in = messages.put(
            |head| encode_numbered(&numbered, head),
            numbered.message.payload(),
            &mut self.large_messages,
            Some((numbered.epoch, numbered.number)),
        );
        // If this fails, an accepted message would be lost: a bug that must not go unnoticed.
        assert!(is_in, "the caller has checked that there is room");
        self.note_written(reactor);
    }
}
