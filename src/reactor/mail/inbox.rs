//! The reading ends of the rings from all reactors to this one, its own included.

use crate::hub::{MembershipUpdate, ReactorNumber};

use super::record::{Delivery, HomeRequest, decode_update};
use super::ring::RingReader;

pub(crate) struct Inbox {
    from: Vec<RingsFrom>,
}

struct RingsFrom {
    updates: RingReader,
    /// Updates before this offset are marked: they are to be taken now.
    updates_until: u64,
    requests: RingReader,
    requests_noted: u64,
    /// Requests before this offset may be served: all updates sent before them have been taken.
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

    /// Marks the updates present now. Updates that are written later are left for the next time.
    pub(crate) fn note_updates(&mut self) {
        for rings in &mut self.from {
            rings.updates_until = rings.updates.filled_to();
        }
    }

    /// Returns true if a marked update of this reactor has not been taken yet.
    pub(crate) fn has_noted_update(&self, from: ReactorNumber) -> bool {
        let rings = &self.from[from.index()];
        rings.updates.is_before(rings.updates_until)
    }

    /// Returns the oldest update of a reactor, if it is marked. It stays until it is [used
    /// up](Self::use_up_update).
    pub(crate) fn update(&mut self, from: ReactorNumber) -> Option<MembershipUpdate<'_>> {
        if !self.has_noted_update(from) {
            return None;
        }
        let (head, _) = self.from[from.index()].updates.head()?;
        let update = decode_update(head);
        debug_assert!(update.is_some(), "an update that cannot be decoded");
        update
    }

    pub(crate) fn use_up_update(&mut self, from: ReactorNumber) {
        self.from[from.index()].updates.use_up();
    }

    /// Marks the requests present now. They may be [served](Self::serve_noted) once all updates
    /// have been taken, because a subscription confirmed before one of these requests was sent is
    /// among those updates.
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

    /// Returns the oldest request of a reactor, if it may be served. It stays until it is [used
    /// up](Self::use_up_request).
    pub(crate) fn request(&mut self, from: ReactorNumber) -> Option<HomeRequest<'_>> {
        let rings = &mut self.from[from.index()];
        if !rings.requests.is_before(rings.requests_until) {
            return None;
        }
        let (head, payload) = rings.requests.head()?;
        let request = HomeRequest::decode(head, payload);
        debug_assert!(request.is_some(), "a request that cannot be decoded");
        request
    }

    pub(crate) fn use_up_request(&mut self, from: ReactorNumber) {
        self.from[from.index()].requests.use_up();
    }

    /// Returns the oldest delivery of a reactor. It stays until it is [used
    /// up](Self::use_up_delivery).
    pub(crate) fn delivery(&mut self, from: ReactorNumber) -> Option<Delivery<'_>> {
        let (head, payload) = self.from[from.index()].deliveries.head()?;
        let delivery = Delivery::decode(head, payload);
        debug_assert!(delivery.is_some(), "a delivery that cannot be decoded");
        delivery
    }

    pub(crate) fn use_up_delivery(&mut self, from: ReactorNumber) {
        self.from[from.index()].deliveries.use_up();
    }

    /// Returns true if a reactor waits for room in a ring to this one, and records have been taken
    /// out of that ring: the reactor must be woken.
    pub(crate) fn relieve(&mut self, from: ReactorNumber) -> bool {
        let rings = &mut self.from[from.index()];
        // No short-circuiting: each ring has a flag of its own that must be checked.
        rings.updates.relieve() | rings.requests.relieve() | rings.deliveries.relieve()
    }

    /// Returns true if no request of this reactor waits here.
    pub(crate) fn has_no_request(&self, from: ReactorNumber) -> bool {
        self.from[from.index()].requests.is_empty()
    }

    /// Returns the offset at which this reactor's next request will be written.
    pub(crate) fn requests_filled_to(&self, from: ReactorNumber) -> u64 {
        self.from[from.index()].requests.filled_to()
    }

    /// Returns true if a request of this reactor that lies before this offset still waits here.
    pub(crate) fn has_request_before(&self, from: ReactorNumber, place: u64) -> bool {
        self.from[from.index()].requests.is_before(place)
    }

    /// Returns how many records of a reactor were processed: updates, requests, deliveries.
    pub(crate) fn taken_so_far(&self, from: ReactorNumber) -> [u64; 3] {
        let rings = &self.from[from.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingReader::taken_so_far)
    }

    /// Returns how many records of all other reactors were processed.
    pub(crate) fn taken_of_others(&self, own: ReactorNumber) -> u64 {
        let others =
            (0..self.from.len() as u16).map(ReactorNumber).filter(|reactor| *reactor != own);
        others.flat_map(|reactor| self.taken_so_far(reactor)).sum()
    }

    /// Returns, for each ring from a reactor, how many bytes were taken out so far, and whether
    /// that reactor waits for more to be taken.
    #[cfg(test)]
    pub(crate) fn fetched(&self, from: ReactorNumber) -> [(u64, bool); 3] {
        let rings = &self.from[from.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingReader::fetched)
    }

    /// Calls the closures with every record of a reactor that waits here, without its payload.
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
