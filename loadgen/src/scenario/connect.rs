//! Openings in quick succession: each connection is opened, its 101 is read, and it is closed. With
//! `--connect-rate` this is an open loop, timed from the intended moment of each opening. Without
//! it, always as many openings as `--connect-concurrency` are under way.
use std::time::Duration;

use derive_more::AddAssign;
use slab::Slab;

use crate::cli::scenarios::ConnectArgs;
use crate::measure::process::Process;
use crate::measure::series::Recorder;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::ends::End;
use crate::net::slots::Id;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::load::{Ended, Load};
use crate::run::measurement::Measurement;
use crate::run::opening::Pace;
use crate::run::scenario::{Progress, Scenario, Turn, Work, end_together};
use crate::run::schedule::Schedule;
use crate::run::threads::{LOOK_AGAIN, ThisThread};
use crate::run::timeline::Phase;

const CLIENT: Part = Part(0);

const READY: usize = 0;
const ALL_GONE: usize = 1;

/// Openings that may begin in one turn. Each takes about 30 µs, and meanwhile nothing is read.
const OPENINGS_PER_TURN_MAX: u32 = 32;

enum ConnectStage {
    Ready,
    Opening { until: Moment },
    Draining { until: Moment },
    Over,
}

pub(crate) struct Connect {
    stage: ConnectStage,
    rate: Option<u64>,
    pace: Pace,
    duration: Duration,
    drain: Duration,
    schedule: Option<Schedule>,
    /// How many openings may still begin. `None` for no limit.
    budget: Option<u64>,
    /// When each unfinished opening was due, by the index of its connection.
    under_way: Slab<Moment>,
    measurement: Measurement,
    counts: ConnectCounts,
    response: Recorder,
}

#[derive(Clone, Copy, Default, AddAssign)]
struct ConnectCounts {
    begun: u64,
    opened: u64,
    opened_in_span: u64,
    /// Connections opened before the time for opening was over.
    opened_by_end: u64,
    closed: u64,
}

impl Connect {
    pub(crate) fn new(args: &ConnectArgs, server: Option<Process>, thread: &ThisThread) -> Connect {
        let rate = args.common.connect_rate.filter(|rate| *rate > 0);
        Connect {
            stage: ConnectStage::Ready,
            rate,
            pace: Pace { per_second: rate, concurrency_max: args.concurrency() },
            duration: args.duration,
            drain: args.common.drain,
            schedule: None,
            budget: args.openings.map(|openings| thread.share_count(openings)),
            under_way: Slab::new(),
            measurement: Measurement::new(server),
            counts: ConnectCounts::default(),
            response: Recorder::new(),
        }
    }

    /// Begins the openings that are due. Returns when to call again, or `None` after the last.
    fn open_due(&mut self, load: &mut Load, now: Moment, until: Moment) -> Option<Moment> {
        for _ in 0..OPENINGS_PER_TURN_MAX {
            if self.budget == Some(0) || load.is_stopping() {
                return None;
            }
            let due = self.schedule.as_ref().map_or(now, Schedule::next);
            if due >= until {
                return None;
            }
            if due > now {
                return Some(due);
            }
            // An opening that exceeds the concurrency limit begins late. It is not skipped.
            if self.pace.is_full(load) {
                return (self.schedule.is_some() || now < until).then_some(now + LOOK_AGAIN);
            }
            let intended =
                self.schedule.as_mut().map_or(Some(now), |schedule| schedule.take_due(now));
            self.budget = self.budget.map(|budget| budget - 1);
            self.counts.begun += 1;
            let index = self.under_way.insert(intended.unwrap_or(now));
            load.open(CLIENT, index as u32);
        }
        Some(now)
    }
}

impl Scenario for Connect {
    fn on_open(&mut self, load: &mut Load, id: Id, _part: Part, index: u32) {
        let (now, intended) = (load.clock.now(), self.under_way.remove(index as usize));
        self.counts.opened += 1;
        self.counts.opened_in_span += u64::from(load.is_measuring);
        self.counts.opened_by_end +=
            u64::from(matches!(self.stage, ConnectStage::Opening { until } if now < until));
        self.response.record(now, now.nanos_since(intended), true);
        load.close(id);
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        if ended.was_open {
            self.counts.closed += u64::from(ended.end == End::ClosedByUs);
        } else {
            self.under_way.remove(ended.index as usize);
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        loop {
            self.stage = match self.stage {
                ConnectStage::Ready => {
                    let Some(at) = load.thread.wait_at(READY, now) else {
                        return Turn::Until(now + LOOK_AGAIN);
                    };
                    self.schedule = self.rate.map(|rate| load.thread.schedule(at, rate));
                    load.thread.begin(at);
                    self.measurement.on_phase(Phase::Measuring, load);
                    ConnectStage::Opening { until: at + self.duration }
                }
                ConnectStage::Opening { until } => {
                    if let Some(again) = self.open_due(load, now, until) {
                        // After `until`, late openings still begin when earlier ones finish.
                        // Readiness then wakes the thread.
                        return Turn::Until(if now < until { again.min(until) } else { again });
                    }
                    self.measurement.on_phase(Phase::Draining, load);
                    ConnectStage::Draining { until: now + self.drain }
                }
                ConnectStage::Draining { until } => {
                    let is_under_way =
                        load.openings_under_way() > 0 || load.counts(CLIENT).open > 0;
                    if is_under_way && now < until {
                        return Turn::Until(now + LOOK_AGAIN);
                    }
                    ConnectStage::Over
                }
                ConnectStage::Over => {
                    return end_together(load, ALL_GONE, now);
                }
            };
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            sent: self.counts.begun,
            delivered: self.counts.opened,
            p99_nanos: self.response.last_p99_nanos(),
        }
    }

    fn absorb(&mut self, other: Connect) {
        self.counts += other.counts;
        self.measurement.absorb(&other.measurement);
        self.response.absorb(other.response);
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(&self.response)
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        load.report(report, &[("connections", CLIENT)]);
        report
            .section("throughput")
            .optional("target_per_second", self.rate.map(Value::Count))
            .row("sent_per_second", self.measurement.rate(self.counts.begun))
            .row("sent", Value::Count(self.counts.begun))
            .row("expected", Value::Count(self.counts.begun))
            .row("delivered", Value::Count(self.counts.opened))
            .row("delivered_per_second", self.measurement.rate(self.counts.opened_in_span));
        let name = if self.rate.is_some() { "response_ns" } else { "service_ns" };
        report.section("latency").row(name, Value::from(self.response.total()));
        let unclosed = self.counts.opened - self.counts.closed;
        report
            .section("check")
            .row("closed", Value::Count(self.counts.closed))
            .row("not_closed", Value::Count(unclosed));
        self.measurement.report(load, report, Some(self.counts.opened_in_span));
        report.fail_if_any(unclosed, "connections did not get their closing handshake");
    }

    fn work(&self) -> Work {
        let usage = self.measurement.usage();
        Work {
            usage,
            sent: self.counts.begun,
            expected: self.counts.begun,
            delivered: self.counts.opened_by_end,
        }
    }
}
