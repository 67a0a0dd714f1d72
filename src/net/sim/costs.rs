//! How long system calls and the server's own work take in a world with costs: one table.
//!
//! The durations are those of a core of a small server, on loopback, rounded. They need not be
//! exact: what a scenario finds are turns and waits that are too long by a factor of ten. They must
//! not be zero, because a loop whose steps cost nothing is never found.

use super::trace::SimCall;
use crate::work::Work;

/// The prices of a world, in picoseconds, so that the price of a byte is a whole number too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimCosts {
    /// By `SimCall`: the price of a call, however much it transfers.
    calls: [u64; SimCall::COUNT],
    read_byte: u64,
    write_byte: u64,
    /// By `Work`: the price of doing it once.
    work: [u64; Work::KINDS],
}

const NANO: u64 = 1_000;
const MICRO: u64 = 1_000 * NANO;
const KIB: u64 = 1_024;

impl SimCosts {
    /// Calls and work take as long as they usually do.
    pub const USUAL: SimCosts = SimCosts {
        calls: SimCosts::calls(),
        // A read copies once.
        read_byte: 100 * NANO / KIB,
        // On loopback the sender's call also carries the bytes through the receiver's stack.
        write_byte: 150 * NANO / KIB,
        work: SimCosts::work(),
    };

    const fn calls() -> [u64; SimCall::COUNT] {
        let mut calls = [0; SimCall::COUNT];
        calls[SimCall::Wait as usize] = MICRO;
        // No client waits while a listener is opened. Closing one also resets the connections in
        // its queue.
        calls[SimCall::Listen as usize] = 2 * MICRO;
        calls[SimCall::Unlisten as usize] = 10 * MICRO;
        // A new descriptor is made, its address is read, and its options are set.
        calls[SimCall::Accept as usize] = 10 * MICRO;
        calls[SimCall::Register as usize] = MICRO;
        calls[SimCall::Read as usize] = MICRO;
        // On loopback this call carries the bytes into the receiver's queue, and wakes the
        // receiver.
        calls[SimCall::Write as usize] = 4 * MICRO;
        calls[SimCall::ShutdownWrite as usize] = 4 * MICRO;
        // Both calls release the socket; a reset sets a socket option before.
        calls[SimCall::Close as usize] = 5 * MICRO;
        calls[SimCall::Reset as usize] = 6 * MICRO;
        calls[SimCall::FillRandom as usize] = MICRO;
        calls
    }

    const fn work() -> [u64; Work::KINDS] {
        let mut work = [0; Work::KINDS];
        // One or two cache lines that are probably not in the cache.
        work[Work::Connection as usize] = 30 * NANO;
        work[Work::Channel as usize] = 5 * NANO;
        // A keyed hash and a comparison.
        work[Work::Name as usize] = 60 * NANO;
        // Subscribers lie side by side, and the sweep reads them in order.
        work[Work::Subscriber as usize] = 4 * NANO;
        work[Work::Subscription as usize] = 8 * NANO;
        work[Work::Entry as usize] = 3 * NANO;
        work[Work::Frame as usize] = 50 * NANO;
        // The head of a browser has about twenty fields. For a handshake, a hash and the response
        // are included.
        work[Work::Head as usize] = 3 * MICRO;
        // Two multiplications on an elliptic curve and a signature.
        work[Work::Handshake as usize] = 150 * MICRO;
        // AES with hardware support runs at 2 GB/s.
        work[Work::CipherByte as usize] = 500;
        // Names and origins are compared.
        work[Work::Review as usize] = MICRO;
        work[Work::Append as usize] = 50 * NANO;
        // Two cache lines that another core has written.
        work[Work::Record as usize] = 100 * NANO;
        // A copy runs at 16 GB/s.
        work[Work::Byte as usize] = 62;
        // As zlib does it at its usual level.
        work[Work::DeflatedByte as usize] = 16 * NANO;
        work[Work::Wake as usize] = MICRO;
        work
    }

    /// Returns the price of a call, without that of the bytes.
    pub(super) fn of_call(&self, call: SimCall) -> u64 {
        self.calls[call as usize]
    }

    /// Returns the price of the bytes that a call has transferred.
    pub(super) fn of_bytes(&self, call: SimCall, bytes: usize) -> u64 {
        match call {
            SimCall::Read => self.read_byte * bytes as u64,
            SimCall::Write => self.write_byte * bytes as u64,
            _ => 0,
        }
    }

    /// Returns the price of work.
    pub(super) fn of_work(&self, done: &[u64; Work::KINDS]) -> u64 {
        self.work.iter().zip(done).map(|(price, times)| price * times).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_free() {
        assert!(SimCosts::USUAL.calls.iter().all(|price| *price > 0));
        assert!(SimCosts::USUAL.work.iter().all(|price| *price > 0));
        assert!(SimCosts::USUAL.of_bytes(SimCall::Write, 1) > 0);
        assert_eq!(SimCosts::USUAL.of_bytes(SimCall::Close, 1), 0);
    }
}
