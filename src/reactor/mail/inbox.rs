//! The receiving ends of the rings from all reactors to this one, its own included.

use crate::hub::{MembershipUpdate, ReactorNumber};

use super::record::{Delivery, HomeRequest, decode_update};
use super::ring::RingReader;

pub(crate) struct Inbox {
    from: Vec<RingsFrom>,
}

struct RingsFrom {
    updates: RingReader,
    /// Updates before this place are to be taken now.
    updates_until: u64,
    requests: RingReader,
    requests_noted: u64,
    /// Requests before this place may be served: all updates that came before them have been
    /// taken.
    requests_until: u64,
    deliveries: RingReader,
}

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox { from: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        updates: RingReader,
        requests: RingReader,
        deliveries: RingReader,
    ) {
        self.from.push(RingsFrom {
            updates,
            updates_until: 0,
            requests,
            requests_noted: 0,
            requests_until: 0,
            deliveries,
        });
    }

    /// Notes which updates are there. What a writer adds meanwhile is left for the next time.
    pub(crate) fn note_updates(&mut self) {
        for rings in &mut self.from {
            rings.updates_until = rings.updates.filled_to();
        }
    }

    /// Whether an update of a reactor that was noted has not been taken yet.
    pub(crate) fn has_noted_update(&self, from: ReactorNumber) -> bool {
        let rings = &self.from[from.index()];
        rings.updates.is_before(rings.updates_until)
    }

    /// The oldest update of a reactor, if it was noted; it stays until it is
    /// [used up](Self::use_up_update).
    pub(crate) fn update(&mut self, from: ReactorNumber) -> Option<MembershipUpdate<'_>> {
        if !self.has_noted_update(from) {
            return None;
        }
        let (head, _) = self.from[from.index()].updates.head()?;
        let update = decode_update(head);
        debug_assert!(update.is_some(), "an update that nobody has written");
        update
    }

    pub(crate) fn use_up_update(&mut self, from: ReactorNumber) {
        self.from[from.index()].updates.use_up();
    }

    /// Notes which requests are there. When after this all updates have been taken, they may be
    /// [served](Self::serve_noted): of whoever was told of a subscription before it sent one of
    /// these requests, the update has been taken by then.
    pub(crate) fn note_requests(&mut self) {
        for rings in &mut self.from {
            rings.requests_noted = rings.requests.filled_to();
        }
    }

    pub(crate) fn serve_noted(&mut self) {
        for rings in &mut self.from {
            rings.requests_until = rings.requests_noted;
        }
    }

    /// The oldest request of a reactor, if it may be served; it stays until it is
    /// [used up](Self::use_up_request).
    pub(crate) fn request(&mut self, from: ReactorNumber) -> Option<HomeRequest<'_>> {
        let rings = &mut self.from[from.index()];
        if !rings.requests.is_before(rings.requests_until) {
            return None;
        }
        let (head, payload) = rings.requests.head()?;
        let request = HomeRequest::decode(head, payload);
        debug_assert!(request.is_some(), "a request that nobody has written");
        request
    }

    pub(crate) fn use_up_request(&mut self, from: ReactorNumber) {
        self.from[from.index()].requests.use_up();
    }

    /// The oldest delivery of a reactor; it stays until it is [used up](Self::use_up_delivery).
    pub(crate) fn delivery(&mut self, from: ReactorNumber) -> Option<Delivery<'_>> {
        let (head, payload) = self.from[from.index()].deliveries.head()?;
        let delivery = Delivery::decode(head, payload);
        debug_assert!(delivery.is_some(), "a delivery that nobody has written");
        delivery
    }

    pub(crate) fn use_up_delivery(&mut self, from: ReactorNumber) {
        self.from[from.index()].deliveries.use_up();
    }

    /// Whether a reactor waits for room in a ring to here, and records have been taken out of it.
    pub(crate) fn relieve(&mut self, from: ReactorNumber) -> bool {
        let rings = &mut self.from[from.index()];
        // Without a short cut: each ring has a flag of its own, which has to be looked at.
        rings.updates.relieve() | rings.requests.relieve() | rings.deliveries.relieve()
    }

    /// Whether a reactor has no request waiting here.
    pub(crate) fn has_no_request(&self, from: ReactorNumber) -> bool {
        self.from[from.index()].requests.is_empty()
    }

    /// How far the requests of a reactor are filled now.
    pub(crate) fn requests_filled_to(&self, from: ReactorNumber) -> u64 {
        self.from[from.index()].requests.filled_to()
    }

    /// Whether a request of a reactor waits here that stands before a place.
    pub(crate) fn has_request_before(&self, from: ReactorNumber, place: u64) -> bool {
        self.from[from.index()].requests.is_before(place)
    }

    /// Records of a reactor that have been dealt with: updates, requests, deliveries.
    pub(crate) fn taken_so_far(&self, from: ReactorNumber) -> [u64; 3] {
        let rings = &self.from[from.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingReader::taken_so_far)
    }

    /// All records of other reactors that have been dealt with.
    pub(crate) fn taken_of_others(&self, own: ReactorNumber) -> u64 {
        let others =
            (0..self.from.len() as u16).map(ReactorNumber).filter(|reactor| *reactor != own);
        others.flat_map(|reactor| self.taken_so_far(reactor)).sum()
    }

    /// Of each ring from a reactor: bytes taken out so far, and whether that reactor waits for more
    /// of that.
    #[cfg(test)]
    pub(crate) fn fetched(&self, from: ReactorNumber) -> [(u64, bool); 3] {
        let rings = &self.from[from.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingReader::fetched)
    }

    /// Calls with every record of a reactor that waits here. Payloads are left out.
    #[cfg(test)]
    pub(crate) fn look_through(
        &mut self,
        from: ReactorNumber,
        mut updates: impl FnMut(MembershipUpdate<'_>),
        mut requests: impl FnMut(HomeRequest<'_>),
        mut deliveries: impl FnMut(Delivery<'_>),
    ) {
        let rings = &mut self.from[from.index()];
        for (head, _) in rings.updates.heads() {
            updates(decode_update(&head).expect("an update"));
        }
        for (head, _) in rings.requests.heads() {
            requests(HomeRequest::decode(&head, b"").expect("a request"));
        }
        for (head, _) in rings.deliveries.heads() {
            deliveries(Delivery::decode(&head, b"").expect("a delivery"));
        }
    }
}
