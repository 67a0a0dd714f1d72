//! Subscribers that stop reading. The healthy subscribers and the server's memory must not suffer
//! from them. At the end they read on. Each must receive messages without a gap, and then either
//! all of them or Close 4008.
use std::time::Duration;

use fanfare::protocol::{CloseCode, Message};

use crate::check::payload::Payloads;
use crate::cli::scenarios::ChurnArgs;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::ends::End;
use crate::net::slots::Id;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::load::Load;
use crate::run::opening::Batch;
use crate::run::scenario::Turn;

pub(super) const SLOW: Part = Part(4);

/// A subscriber that stopped reading, and what it received when it read on.
#[derive(Default)]
struct SlowSubscriber {
    id: Option<Id>,
    /// Sequence number of the message that must come next.
    next: u32,
    /// True if the subscriber received something other than the next message.
    is_broken: bool,
    end: Option<End>,
}

/// What a subscriber that had stopped reading received when it read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WokenOutcome {
    /// The first messages without a gap, then Close 4008 (slow consumer).
    Cut,
    /// Every message; the connection is still open.
    CaughtUp,
    /// The first messages without a gap, then a reset.
    Reset,
    /// The first messages without a gap, then any other end.
    OtherEnd,
    /// A message was missing or changed.
    Broken,
    /// The first messages without a gap, then neither more messages nor an end.
    Silent,
}

pub(super) struct SlowSubscribers {
    subscribers: Vec<SlowSubscriber>,
    payloads: Payloads,
    receive_buffer: usize,
    wake: bool,
    drain: Duration,
    awake_until: Option<Moment>,
    /// How many messages were published, once that is known.
    total: Option<u32>,
}

impl SlowSubscribers {
    pub(super) fn new(args: &ChurnArgs, count: u64) -> SlowSubscribers {
        SlowSubscribers {
            subscribers: (0..count).map(|_| SlowSubscriber::default()).collect(),
            payloads: Payloads::new(args.size),
            receive_buffer: args.slow_buffer,
            wake: args.wake,
            drain: args.common.drain,
            awake_until: None,
            total: None,
        }
    }

    pub(super) fn batch(&self) -> Batch {
        Batch::new(SLOW, self.subscribers.len() as u64)
    }

    /// Prepares for slow subscribers. Must be called before any slow subscriber is opened.
    pub(super) fn prepare(&self, load: &mut Load) {
        load.set_receive_buffer(SLOW, self.receive_buffer);
        // A server is meant to cut off subscribers that do not read, so this close code is no
        // error.
        load.set_intended_end(SLOW, End::ClosedByServer(CloseCode::SLOW_CONSUMER.as_u16()));
    }

    pub(super) fn on_open(&mut self, load: &mut Load, id: Id, index: u32) {
        self.subscribers[index as usize].id = Some(id);
        load.set_reading(id, false);
    }

    pub(super) fn on_message(&mut self, index: u32, message: &Message<'_>) {
        let subscriber = &mut self.subscribers[index as usize];
        let is_next = self
            .payloads
            .read(message.payload())
            .is_some_and(|stamp| stamp.sequence == subscriber.next);
        subscriber.is_broken |= !is_next;
        subscriber.next += 1;
    }

    pub(super) fn on_ended(&mut self, index: u32, end: End) {
        self.subscribers[index as usize].end = Some(end);
    }

    /// After the traffic of `total` messages, lets the slow subscribers read on. Returns `Done`
    /// once each has all messages or has ended, or `--drain` is over. Ctrl-C does not shorten this.
    pub(super) fn turn_awake(&mut self, load: &mut Load, now: Moment, total: Option<u32>) -> Turn {
        if !self.wake {
            return Turn::Done;
        }
        self.total = total;
        let until = *self.awake_until.get_or_insert_with(|| {
            for subscriber in &self.subscribers {
                if let Some(id) = subscriber.id {
                    load.set_reading(id, true);
                }
            }
            now + self.drain
        });
        let all_known =
            self.opened().all(|subscriber| self.outcome(subscriber) != WokenOutcome::Silent);
        if all_known || until <= now { Turn::Done } else { Turn::Until(until) }
    }

    fn opened(&self) -> impl Iterator<Item = &SlowSubscriber> {
        self.subscribers.iter().filter(|subscriber| subscriber.id.is_some())
    }

    fn outcome(&self, subscriber: &SlowSubscriber) -> WokenOutcome {
        match subscriber.end {
            _ if subscriber.is_broken => WokenOutcome::Broken,
            Some(End::ClosedByServer(code)) if code == CloseCode::SLOW_CONSUMER.as_u16() => {
                WokenOutcome::Cut
            }
            Some(End::Reset) => WokenOutcome::Reset,
            Some(_) => WokenOutcome::OtherEnd,
            None if Some(subscriber.next) == self.total => WokenOutcome::CaughtUp,
            None => WokenOutcome::Silent,
        }
    }

    pub(super) fn absorb(&mut self, other: SlowSubscribers) {
        self.subscribers.extend(other.subscribers);
    }

    pub(super) fn report(&self, report: &mut Report) {
        if self.awake_until.is_none() {
            return;
        }
        let count = |wanted| {
            self.opened().filter(|subscriber| self.outcome(subscriber) == wanted).count() as u64
        };
        let prefix = self.subscribers.iter().map(|subscriber| u64::from(subscriber.next));
        report
            .section("woken")
            .row("closed_4008", Value::Count(count(WokenOutcome::Cut)))
            .row("caught_up", Value::Count(count(WokenOutcome::CaughtUp)))
            .row("reset", Value::Count(count(WokenOutcome::Reset)))
            .row("other_end", Value::Count(count(WokenOutcome::OtherEnd)))
            .row("broken", Value::Count(count(WokenOutcome::Broken)))
            .row("silent", Value::Count(count(WokenOutcome::Silent)))
            .optional("prefix_messages_min", prefix.clone().min().map(Value::Count))
            .optional("prefix_messages_max", prefix.max().map(Value::Count));
        report.fail_if_any(
            count(WokenOutcome::Reset),
            "stalled subscribers were reset instead of told why",
        );
        report.fail_if_any(
            count(WokenOutcome::OtherEnd),
            "stalled subscribers ended without Close 4008",
        );
        report.fail_if_any(
            count(WokenOutcome::Broken),
            "stalled subscribers read a gap or something else",
        );
        report.fail_if_any(
            count(WokenOutcome::Silent),
            "stalled subscribers got neither the rest nor an end",
        );
    }
}
