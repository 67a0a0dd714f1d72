//! A thin interface to rings and records for the fuzz target `records`, which is outside this
//! crate. It runs the same code as the reactors, and no other part of `mail` has to be public. The
//! server does not use it.

use super::large_payloads::LargePayloads;
use super::record::{
    AnswerRecord, HomeRequest, decode_numbered, decode_update, encode_numbered, encode_update,
};
use super::ring::{self, RingReader, RingSizes, RingWriter};

/// The maximum length of a record's head.
pub const HEAD_BYTES_MAX: usize = ring::HEAD_BYTES_MAX;

/// Both ends of one ring, used by one thread.
pub struct Ring {
    writer: RingWriter,
    reader: RingReader,
    payloads: LargePayloads,
}

impl Ring {
    /// Creates an empty ring. The sizes must be at least [`RingSizes::MIN`].
    pub fn new(sizes: RingSizes) -> Ring {
        let payloads = LargePayloads::new(sizes.beside);
        let (writer, reader) = ring::ring(sizes, &payloads);
        Ring { writer, reader, payloads }
    }

    /// Returns true if a record with the longest head and a payload of this size or smaller fits.
    pub fn has_room(&mut self, payload_bytes: usize) -> bool {
        self.writer.has_room(HEAD_BYTES_MAX, payload_bytes, &self.payloads)
    }

    /// Writes a record. Returns false if there is no room.
    pub fn put(&mut self, head: &[u8], payload: &[u8]) -> bool {
        let head = |record: &mut Vec<u8>| record.extend_from_slice(head);
        self.writer.put(head, payload, &mut self.payloads, None)
    }

    /// Returns the head and payload of the oldest record.
    pub fn head(&mut self) -> Option<(&[u8], &[u8])> {
        self.reader.head()
    }

    /// Drops the current record, which has been processed.
    pub fn use_up(&mut self) {
        self.reader.use_up();
    }

    /// Returns true if every record has been processed.
    pub fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    /// Returns the offset at which the next record will be written.
    pub fn filled_to(&self) -> u64 {
        self.reader.filled_to()
    }

    /// Returns true if the next record lies before this offset, or the current one is not used up
    /// yet.
    pub fn is_before(&self, place: u64) -> bool {
        self.reader.is_before(place)
    }

    /// Returns true if records were taken since the last call and the writer waits for room.
    pub fn relieve(&mut self) -> bool {
        self.reader.relieve()
    }

    /// Returns how many records were written so far, and how many were processed.
    pub fn so_far(&self) -> [u64; 2] {
        [self.writer.put_so_far(), self.reader.taken_so_far()]
    }
}

/// Decodes a record as an update, encodes the result again and returns its head and payload.
/// Returns `None` if the head is not that of an update.
pub fn rewrite_update(head: &[u8], _: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let update = decode_update(head)?;
    let mut again = Vec::new();
    encode_update(update, &mut again);
    assert_eq!(decode_update(&again), Some(update), "decoding inverts encoding");
    Some((again, Vec::new()))
}

/// Does the same as [`rewrite_update`] for a request to the home.
pub fn rewrite_request(head: &[u8], payload: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let request = HomeRequest::decode(head, payload)?;
    let mut again = Vec::new();
    request.encode(&mut again);
    assert_eq!(
        HomeRequest::decode(&again, request.payload()),
        Some(request),
        "decoding inverts encoding"
    );
    Some((again, request.payload().to_vec()))
}

/// Does the same as [`rewrite_update`] for a message or an answer from the home.
pub fn rewrite_delivery(head: &[u8], payload: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut again = Vec::new();
    if let Some(numbered) = decode_numbered(head, payload) {
        encode_numbered(&numbered, &mut again);
        let read_again = decode_numbered(&again, numbered.message.payload());
        assert_eq!(read_again, Some(numbered), "decoding inverts encoding");
        assert_eq!(AnswerRecord::decode(head), None, "a message is no answer");
        return Some((again, numbered.message.payload().to_vec()));
    }
    let answer = AnswerRecord::decode(head)?;
    answer.encode(&mut again);
    assert_eq!(AnswerRecord::decode(&again), Some(answer), "decoding inverts encoding");
    Some((again, Vec::new()))
}
