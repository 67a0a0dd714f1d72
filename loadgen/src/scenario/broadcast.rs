//! Publishers and subscribers on one channel. Open loop: at a rate, with latency from the intended
//! moment of sending. Closed loop: as fast as all deliveries return.
use fanfare::protocol::Message;

use crate::cli::scenarios::BroadcastArgs;
use crate::fanout::settings::{FanoutSettings, Pacing};
use crate::fanout::traffic::{PUBLISHER, SUBSCRIBER, Traffic, TrafficPlan};
use crate::measure::process::Process;
use crate::measure::series::Recorder;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::slots::Id;
use crate::report::gather::Report;
use crate::run::load::{Ended, Load};
use crate::run::scenario::{Peer, Progress, Scenario, Turn, Work};
use crate::run::threads::ThisThread;

pub(crate) struct Broadcast {
    traffic: Traffic,
}

impl Broadcast {
    pub(crate) fn plan(args: &BroadcastArgs, server: Option<Process>) -> TrafficPlan {
        let pacing = match args.pacing.open_rate() {
            Some(per_second) => Pacing::Open { per_second },
            None => Pacing::Closed {
                inflight: args.pacing.inflight as u32,
                pipeline: args.pacing.pipeline,
            },
        };
        let settings = FanoutSettings {
            publishers: args.publishers as u32,
            subscribers: args.subscribers as u32,
            by_post: args.publish_url.is_some(),
            sizes: args.size,
            pacing,
            verify: args.common.verify,
            messages: args.phases.messages,
            patience: args.common.drain,
        };
        TrafficPlan::new(settings, args.phases, &args.common, server)
    }

    pub(crate) fn new(plan: &TrafficPlan, thread: &ThisThread) -> Broadcast {
        Broadcast { traffic: Traffic::new(plan, thread, &[]) }
    }
}

impl Scenario for Broadcast {
    fn on_open(&mut self, _load: &mut Load, id: Id, part: Part, index: u32) {
        self.traffic.on_open(id, part, index);
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        self.traffic.on_message(peer, &message, at);
    }

    fn on_answer(&mut self, _index: u32, status: u16) {
        self.traffic.on_answer(status);
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        self.traffic.on_ended(ended);
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        self.traffic.turn(load, now, |_, _, _| {})
    }

    fn progress(&self) -> Progress {
        self.traffic.progress()
    }

    fn absorb(&mut self, other: Broadcast) {
        self.traffic.absorb(other.traffic);
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(self.traffic.fanout.recorder())
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        load.report(report, &[("publishers", PUBLISHER), ("subscribers", SUBSCRIBER)]);
        self.traffic.report(load, report, true);
    }

    fn work(&self) -> Work {
        self.traffic.work()
    }
}
