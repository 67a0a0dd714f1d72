//! Connections that open and leave, and subscribers that stop reading, while healthy subscribers
//! continue. The deliveries to the healthy ones are all checked, and timed separately.
use std::time::Duration;

use fanfare::protocol::Message;

use super::held::Held;
use super::slow::{SLOW, SlowSubscribers};
use super::storm::{STORMER, Storm};
use super::visitors::{VISITOR, Visitors};
use crate::cli::scenarios::ChurnArgs;
use crate::fanout::settings::{FanoutSettings, Pacing};
use crate::fanout::traffic::{PUBLISHER, SUBSCRIBER, Traffic, TrafficPlan};
use crate::measure::process::{Memory, Process};
use crate::measure::series::Recorder;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::slots::Id;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::load::{Ended, Load};
use crate::run::scenario::{Peer, Progress, Scenario, Turn, Work};
use crate::run::schedule::Schedule;
use crate::run::threads::ThisThread;
use crate::run::timeline::Phase;

/// How often the server's memory is read, to find its peak.
const SAMPLES_PER_SECOND: u64 = 10;
/// How often to check whether all visitors have left. Readiness usually wakes the thread sooner.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Time for the server to clean up after the last visitor, before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) struct Churn {
    traffic: Traffic,
    visitors: Visitors,
    storm: Storm,
    slow: SlowSubscribers,
    /// The server's process. Only the first thread reads its figures.
    server: Option<Process>,
    half: Duration,
    drain: Duration,
    is_prepared: bool,
    /// When to stop waiting for visitors that have not left yet.
    gone_by: Option<Moment>,
    /// When the server's memory and open files are read: `SETTLE` after the last visitor.
    settled_at: Option<Moment>,
    sampling: Option<Schedule>,
    before: Option<Held>,
    peak: Held,
    after: Option<Held>,
}

impl Churn {
    pub(crate) fn plan(args: &ChurnArgs, server: Option<Process>) -> TrafficPlan {
        let settings = FanoutSettings {
            publishers: 1,
            subscribers: args.subscriber_count() as u32,
            by_post: false,
            sizes: args.size,
            pacing: Pacing::Open { per_second: args.rate },
            verify: args.common.verify,
            messages: args.phases.messages,
            patience: args.common.drain,
        };
        TrafficPlan::new(settings, args.phases, &args.common, server)
    }

    pub(crate) fn new(args: &ChurnArgs, plan: &TrafficPlan, thread: &ThisThread) -> Churn {
        let (storm, slow) = (
            Storm::new(thread.share_count(args.storm)),
            SlowSubscribers::new(args, thread.share_count(args.slow_count())),
        );
        Churn {
            traffic: Traffic::new(plan, thread, &[storm.batch(), slow.batch()]),
            visitors: Visitors::new(args),
            storm,
            slow,
            server: plan.server.filter(|_| thread.is_first()),
            half: args.phases.duration / 2,
            drain: args.common.drain,
            is_prepared: false,
            gone_by: None,
            settled_at: None,
            sampling: None,
            before: None,
            peak: Held::default(),
            after: None,
        }
    }

    fn sample(&mut self, now: Moment) -> Option<Moment> {
        let schedule = self.sampling.as_mut()?;
        if schedule.take_due(now).is_some() {
            while schedule.take_due(now).is_some() {}
            self.peak.raise_to(Held::now(self.server));
        }
        self.sampling.as_ref().map(Schedule::next)
    }

    /// After the traffic: lets the slow subscribers read again, waits until the last visitor has
    /// left, and then reads how much memory the server still holds.
    fn turn_after(&mut self, load: &mut Load, now: Moment) -> Turn {
        let total = self.traffic.fanout.total_of_the_first();
        if let turn @ Turn::Until(_) = self.slow.turn_awake(load, now, total) {
            return turn;
        }
        match self.settled_at {
            None => {
                let deadline = *self.gone_by.get_or_insert(now + self.drain);
                if self.visitors.are_gone(load) || deadline <= now {
                    self.settled_at = Some(now + SETTLE);
                }
                Turn::Until(now + LOOK_AGAIN)
            }
            Some(at) if now < at && !load.is_stopping() => Turn::Until(at),
            Some(_) => {
                self.after = self.server.map(|server| Held::with_files(Some(server)));
                Turn::Done
            }
        }
    }

