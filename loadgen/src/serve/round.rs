//! A round of a broadcast: the messages of one turn of the event loop. Each is encoded once, and
//! all go to every receiver in one write.
use std::io;

use fanfare::protocol::{Message, encode_frame};

use super::args::ServeArgs;
use super::connection::{ServerConnection, ServerPhase};
use super::faults::{FaultPlan, Ledger};
use super::receiver::{Delivery, Next};
use crate::net::clock::Moment;
use crate::net::slots::Id;

/// A round that has reached this size is sent before more is read.
const ROUND_BYTES_MAX: usize = 1 << 20;
/// A buffer that a large message has grown beyond this is shrunk.
const KEPT_BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
pub(crate) struct Round {
    /// The encoded frames of `messages`, one after the other.
    bytes: Vec<u8>,
    messages: Vec<RoundMessage>,
}

struct RoundMessage {
    /// Offset of the frame in the bytes of the round.
    start: usize,
    end: usize,
    payload_bytes: usize,
    sender: Id,
    may_fail: bool,
}

impl Round {
    pub(crate) fn push(&mut self, message: Message<'_>, sender: Id, may_fail: bool) {
        let start = self.bytes.len();
        encode_frame(&mut self.bytes, message.kind().opcode(), message.payload());
        let (end, payload_bytes) = (self.bytes.len(), message.payload().len());
        self.messages.push(RoundMessage { start, end, payload_bytes, sender, may_fail });
    }

    /// Returns how many messages the round has so far. A connection that opens now skips them.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= ROUND_BYTES_MAX
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }

    /// Sends a connection the messages of this round that it has not received yet.
    pub(crate) fn deliver(
        &self,
        id: Id,
        connection: &mut ServerConnection,
        args: &ServeArgs,
        plan: &FaultPlan,
        now: Moment,
        ledger: &mut Ledger,
    ) -> io::Result<Next> {
        let messages = &self.messages[connection.round_taken..];
        connection.round_taken = self.messages.len();
        let Some(first) = messages.first() else { return Ok(Next::GoOn) };
        let has_own = || args.no_own_copy && messages.iter().any(|message| message.sender == id);
        if !plan.touches_copies() && !has_own() {
            ledger.copies += messages.len() as u64;
            connection.write_through(&self.bytes[first.start..], ledger)?;
            return Ok(Next::GoOn);
        }
        let mut next = Next::GoOn;
        for message in messages {
            if args.no_own_copy && message.sender == id {
                continue;
            }
            let delivery = Delivery {
                frame: &self.bytes[message.start..message.end],
                payload_bytes: message.payload_bytes,
                may_fail: message.may_fail,
            };
            let ServerConnection { receiver, outbound, .. } = connection;
            match receiver.deliver(plan, delivery, now, outbound, ledger) {
                Next::GoOn => {}
                Next::Release(at) => next = Next::Release(at),
                Next::Close => {
                    next = Next::Close;
                    break;
                }
            }
        }
        debug_assert_eq!(connection.phase, ServerPhase::Open, "copies go to open connections only");
        connection.flush(ledger)?;
        Ok(next)
    }
}
