//! Every message of a run. Each has a number of its own, and its bytes follow from that, so that
//! whoever receives it knows which it is.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use fanfare::hub::MessageId;

pub const NEWS: &str = "news";
pub const SPORT: &str = "sport";
/// Only other threads publish here.
pub const MAIL: &str = "mail";

/// Number and tag.
pub const PAYLOAD_BYTES_MIN: usize = 12;

/// A message, from when a client begins to send it, or the application to publish it.
pub struct Published {
    pub channel: &'static str,
    /// Whose messages come in the order of their numbers.
    pub publisher: usize,
    pub bytes: usize,
    pub outcome: Outcome,
}

/// What is known of a message, beside who has received it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Unknown,
    /// The home has said so.
    Numbered(MessageId),
    /// The home has said so, or the callback: nobody receives it.
    Refused,
}

/// What a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// All of the message with this number.
    Whole(u32),
    /// It begins as that message does and is another: bytes that somebody sent among it.
    Torn(u32),
    /// Nothing that was written down here.
    Foreign,
}

#[derive(Default)]
pub struct Book {
    /// No input can say what the bytes of a message are: this follows from all of it.
    seed: u64,
    pub published: Vec<Published>,
    pub publishers: usize,
    /// Of the requests that the application has seen, by client, whether each was a HEAD.
    pub requests: HashMap<SocketAddr, VecDeque<bool>>,
    /// Calls of `on_open` without one of `on_close`.
    pub open: usize,
}

fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Book {
    pub fn new(input: &[u8]) -> Book {
        let seed = input.iter().fold(1, |hash, byte| mix(hash ^ u64::from(*byte)));
        Book { seed, ..Book::default() }
    }

    pub fn new_publisher(&mut self) -> usize {
        self.publishers += 1;
        self.publishers
    }

    /// A new message of this many bytes; its payload.
    pub fn write(&mut self, channel: &'static str, publisher: usize, bytes: usize) -> Vec<u8> {
        let number = self.next();
        let bytes = bytes.max(PAYLOAD_BYTES_MIN);
        self.published.push(Published { channel, publisher, bytes, outcome: Outcome::Unknown });
        self.payload(number, bytes)
    }

    /// The number that the next message gets.
    pub fn next(&self) -> u32 {
        self.published.len() as u32
    }

    fn payload(&self, number: u32, bytes: usize) -> Vec<u8> {
        let tag = mix(self.seed ^ u64::from(number));
        let mut payload = Vec::with_capacity(bytes + 8);
        payload.extend_from_slice(&number.to_le_bytes());
        payload.extend_from_slice(&tag.to_le_bytes());
        let mut filler = tag;
        while payload.len() < bytes {
            filler = filler.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            payload.extend_from_slice(&filler.to_be_bytes());
        }
        payload.truncate(bytes);
        payload
    }

    pub fn recognise(&self, payload: &[u8]) -> Known {
        let Some((number, _)) = payload.split_first_chunk() else { return Known::Foreign };
        let number = u32::from_le_bytes(*number);
        let Some(published) = self.published.get(number as usize) else { return Known::Foreign };
        let expected = self.payload(number, published.bytes);
        if payload == expected {
            return Known::Whole(number);
        }
        let has_tag = payload.get(..PAYLOAD_BYTES_MIN) == expected.get(..PAYLOAD_BYTES_MIN);
        if has_tag { Known::Torn(number) } else { Known::Foreign }
    }

    /// What a callback has been told of the message that it has received and published.
    pub fn note_refused(&mut self, payload: &[u8]) {
        if let Known::Whole(number) = self.recognise(payload) {
            self.published[number as usize].outcome = Outcome::Refused;
        }
    }
}
