//! A ring and its records in the hands of the fuzz target `records`, which stands outside of this
//! crate: so thin that all it tries is what the reactors run, and so that nothing else in here has
//! to be public. The server uses none of it.

use super::record::{Delivery, HomeRequest, decode_update, encode_update};
use super::ring::{self, RingReader, RingSizes, RingWriter};

/// The longest head that a record may have.
pub const HEAD_BYTES_MAX: usize = ring::HEAD_BYTES_MAX;

/// Both ends of one ring, in one thread.
pub struct Ring {
    writer: RingWriter,
    reader: RingReader,
}

impl Ring {
    /// An empty ring; the sizes are at least [`RingSizes::MIN`].
    pub fn new(sizes: RingSizes) -> Ring {
        let (writer, reader) = ring::ring(sizes);
        Ring { writer, reader }
    }

    /// Whether such a record fits, and this many small ones behind it.
    pub fn has_room(&mut self, payload_bytes: usize, small_ones: usize) -> bool {
        self.writer.has_room(payload_bytes, small_ones)
    }

    /// Puts a record in; false if there is no room.
    pub fn put(&mut self, head: &[u8], payload: &[u8]) -> bool {
        self.writer.put(|record| record.extend_from_slice(head), payload)
    }

    /// The oldest record, head and payload.
    pub fn head(&mut self) -> Option<(&[u8], &[u8])> {
        self.reader.head()
    }

    /// The oldest record has been dealt with.
    pub fn use_up(&mut self) {
        self.reader.use_up();
    }

    /// Whether nothing is left to deal with.
    pub fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    /// How far the ring is filled now.
    pub fn filled_to(&self) -> u64 {
        self.reader.filled_to()
    }

    /// Whether the next record stands before a place, or is being looked at.
    pub fn is_before(&self, place: u64) -> bool {
        self.reader.is_before(place)
    }

    /// Whether records were taken since the last call, and the writer waits for room.
    pub fn relieve(&mut self) -> bool {
        self.reader.relieve()
    }

    /// Records put in, and dealt with, so far.
    pub fn so_far(&self) -> [u64; 2] {
        [self.writer.put_so_far(), self.reader.taken_so_far()]
    }
}

/// Reads a record as what a member tells the home, and writes down what was read: head and payload.
/// `None`: nobody writes such a head.
pub fn rewrite_update(head: &[u8], _: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let update = decode_update(head)?;
    let mut again = Vec::new();
    encode_update(update, &mut again);
    assert_eq!(decode_update(&again), Some(update), "what was written is what is read");
    Some((again, Vec::new()))
}

/// The same for a request to the home.
pub fn rewrite_request(head: &[u8], payload: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let request = HomeRequest::decode(head, payload)?;
    let mut again = Vec::new();
    request.encode(&mut again);
    assert_eq!(
        HomeRequest::decode(&again, request.payload()),
        Some(request),
        "what was written is what is read"
    );
    Some((again, request.payload().to_vec()))
}

/// The same for a delivery from it.
pub fn rewrite_delivery(head: &[u8], payload: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let delivery = Delivery::decode(head, payload)?;
    let mut again = Vec::new();
    delivery.encode(&mut again);
    let read_again = Delivery::decode(&again, delivery.payload());
    assert_eq!(read_again, Some(delivery), "what was written is what is read");
    Some((again, delivery.payload().to_vec()))
}
