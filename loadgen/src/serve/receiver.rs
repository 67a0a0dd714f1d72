//! Delivers to one receiver: draws a fault for each copy of a message, and holds back at most one
//! copy, so that another overtakes it.
use std::time::Duration;

use super::faults::{Fault, FaultPlan, Ledger, corrupt};
use super::outbound::Outbound;
use crate::net::clock::Moment;
use crate::net::random::Random;

/// How long a copy that is to be reordered is held back. If no other copy has overtaken it by then,
/// it is sent in order.
pub(crate) const HOLD_TIME: Duration = Duration::from_millis(100);

/// A message to deliver, as an encoded frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) frame: &'a [u8],
    /// The payload is the last bytes of the frame.
    pub(crate) payload_bytes: usize,
    /// False for the first messages (`--fault-after`), which must have no fault.
    pub(crate) may_fail: bool,
}

/// What the connection must do after a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    GoOn,
    /// Call [`Receiver::release`] at this moment.
    Release(Moment),
    /// This was the last message that `close=` allows.
    Close,
}

pub(crate) struct Receiver {
    random: Random,
    /// The frame that is held back to be overtaken; empty if there is none.
    held: Vec<u8>,
    held_until: Moment,
    /// How many messages were to be delivered to this receiver, with or without a fault.
    messages: u64,
}

