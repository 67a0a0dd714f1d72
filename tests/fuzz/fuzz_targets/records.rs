//! Fuzz target: compares the ring between two reactors with a queue, and decodes arbitrary bytes as
//! records.
//!
//! Input: one byte for the size of the ring, then operations, each a byte and its arguments.
#![no_main]

use std::collections::VecDeque;

use fanfare::reactor::RingSizes;
use fanfare::reactor::fuzzing::{
    HEAD_BYTES_MAX, Ring, rewrite_delivery, rewrite_request, rewrite_update,
};
use fanfare_fuzz::input::Input;
use libfuzzer_sys::fuzz_target;

const SIZES: [RingSizes; 4] = [
    RingSizes::MIN,
    RingSizes { bytes: 2048, beside: 3 },
    RingSizes { bytes: 2500, beside: 1 },
    RingSizes { bytes: 9000, beside: 2 },
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let sizes = SIZES[usize::from(input.byte()) % SIZES.len()];
    let mut pair = Pair::new(sizes);
    while !input.is_empty() {
        match input.byte() % 10 {
            // Writes an arbitrary head and payload.
            0 | 1 => pair.put(&head(&mut input), &payload(&mut input)),
            // Decodes arbitrary bytes as a record, and writes the record if they are one.
            2 => pair.put_record(&mut input, rewrite_update),
            3 => pair.put_record(&mut input, rewrite_request),
            4 => pair.put_record(&mut input, rewrite_delivery),
            5 => {
                let most = payload(&mut input).len();
                if pair.look_for_room(most) {
                    let size = most * usize::from(input.byte() % 5) / 4;
                    pair.put_into_room(size);
                }
            }
            6 => pair.look(),
            7 => pair.take(),
            8 => pair.place = pair.ring.filled_to(),
            _ => pair.relieve(),
        }
    }
    while !pair.twin.is_empty() {
        pair.take();
    }
    assert_eq!(pair.ring.head(), None);
    // All buffers for large payloads are free again.
    assert!(pair.look_for_room(1500), "an empty ring has room");
    pair.put_into_room(1500);
});

fn head(input: &mut Input<'_>) -> Vec<u8> {
    let bytes = usize::from(input.byte());
    input.bytes(bytes).to_vec()
}

/// Returns a short payload from the input, or a long one whose bytes are all the same.
fn payload(input: &mut Input<'_>) -> Vec<u8> {
    let size = usize::from(input.byte());
    if size < 32 { input.bytes(size).to_vec() } else { vec![size as u8; (size - 32) * 12] }
}

/// A function that decodes a record and encodes the result again; `None` if the bytes are no
/// record.
type Rewrite = fn(&[u8], &[u8]) -> Option<(Vec<u8>, Vec<u8>)>;

/// A ring, and a naive queue that must have the same contents.
struct Pair {
    ring: Ring,
    twin: VecDeque<(Vec<u8>, Vec<u8>)>,
    sizes: RingSizes,
    put: u64,
    /// The oldest record has been taken out of the ring by `head`, but not dropped by `use_up`.
    is_looked_at: bool,
    /// Bytes were taken out of the ring since the last call of `relieve`.
    has_fetched: bool,
    /// The writer has found no room in the ring, and waits.
    is_starved: bool,
    /// A large payload was used up since the last call of `relieve`.
    has_dropped: bool,
    /// The writer has found no free buffer for a large payload, and waits.
    is_large_starved: bool,
    /// An offset up to which the ring was filled at some time.
    place: u64,
    fetched_bytes: u64,
}

impl Pair {
    fn new(sizes: RingSizes) -> Pair {
        Pair {
            ring: Ring::new(sizes),
            twin: VecDeque::new(),
            sizes,
            put: 0,
            is_looked_at: false,
            has_fetched: false,
            is_starved: false,
            has_dropped: false,
            is_large_starved: false,
            place: 0,
            fetched_bytes: 0,
        }
    }

    /// Decodes arbitrary bytes from the input as a record. If they are one, writes it into the
    /// ring.
    fn put_record(&mut self, input: &mut Input<'_>, rewrite: Rewrite) {
        let (head, payload) = (head(input), payload(input));
        let Some((again, same)) = rewrite(&head, &payload) else { return };
        assert!(head.starts_with(&again), "something else was read than stood there");
        assert!(same == payload || same.is_empty());
        let is_read = |cut: usize| rewrite(&again[..cut], &payload).is_some();
        assert!(!(0..again.len()).any(is_read), "a part was taken for the whole");
        self.put(&again, &same);
    }

    fn put(&mut self, head: &[u8], payload: &[u8]) {
        let had_room = self.look_for_room(payload.len());
        let is_in = self.ring.put(head, payload);
        assert!(is_in || !had_room, "there was room");
        if is_in {
            self.put += 1;
            self.twin.push_back((head.to_vec(), payload.to_vec()));
        }
        self.check();
    }

    /// Checks that the room which `has_room` has promised is there: for a payload of that size or
    /// smaller.
    fn put_into_room(&mut self, payload_bytes: usize) {
        let before = self.put;
        self.put(&[7; HEAD_BYTES_MAX], &vec![payload_bytes as u8; payload_bytes]);
        assert_eq!(self.put, before + 1, "there was room");
    }

    fn look_for_room(&mut self, payload_bytes: usize) -> bool {
        let has_room = self.ring.has_room(payload_bytes);
        let large = self.twin.iter().filter(|(_, payload)| self.is_large(payload.len())).count();
        match self.is_large(payload_bytes) && large >= self.sizes.beside {
            true => self.is_large_starved |= !has_room,
            false => self.is_starved |= !has_room,
        }
        // In an empty ring every record fits.
        assert!(has_room || !self.twin.is_empty());
        has_room
    }

    fn is_large(&self, payload_bytes: usize) -> bool {
        payload_bytes > self.sizes.bytes / 4
    }

    fn look(&mut self) {
        let expected = self.twin.front();
        if let Some((head, payload)) = expected.filter(|_| !self.is_looked_at) {
            self.has_fetched = true;
            self.is_looked_at = true;
            let inline = if self.is_large(payload.len()) { 0 } else { payload.len() };
            self.fetched_bytes += (8 + head.len() + inline) as u64;
        }
        let expected = expected.map(|(head, payload)| (&head[..], &payload[..]));
        assert_eq!(self.ring.head(), expected);
    }

    fn take(&mut self) {
        self.look();
        if let Some((_, payload)) = self.twin.pop_front() {
            self.has_dropped |= self.is_large(payload.len());
            self.ring.use_up();
            self.is_looked_at = false;
        }
        self.check();
    }

    fn relieve(&mut self) {
        let of_ring = std::mem::take(&mut self.has_fetched) && std::mem::take(&mut self.is_starved);
        let of_large =
            std::mem::take(&mut self.has_dropped) && std::mem::take(&mut self.is_large_starved);
        assert_eq!(self.ring.relieve(), of_ring || of_large, "who waits is woken once");
    }

    fn check(&mut self) {
        assert_eq!(self.ring.is_empty(), self.twin.is_empty());
        assert_eq!(self.ring.so_far(), [self.put, self.put - self.twin.len() as u64]);
        assert_eq!(
            self.ring.is_before(self.place),
            self.is_looked_at || self.fetched_bytes < self.place
        );
        assert!(
            self.ring.filled_to() - self.fetched_bytes <= self.sizes.bytes as u64,
            "more than it holds"
        );
    }
}
