//! A broadcast run from opening to the last delivery: what the scenarios with publishers and subscribers have in
//! common.
use fanfare::protocol::Message;

use crate::cli::{CommonArgs, PhaseArgs};
use crate::clock::Moment;
use crate::connection::Part;
use crate::fanout::{Fanout, FanoutSettings, ProbeState};
use crate::load::{Ended, Id, Load};
use crate::opening::{Batch, Opening, Pace};
use crate::process::ServerProcess;
use crate::report::{Report, Value};
use crate::run::{Peer, Turn};
use crate::timeline::{Measurement, Phase, Timeline};

pub(crate) const PUBLISHER: Part = Part(0);
pub(crate) const SUBSCRIBER: Part = Part(1);

pub(crate) struct Traffic {
    pub(crate) fanout: Fanout,
    pub(crate) measurement: Measurement,
    timeline: Timeline,
    stage: Stage,
}

enum Stage {
    Opening(Opening),
    Probing,
    Running,
    /// The probe did not reach every receiver: this is not a server that broadcasts, or it lost the first message.
    ProbeFailed,
}

impl Traffic {
    /// `others` are opened after publishers and subscribers, and before the first message.
    pub(crate) fn new(
        settings: FanoutSettings,
        phases: PhaseArgs,
        common: &CommonArgs,
        server: Option<ServerProcess>,
        others: &[Batch],
    ) -> Traffic {
        let publishers = Batch { part: PUBLISHER, first: 0, count: u64::from(settings.publishers) };
        let subscribers =
            Batch { part: SUBSCRIBER, first: settings.publishers, count: u64::from(settings.subscribers) };
        let batches = [publishers, subscribers].into_iter().chain(others.iter().copied());
        Traffic {
            stage: Stage::Opening(Opening::new(Pace::of(common), batches)),
            timeline: Timeline::new(phases, common.drain),
            measurement: Measurement::new(server),
            fanout: Fanout::new(settings),
        }
    }

    pub(crate) fn on_open(&mut self, id: Id, part: Part, index: u32) {
        if part == PUBLISHER || part == SUBSCRIBER {
            self.fanout.on_open(index, id);
        }
    }

    pub(crate) fn on_message(&mut self, peer: &Peer<'_>, message: &Message<'_>, at: Moment) {
        if peer.part == PUBLISHER || peer.part == SUBSCRIBER {
            self.fanout.on_delivery(peer.index, message, at);
        }
    }

    pub(crate) fn on_ended(&mut self, ended: &Ended) {
        if ended.was_open && (ended.part == PUBLISHER || ended.part == SUBSCRIBER) {
            self.fanout.on_ended(ended.index);
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.timeline.phase()
    }

    /// Does what is due; `on_phase` is told of each phase entered. Done when the last phase is over.
    pub(crate) fn turn(
        &mut self,
        load: &mut Load,
        now: Moment,
        mut on_phase: impl FnMut(Phase, &mut Load, &Fanout),
    ) -> Turn {
        if let Stage::Opening(opening) = &mut self.stage {
            if let Some(again) = opening.turn(load, now) {
                return Turn::Until(again);
            }
            self.stage = Stage::Probing;
        }
        if matches!(self.stage, Stage::Probing) {
            match self.fanout.probe(load, now) {
                ProbeState::UnderWay(_) if load.is_stopping() => return Turn::Done,
                ProbeState::UnderWay(again) => return Turn::Until(again),
                ProbeState::Answered => {
                    self.stage = Stage::Running;
                    self.timeline.begin(now);
                    self.fanout.begin(now);
                }
                ProbeState::Failed => self.stage = Stage::ProbeFailed,
            }
        }
        if matches!(self.stage, Stage::ProbeFailed) {
            return Turn::Done;
        }
        loop {
            if self.timeline.is_sending() {
                // What is intended within a phase is sent before the phase ends, however late.
                self.fanout.send_due(load, now.min(self.timeline.until()));
            }
            let stop = load.is_stopping() || self.fanout.is_dead();
            let Some(entered) = self.timeline.turn(now, self.fanout.has_all_arrived(), stop) else { break };
            match entered {
                Phase::Measuring => self.fanout.begin_measuring(),
                Phase::Draining => self.fanout.end_measuring(),
                Phase::Opening | Phase::WarmUp | Phase::Over => {}
            }
            self.measurement.on_phase(entered, load);
            on_phase(entered, load, &self.fanout);
        }
        if self.timeline.phase() == Phase::Over {
            return Turn::Done;
        }
        let next_due = self.fanout.next_due().filter(|_| self.timeline.is_sending());
        Turn::Until(self.timeline.next_turn(now, next_due))
    }

    pub(crate) fn report(&self, report: &mut Report) {
        if matches!(self.stage, Stage::ProbeFailed) {
            report
                .fail("the first message did not reach every receiver: does this path broadcast?".to_owned());
        }
        let (fanout, measurement) = (&self.fanout, &self.measurement);
        report
            .section("throughput")
            .row("published_per_second", measurement.rate(fanout.span_published()))
            .row("deliveries_per_second", measurement.rate(fanout.span_delivered()))
            .row("delivered_in_span", Value::Count(fanout.span_delivered()))
            .row("payload_in_span_bytes", Value::Bytes(fanout.span_bytes()));
        fanout.report(report);
        measurement.report(report, "delivery", fanout.span_delivered());
    }
}
