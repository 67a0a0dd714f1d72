//! Connections that come and go beside healthy subscribers, whose deliveries stay exact. Visitors open, read the
//! 101 and leave, some by a reset and the others by the closing handshake. In a storm many are reset at once and
//! come back at once.
use std::time::Duration;

use fanfare::protocol::Message;

use crate::cli::ChurnArgs;
use crate::clock::{Moment, Schedule};
use crate::connection::Part;
use crate::ends::End;
use crate::fanout::{FanoutSettings, Pacing};
use crate::load::{Ended, Id, Load};
use crate::opening::{Batch, Opening, Pace};
use crate::process::{Memory, ServerProcess};
use crate::report::{Report, Value};
use crate::run::{Peer, Scenario, Turn};
use crate::timeline::Phase;
use crate::traffic::{PUBLISHER, SUBSCRIBER, Traffic};

const VISITOR: Part = Part(2);
const STORMER: Part = Part(3);

/// Connections reset in one turn: meanwhile nobody reads.
const RESETS_PER_TURN_MAX: usize = 128;
/// Visitors opened in one turn, for the same reason.
const VISITORS_PER_TURN_MAX: u32 = 32;
/// When to look again at what readiness will tell sooner.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Between the last visitor's end and the reading of memory and files.
const SETTLE: Duration = Duration::from_millis(500);

#[derive(Clone, Copy)]
struct Usage {
    memory: Memory,
    open_files: u64,
}

impl Usage {
    fn now(server: Option<ServerProcess>) -> Option<Usage> {
        let server = server?;
        Some(Usage { memory: server.memory().ok()?, open_files: server.open_files().ok()? })
    }
}

enum Storm {
    /// All are open, or there are none.
    Calm,
    Resetting {
        began: Moment,
    },
    Returning {
        began: Moment,
        opening: Opening,
    },
    /// How long it took from the first reset until all were back.
    Over {
        nanos: u64,
    },
}

pub(crate) struct Churn {
    traffic: Traffic,
    server: Option<ServerProcess>,
    churn_rate: u64,
    concurrency_max: u64,
    reset_fraction: f64,
    schedule: Option<Schedule>,
    /// When half of the measured span is over: the storm begins.
    storm_at: Option<Moment>,
    half: Duration,
    storm: Storm,
    storm_count: u64,
    stormers: Vec<Id>,
    left_by_reset: u64,
    left_by_closing: u64,
    /// Stormers that were not reset by us.
    stormers_ended: u64,
    drain: Duration,
    /// When to stop waiting for visitors under way.
    gone_by: Option<Moment>,
    /// When the server has had time to tidy up after the last visitor.
    settled_at: Option<Moment>,
    before: Option<Usage>,
    after: Option<Usage>,
}

impl Churn {
    pub(crate) fn new(args: &ChurnArgs, server: Option<ServerProcess>) -> Churn {
        let settings = FanoutSettings {
            publishers: 1,
            subscribers: args.healthy as u32,
            size: args.size,
            pacing: Pacing::Open { per_second: args.rate },
            verify: args.common.verify,
        };
        let stormers = Batch { part: STORMER, first: 0, count: args.storm };
        Churn {
            traffic: Traffic::new(settings, args.phases, &args.common, server, &[stormers]),
            server,
            churn_rate: args.churn_rate,
            concurrency_max: args.common.connect_concurrency,
            reset_fraction: args.reset_fraction,
            schedule: None,
            storm_at: None,
            half: args.phases.duration / 2,
            storm: Storm::Calm,
            storm_count: args.storm,
            stormers: Vec::new(),
            left_by_reset: 0,
            left_by_closing: 0,
            stormers_ended: 0,
            drain: args.common.drain,
            gone_by: None,
            settled_at: None,
            before: None,
            after: None,
        }
    }

    /// Opens the visitors that are due, and says when to come again.
    fn turn_visitors(&mut self, load: &mut Load, now: Moment) -> Option<Moment> {
        let schedule = self.schedule.as_mut()?;
        for _ in 0..VISITORS_PER_TURN_MAX {
            // What finds no room now is opened late, not skipped.
            if load.counts(VISITOR).under_way() >= self.concurrency_max {
                return Some(now + LOOK_AGAIN);
            }
            if schedule.take_due(now).is_none() {
                return Some(schedule.next());
            }
            load.open(VISITOR, 0);
        }
        Some(now)
    }

