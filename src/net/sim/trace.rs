//! The trace of a run. Every system call and its result go into one hash, with which tests compare
//! two runs of a seed. Calls are counted, and the latest are kept for a failing test to print.

use std::collections::VecDeque;

use crate::instant::Instant;

/// The most system calls kept for a failing test to print: about two turns in a small world.
const LATEST_CALLS_MAX: usize = 200;

/// A call of [`Net`](crate::net::Net) that is a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the method of that name; Write is both kinds of write")]
pub enum SimCall {
    Wait,
    Listen,
    Unlisten,
    Accept,
    Register,
    Read,
    Write,
    ShutdownWrite,
    Close,
    Reset,
    FillRandom,
}

impl SimCall {
    pub(super) const COUNT: usize = SimCall::FillRandom as usize + 1;
}

/// One system call of a reactor, and its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimCallRecord {
    /// The time at which the call returned.
    pub at: Instant,
    /// The number of the calling reactor, in the order of creation.
    pub reactor: usize,
    /// Which system call it was.
    pub call: SimCall,
    /// The number of the listener or stream in this world; 0 if the call concerns none.
    pub socket: u64,
    /// On success the number of bytes read or written, or of events reported, else 0; on failure
    /// the errno.
    pub result: Result<usize, i32>,
}

#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    /// The bytes are random, as those of TLS are: only their number is the same each time.
    pub(super) has_random_bytes: bool,
    counts: [u64; SimCall::COUNT],
    latest: VecDeque<SimCallRecord>,
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace {
            hash: 0,
            has_random_bytes: false,
            counts: [0; SimCall::COUNT],
            latest: VecDeque::with_capacity(LATEST_CALLS_MAX),
        }
    }

    pub(super) fn record(&mut self, record: SimCallRecord) {
        let result = match record.result {
            Ok(number) => number as u64,
            Err(errno) => u64::MAX - u64::from(errno.unsigned_abs()),
        };
        for word in
            [record.at.as_nanos(), record.reactor as u64, record.call as u64, record.socket, result]
        {
            self.mix(word);
        }
        self.counts[record.call as usize] += 1;
        if self.latest.len() == LATEST_CALLS_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(record);
    }

    /// Adds the bytes that a read or write has transferred to the hash.
    pub(super) fn mix_bytes(&mut self, bytes: &[u8]) {
        if self.has_random_bytes {
            return;
        }
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    pub(super) fn mix(&mut self, word: u64) {
        // The hash is rotated and multiplied for each word, so that the order of the words matters.
        self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash ^ (self.hash >> 32)
    }

    pub(super) fn count(&self, call: SimCall) -> u64 {
        self.counts[call as usize]
    }

    pub(super) fn latest(&self) -> Vec<SimCallRecord> {
        self.latest.iter().copied().collect()
    }
}
