//! The sending ends of the rings from this reactor to all, its own included.

use std::sync::Arc;

use crate::hub::{MembershipUpdate, Numbered, Outlet, ReactorNumber};
use crate::reactor::group::Shared;

use super::record::{Delivery, HomeRequest, encode_update};
use super::ring::RingWriter;

pub(crate) struct Outbox {
    own: ReactorNumber,
    shared: Arc<Shared>,
    to: Vec<RingsTo>,
    /// How many rings of requests are short of room.
    short: usize,
    message_bytes_max: usize,
}

struct RingsTo {
    updates: RingWriter,
    requests: RingWriter,
    deliveries: RingWriter,
    /// A request of maximum size did not fit when that was last looked at. Invariant: if false, it
    /// fits.
    is_short: bool,
    /// Something was put in since the reactor was last woken.
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

    /// True if every ring has room for one more request of maximum size.
    pub(crate) fn has_room(&self) -> bool {
        self.short == 0
    }

    /// True if the ring to this home has room for one more request of maximum size.
    pub(crate) fn has_room_to(&self, home: ReactorNumber) -> bool {
        !self.to[home.index()].is_short
    }

    /// Puts an update into the ring to its home; false if there is no room for it.
    pub(crate) fn tell(&mut self, home: ReactorNumber, update: MembershipUpdate<'_>) -> bool {
        let rings = &mut self.to[home.index()];
        let is_in = rings.updates.has_room(0, 0)
            && rings.updates.put(|head| encode_update(update, head), b"");
        rings.has_news |= is_in;
        is_in
    }

    /// Puts a request into the ring to its home; false if that is full.
    pub(crate) fn request(&mut self, home: ReactorNumber, request: &HomeRequest<'_>) -> bool {
        let rings = &mut self.to[home.index()];
        let is_in = rings.requests.put(|head| request.encode(head), request.payload());
        rings.has_news |= is_in;
        self.look_for_room(home, true);
        is_in
    }

    /// Looks whether the ring to a home has room now. As long as the home is not `is_told` of all
    /// updates it counts as full: a request must not overtake them.
    pub(crate) fn look_for_room(&mut self, home: ReactorNumber, is_told: bool) {
        let rings = &mut self.to[home.index()];
        let was_short = rings.is_short;
        rings.is_short = !rings.requests.has_room(self.message_bytes_max, 0) || !is_told;
        self.short = self.short + usize::from(rings.is_short) - usize::from(was_short);
    }

    /// Whether one more answer fits into the ring to a reactor.
    pub(crate) fn has_room_to_answer(&mut self, reactor: ReactorNumber) -> bool {
        self.to[reactor.index()].deliveries.has_room(0, 0)
    }

    /// Puts an answer into the ring to a reactor. There is room: the caller has looked.
    pub(crate) fn answer(&mut self, reactor: ReactorNumber, answer: &Delivery<'_>) {
        let rings = &mut self.to[reactor.index()];
        let is_in = rings.deliveries.put(|head| answer.encode(head), answer.payload());
        // A bug of ours, and never to be covered up: an accepted message would be lost.
        assert!(is_in, "room was looked for before");
        rings.has_news = true;
    }

    /// Whether something was put in for a reactor since the last call.
    pub(crate) fn take_news(&mut self, reactor: ReactorNumber) -> bool {
        std::mem::take(&mut self.to[reactor.index()].has_news)
    }

    /// How far the deliveries to a reactor are filled now.
    pub(crate) fn deliveries_filled_to(&self, reactor: ReactorNumber) -> u64 {
        self.to[reactor.index()].deliveries.filled_to()
    }

    /// Whether a reactor has taken all deliveries before a place.
    pub(crate) fn has_taken_deliveries(&self, reactor: ReactorNumber, place: u64) -> bool {
        self.to[reactor.index()].deliveries.is_taken_to(place)
    }

    /// Records that were put into the rings to a reactor: updates, requests, deliveries.
    pub(crate) fn put_so_far(&self, reactor: ReactorNumber) -> [u64; 3] {
        let rings = &self.to[reactor.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingWriter::put_so_far)
    }

    /// All records that were put into the rings to other reactors.
    pub(crate) fn put_for_others(&self) -> u64 {
        let others =
            (0..self.to.len() as u16).map(ReactorNumber).filter(|reactor| *reactor != self.own);
        others.flat_map(|reactor| self.put_so_far(reactor)).sum()
    }
}

impl Outlet for Outbox {
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool {
        // And for the answer to whoever has published it.
        self.to[reactor.index()].deliveries.has_room(payload_bytes, 1)
    }

    fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.shared.is_memory_full(reactor)
    }

    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>) {
        self.answer(reactor, &Delivery::Message(numbered));
    }
}
