//! A bounded ring of bytes that carries records from one reactor to another, with one thread at
//! each end. A large payload travels beside the ring, in a buffer that is shared with the rings to
//! other reactors and used again afterwards. So nothing is allocated per record, and the ring can
//! be small.
//!
//! ```text
//!  record:  head bytes │ payload bytes (top bit: beside) │ head … │ payload …
//! ```

use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};

use super::flags::Starved;
use super::large_payloads::{LargePayloads, MessageKey};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

/// Each record starts with the lengths of its head and its payload, of four bytes each.
const LENGTHS_BYTES: usize = 8;
/// This bit of the payload's length means: the payload is not in the ring but in a separate buffer.
const BESIDE: u32 = 1 << 31;
/// The longest head of a record: a channel name and a few numbers.
pub(super) const HEAD_BYTES_MAX: usize = 320;
/// The smallest ring for answers.
const ANSWER_RING_BYTES_MIN: usize = 1024;
/// The largest record without a payload.
const RECORD_BYTES_MAX: usize = LENGTHS_BYTES + HEAD_BYTES_MAX;
/// A payload larger than this, or than a quarter of the ring, travels in a separate buffer.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// How large the rings between reactors are.
#[derive(Clone, Copy, Debug)]
pub struct RingSizes {
    /// Bytes of one ring; at least 2 KiB.
    pub bytes: usize,
    /// How many large payloads of requests may be on their way from one reactor in separate
    /// buffers, and how many of messages from homes. At least one.
    pub beside: usize,
}

impl RingSizes {
    /// The smallest sizes with which every record can be sent.
    pub const MIN: RingSizes = RingSizes { bytes: 2 * 1024, beside: 1 };

    /// Returns the size of a ring for updates, which have no payload.
    pub(crate) fn update_bytes(self) -> usize {
        (self.bytes / 8).max(RECORD_BYTES_MAX)
    }

    /// Returns the size of a ring for answers. The smallest holds some twenty, because a home
    /// serves no requests of a reactor that it cannot answer.
    pub(crate) fn answer_bytes(self) -> usize {
        (self.bytes / 8).max(ANSWER_RING_BYTES_MIN)
    }

    fn inline_bytes_max(self) -> usize {
        (self.bytes / 4).min(INLINE_BYTES_MAX)
    }
}

/// The writing end of a ring.
pub(super) struct RingWriter {
    bytes: Producer<u8>,
    beside: Producer<Arc<Vec<u8>>>,
    starved: Arc<Starved>,
    inline_bytes_max: usize,
    /// The buffer in which a record is assembled.
    record: Vec<u8>,
    put: u64,
    /// Bytes written into the ring so far.
    filled: u64,
}

/// The reading end of a ring. Records are read in the order in which they were written.
pub(super) struct RingReader {
    bytes: Consumer<u8>,
    beside: Consumer<Arc<Vec<u8>>>,
    starved: Arc<Starved>,
    /// True if the writer waits until one of its large payloads is no longer in use.
    large_starved: Arc<Starved>,
    /// The current record, head and payload. Valid while `current` is `Some`.
    record: Vec<u8>,
    /// The payload of the current record, if it came beside the ring.
    large: Option<Arc<Vec<u8>>>,
    current: Option<Lengths>,
    /// Bytes taken out of the ring so far.
    fetched: u64,
    /// Bytes were taken since the last check whether the writer waits for room.
    has_fetched: bool,
    /// A large payload is no longer in use, since the last check.
    has_dropped: bool,
    taken: u64,
}

#[derive(Clone, Copy)]
struct Lengths {
    head: usize,
    /// The bytes of the payload that follow the head; zero if the payload came beside the ring.
    inline: usize,
}

/// Creates a ring and returns its two ends. Its large payloads use the buffers of `payloads`.
pub(super) fn ring(sizes: RingSizes, payloads: &LargePayloads) -> (RingWriter, RingReader) {
    debug_assert!(sizes.bytes >= RECORD_BYTES_MAX && sizes.beside >= RingSizes::MIN.beside);
    let (bytes, bytes_out) = RingBuffer::new(sizes.bytes);
    let (beside, beside_out) = RingBuffer::new(sizes.beside);
    let starved = Arc::new(Starved::new());
    let writer = RingWriter {
        bytes,
        beside,
        starved: Arc::clone(&starved),
        inline_bytes_max: sizes.inline_bytes_max(),
        record: Vec::new(),
        put: 0,
        filled: 0,
    };
    let reader = RingReader {
        bytes: bytes_out,
        beside: beside_out,
        starved,
        large_starved: Arc::clone(payloads.starved()),
        record: Vec::new(),
        large: None,
        current: None,
        fetched: 0,
        has_fetched: false,
        has_dropped: false,
        taken: 0,
    };
    (writer, reader)
}

