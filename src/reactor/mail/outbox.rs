//! The writing ends of the rings from this reactor to all reactors, itself included.

use std::sync::Arc;

use crate::hub::{MembershipUpdate, Numbered, Outlet, ReactorNumber};
use crate::reactor::group::Shared;

use super::record::{Delivery, HomeRequest, encode_update};
use super::ring::RingWriter;

pub(crate) struct Outbox {
    own: ReactorNumber,
    shared: Arc<Shared>,
    to: Vec<RingsTo>,
    /// How many request rings are short of room (see `is_short`).
    short: usize,
    message_bytes_max: usize,
}

struct RingsTo {
    updates: RingWriter,
    requests: RingWriter,
    deliveries: RingWriter,
    /// True if a request of maximum size did not fit, or not all updates were sent, at the last
    /// check. Invariant: if false, such a request fits.
    is_short: bool,
    /// Something was written since the reactor was last woken.
    has_news: bool,
}

impl Outbox {
    pub(super) fn new(own: ReactorNumber, shared: Arc<Shared>, message_bytes_max: usize) -> Outbox {
        Outbox { own, shared, to: Vec::new(), short: 0, message_bytes_max }
    }

    pub(super) fn add(
        &mut self,
        updates: RingWriter,
        requests: RingWriter,
        deliveries: RingWriter,
    ) {
        self.to.push(RingsTo { updates, requests, deliveries, is_short: false, has_news: false });
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
        let is_in = rings.updates.has_room(0, 0)
            && rings.updates.put(|head| encode_update(update, head), b"");
        rings.has_news |= is_in;
        is_in
    }

    /// Writes a request into the ring to its channel's home. Returns false if it does not fit.
    pub(crate) fn request(&mut self, home: ReactorNumber, request: &HomeRequest<'_>) -> bool {
        let rings = &mut self.to[home.index()];
        let is_in = rings.requests.put(|head| request.encode(head), request.payload());
        rings.has_news |= is_in;
        self.look_for_room(home, true);
        is_in
    }

    /// Checks again whether the ring to a home has room. `is_told` is true if all updates for the
    /// home have been sent; otherwise the ring counts as full, because a request must not overtake
    /// them.
    pub(crate) fn look_for_room(&mut self, home: ReactorNumber, is_told: bool) {
        let rings = &mut self.to[home.index()];
        let was_short = rings.is_short;
        rings.is_short = !rings.requests.has_room(self.message_bytes_max, 0) || !is_told;
        self.short = self.short + usize::from(rings.is_short) - usize::from(was_short);
    }

    /// Returns true if the ring to a reactor has room for one more answer.
    pub(crate) fn has_room_to_answer(&mut self, reactor: ReactorNumber) -> bool {
        self.to[reactor.index()].deliveries.has_room(0, 0)
    }

    /// Writes an answer into the ring to a reactor. The caller has checked that there is room.
    pub(crate) fn answer(&mut self, reactor: ReactorNumber, answer: &Delivery<'_>) {
        let rings = &mut self.to[reactor.index()];
        let is_in = rings.deliveries.put(|head| answer.encode(head), answer.payload());
        // If this fails, an accepted message would be lost: a bug that must not go unnoticed.
        assert!(is_in, "the caller has checked that there is room");
        rings.has_news = true;
    }

    /// Returns true if something was written for a reactor since the last call.
    pub(crate) fn take_news(&mut self, reactor: ReactorNumber) -> bool {
        std::mem::take(&mut self.to[reactor.index()].has_news)
    }

    /// Returns the offset at which the next delivery to a reactor will be written.
    pub(crate) fn deliveries_filled_to(&self, reactor: ReactorNumber) -> u64 {
        self.to[reactor.index()].deliveries.filled_to()
    }

    /// Returns true if a reactor has taken all deliveries before this offset.
    pub(crate) fn has_taken_deliveries(&self, reactor: ReactorNumber, place: u64) -> bool {
        self.to[reactor.index()].deliveries.is_taken_to(place)
    }

    /// Returns how many records were written for a reactor: updates, requests, deliveries.
    pub(crate) fn put_so_far(&self, reactor: ReactorNumber) -> [u64; 3] {
        let rings = &self.to[reactor.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingWriter::put_so_far)
    }

    /// Returns how many records were written for all other reactors.
    pub(crate) fn put_for_others(&self) -> u64 {
        let others =
            (0..self.to.len() as u16).map(ReactorNumber).filter(|reactor| *reactor != self.own);
        others.flat_map(|reactor| self.put_so_far(reactor)).sum()
    }
}

impl Outlet for Outbox {
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool {
        // After the message there must be room for one more record: the answer to its publisher.
        self.to[reactor.index()].deliveries.has_room(payload_bytes, 1)
    }

    fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.shared.is_memory_full(reactor)
    }

    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>) {
        self.answer(reactor, &Delivery::Message(numbered));
    }
}
