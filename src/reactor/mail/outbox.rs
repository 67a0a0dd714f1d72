//! A reactor's ways to all reactors, itself included.

use std::sync::Arc;

use crate::hub::{MembershipUpdate, Numbered, Outlet, ReactorNumber};

use super::super::shared::Shared;
use super::record::{Delivery, Request, encode_interest};
use super::ring::RingWriter;

pub(in super::super) struct Outbox {
    own: ReactorNumber,
    shared: Arc<Shared>,
    ways: Vec<Way>,
    /// How many ways are short of room.
    short: usize,
    message_bytes_max: usize,
}

struct Way {
    interests: RingWriter,
    requests: RingWriter,
    deliveries: RingWriter,
    /// A largest request did not fit when that was last looked at. Invariant: if not, it fits.
    is_short: bool,
    /// Something was put in: the reactor has to hear of it.
    is_news: bool,
}

impl Outbox {
    pub(super) fn new(own: ReactorNumber, shared: Arc<Shared>, message_bytes_max: usize) -> Outbox {
        Outbox { own, shared, ways: Vec::new(), short: 0, message_bytes_max }
    }

    pub(super) fn add(
        &mut self,
        interests: RingWriter,
        requests: RingWriter,
        deliveries: RingWriter,
    ) {
        self.ways.push(Way { interests, requests, deliveries, is_short: false, is_news: false });
    }

    /// Whether a request of any size can be put on every way.
    pub(in super::super) fn has_room(&self) -> bool {
        self.short == 0
    }

    /// The same for one way.
    pub(in super::super) fn has_room_to(&self, home: ReactorNumber) -> bool {
        !self.ways[home.index()].is_short
    }

    /// Tells a home; false if there is no room for it.
    pub(in super::super) fn tell(
        &mut self,
        home: ReactorNumber,
        interest: MembershipUpdate<'_>,
    ) -> bool {
        let way = &mut self.ways[home.index()];
        let is_in = way.interests.has_room(0, 0)
            && way.interests.put(|head| encode_interest(interest, head), b"");
        way.is_news |= is_in;
        is_in
    }

    /// Puts a request on its way; false if that is full.
    pub(in super::super) fn request(&mut self, home: ReactorNumber, request: &Request<'_>) -> bool {
        let way = &mut self.ways[home.index()];
        let is_in = way.requests.put(|head| request.encode(head), request.payload());
        way.is_news |= is_in;
        self.look_for_room(home, true);
        is_in
    }

    /// Looks whether a way has room now. Not `is_told`: the home has to hear of something else
    /// first.
    pub(in super::super) fn look_for_room(&mut self, home: ReactorNumber, is_told: bool) {
        let way = &mut self.ways[home.index()];
        let was_short = way.is_short;
        way.is_short = !way.requests.has_room(self.message_bytes_max, 0) || !is_told;
        self.short = self.short + usize::from(way.is_short) - usize::from(was_short);
    }

    /// Whether an answer can be sent to a reactor.
    pub(in super::super) fn has_room_to_answer(&mut self, reactor: ReactorNumber) -> bool {
        self.ways[reactor.index()].deliveries.has_room(0, 0)
    }

    /// Sends an answer; there is room.
    pub(in super::super) fn answer(&mut self, reactor: ReactorNumber, answer: &Delivery<'_>) {
        let way = &mut self.ways[reactor.index()];
        let is_in = way.deliveries.put(|head| answer.encode(head), answer.payload());
        // A bug of ours, and never to be covered up: an accepted message would be lost.
        assert!(is_in, "room was looked for before");
        way.is_news = true;
    }

    /// Whether a reactor has to hear something, as of the last call.
    pub(in super::super) fn take_news(&mut self, reactor: ReactorNumber) -> bool {
        std::mem::take(&mut self.ways[reactor.index()].is_news)
    }

    /// How far the deliveries to a reactor are filled now.
    pub(in super::super) fn deliveries_filled_to(&self, reactor: ReactorNumber) -> u64 {
        self.ways[reactor.index()].deliveries.filled_to()
    }

    /// Whether a reactor has taken all deliveries before a place.
    pub(in super::super) fn has_taken_deliveries(
        &self,
        reactor: ReactorNumber,
        place: u64,
    ) -> bool {
        self.ways[reactor.index()].deliveries.is_taken_to(place)
    }

    /// Records that were put on the way to a reactor: interests, requests, deliveries.
    pub(in super::super) fn put_so_far(&self, reactor: ReactorNumber) -> [u64; 3] {
        let way = &self.ways[reactor.index()];
        [&way.interests, &way.requests, &way.deliveries].map(RingWriter::put_so_far)
    }

    /// All records that were put on the way to other reactors.
    pub(in super::super) fn put_for_others(&self) -> u64 {
        let others =
            (0..self.ways.len() as u16).map(ReactorNumber).filter(|reactor| *reactor != self.own);
        others.flat_map(|reactor| self.put_so_far(reactor)).sum()
    }
}

impl Outlet for Outbox {
    fn has_room(&mut self, reactor: ReactorNumber, payload_bytes: usize) -> bool {
        // And for the answer to whoever has published it.
        self.ways[reactor.index()].deliveries.has_room(payload_bytes, 1)
    }

    fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.shared.is_memory_full(reactor)
    }

    fn deliver(&mut self, reactor: ReactorNumber, numbered: Numbered<'_>) {
        self.answer(reactor, &Delivery::Message(numbered));
    }
}