impl RingWriter {
    /// Returns true if a record with a head and a payload of these sizes or smaller fits. If false,
    /// the writer is woken once the reader has taken a record, or a large payload has been used up.
    pub(super) fn has_room(
        &mut self,
        head_bytes: usize,
        payload_bytes: usize,
        payloads: &LargePayloads,
    ) -> bool {
        if payload_bytes > self.inline_bytes_max && !payloads.has_room() {
            return false;
        }
        if self.fits(head_bytes, payload_bytes) {
            return true;
        }
        self.starved.declare();
        self.fits(head_bytes, payload_bytes)
    }

    /// Returns true if half of the ring is free. If false, the writer is woken once the reader has
    /// taken a record.
    pub(super) fn has_half(&mut self) -> bool {
        let half = self.half_bytes();
        if self.bytes.cached_slots() >= half || self.bytes.slots() >= half {
            return true;
        }
        self.starved.declare();
        self.bytes.slots() >= half
    }

    pub(super) fn half_bytes(&self) -> usize {
        self.bytes.buffer().capacity() / 2
    }

    /// Returns true if a payload of this size travels beside the ring.
    pub(super) fn is_large(&self, payload_bytes: usize) -> bool {
        payload_bytes > self.inline_bytes_max
    }

    fn fits(&self, head_bytes: usize, payload_bytes: usize) -> bool {
        let is_large = payload_bytes > self.inline_bytes_max;
        // The answer must hold for smaller payloads too, so for a large one there must also be room
        // for the largest payload that goes into the ring.
        let inline = payload_bytes.min(self.inline_bytes_max);
        let needed = LENGTHS_BYTES + head_bytes + inline;
        let is_enough = self.bytes.cached_slots() >= needed || self.bytes.slots() >= needed;
        is_enough && (!is_large || !self.beside.is_full())
    }

    /// Writes a record, whose head the closure `head` writes. A large payload goes into one of
    /// `payloads`, the same for all records of one message. Returns false, and changes nothing, if
    /// there is no room.
    pub(super) fn put(
        &mut self,
        head: impl FnOnce(&mut Vec<u8>),
        payload: &[u8],
        payloads: &mut LargePayloads,
        message: Option<MessageKey>,
    ) -> bool {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Record);
        #[cfg(any(test, fuzzing))]
        work::note_many(Work::Byte, payload.len());
        self.record.clear();
        self.record.extend_from_slice(&[0; LENGTHS_BYTES]);
        head(&mut self.record);
        let head_bytes = self.record.len() - LENGTHS_BYTES;
        debug_assert!(head_bytes <= HEAD_BYTES_MAX, "a head of {head_bytes} bytes");
        let is_large = payload.len() > self.inline_bytes_max;
        let beside = if is_large { BESIDE } else { 0 };
        self.record[..4].copy_from_slice(&(head_bytes as u32).to_le_bytes());
        self.record[4..LENGTHS_BYTES]
            .copy_from_slice(&(payload.len() as u32 | beside).to_le_bytes());
        if is_large {
            if self.beside.is_full() || self.bytes.slots() < self.record.len() {
                return false;
            }
            let Some(shared) = payloads.share(payload, message) else { return false };
            // Pushed before its record, so that the reader finds it when it reads the record.
            let pushed = self.beside.push(shared);
            debug_assert!(pushed.is_ok(), "there was room");
        } else {
            self.record.extend_from_slice(payload);
        }
        let is_in = self.bytes.push_entire_slice(&self.record).is_ok();
        if is_in {
            self.put += 1;
            self.filled += self.record.len() as u64;
        }
        is_in
    }

    /// Returns the offset at which the next record will be written.
    pub(super) fn filled_to(&self) -> u64 {
        self.filled
    }

    /// Returns true if the reader has taken everything before this offset.
    pub(super) fn is_taken_to(&self, place: u64) -> bool {
        let inside = self.bytes.buffer().capacity() - self.bytes.slots();
        self.filled - inside as u64 >= place
    }

    /// Returns how many records were written so far.
    pub(super) fn put_so_far(&self) -> u64 {
        self.put
    }
}

impl RingReader {
    /// Returns the head and payload of the oldest record, or `None` if the ring is empty. The
    /// record stays until [`use_up`](Self::use_up).
    pub(super) fn head(&mut self) -> Option<(&[u8], &[u8])> {
        if self.current.is_none() {
            self.current = self.fetch();
        }
        let Lengths { head, inline } = self.current?;
        let (head, rest) = self.record.split_at(head);
        Some((head, self.large.as_ref().map_or(&rest[..inline], |large| large.as_slice())))
    }

