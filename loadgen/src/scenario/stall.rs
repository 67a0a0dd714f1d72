//! Subscribers that stop reading, beside healthy ones. The healthy ones must not feel it, and the server's memory
//! must not either. With `--wake` the stalled ones read on at the end: each must find messages without a gap, and
//! then either all of them or Close 4008.
use fanfare::protocol::{CloseCode, Message};

use crate::cli::StallArgs;
use crate::clock::{Moment, Schedule};
use crate::connection::Part;
use crate::ends::End;
use crate::fanout::{FanoutSettings, Pacing};
use crate::load::{Ended, Id, Load};
use crate::opening::Batch;
use crate::payload::Payloads;
use crate::process::{Memory, ServerProcess, tcp_memory_bytes};
use crate::report::{Report, Value};
use crate::run::{Peer, Scenario, Turn};
use crate::timeline::Phase;
use crate::traffic::{PUBLISHER, SUBSCRIBER, Traffic};

const STALLED: Part = Part(2);

/// How often memory is read for its peak.
const SAMPLES_PER_SECOND: u64 = 10;

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

#[derive(Clone, Copy, Default)]
struct Usage {
    memory: Memory,
    tcp_bytes: u64,
}

impl Usage {
    /// What cannot be read counts as zero; the report says "not measured" without a server process.
    fn now(server: Option<ServerProcess>) -> Usage {
        let memory = server.and_then(|server| server.memory().ok()).unwrap_or_default();
        Usage { memory, tcp_bytes: tcp_memory_bytes().unwrap_or(0) }
    }

    fn raise_to(&mut self, other: Usage) {
        let (memory, seen) = (&mut self.memory, other.memory);
        memory.resident_bytes = memory.resident_bytes.max(seen.resident_bytes);
        memory.anonymous_bytes = memory.anonymous_bytes.max(seen.anonymous_bytes);
        self.tcp_bytes = self.tcp_bytes.max(other.tcp_bytes);
    }
}

pub(crate) struct Stall {
    traffic: Traffic,
    server: Option<ServerProcess>,
    payloads: Payloads,
    sleepers: Vec<Sleeper>,
    before: Option<Usage>,
    peak: Usage,
    sampling: Option<Schedule>,
    drain: std::time::Duration,
    wake: bool,
    stalled_buffer: usize,
    awake_until: Option<Moment>,
}

impl Stall {
    pub(crate) fn new(args: &StallArgs, server: Option<ServerProcess>) -> Stall {
        let settings = FanoutSettings {
            publishers: 1,
            subscribers: args.healthy as u32,
            size: args.size,
            pacing: Pacing::Open { per_second: args.rate },
            verify: args.common.verify,
        };
        let stalled = Batch { part: STALLED, first: 0, count: args.stalled };
        Stall {
            traffic: Traffic::new(settings, args.phases, &args.common, server, &[stalled]),
            server,
            payloads: Payloads::new(args.size),
            sleepers: (0..args.stalled).map(|_| Sleeper::default()).collect(),
            before: None,
            peak: Usage::default(),
            sampling: None,
            drain: args.common.drain,
            wake: args.wake,
            stalled_buffer: args.stalled_buffer,
            awake_until: None,
        }
    }

    fn outcome(&self, sleeper: &Sleeper) -> Outcome {
        match sleeper.end {
            _ if sleeper.is_broken => Outcome::Broken,
            Some(End::ClosedByServer(code)) if code == CloseCode::SLOW_CONSUMER.as_u16() => Outcome::Cut,
            Some(End::Reset) => Outcome::Reset,
            Some(_) => Outcome::OtherEnd,
            None if sleeper.next == self.traffic.fanout.sent_by(0) => Outcome::CaughtUp,
            None => Outcome::Silent,
        }
    }

    fn sample(&mut self, now: Moment) -> Option<Moment> {
        let schedule = self.sampling.as_mut()?;
        if schedule.take_due(now).is_some() {
            while schedule.take_due(now).is_some() {}
            self.peak.raise_to(Usage::now(self.server));
        }
        self.sampling.as_ref().map(Schedule::next)
    }

