//! The receiving half of a fan-out: what a receiver has read is compared with what was sent.
use fanfare::protocol::{Message, Opcode};

use super::board::OwnCopies;
use super::settings::Pacing;
use super::state::Fanout;
use crate::check::payload::Payloads;
use crate::check::sequence::Arrival;
use crate::cli::common::Verify;
use crate::net::clock::Moment;
use crate::run::timeline::Timeline;

impl Fanout {
    /// Handles a message that a receiver has read at `at`.
    pub(crate) fn on_delivery(
        &mut self,
        receiver: usize,
        message: &Message<'_>,
        opcode: Opcode,
        at: Moment,
        timeline: &Timeline,
    ) {
        let payload = message.payload();
        let is_kind_kept = message.kind().opcode() == opcode;
        let stamp = match self.settings.verify {
            Verify::Full if is_kind_kept => self.payloads.read(payload),
            Verify::Full => None,
            Verify::Count | Verify::Off => Payloads::find_head(payload),
        };
        let Some(stamp) = stamp else {
            self.counts.corrupt += 1;
            return;
        };
        let stamp = stamp.received_at(at);
        let (from, sequence) = (usize::from(stamp.publisher), stamp.sequence);
        if !self.was_sent(from, sequence) || !self.is_expected(receiver, from) {
            self.counts.unexpected += 1;
            return;
        }
        let arrival = self.sequences.note(receiver, from, sequence);
        let settled = match arrival {
            Arrival::InOrder => sequence..sequence + 1,
            Arrival::AfterGap { missed } => sequence - missed..sequence + 1,
            Arrival::Late => 0..0,
            Arrival::Duplicate => return,
        };
        self.counts.delivered += 1;
        if sequence > 0 || from > 0 {
            // The probe, the first message, is left out, because its publisher may not receive it.
            self.orders.note(receiver, from, sequence);
        }
        if self.is_measuring {
            self.counts.span_delivered += 1;
            self.counts.span_bytes += payload.len() as u64;
        }
        let is_measured = timeline.measures(stamp.intended);
        let nanos = at.nanos_since(stamp.intended);
        self.counts.measured_delivered += u64::from(is_measured);
        self.response.record(at, nanos, is_measured);
        if let (true, Pacing::Open { .. }, Some(sent)) =
            (is_measured, self.settings.pacing, stamp.sent())
        {
            self.service.record(at.nanos_since(sent));
        }
        if self.is_own(receiver, from) && self.board.own_copies() == OwnCopies::Unknown {
            return;
        }
        self.expect_up_to(from, sequence, at);
        if self.publishers[from].window.settle(settled) && is_measured {
            self.last_receiver.complete(from, sequence, nanos);
        }
    }

    /// Adds messages up to `sequence` to the window of the publisher, which holds the messages that
    /// some receiver still misses. This thread learns of another thread's messages only here, when
    /// its first receiver gets them.
    fn expect_up_to(&mut self, publisher: usize, sequence: u32, at: Moment) {
        while self.publishers[publisher].window.end() <= sequence {
            let missing = self.missing(publisher);
            self.publishers[publisher].window.push(at, missing);
        }
    }

    fn was_sent(&self, publisher: usize, sequence: u32) -> bool {
        if self.own.contains(&publisher) {
            return sequence < self.publishers[publisher].sent;
        }
        // The publisher belongs to another thread, so how many messages it has sent is known only
        // at the end. Until then a sequence must not be far ahead of the latest one seen.
        const AHEAD_MAX: u32 = 1 << 16;
        self.publishers
            .get(publisher)
            .is_some_and(|publisher| sequence < publisher.window.end().saturating_add(AHEAD_MAX))
    }

    /// Returns true if the receiver may get this publisher's messages. A publisher may get its own
    /// until the probe has shown that it does not.
    fn is_expected(&self, receiver: usize, publisher: usize) -> bool {
        !self.is_own(receiver, publisher) || self.board.own_copies() != OwnCopies::No
    }

    pub(crate) fn on_answer(&mut self, status: u16) {
        self.counts.answered_posts += 1;
        if !(200..300).contains(&status) {
            self.counts.refused_posts += 1;
            self.first_refusal.get_or_insert(status);
        }
    }
}