    /// Returns the offset at which the next record will be written.
    pub(super) fn filled_to(&self) -> u64 {
        self.fetched + self.bytes.slots() as u64
    }

    /// Returns true if the next record lies before this offset, or the current one is not used up
    /// yet.
    pub(super) fn is_before(&self, place: u64) -> bool {
        self.current.is_some() || self.fetched < place
    }

    /// Takes the oldest record out of the ring, into `record`. Returns its lengths.
    fn fetch(&mut self) -> Option<Lengths> {
        let mut lengths = [0; LENGTHS_BYTES];
        self.bytes.pop_entire_slice(&mut lengths).ok()?;
        let [head, payload] = [&lengths[..4], &lengths[4..]]
            .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let is_large = payload & BESIDE != 0;
        let (head, inline) = (head as usize, if is_large { 0 } else { payload as usize });
        if self.record.len() < head + inline {
            self.record.resize(head + inline, 0);
        }
        // Records are written as a whole, so the rest of this one is in the ring too.
        #[cfg(any(test, fuzzing))]
        work::note(Work::Record);
        #[cfg(any(test, fuzzing))]
        work::note_many(Work::Byte, head + inline);
        let whole = self.bytes.pop_entire_slice(&mut self.record[..head + inline]);
        debug_assert!(whole.is_ok(), "half a record");
        self.fetched += (LENGTHS_BYTES + head + inline) as u64;
        self.has_fetched = true;
        self.large = is_large.then(|| self.beside.pop().unwrap_or_default());
        Some(Lengths { head, inline })
    }

    /// Drops the current record, which has been processed.
    pub(super) fn use_up(&mut self) {
        debug_assert!(self.current.is_some(), "there is no current record");
        self.current = None;
        self.taken += 1;
        self.has_dropped |= self.large.take().is_some();
    }

    /// Returns true if every record has been processed.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.bytes.is_empty()
    }

    /// Returns true if records were taken since the last call and the writer waits for room. The
    /// writer must then be woken.
    pub(super) fn relieve(&mut self) -> bool {
        let has_fetched = std::mem::take(&mut self.has_fetched) && self.starved.relieve();
        let has_dropped = std::mem::take(&mut self.has_dropped) && self.large_starved.relieve();
        has_fetched || has_dropped
    }

    /// Returns the head and the payload length of every record in the ring, for tests to count.
    #[cfg(test)]
    pub(super) fn heads(&mut self) -> Vec<(Vec<u8>, usize)> {
        let mut heads = Vec::new();
        if let Some(Lengths { head, inline }) = self.current {
            heads.push((self.record[..head].to_vec(), inline));
        }
        if self.bytes.is_empty() {
            return heads;
        }
        let chunk =
            self.bytes.read_chunk(self.bytes.slots()).expect("the ring has this many bytes");
        let (first, second) = chunk.as_slices();
        let bytes = [first, second].concat();
        let mut rest = &bytes[..];
        while let Some((lengths, behind)) = rest.split_at_checked(LENGTHS_BYTES) {
            let [head, payload] =
                [0, 4].map(|at| u32::from_le_bytes(lengths[at..at + 4].try_into().unwrap()));
            let (head, inline) =
                (head as usize, if payload & BESIDE == 0 { payload as usize } else { 0 });
            heads.push((behind[..head].to_vec(), inline));
            rest = &behind[head + inline..];
        }
        heads
    }

    /// Returns how many bytes were taken out so far, and whether the writer waits for more to be
    /// taken.
    #[cfg(test)]
    pub(super) fn fetched(&self) -> (u64, bool) {
        (self.fetched, is_declared(&self.starved))
    }

    /// Returns true if the writer waits for one of its large payloads to be used up.
    #[cfg(test)]
    pub(super) fn is_large_awaited(&self) -> bool {
        is_declared(&self.large_starved)
    }

    /// Returns how many records were processed so far.
    pub(super) fn taken_so_far(&self) -> u64 {
        self.taken
    }
}

