//! The reading ends of the rings from all reactors to this one, its own included.

use std::sync::Arc;

use crate::hub::{MembershipUpdate, ReactorNumber};

use super::flags::Senders;
use super::reactor_set::ReactorSet;
use super::record::{Delivery, HomeRequest, decode_update};
use super::ring::RingReader;

pub(crate) struct Inbox {
    own: ReactorNumber,
    from: Vec<RingsFrom>,
    /// Where the other reactors say that they have written.
    told: Arc<Senders>,
    /// The reactors whose rings may have records; always this one itself.
    senders: ReactorSet,
    /// The reactors out of whose rings something was taken since they were last
    /// [relieved](Self::take_relieved).
    taken_from: ReactorSet,
    /// How many records were processed, of whichever reactor.
    taken: u64,
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
    pub(super) fn new(own: ReactorNumber, reactors: usize) -> Inbox {
        let mut inbox = Inbox {
            own,
            from: Vec::new(),
            told: Arc::new(Senders::new(reactors)),
            senders: ReactorSet::new(reactors),
            taken_from: ReactorSet::new(reactors),
            taken: 0,
        };
        inbox.senders.insert(own);
        inbox
    }

    /// Returns what other reactors must be given to say that they have written.
    pub(super) fn senders(&self) -> Arc<Senders> {
        Arc::clone(&self.told)
    }

    /// Begins a turn: forgets the senders whose rings are empty.
    pub(crate) fn begin_turn(&mut self) {
        let mut from = 0;
        while let Some(sender) = self.senders.first_from(from) {
            from = sender.index() + 1;
            let rings = &self.from[sender.index()];
            let is_empty = rings.updates.is_empty()
                && rings.requests.is_empty()
                && rings.deliveries.is_empty();
            if is_empty && sender != self.own {
                self.senders.remove(sender);
            }
        }
    }

    /// Adds the reactors that have written since the last call to the senders.
    fn note_senders(&mut self) {
        let senders = &mut self.senders;
        self.told.take(|word, bits| senders.insert_word(word, bits));
    }

    /// Takes every reactor for a sender. In a drain nothing that was accepted may be overlooked
    /// because its sender's turn has not ended yet.
    pub(crate) fn note_all_senders(&mut self) {
        for sender in 0..self.from.len() as u16 {
            self.senders.insert(ReactorNumber(sender));
        }
    }

    /// Returns the first reactor, from this number on, whose rings may have records.
    pub(crate) fn sender_from(&self, number: usize) -> Option<ReactorNumber> {
        self.senders.first_from(number)
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
        self.note_senders();
        self.each_sender(|rings| rings.updates_until = rings.updates.filled_to());
    }

    fn each_sender(&mut self, mut act: impl FnMut(&mut RingsFrom)) {
        let mut from = 0;
        while let Some(sender) = self.senders.first_from(from) {
            from = sender.index() + 1;
            act(&mut self.from[sender.index()]);
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
        self.taken_from.insert(from);
        let (head, _) = self.from[from.index()].updates.head()?;
        let update = decode_update(head);
        debug_assert!(update.is_some(), "an update that cannot be decoded");
        update
    }

    pub(crate) fn use_up_update(&mut self, from: ReactorNumber) {
        self.from[from.index()].updates.use_up();
        self.note_taken(from);
    }

    /// Marks the requests present now. They may be [served](Self::serve_noted) once all updates
    /// have been taken, because a subscription confirmed before one of these requests was sent is
    /// among those updates.
    pub(crate) fn note_requests(&mut self) {
        self.note_senders();
        self.each_sender(|rings| rings.requests_noted = rings.requests.filled_to());
    }

    pub(crate) fn serve_noted(&mut self) {
        self.each_sender(|rings| rings.requests_until = rings.requests_noted);
    }

    /// Returns the oldest request of a reactor, if it may be served. It stays until it is [used
    /// up](Self::use_up_request).
    pub(crate) fn request(&mut self, from: ReactorNumber) -> Option<HomeRequest<'_>> {
        let rings = &mut self.from[from.index()];
        if !rings.requests.is_before(rings.requests_until) {
            return None;
        }
        self.taken_from.insert(from);
        let (head, payload) = rings.requests.head()?;
        let request = HomeRequest::decode(head, payload);
        debug_assert!(request.is_some(), "a request that cannot be decoded");
        request
    }

    pub(crate) fn use_up_request(&mut self, from: ReactorNumber) {
        self.from[from.index()].requests.use_up();
        self.note_taken(from);
    }

    /// Returns the oldest delivery of a reactor. It stays until it is [used
    /// up](Self::use_up_delivery).
    pub(crate) fn delivery(&mut self, from: ReactorNumber) -> Option<Delivery<'_>> {
        self.taken_from.insert(from);
        let (head, payload) = self.from[from.index()].deliveries.head()?;
        let delivery = Delivery::decode(head, payload);
        debug_assert!(delivery.is_some(), "a delivery that cannot be decoded");
        delivery
    }

    pub(crate) fn use_up_delivery(&mut self, from: ReactorNumber) {
        self.from[from.index()].deliveries.use_up();
        self.note_taken(from);
    }

    fn note_taken(&mut self, from: ReactorNumber) {
        self.taken += 1;
        self.taken_from.insert(from);
    }

    /// Returns a reactor that waits for room in a ring to this one, out of which records have been
    /// taken: the reactor must be woken.
    pub(crate) fn take_relieved(&mut self) -> Option<ReactorNumber> {
        while let Some(from) = self.taken_from.take_first() {
            let rings = &mut self.from[from.index()];
            // No short-circuiting: each ring has a flag of its own that must be checked.
            if rings.updates.relieve() | rings.requests.relieve() | rings.deliveries.relieve() {
                return Some(from);
            }
        }
        None
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
        self.taken - self.taken_so_far(own).iter().sum::<u64>()
    }

    /// Returns, for each ring from a reactor, how many bytes were taken out so far, and whether
    /// that reactor waits for more to be taken.
    #[cfg(test)]
    pub(crate) fn fetched(&self, from: ReactorNumber) -> [(u64, bool); 3] {
        let rings = &self.from[from.index()];
        [&rings.updates, &rings.requests, &rings.deliveries].map(RingReader::fetched)
    }

    /// Returns true if a reactor waits for a large payload of one of its deliveries to be used up.
    #[cfg(test)]
    pub(crate) fn is_large_delivery_awaited(&self, from: ReactorNumber) -> bool {
        self.from[from.index()].deliveries.is_large_awaited()
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
