//! The reading ends of the rings from all reactors to this one, its own included.

use std::sync::Arc;

use crate::hub::{MembershipUpdate, Numbered, ReactorNumber};

use super::flags::Senders;
use super::reactor_set::ReactorSet;
use super::record::{AnswerRecord, HomeRequest, decode_numbered, decode_update};
use super::ring::RingReader;

pub(crate) struct Inbox {
    own: ReactorNumber,
    from: Vec<RingsFrom>,
    /// Flags that the other reactors set when they have written to this one.
    told: Arc<Senders>,
    /// The reactors whose rings may have records; always this one itself.
    senders: ReactorSet,
    /// The reactors from whose rings records were taken since they were last
    /// [relieved](Self::take_relieved) (woken because their rings have room).
    taken_from: ReactorSet,
    /// How many records were processed, of all reactors.
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
    messages: RingReader,
    answers: RingReader,
}

impl RingsFrom {
    fn is_empty(&self) -> bool {
        self.updates.is_empty()
            && self.requests.is_empty()
            && self.messages.is_empty()
            && self.answers.is_empty()
    }
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

    /// Returns the flags that other reactors set when they have written to this one.
    pub(super) fn senders(&self) -> Arc<Senders> {
        Arc::clone(&self.told)
    }

    /// Adds to `senders` the reactors that have written since the last call.
    pub(crate) fn note_senders(&mut self) {
        let senders = &mut self.senders;
        self.told.take(|word, bits| senders.insert_word(word, bits));
    }

    /// Adds all reactors to `senders`. In a drain, a record that was accepted must not be
    /// overlooked because the sender, still in its turn, has not set its flag yet.
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
        messages: RingReader,
        answers: RingReader,
    ) {
        self.from.push(RingsFrom {
            updates,
            updates_until: 0,
            requests,
            requests_noted: 0,
            requests_until: 0,
            messages,
            answers,
        });
    }

    /// Marks the updates of a reactor that are present now, and returns true if there are any.
    /// Updates that are written later are left for the next time.
    pub(crate) fn note_updates(&mut self, from: ReactorNumber) -> bool {
        let rings = &mut self.from[from.index()];
        rings.updates_until = rings.updates.filled_to();
        self.has_noted_update(from)
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
        let (head, _) = self.from[from.index()].updates.head()?;
        self.taken_from.insert(from);
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
    /// among those updates. Forgets the senders whose rings are empty.
    pub(crate) fn note_requests(&mut self) {
        self.note_senders();
        let mut number = 0;
        while let Some(from) = self.senders.first_from(number) {
            number = from.index() + 1;
            let rings = &mut self.from[from.index()];
            rings.requests_noted = rings.requests.filled_to();
            if rings.is_empty() && from != self.own {
                self.senders.remove(from);
            }
        }
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
        let (head, payload) = rings.requests.head()?;
        self.taken_from.insert(from);
        let request = HomeRequest::decode(head, payload);
        debug_assert!(request.is_some(), "a request that cannot be decoded");
        request
    }

    pub(crate) fn use_up_request(&mut self, from: ReactorNumber) {
        self.from[from.index()].requests.use_up();
        self.note_taken(from);
    }

    /// Returns the oldest answer of a reactor. It stays until it is [used up](Self::use_up_answer).
    pub(crate) fn answer(&mut self, from: ReactorNumber) -> Option<AnswerRecord<'_>> {
        let (head, _) = self.from[from.index()].answers.head()?;
        self.taken_from.insert(from);
        let answer = AnswerRecord::decode(head);
        debug_assert!(answer.is_some(), "an answer that cannot be decoded");
        answer
    }

    pub(crate) fn use_up_answer(&mut self, from: ReactorNumber) {
        self.from[from.index()].answers.use_up();
        self.note_taken(from);
    }

    /// Returns the oldest message of a reactor. It stays until it is [used
    /// up](Self::use_up_message). Every answer that the reactor wrote before it can now be
    /// [read](Self::answer).
    pub(crate) fn message(&mut self, from: ReactorNumber) -> Option<Numbered<'_>> {
        let (head, payload) = self.from[from.index()].messages.head()?;
        self.taken_from.insert(from);
        let numbered = decode_numbered(head, payload);
        debug_assert!(numbered.is_some(), "a message that cannot be decoded");
        numbered
    }

    pub(crate) fn use_up_message(&mut self, from: ReactorNumber) {
        self.from[from.index()].messages.use_up();
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
            let is_relieved = rings.updates.relieve()
                | rings.requests.relieve()
                | rings.messages.relieve()
                | rings.answers.relieve();
            if is_relieved {
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

    /// Returns how many records of a reactor were processed: updates, requests, messages, answers.
    pub(crate) fn taken_so_far(&self, from: ReactorNumber) -> [u64; 4] {
        self.readers(from).map(RingReader::taken_so_far)
    }

    fn readers(&self, from: ReactorNumber) -> [&RingReader; 4] {
        let rings = &self.from[from.index()];
        [&rings.updates, &rings.requests, &rings.messages, &rings.answers]
    }

    /// Returns how many records of all other reactors were processed.
    pub(crate) fn taken_of_others(&self, own: ReactorNumber) -> u64 {
        self.taken - self.taken_so_far(own).iter().sum::<u64>()
    }

    /// Returns, for each ring from a reactor, how many bytes were taken out so far, and whether
    /// that reactor waits for more to be taken.
    #[cfg(test)]
    pub(crate) fn fetched(&self, from: ReactorNumber) -> [(u64, bool); 4] {
        self.readers(from).map(RingReader::fetched)
    }

    /// Returns true if a reactor waits for a large payload of one of its messages to be used up.
    #[cfg(test)]
    pub(crate) fn is_large_message_awaited(&self, from: ReactorNumber) -> bool {
        self.from[from.index()].messages.is_large_awaited()
    }

    /// Calls the closures with every record of a reactor that waits here, without its payload.
    #[cfg(test)]
    pub(crate) fn look_through(
        &mut self,
        from: ReactorNumber,
        mut updates: impl FnMut(MembershipUpdate<'_>),
        mut requests: impl FnMut(HomeRequest<'_>),
        mut messages: impl FnMut(Numbered<'_>),
        mut answers: impl FnMut(AnswerRecord<'_>),
    ) {
        let rings = &mut self.from[from.index()];
        for (head, _) in rings.updates.heads() {
            updates(decode_update(&head).expect("an update"));
        }
        for (head, _) in rings.requests.heads() {
            requests(HomeRequest::decode(&head, b"").expect("a request"));
        }
        for (head, _) in rings.messages.heads() {
            messages(decode_numbered(&head, b"").expect("a message"));
        }
        for (head, _) in rings.answers.heads() {
            answers(AnswerRecord::decode(&head).expect("an answer"));
        }
    }
}
