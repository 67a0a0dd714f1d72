//! A broadcast run from opening to the last delivery. It is the whole scenario `broadcast`, and a
//! part of `churn`. Each thread has its own `Traffic`; barriers between the stages keep the threads
//! together.
use std::time::Duration;

use fanfare::protocol::Message;

use super::board::Board;
use super::settings::FanoutSettings;
use super::state::Fanout;
use crate::cli::common::{CommonArgs, PhaseArgs};
use crate::measure::process::Process;
use crate::measure::series::Recorder;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::slots::Id;
use crate::report::gather::Report;
use crate::run::load::{Ended, Load};
use crate::run::measurement::Measurement;
use crate::run::opening::{Batch, Opening, Pace};
use crate::run::scenario::{Peer, Progress, Scenario, Turn, Work, end_together};
use crate::run::threads::{LOOK_AGAIN, ThisThread};
use crate::run::timeline::{Phase, Timeline};

pub(crate) const PUBLISHER: Part = Part(0);
pub(crate) const SUBSCRIBER: Part = Part(1);

/// The probe, the first message, must reach every receiver within this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// If the publisher has not received its own probe this long after all other receivers have, the
/// server does not send publishers their own messages.
const OWN_COPY_WAIT: Duration = Duration::from_millis(250);

/// Numbers of the barriers at which the threads of a run wait for each other.
const ALL_OPEN: usize = 0;
const PROBE_ARRIVED: usize = 1;
const PROBE_ANSWERED: usize = 2;
const ALL_ARRIVED: usize = 3;

/// From this plan each thread builds its `Traffic`.
#[derive(Clone)]
pub(crate) struct TrafficPlan {
    pub(crate) settings: FanoutSettings,
    pub(crate) phases: PhaseArgs,
    pub(crate) pace: Pace,
    pub(crate) drain: Duration,
    pub(crate) server: Option<Process>,
    board: Board,
}

impl TrafficPlan {
    pub(crate) fn new(
        settings: FanoutSettings,
        phases: PhaseArgs,
        common: &CommonArgs,
        server: Option<Process>,
    ) -> TrafficPlan {
        let board = Board::new(settings.publishers);
        TrafficPlan { settings, phases, pace: Pace::of(common), drain: common.drain, server, board }
    }
}

pub(crate) struct Traffic {
    pub(crate) fanout: Fanout,
    pub(crate) measurement: Measurement,
    pub(crate) timeline: Timeline,
    stage: TrafficStage,
}

enum TrafficStage {
    Opening(Opening),
    /// All connections of this thread are open.
    Open,
    /// The probe has been sent and has not reached every receiver yet.
    Probing {
        until: Moment,
    },
    /// Every receiver has the probe, except perhaps its publisher.
    AwaitingOwnCopy {
        until: Moment,
    },
    /// The probe has shown whether the server sends publishers their own messages.
    Answered,
    Running,
    /// This thread waits for no more messages, but other threads may.
    Arrived,
}