impl Receiver {
    /// Creates the receiver of connection number `ordinal`. Its faults depend on that number and
    /// the seed, and not on when copies arrive.
    pub(crate) fn new(seed: u64, ordinal: u64) -> Receiver {
        // Similar seeds give similar random numbers, so the seed used is itself a random number.
        let random = Random::new(Random::new(seed ^ ordinal << 32).next());
        Receiver { random, held: Vec::new(), held_until: Moment::default(), messages: 0 }
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Queues a copy, or applies the fault that is drawn for it.
    pub(crate) fn deliver(
        &mut self,
        plan: &FaultPlan,
        copy: Delivery<'_>,
        now: Moment,
        outbound: &mut Outbound,
        ledger: &mut Ledger,
    ) -> Next {
        self.messages += 1;
        let fault = if copy.may_fail { plan.draw(&mut self.random) } else { None };
        let mut next = Next::GoOn;
        let overtakes = match fault {
            None => {
                outbound.push_copy(copy.frame, ledger);
                true
            }
            Some(Fault::Drop) => {
                outbound.note_fault(Fault::Drop, ledger);
                false
            }
            Some(Fault::Duplicate) => {
                outbound.push_copy(copy.frame, ledger);
                outbound.push_copy(copy.frame, ledger);
                outbound.note_fault(Fault::Duplicate, ledger);
                true
            }
            Some(Fault::Corrupt) => {
                let frame = outbound.push_copy(copy.frame, ledger);
                let payload_at = frame.len() - copy.payload_bytes;
                if corrupt(&mut frame[payload_at..], self.random.next()) {
                    outbound.note_fault(Fault::Corrupt, ledger);
                }
                // This copy overtakes the held one, but a client cannot see that: it is corrupt.
                false
            }
            Some(Fault::Reorder) if self.held.is_empty() => {
                self.held.extend_from_slice(copy.frame);
                self.held_until = now + HOLD_TIME;
                next = Next::Release(self.held_until);
                false
            }
            // A copy is held already, and this one overtakes it.
            Some(Fault::Reorder) => {
                outbound.push_copy(copy.frame, ledger);
                true
            }
        };
        if overtakes && !self.held.is_empty() {
            outbound.push_copy(&self.held, ledger);
            outbound.note_fault(Fault::Reorder, ledger);
            self.held.clear();
        }
        if plan.close.is_some_and(|close| copy.may_fail && self.messages >= close.messages) {
            return Next::Close;
        }
        next
    }

    /// Queues the copy that is held back if its time is over. No other copy has overtaken it.
    pub(crate) fn release(&mut self, now: Moment, outbound: &mut Outbound, ledger: &mut Ledger) {
        if self.held_until <= now {
            self.release_now(outbound, ledger);
        }
    }

    /// Queues the copy that is held back, if there is one, without waiting for its time to be over.
    pub(crate) fn release_now(&mut self, outbound: &mut Outbound, ledger: &mut Ledger) {
        if !self.held.is_empty() {
            outbound.push_copy(&self.held, ledger);
            self.held.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare::protocol::{Opcode, encode_frame};

    /// Delivers messages 0 to `count`, releases the held copy at the end, and returns what arrived.
    fn delivered(plan: &str, seed: u64, count: u32) -> (Vec<u32>, Ledger) {
        let plan = FaultPlan::parse(plan).unwrap();
        let (mut receiver, mut outbound) = (Receiver::new(seed, 0), Outbound::default());
        let (mut ledger, mut now) = (Ledger::default(), Moment::default());
        for number in 0..count {
            let mut frame = Vec::new();
            encode_frame(&mut frame, Opcode::Binary, &number.to_be_bytes());
            now = now + Duration::from_millis(1);
            let copy = Delivery { frame: &frame, payload_bytes: 4, may_fail: number > 0 };
            receiver.deliver(&plan, copy, now, &mut outbound, &mut ledger);
        }
        receiver.release(now + HOLD_TIME, &mut outbound, &mut ledger);
        let mut wire = Vec::new();
        while !outbound.is_empty() {
            outbound.write_to(&mut wire).unwrap();
        }
        let numbers =
            wire.chunks_exact(6).map(|frame| u32::from_be_bytes(*frame.last_chunk().unwrap()));
        (numbers.collect(), ledger)
    }

    #[test]
    fn the_ledger_is_what_a_receiver_sees() {
        const COUNT: u32 = 50_000;
        for seed in 0..4 {
            let (seen, ledger) = delivered("drop=0.05,dup=0.05,reorder=0.1", seed, COUNT);
            assert_eq!(seen.len() as u64, ledger.copies);
            assert_eq!(u64::from(COUNT), ledger.copies + ledger.dropped - ledger.duplicated);
            let mut times = vec![0; COUNT as usize];
            let (mut duplicated, mut overtaken, mut highest) = (0, 0, 0);
            for number in &seen {
                times[*number as usize] += 1;
                duplicated += u64::from(times[*number as usize] == 2);
                overtaken += u64::from(*number < highest);
                highest = highest.max(*number);
            }
            let dropped = times.iter().filter(|times| **times == 0).count() as u64;
            assert!(times.iter().all(|times| *times <= 2), "a copy has at most one fault");
            assert_eq!(
                (dropped, duplicated, overtaken),
                (ledger.dropped, ledger.duplicated, ledger.reordered)
            );
            assert!(
                ledger.reordered > 4_000 && ledger.dropped > 2_000 && ledger.duplicated > 2_000
            );
        }
    }

    #[test]
    fn with_every_copy_to_be_reordered_pairs_change_places() {
        let (seen, ledger) = delivered("reorder=1", 1, 7);
        assert_eq!((seen.as_slice(), ledger.reordered), (&[0, 2, 1, 4, 3, 6, 5][..], 3));
    }

    #[test]
    fn the_last_copy_is_released_and_not_counted_as_reordered() {
        let (seen, ledger) = delivered("reorder=1", 1, 2);
        assert_eq!((seen.as_slice(), ledger.reordered, ledger.copies), (&[0, 1][..], 0, 2));
    }

    #[test]
    fn what_is_exempt_comes_through_whole() {
        let (seen, ledger) = delivered("drop=1", 1, 10);
        assert_eq!((seen.as_slice(), ledger.dropped), (&[0][..], 9));
    }

    #[test]
    fn neither_a_dropped_nor_a_corrupt_copy_is_what_overtakes_another() {
        let (mut receiver, mut outbound) = (Receiver::new(1, 1), Outbound::default());
        let mut ledger = Ledger::default();
        let counts = ["reorder=1", "corrupt=1", "drop=1", "reorder=0"].map(|plan| {
            let plan = FaultPlan::parse(plan).unwrap();
            let copy = Delivery { frame: b"\x82\x01x", payload_bytes: 1, may_fail: true };
            receiver.deliver(&plan, copy, Moment::default(), &mut outbound, &mut ledger);
            (ledger.copies, ledger.reordered)
        });
        assert_eq!(counts, [(0, 0), (1, 0), (1, 0), (3, 1)]);
    }

    #[test]
    fn a_copy_is_not_released_before_its_time() {
        let plan = FaultPlan::parse("reorder=1").unwrap();
        let (mut receiver, mut outbound) = (Receiver::new(1, 1), Outbound::default());
        let mut ledger = Ledger::default();
        let copy = Delivery { frame: b"\x82\x01x", payload_bytes: 1, may_fail: true };
        let next = receiver.deliver(&plan, copy, Moment::default(), &mut outbound, &mut ledger);
        assert_eq!(next, Next::Release(Moment::default() + HOLD_TIME));
        receiver.release(Moment::from_nanos(99_999_999), &mut outbound, &mut ledger);
        assert!(outbound.is_empty());
        receiver.release(Moment::from_nanos(100_000_000), &mut outbound, &mut ledger);
        assert_eq!((outbound.unsent_bytes(), ledger.copies), (3, 1));
    }

    #[test]
    fn a_receiver_is_closed_after_so_many_messages() {
        let plan = FaultPlan::parse("close=4008@3").unwrap();
        let (mut receiver, mut outbound) = (Receiver::new(1, 1), Outbound::default());
        let copy = Delivery { frame: b"\x82\x01x", payload_bytes: 1, may_fail: true };
        let next = [0; 3].map(|_| {
            receiver.deliver(&plan, copy, Moment::default(), &mut outbound, &mut Ledger::default())
        });
        assert_eq!(next, [Next::GoOn, Next::GoOn, Next::Close]);
    }
}
