//! A record of every message of a run. Each message has a number, and its bytes follow from the
//! number, so that a received payload can be recognised.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use fanfare::hub::MessageId;

pub const NEWS: &str = "news";
pub const SPORT: &str = "sport";
/// The channel to which only other threads publish.
pub const MAIL: &str = "mail";

/// The size of the number and the tag with which each payload begins.
pub const PAYLOAD_BYTES_MIN: usize = 12;

/// A message. It is recorded when a client begins to send it, or when the application publishes it.
pub struct Published {
    pub channel: &'static str,
    /// The publisher. Its messages arrive in the order of their numbers.
    pub publisher: usize,
    pub bytes: usize,
    pub outcome: Outcome,
}

/// What is known about a message, apart from which clients have received it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Unknown,
    /// The channel's home has accepted it, under this id.
    Numbered(MessageId),
    /// The channel's home, or the ring to it, has refused it, so no subscriber receives it.
    Refused,
}

/// The result of recognising a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// The whole message with this number.
    Whole(u32),
    /// The payload begins like the message with this number, but goes on differently: a client has
    /// sent other bytes in the middle of that message.
    Torn(u32),
    /// No message of this record.
    Foreign,
}

#[derive(Default)]
pub struct Book {
    /// A hash of the whole input, from which the bytes of messages are made. So no input can
    /// contain them.
    seed: u64,
    pub published: Vec<Published>,
    pub publishers: usize,
    /// For each client, for each of its requests that the application has seen: whether it was a
    /// HEAD.
    pub requests: HashMap<SocketAddr, VecDeque<bool>>,
    /// How often `on_open` was called, less the calls of `on_close`.
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

    /// Records a new message of this many bytes. Returns its payload.
    pub fn write(&mut self, channel: &'static str, publisher: usize, bytes: usize) -> Vec<u8> {
        let number = self.next();
        let bytes = bytes.max(PAYLOAD_BYTES_MIN);
        self.published.push(Published { channel, publisher, bytes, outcome: Outcome::Unknown });
        self.payload(number, bytes)
    }

    /// Returns the number of the next message.
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

    /// Records that a publish of this payload was refused in a callback.
    pub fn note_refused(&mut self, payload: &[u8]) {
        if let Known::Whole(number) = self.recognise(payload) {
            self.published[number as usize].outcome = Outcome::Refused;
        }
    }
}