/// Returns whether a flag is set, and leaves it as it is.
#[cfg(test)]
fn is_declared(starved: &Starved) -> bool {
    let is_declared = starved.relieve();
    if is_declared {
        starved.declare();
    }
    is_declared
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SIZES: RingSizes = RingSizes { bytes: 2048, beside: 2 };

    /// Both ends of a ring, and the buffers for the writer's large payloads.
    struct Ends {
        writer: RingWriter,
        reader: RingReader,
        payloads: LargePayloads,
    }

    impl Ends {
        fn new() -> Ends {
            let payloads = LargePayloads::new(SIZES.beside);
            let (writer, reader) = ring(SIZES, &payloads);
            Ends { writer, reader, payloads }
        }

        fn put(&mut self, head: &[u8], payload: &[u8]) -> bool {
            let head = |record: &mut Vec<u8>| record.extend_from_slice(head);
            self.writer.put(head, payload, &mut self.payloads, None)
        }

        fn has_room(&mut self, payload_bytes: usize) -> bool {
            self.writer.has_room(HEAD_BYTES_MAX, payload_bytes, &self.payloads)
        }
    }

    #[test]
    fn records_come_out_whole_and_in_order_wherever_their_payloads_travel() {
        let mut ends = Ends::new();
        let large = vec![7; 600];
        assert!(ends.put(b"one", b"small"));
        assert!(ends.put(b"two", &large));
        assert!(ends.put(b"", b""));
        assert_eq!(ends.reader.head(), Some((&b"one"[..], &b"small"[..])));
        assert_eq!(
            ends.reader.head(),
            Some((&b"one"[..], &b"small"[..])),
            "it stays until it is used up"
        );
        ends.reader.use_up();
        assert_eq!(ends.reader.head(), Some((&b"two"[..], &large[..])));
        ends.reader.use_up();
        assert_eq!(ends.reader.head(), Some((&b""[..], &b""[..])));
        assert!(!ends.reader.is_empty());
        ends.reader.use_up();
        assert!(ends.reader.is_empty() && ends.reader.head().is_none());
        assert_eq!((ends.writer.put_so_far(), ends.reader.taken_so_far()), (3, 3));
    }

    #[test]
    fn with_room_there_is_room_and_without_the_reader_says_when() {
        let mut ends = Ends::new();
        let mut inside = 0;
        while ends.has_room(512) {
            assert!(ends.put(&[1; HEAD_BYTES_MAX], &[2; 512]));
            inside += 1;
        }
        assert_eq!(inside, 2);
        assert!(!ends.reader.relieve(), "nothing was taken");
        assert!(ends.reader.head().is_some());
        assert!(ends.reader.relieve(), "the writer waits");
        ends.reader.use_up();
        assert!(ends.reader.head().is_some());
        assert!(!ends.reader.relieve(), "it has been woken already");
        assert!(ends.has_room(512));
    }

    #[test]
    fn with_room_for_a_large_one_there_is_room_for_every_smaller_one() {
        for bytes in [1, 511, 512, 513, 2_000] {
            let mut ends = Ends::new();
            while ends.has_room(2_000) {
                assert!(ends.put(&[1; HEAD_BYTES_MAX], &vec![2; bytes]), "{bytes} bytes");
            }
        }
    }

    #[test]
    fn no_more_large_ones_than_there_are_places() {
        let mut ends = Ends::new();
        let large = [1; 600];
        assert!(ends.put(b"", &large) && ends.put(b"", &large));
        assert!(!ends.put(b"", &large) && !ends.has_room(600));
        assert!(ends.has_room(10));
        assert!(ends.reader.head().is_some());
        assert!(!ends.reader.relieve(), "the payload is still needed");
        ends.reader.use_up();
        assert!(ends.reader.relieve() && ends.has_room(600), "the writer waits for the buffer");
    }

    /// Draws whether to write or to read, and the lengths of the head and the payload to write.
    fn operation() -> impl Strategy<Value = (bool, usize, usize)> {
        (any::<bool>(), 0..40usize, 0..1500usize)
    }

    proptest! {
        #[test]
        fn a_ring_is_a_queue(operations in prop::collection::vec(operation(), 1..400)) {
            let mut ends = Ends::new();
            let mut twin: VecDeque<(Vec<u8>, Vec<u8>)> = VecDeque::new();
            for (number, operation) in operations.into_iter().enumerate() {
                let (is_put, head_bytes, payload_bytes) = operation;
                if is_put {
                    let head = vec![number as u8; head_bytes];
                    let payload = vec![!number as u8; payload_bytes];
                    let had_room = ends.has_room(payload_bytes);
                    let is_in = ends.put(&head, &payload);
                    prop_assert!(is_in || !had_room);
                    if is_in {
                        twin.push_back((head, payload));
                    }
                } else {
                    let expected = twin.pop_front();
                    let record = ends.reader.head();
                    let record = record.map(|(head, payload)| (head.to_vec(), payload.to_vec()));
                    prop_assert_eq!(&record, &expected);
                    if record.is_some() {
                        ends.reader.use_up();
                    }
                }
                let put = ends.writer.put_so_far();
                prop_assert_eq!(put, ends.reader.taken_so_far() + twin.len() as u64);
            }
        }
    }
}
