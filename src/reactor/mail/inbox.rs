//! A reactor's ends of the ways from all reactors, itself included.

use crate::hub::{MembershipUpdate, ReactorNumber};

use super::record::{Delivery, Request, decode_interest};
use super::ring::RingReader;

pub(in super::super) struct Inbox {
    ways: Vec<Way>,
}

struct Way {
    interests: RingReader,
    /// Interests before this place are to be taken now.
    interests_until: u64,
    requests: RingReader,
    requests_noted: u64,
    /// Requests before this place may be served: all interests that came before them have been
    /// taken.
    requests_until: u64,
    deliveries: RingReader,
}

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox { ways: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        interests: RingReader,
        requests: RingReader,
        deliveries: RingReader,
    ) {
        self.ways.push(Way {
            interests,
            interests_until: 0,
            requests,
            requests_noted: 0,
            requests_until: 0,
            deliveries,
        });
    }

    /// Notes which interests are there: of a writer that goes on there is no end.
    pub(in super::super) fn note_interests(&mut self) {
        for way in &mut self.ways {
            way.interests_until = way.interests.filled_to();
        }
    }

    /// Whether a reactor has told this home something that was there when that was noted.
    pub(in super::super) fn has_noted_interest(&self, from: ReactorNumber) -> bool {
        let way = &self.ways[from.index()];
        way.interests.is_before(way.interests_until)
    }

    /// What a reactor has told this home first, if it was there when that was noted; it stays until
    /// it is [used up](Self::use_up_interest).
    pub(in super::super) fn interest(
        &mut self,
        from: ReactorNumber,
    ) -> Option<MembershipUpdate<'_>> {
        if !self.has_noted_interest(from) {
            return None;
        }
        let (head, _) = self.ways[from.index()].interests.head()?;
        let interest = decode_interest(head);
        debug_assert!(interest.is_some(), "an interest that nobody has written");
        interest
    }

    pub(in super::super) fn use_up_interest(&mut self, from: ReactorNumber) {
        self.ways[from.index()].interests.use_up();
    }

    /// Notes which requests are there. When after this all interests have been taken, they may be
    /// [served](Self::serve_noted): of whoever was told of a subscription before it sent one of
    /// these requests, the interest has been taken by then.
    pub(in super::super) fn note_requests(&mut self) {
        for way in &mut self.ways {
            way.requests_noted = way.requests.filled_to();
        }
    }

    pub(in super::super) fn serve_noted(&mut self) {
        for way in &mut self.ways {
            way.requests_until = way.requests_noted;
        }
    }

    /// The oldest request of a reactor, if it may be served; it stays until it is
    /// [used up](Self::use_up_request).
    pub(in super::super) fn request(&mut self, from: ReactorNumber) -> Option<Request<'_>> {
        let way = &mut self.ways[from.index()];
        if !way.requests.is_before(way.requests_until) {
            return None;
        }
        let (head, payload) = way.requests.head()?;
        let request = Request::decode(head, payload);
        debug_assert!(request.is_some(), "a request that nobody has written");
        request
    }

    pub(in super::super) fn use_up_request(&mut self, from: ReactorNumber) {
        self.ways[from.index()].requests.use_up();
    }

    /// The oldest delivery of a reactor; it stays until it is [used up](Self::use_up_delivery).
    pub(in super::super) fn delivery(&mut self, from: ReactorNumber) -> Option<Delivery<'_>> {
        let (head, payload) = self.ways[from.index()].deliveries.head()?;
        let delivery = Delivery::decode(head, payload);
        debug_assert!(delivery.is_some(), "a delivery that nobody has written");
        delivery
    }

    pub(in super::super) fn use_up_delivery(&mut self, from: ReactorNumber) {
        self.ways[from.index()].deliveries.use_up();
    }

    /// Whether a reactor waits for room on its way to here, of which there is now some.
    pub(in super::super) fn relieve(&mut self, from: ReactorNumber) -> bool {
        let way = &mut self.ways[from.index()];
        // All of them: each has a flag of its own.
        way.interests.relieve() | way.requests.relieve() | way.deliveries.relieve()
    }

    /// Whether a reactor has no request waiting here.
    pub(in super::super) fn has_no_request(&self, from: ReactorNumber) -> bool {
        self.ways[from.index()].requests.is_empty()
    }

    /// How far the requests of a reactor are filled now.
    pub(in super::super) fn requests_filled_to(&self, from: ReactorNumber) -> u64 {
        self.ways[from.index()].requests.filled_to()
    }

    /// Whether a request of a reactor waits here that stands before a place.
    pub(in super::super) fn has_request_before(&self, from: ReactorNumber, place: u64) -> bool {
        self.ways[from.index()].requests.is_before(place)
    }

    /// Records of a reactor that have been dealt with: interests, requests, deliveries.
    pub(in super::super) fn taken_so_far(&self, from: ReactorNumber) -> [u64; 3] {
        let way = &self.ways[from.index()];
        [&way.interests, &way.requests, &way.deliveries].map(RingReader::taken_so_far)
    }

    /// All records of other reactors that have been dealt with.
    pub(in super::super) fn taken_of_others(&self, own: ReactorNumber) -> u64 {
        let others =
            (0..self.ways.len() as u16).map(ReactorNumber).filter(|reactor| *reactor != own);
        others.flat_map(|reactor| self.taken_so_far(reactor)).sum()
    }

    /// Of each ring from a reactor: bytes taken out so far, and whether that reactor waits for more
    /// of that.
    #[cfg(test)]
    pub(in super::super) fn fetched(&self, from: ReactorNumber) -> [(u64, bool); 3] {
        let way = &self.ways[from.index()];
        [&way.interests, &way.requests, &way.deliveries].map(RingReader::fetched)
    }

    /// Calls with every record of a reactor that waits here. Payloads are left out.
    #[cfg(test)]
    pub(in super::super) fn look_through(
        &mut self,
        from: ReactorNumber,
        mut interests: impl FnMut(MembershipUpdate<'_>),
        mut requests: impl FnMut(Request<'_>),
        mut deliveries: impl FnMut(Delivery<'_>),
    ) {
        let way = &mut self.ways[from.index()];
        for (head, _) in way.interests.heads() {
            interests(decode_interest(&head).expect("an interest"));
        }
        for (head, _) in way.requests.heads() {
            requests(Request::decode(&head, b"").expect("a request"));
        }
        for (head, _) in way.deliveries.heads() {
            deliveries(Delivery::decode(&head, b"").expect("a delivery"));
        }
    }
}