    fn turn_storm(&mut self, load: &mut Load, now: Moment) -> Option<Moment> {
        match &mut self.storm {
            Storm::Calm => {
                let at = self.storm_at?;
                if now < at {
                    return Some(at);
                }
                self.storm_at = None;
                self.storm = Storm::Resetting { began: now };
                Some(now)
            }
            Storm::Resetting { began } => {
                for id in self.stormers.drain(..self.stormers.len().min(RESETS_PER_TURN_MAX)) {
                    load.reset(id);
                }
                if self.stormers.is_empty() {
                    let pace = Pace { per_second: None, concurrency_max: u64::MAX };
                    let all = Batch { part: STORMER, first: 0, count: self.storm_count };
                    self.storm = Storm::Returning { began: *began, opening: Opening::new(pace, [all]) };
                }
                Some(now)
            }
            Storm::Returning { began, opening } => {
                let again = opening.turn(load, now);
                if again.is_none() {
                    self.storm = Storm::Over { nanos: now.nanos_since(*began) };
                }
                again
            }
            Storm::Over { .. } => None,
        }
    }

    /// Waits until the last visitor is gone, then reads what the server has kept.
    fn turn_after(&mut self, load: &Load, now: Moment) -> Turn {
        let gone = load.counts(VISITOR).open == 0 && load.openings_under_way() == 0;
        match self.settled_at {
            None => {
                let deadline = *self.gone_by.get_or_insert(now + self.drain);
                if gone || deadline <= now {
                    self.settled_at = Some(now + SETTLE);
                }
                Turn::Until(now + LOOK_AGAIN)
            }
            Some(at) if now < at && !load.is_stopping() => Turn::Until(at),
            Some(_) => {
                self.after = Usage::now(self.server);
                Turn::Done
            }
        }
    }
}

impl Scenario for Churn {
    fn on_open(&mut self, load: &mut Load, id: Id, part: Part, index: u32) {
        if part == STORMER {
            self.stormers.push(id);
        } else if part == VISITOR && load.random.chance(self.reset_fraction) {
            self.left_by_reset += 1;
            load.reset(id);
        } else if part == VISITOR {
            load.close(id);
        } else {
            self.traffic.on_open(id, part, index);
        }
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        self.traffic.on_message(peer, &message, at);
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        match ended.part {
            VISITOR => self.left_by_closing += u64::from(ended.end == End::ClosedByUs),
            STORMER => self.stormers_ended += u64::from(ended.was_open),
            _ => self.traffic.on_ended(ended),
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        let Churn { traffic, schedule, storm_at, before, .. } = self;
        let (server, churn_rate, half, has_storm) =
            (self.server, self.churn_rate, self.half, self.storm_count > 0);
        let turn = traffic.turn(load, now, |entered, _, _| match entered {
            Phase::Measuring => {
                *before = Usage::now(server);
                *schedule = (churn_rate > 0).then(|| Schedule::new(now, churn_rate));
                *storm_at = has_storm.then_some(now + half);
            }
            Phase::Draining => *schedule = None,
            Phase::Opening | Phase::WarmUp | Phase::Over => {}
        });
        let visitors = self.turn_visitors(load, now);
        let storm = self.turn_storm(load, now);
        match turn {
            Turn::Until(until) => {
                Turn::Until([visitors, storm].into_iter().flatten().fold(until, Moment::min))
            }
            Turn::Done if self.before.is_none() || load.is_stopping() => Turn::Done,
            // Everybody who was to come back must have.
            Turn::Done => storm.map_or_else(|| self.turn_after(load, now), Turn::Until),
        }
    }

    fn report(&self, load: &Load, report: &mut Report) {
        let parts = [
            ("publishers", PUBLISHER),
            ("healthy", SUBSCRIBER),
            ("visitors", VISITOR),
            ("stormers", STORMER),
        ];
        load.report(report, &parts);
        self.traffic.report(report);
        let visitors = load.counts(VISITOR);
        let section = report.section("churn");
        section
            .row("visits_wanted_per_second", Value::Count(self.churn_rate))
            .row("visits_per_second", self.traffic.measurement.rate(visitors.opened))
            .row("left_by_reset", Value::Count(self.left_by_reset))
            .row("left_by_closing", Value::Count(self.left_by_closing));
        if let Storm::Over { nanos } = self.storm {
            section.row("storm_until_all_back_ns", Value::Nanos(nanos));
        }
        let usage = |of: fn(&Usage) -> Value| (self.before.as_ref().map(of), self.after.as_ref().map(of));
        let resident = usage(|usage| Value::Bytes(usage.memory.resident_bytes));
        let anonymous = usage(|usage| Value::Bytes(usage.memory.anonymous_bytes));
        let open_files = usage(|usage| Value::Count(usage.open_files));
        report
            .section("server")
            .optional("before_resident_bytes", resident.0)
            .optional("after_resident_bytes", resident.1)
            .optional("before_anonymous_bytes", anonymous.0)
            .optional("after_anonymous_bytes", anonymous.1)
            .optional("before_open_files", open_files.0)
            .optional("after_open_files", open_files.1);
        let unfinished = visitors.opened - self.left_by_reset - self.left_by_closing;
        report.fail_if_any(unfinished, "visitors did not get their closing handshake");
        report.fail_if_any(self.stormers_ended, "waiting connections were ended by the server");
    }
}