    /// Lets the stalled ones read on, until each has had its end or all messages.
    fn turn_awake(&mut self, load: &mut Load, now: Moment) -> Turn {
        let until = *self.awake_until.get_or_insert_with(|| {
            for sleeper in &self.sleepers {
                if let Some(id) = sleeper.id {
                    load.set_reading(id, true);
                }
            }
            now + self.drain
        });
        let opened = self.sleepers.iter().filter(|sleeper| sleeper.id.is_some());
        let all_known = opened.map(|sleeper| self.outcome(sleeper)).all(|outcome| outcome != Outcome::Silent);
        if all_known || until <= now || load.is_stopping() { Turn::Done } else { Turn::Until(until) }
    }
}

impl Scenario for Stall {
    fn on_open(&mut self, load: &mut Load, id: Id, part: Part, index: u32) {
        if part == STALLED {
            self.sleepers[index as usize].id = Some(id);
            load.set_reading(id, false);
        } else {
            self.traffic.on_open(id, part, index);
        }
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        if peer.part == STALLED {
            let sleeper = &mut self.sleepers[peer.index as usize];
            let is_next =
                self.payloads.read(message.payload()).is_some_and(|stamp| stamp.sequence == sleeper.next);
            sleeper.is_broken |= !is_next;
            sleeper.next += 1;
        } else {
            self.traffic.on_message(peer, &message, at);
        }
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        if ended.part == STALLED {
            self.sleepers[ended.index as usize].end = Some(ended.end);
        } else {
            self.traffic.on_ended(ended);
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        load.set_receive_buffer(STALLED, self.stalled_buffer);
        let was_opening = self.before.is_none();
        let turn = self.traffic.turn(load, now, |_, _, _| {});
        if was_opening && self.traffic.phase() != Phase::Opening {
            // All are open, and no message but the probe was sent.
            let usage = Usage::now(self.server);
            self.before = Some(usage);
            self.peak = usage;
            self.sampling = Some(Schedule::new(now, SAMPLES_PER_SECOND));
        }
        let next_sample = self.sample(now);
        match turn {
            Turn::Until(until) => Turn::Until(next_sample.map_or(until, |next| next.min(until))),
            Turn::Done if self.wake && self.before.is_some() => self.turn_awake(load, now),
            Turn::Done => Turn::Done,
        }
    }

    fn report(&self, load: &Load, report: &mut Report) {
        let parts = [("publishers", PUBLISHER), ("healthy", SUBSCRIBER), ("stalled", STALLED)];
        load.report(report, &parts);
        self.traffic.report(report);
        if let Some(before) = self.before {
            let grown = |value: fn(&Memory) -> u64| {
                self.server
                    .map(|_| Value::Growth(value(&self.peak.memory) as i64 - value(&before.memory) as i64))
            };
            report
                .section("memory")
                .optional("resident_growth_bytes", grown(|memory| memory.resident_bytes))
                .optional("anonymous_growth_bytes", grown(|memory| memory.anonymous_bytes))
                .row("kernel_tcp_before_bytes", Value::Bytes(before.tcp_bytes))
                .row("kernel_tcp_peak_bytes", Value::Bytes(self.peak.tcp_bytes));
        }
        if self.awake_until.is_none() {
            return;
        }
        let count = |wanted| {
            let opened = self.sleepers.iter().filter(|sleeper| sleeper.id.is_some());
            opened.filter(|sleeper| self.outcome(sleeper) == wanted).count() as u64
        };
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
        report.fail_if_any(count(Outcome::Reset), "stalled subscribers were reset instead of told why");
        report.fail_if_any(count(Outcome::OtherEnd), "stalled subscribers ended without Close 4008");
        report.fail_if_any(count(Outcome::Broken), "stalled subscribers read a gap or something else");
        report.fail_if_any(count(Outcome::Silent), "stalled subscribers got neither the rest nor an end");
    }
}