    fn report_held(&self, report: &mut Report) {
        let (Some(before), Some(_)) = (self.before, self.server) else { return };
        let growth = |value: fn(&Memory) -> u64| {
            Value::Growth(value(&self.peak.memory) as i64 - value(&before.memory) as i64)
        };
        let after = |value: fn(&Held) -> u64| self.after.as_ref().map(value);
        report
            .section("memory")
            .row("before_resident_bytes", Value::Bytes(before.memory.resident_bytes))
            .row("before_anonymous_bytes", Value::Bytes(before.memory.anonymous_bytes))
            .row("resident_growth_bytes", growth(|memory| memory.resident_bytes))
            .row("anonymous_growth_bytes", growth(|memory| memory.anonymous_bytes))
            .optional(
                "after_resident_bytes",
                after(|held| held.memory.resident_bytes).map(Value::Bytes),
            )
            .optional(
                "after_anonymous_bytes",
                after(|held| held.memory.anonymous_bytes).map(Value::Bytes),
            )
            .row("kernel_tcp_before_bytes", Value::Bytes(before.tcp_bytes))
            .row("kernel_tcp_peak_bytes", Value::Bytes(self.peak.tcp_bytes));
        report
            .section("server")
            .row("before_open_files", Value::Count(before.open_files))
            .optional("after_open_files", after(|held| held.open_files).map(Value::Count));
    }
}

impl Scenario for Churn {
    fn on_open(&mut self, load: &mut Load, id: Id, part: Part, index: u32) {
        match part {
            VISITOR => self.visitors.on_open(load, id),
            STORMER => self.storm.on_open(id),
            SLOW => self.slow.on_open(load, id, index),
            Part(_) => self.traffic.on_open(load, id, part, index),
        }
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        if peer.part == SLOW {
            self.slow.on_message(peer.index, &message);
        } else {
            self.traffic.on_message(peer, message, at);
        }
    }

    fn on_ended(&mut self, load: &mut Load, ended: &Ended) {
        match ended.part {
            VISITOR => self.visitors.on_ended(ended.was_open, ended.end),
            STORMER => self.storm.ended += u64::from(ended.was_open),
            SLOW => self.slow.on_ended(ended.index, ended.end),
            Part(_) => self.traffic.on_ended(load, ended),
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        if !std::mem::replace(&mut self.is_prepared, true) {
            self.slow.prepare(load);
        }
        let Churn { traffic, visitors, storm, before, peak, sampling, server, half, .. } = self;
        let turn = traffic.turn(load, now, |entered, load, now| match entered {
            Phase::Measuring => {
                visitors.begin(load, now);
                storm.begin_at(now + *half);
                if load.thread.is_first() {
                    let held = Held::with_files(*server);
                    (*before, *peak) = (Some(held), held);
                    *sampling = Some(Schedule::new(now, SAMPLES_PER_SECOND));
                }
            }
            Phase::Draining => {
                visitors.end(now);
                storm.call_off();
            }
            Phase::Opening | Phase::WarmUp | Phase::Over => {}
        });
        let next = [self.visitors.turn(load, now), self.storm.turn(load, now), self.sample(now)];
        let next = next.into_iter().flatten().min();
        match turn {
            Turn::Until(until) => Turn::Until(next.map_or(until, |next| next.min(until))),
            Turn::Done if self.traffic.phase() != Phase::Over => Turn::Done,
            Turn::Done => {
                self.sampling = None;
                // Wait until all connections that the storm has reset have opened again.
                let storm = self.storm.turn(load, now).filter(|_| !load.is_stopping());
                storm.map_or_else(|| self.turn_after(load, now), Turn::Until)
            }
        }
    }

    fn progress(&self) -> Progress {
        self.traffic.progress()
    }

    fn absorb(&mut self, other: Churn) {
        self.traffic.absorb(other.traffic);
        self.visitors.absorb(&other.visitors);
        self.storm.absorb(&other.storm);
        self.slow.absorb(other.slow);
    }

    fn recorder(&self) -> Option<&Recorder> {
        self.traffic.recorder()
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        let parts = [
            ("publishers", PUBLISHER),
            ("subscribers", SUBSCRIBER),
            ("slow", SLOW),
            ("visitors", VISITOR),
            ("stormers", STORMER),
        ];
        load.report(report, &parts);
        self.traffic.report_traffic(load, report, false);
        let (visitors, opened) = (&self.visitors, load.counts(VISITOR).opened);
        let section = report.section("churn");
        section
            .row("visits_wanted_per_second", Value::Count(visitors.per_second))
            .row("visits_per_second", self.traffic.measurement.rate(opened))
            .row("left_by_reset", Value::Count(visitors.left_by_reset))
            .row("left_by_closing", Value::Count(visitors.left_by_closing))
            .row("cut_short", Value::Count(visitors.cut_short))
            .optional(
                "storm_until_all_back_ns",
                self.storm.nanos_until_all_back().map(Value::Nanos),
            );
        self.report_held(report);
        self.slow.report(report);
        let unfinished = opened.saturating_sub(visitors.left_by_reset + visitors.left_by_closing);
        report.fail_if_any(unfinished, "visitors did not leave as they wanted to");
        report.fail_if_any(self.storm.ended, "waiting connections were ended by the server");
    }

    fn work(&self) -> Work {
        self.traffic.work()
    }
}
