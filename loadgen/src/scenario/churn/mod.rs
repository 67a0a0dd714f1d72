//! Connections that come and go, and subscribers that stop reading, beside healthy subscribers,
//! whose deliveries stay exact and are timed apart.
mod sleepers;
mod storm;
mod visitors;

use std::time::Duration;

use fanfare::protocol::Message;

use crate::cli::ChurnArgs;
use crate::clock::{Moment, Schedule};
use crate::connection::Part;
use crate::fanout::{FanoutSettings, Pacing};
use crate::load::{Ended, Id, Load};
use crate::process::{Memory, Process, tcp_memory_bytes};
use crate::report::{Report, Value};
use crate::run::{Peer, Progress, Scenario, Turn, Work};
use crate::series::Recorder;
use crate::team::Team;
use crate::timeline::Phase;
use crate::traffic::{PUBLISHER, SUBSCRIBER, Traffic, TrafficPlan};
use sleepers::Sleepers;
use storm::Storm;
use visitors::Visitors;

const VISITOR: Part = Part(2);
const STORMER: Part = Part(3);
const SLEEPER: Part = Part(4);

/// How often memory is read for its peak.
const SAMPLES_PER_SECOND: u64 = 10;
/// When to look again at what readiness will tell sooner.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Between the last visitor's end and the reading of memory and files.
const SETTLE: Duration = Duration::from_millis(500);

/// What the server's process and the kernel hold. What cannot be read counts as zero, and is not
/// reported.
#[derive(Clone, Copy, Default)]
struct Held {
    memory: Memory,
    tcp_bytes: u64,
    open_files: u64,
}

impl Held {
    fn now(server: Option<Process>) -> Held {
        Held {
            memory: server.and_then(|server| server.memory().ok()).unwrap_or_default(),
            tcp_bytes: tcp_memory_bytes().unwrap_or(0),
            open_files: 0,
        }
    }

    /// Also counts open files, which for many takes long.
    fn with_files(server: Option<Process>) -> Held {
        let open_files = server.and_then(|server| server.open_files().ok()).unwrap_or(0);
        Held { open_files, ..Held::now(server) }
    }

    fn raise_to(&mut self, other: Held) {
        let (memory, seen) = (&mut self.memory, other.memory);
        memory.resident_bytes = memory.resident_bytes.max(seen.resident_bytes);
        memory.anonymous_bytes = memory.anonymous_bytes.max(seen.anonymous_bytes);
        self.tcp_bytes = self.tcp_bytes.max(other.tcp_bytes);
    }
}

pub(crate) struct Churn {
    traffic: Traffic,
    visitors: Visitors,
    storm: Storm,
    sleepers: Sleepers,
    /// Read by the first thread alone.
    server: Option<Process>,
    half: Duration,
    drain: Duration,
    is_prepared: bool,
    /// When to stop waiting for visitors under way.
    gone_by: Option<Moment>,
    /// When the server has had time to tidy up after the last visitor.
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
            subscribers: args.subscribers as u32,
            by_post: false,
            sizes: args.size,
            pacing: Pacing::Open { per_second: args.rate },
            verify: args.common.verify,
            messages: args.phases.messages,
            patience: args.common.drain,
        };
        TrafficPlan::new(settings, args.phases, &args.common, server)
    }

    pub(crate) fn new(args: &ChurnArgs, plan: &TrafficPlan, team: &Team) -> Churn {
        let count = |total: u64| {
            let part = team.share(total);
            part.end - part.start
        };
        let (storm, sleepers) =
            (Storm::new(count(args.storm)), Sleepers::new(args, count(args.slow_count())));
        Churn {
            traffic: Traffic::new(plan, team, &[storm.batch(), sleepers.batch()]),
            visitors: Visitors::new(args),
            storm,
            sleepers,
            server: plan.server.filter(|_| team.is_first()),
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

    /// When the traffic is over: wakes who sleeps, waits until the last visitor is gone, then reads
    /// what the server has kept.
    fn turn_after(&mut self, load: &mut Load, now: Moment) -> Turn {
        let total = self.traffic.fanout.total_of_the_first();
        if let turn @ Turn::Until(_) = self.sleepers.turn_awake(load, now, total) {
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
            SLEEPER => self.sleepers.on_open(load, id, index),
            Part(_) => self.traffic.on_open(id, part, index),
        }
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        if peer.part == SLEEPER {
            self.sleepers.on_message(peer.index, &message);
        } else {
            self.traffic.on_message(peer, &message, at);
        }
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        match ended.part {
            VISITOR => self.visitors.on_ended(ended.was_open, ended.end),
            STORMER => self.storm.ended += u64::from(ended.was_open),
            SLEEPER => self.sleepers.on_ended(ended.index, ended.end),
            Part(_) => self.traffic.on_ended(ended),
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        if !std::mem::replace(&mut self.is_prepared, true) {
            self.sleepers.prepare(load);
        }
        let Churn { traffic, visitors, storm, before, peak, sampling, server, half, .. } = self;
        let turn = traffic.turn(load, now, |entered, load, now| match entered {
            Phase::Measuring => {
                visitors.begin(load, now);
                storm.begin_at(now + *half);
                if load.team.is_first() {
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
                // Everybody who was to come back must have.
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
        self.sleepers.absorb(other.sleepers);
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(self.traffic.fanout.recorder())
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        let parts = [
            ("publishers", PUBLISHER),
            ("subscribers", SUBSCRIBER),
            ("slow", SLEEPER),
            ("visitors", VISITOR),
            ("stormers", STORMER),
        ];
        load.report(report, &parts);
        self.traffic.report(load, report, false);
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
        self.sleepers.report(report);
        let unfinished = opened.saturating_sub(visitors.left_by_reset + visitors.left_by_closing);
        report.fail_if_any(unfinished, "visitors did not leave as they wanted to");
        report.fail_if_any(self.storm.ended, "waiting connections were ended by the server");
    }

    fn work(&self) -> Work {
        self.traffic.work()
    }
}
