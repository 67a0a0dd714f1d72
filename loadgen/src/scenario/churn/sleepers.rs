//! Subscribers that stop reading. The healthy ones must not feel it, and the server's memory must
//! not either. Woken at the end they read on: each must find messages without a gap, and then
//! either all of them or Close 4008.
use std::time::Duration;

use fanfare::protocol::{CloseCode, Message};

use super::SLEEPER;
use crate::cli::ChurnArgs;
use crate::clock::Moment;
use crate::ends::End;
use crate::load::{Id, Load};
use crate::opening::Batch;
use crate::payload::Payloads;
use crate::report::{Report, Value};
use crate::run::Turn;

/// A stalled subscriber, and what it read when it woke up.
#[derive(Default)]
struct Sleeper {
    id: Option<Id>,
    /// The sequence that comes next if nothing is missing.
    next: u32,
    /// It read something else than the next message.
    is_broken: bool,
    end: Option<End>,
}

/// How a stalled subscriber fared, told at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// A gapless prefix, then Close 4008.
    Cut,
    /// Every message, and still open.
    CaughtUp,
    /// A gapless prefix, then a reset.
    Reset,
    /// A gapless prefix, then any other end.
    OtherEnd,
    /// A message missing or changed in between.
    Broken,
    /// A gapless prefix, then neither more nor an end.
    Silent,
}

pub(super) struct Sleepers {
    sleepers: Vec<Sleeper>,
    payloads: Payloads,
    receive_buffer: usize,
    wake: bool,
    drain: Duration,
    awake_until: Option<Moment>,
    /// How many messages there were, once that is known.
    total: Option<u32>,
}

impl Sleepers {
    pub(super) fn new(args: &ChurnArgs, count: u64) -> Sleepers {
        Sleepers {
            sleepers: (0..count).map(|_| Sleeper::default()).collect(),
            payloads: Payloads::new(args.size),
            receive_buffer: args.slow_buffer,
            wake: args.wake,
            drain: args.common.drain,
            awake_until: None,
            total: None,
        }
    }

    pub(super) fn batch(&self) -> Batch {
        Batch::new(SLEEPER, self.sleepers.len() as u64)
    }

    /// Before any of them is opened.
    pub(super) fn prepare(&self, load: &mut Load) {
        load.set_receive_buffer(SLEEPER, self.receive_buffer);
    }

    pub(super) fn on_open(&mut self, load: &mut Load, id: Id, index: u32) {
        self.sleepers[index as usize].id = Some(id);
        load.set_reading(id, false);
    }

    pub(super) fn on_message(&mut self, index: u32, message: &Message<'_>) {
        let sleeper = &mut self.sleepers[index as usize];
        let is_next = self
            .payloads
            .read(message.payload())
            .is_some_and(|stamp| stamp.sequence == sleeper.next);
        sleeper.is_broken |= !is_next;
        sleeper.next += 1;
    }

    pub(super) fn on_ended(&mut self, index: u32, end: End) {
        self.sleepers[index as usize].end = Some(end);
    }

    /// When the traffic is over, with so many messages: lets the stalled ones read on, until each
    /// has had its end or all messages. Ctrl-C does not shorten that: it is part of the drain.
    pub(super) fn turn_awake(&mut self, load: &mut Load, now: Moment, total: Option<u32>) -> Turn {
        if !self.wake {
            return Turn::Done;
        }
        self.total = total;
        let until = *self.awake_until.get_or_insert_with(|| {
            for sleeper in &self.sleepers {
                if let Some(id) = sleeper.id {
                    load.set_reading(id, true);
                }
            }
            now + self.drain
        });
        let all_known = self.opened().all(|sleeper| self.outcome(sleeper) != Outcome::Silent);
        if all_known || until <= now { Turn::Done } else { Turn::Until(until) }
    }

    fn opened(&self) -> impl Iterator<Item = &Sleeper> {
        self.sleepers.iter().filter(|sleeper| sleeper.id.is_some())
    }

    fn outcome(&self, sleeper: &Sleeper) -> Outcome {
        match sleeper.end {
            _ if sleeper.is_broken => Outcome::Broken,
            Some(End::ClosedByServer(code)) if code == CloseCode::SLOW_CONSUMER.as_u16() => {
                Outcome::Cut
            }
            Some(End::Reset) => Outcome::Reset,
            Some(_) => Outcome::OtherEnd,
            None if Some(sleeper.next) == self.total => Outcome::CaughtUp,
            None => Outcome::Silent,
        }
    }

    pub(super) fn absorb(&mut self, other: Sleepers) {
        self.sleepers.extend(other.sleepers);
    }

    pub(super) fn report(&self, report: &mut Report) {
        if self.awake_until.is_none() {
            return;
        }
        let count =
            |wanted| self.opened().filter(|sleeper| self.outcome(sleeper) == wanted).count() as u64;
        let prefix = self.sleepers.iter().map(|sleeper| u64::from(sleeper.next));
        report
            .section("woken")
            .row("closed_4008", Value::Count(count(Outcome::Cut)))
            .row("caught_up", Value::Count(count(Outcome::CaughtUp)))
            .row("reset", Value::Count(count(Outcome::Reset)))
            .row("other_end", Value::Count(count(Outcome::OtherEnd)))
            .row("broken", Value::Count(count(Outcome::Broken)))
            .row("silent", Value::Count(count(Outcome::Silent)))
            .optional("prefix_messages_min", prefix.clone().min().map(Value::Count))
            .optional("prefix_messages_max", prefix.max().map(Value::Count));
        report.fail_if_any(
            count(Outcome::Reset),
            "stalled subscribers were reset instead of told why",
        );
        report
            .fail_if_any(count(Outcome::OtherEnd), "stalled subscribers ended without Close 4008");
        report.fail_if_any(
            count(Outcome::Broken),
            "stalled subscribers read a gap or something else",
        );
        report.fail_if_any(
            count(Outcome::Silent),
            "stalled subscribers got neither the rest nor an end",
        );
    }
}