impl Traffic {
    /// Builds one thread's traffic. `others` are connections to open after the subscribers.
    pub(crate) fn new(plan: &TrafficPlan, thread: &ThisThread, others: &[Batch]) -> Traffic {
        let (publishers, subscribers) = plan.settings.shares(thread);
        let publishers = Batch {
            part: PUBLISHER,
            first: 0,
            count: publishers.len() as u64,
            is_http: plan.settings.by_post,
        };
        let subscribers = Batch::new(SUBSCRIBER, subscribers.len() as u64);
        let batches = [publishers, subscribers].into_iter().chain(others.iter().copied());
        Traffic {
            stage: TrafficStage::Opening(Opening::new(plan.pace, batches)),
            timeline: Timeline::new(plan.phases, plan.drain),
            measurement: Measurement::new(plan.server),
            fanout: Fanout::new(plan.settings, plan.board.clone(), thread),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.timeline.phase()
    }

    /// Does what is due. Calls `on_phase` for each phase entered. Returns `Done` at the end.
    pub(crate) fn turn(
        &mut self,
        load: &mut Load,
        now: Moment,
        mut on_phase: impl FnMut(Phase, &mut Load, Moment),
    ) -> Turn {
        if let Some(turn) = self.turn_before(load, now) {
            return turn;
        }
        if matches!(self.stage, TrafficStage::Arrived) {
            return end_together(load, ALL_ARRIVED, now);
        }
        loop {
            if self.timeline.is_sending() {
                // Messages due in this phase are sent before the next phase begins, even if late.
                self.fanout.send_due(load, now.min(self.timeline.until()), &self.timeline);
                let is_behind =
                    self.fanout.next_due().is_some_and(|due| due < now.min(self.timeline.until()));
                if is_behind && !self.fanout.is_dead() && !load.is_stopping() {
                    return Turn::Until(now);
                }
            }
            let is_over = self.fanout.is_dead()
                || self.fanout.is_budget_spent()
                || self.fanout.is_over_elsewhere();
            let stop = load.is_stopping() || is_over;
            let all_arrived =
                self.timeline.phase() == Phase::Draining && self.fanout.has_all_arrived();
            let Some(entered) = self.timeline.turn(now, all_arrived, stop) else { break };
            match entered {
                Phase::Measuring => self.fanout.is_measuring = true,
                Phase::Draining => {
                    self.fanout.is_measuring = false;
                    self.fanout.end();
                }
                Phase::Opening | Phase::WarmUp | Phase::Over => {}
            }
            self.measurement.on_phase(entered, load);
            on_phase(entered, load, now);
        }
        if self.timeline.phase() == Phase::Over {
            self.stage = TrafficStage::Arrived;
            return end_together(load, ALL_ARRIVED, now);
        }
        let next_due = self.fanout.next_due().filter(|_| self.timeline.is_sending());
        Turn::Until(self.timeline.next_turn(now, next_due))
    }

    /// Opens all connections and sends the probe. Returns `None` once the traffic may begin.
    fn turn_before(&mut self, load: &mut Load, now: Moment) -> Option<Turn> {
        loop {
            self.stage = match &mut self.stage {
                TrafficStage::Opening(opening) => match opening.turn(load, now) {
                    Some(again) => return Some(Turn::Until(again)),
                    None => TrafficStage::Open,
                },
                TrafficStage::Open
                | TrafficStage::Probing { .. }
                | TrafficStage::AwaitingOwnCopy { .. }
                    if load.is_stopping() =>
                {
                    return Some(Turn::Done);
                }
                TrafficStage::Open => match load.thread.wait_at(ALL_OPEN, now) {
                    None => return Some(Turn::Until(now + LOOK_AGAIN)),
                    Some(at) => {
                        if self.fanout.is_prober()
                            && !self.fanout.send_probe(load, now, &self.timeline)
                        {
                            load.thread.fail();
                        }
                        TrafficStage::Probing { until: at + PROBE_TIMEOUT }
                    }
                },
                TrafficStage::Probing { until } => {
                    if *until <= now || self.fanout.is_dead() {
                        load.thread.fail();
                        return Some(Turn::Done);
                    }
                    let has_arrived = self.fanout.has_probe_arrived();
                    match has_arrived.then(|| load.thread.wait_at(PROBE_ARRIVED, now)).flatten() {
                        None => return Some(Turn::Until(now + LOOK_AGAIN)),
                        Some(at) => TrafficStage::AwaitingOwnCopy { until: at + OWN_COPY_WAIT },
                    }
                }
                TrafficStage::AwaitingOwnCopy { until } => {
                    if self.fanout.is_prober() {
                        let has_come = self.fanout.has_own_copy_arrived();
                        if !has_come && now < *until && !self.fanout.settings.by_post {
                            return Some(Turn::Until(now + LOOK_AGAIN));
                        }
                        self.fanout.board.set_own_copies(has_come);
                    }
                    TrafficStage::Answered
                }
                TrafficStage::Answered => match load.thread.wait_at(PROBE_ANSWERED, now) {
                    None if load.is_stopping() => return Some(Turn::Done),
                    None => return Some(Turn::Until(now + LOOK_AGAIN)),
                    Some(at) => {
                        self.timeline.begin(at);
                        self.fanout.begin(at);
                        load.thread.begin(at);
                        TrafficStage::Running
                    }
                },
                TrafficStage::Running | TrafficStage::Arrived => return None,
            };
        }
    }

    /// Writes the report of this traffic. `is_all` is true if the server had no other work: only
    /// then a cost per message is reported.
    pub(crate) fn report_traffic(&mut self, load: &Load, report: &mut Report, is_all: bool) {
        // If nothing was published, no publisher has opened, which is already a failure.
        if load.thread.has_failed() && self.fanout.counts.published > 0 {
            let publishers = load.counts(PUBLISHER);
            let why = match self.fanout.first_refusal {
                Some(status) => format!("it was answered {status}"),
                None if publishers.open < publishers.opened => {
                    "the server ended its publisher's connection".to_owned()
                }
                None => "does this path broadcast?".to_owned(),
            };
            report.fail(format!("the first message did not reach every receiver: {why}"));
        }
        self.fanout.report(&self.measurement, report, load.is_stopping());
        self.measurement.report(load, report, is_all.then_some(self.fanout.counts.span_delivered));
    }
}

impl Scenario for Traffic {
    fn on_open(&mut self, _load: &mut Load, id: Id, part: Part, index: u32) {
        if part == PUBLISHER {
            self.fanout.on_publisher_open(index, id);
        } else if part == SUBSCRIBER {
            self.fanout.on_receiver_open(self.fanout.subscriber_receiver(index));
        }
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        let receiver = match peer.part {
            PUBLISHER => self.fanout.publisher_receiver(peer.index),
            SUBSCRIBER => Some(self.fanout.subscriber_receiver(peer.index)),
            Part(_) => None,
        };
        if let Some(receiver) = receiver {
            self.fanout.on_delivery(receiver, &message, peer.opcode, at, &self.timeline);
        }
    }

    fn on_answer(&mut self, _index: u32, status: u16) {
        self.fanout.on_answer(status);
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        if !ended.was_open {
            return;
        }
        if ended.part == PUBLISHER {
            self.fanout.on_publisher_ended(ended.index);
        } else if ended.part == SUBSCRIBER {
            self.fanout.on_receiver_ended(self.fanout.subscriber_receiver(ended.index));
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        self.turn(load, now, |_, _, _| {})
    }

    fn progress(&self) -> Progress {
        Progress {
            sent: self.fanout.counts.published,
            delivered: self.fanout.counts.delivered,
            p99_nanos: self.fanout.recorder().last_p99_nanos(),
        }
    }

    fn absorb(&mut self, other: Traffic) {
        self.fanout.absorb(other.fanout);
        self.measurement.absorb(&other.measurement);
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(self.fanout.recorder())
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        load.report(report, &[("publishers", PUBLISHER), ("subscribers", SUBSCRIBER)]);
        self.report_traffic(load, report, true);
    }

    fn work(&self) -> Work {
        let counts = &self.fanout.counts;
        Work {
            usage: self.measurement.usage(),
            sent: counts.published_in_time,
            expected: counts.measured_expected,
            delivered: counts.span_delivered,
        }
    }
}
