//! Publishers and subscribers on one channel. Closed loop: as fast as all deliveries return. Open loop: at a rate,
//! with latency from the intended moment of sending.
use fanfare::protocol::Message;

use crate::cli::BroadcastArgs;
use crate::clock::Moment;
use crate::connection::Part;
use crate::fanout::{FanoutSettings, Pacing};
use crate::load::{Ended, Id, Load};
use crate::process::ServerProcess;
use crate::report::Report;
use crate::run::{Peer, Scenario, Turn};
use crate::traffic::{PUBLISHER, SUBSCRIBER, Traffic};

pub(crate) struct Broadcast {
    traffic: Traffic,
}

impl Broadcast {
    pub(crate) fn new(args: &BroadcastArgs, server: Option<ServerProcess>) -> Broadcast {
        let pacing = match args.rate {
            Some(per_second) => Pacing::Open { per_second },
            None => Pacing::Closed { inflight: args.inflight as u32, burst: args.burst },
        };
        let settings = FanoutSettings {
            publishers: args.publishers as u32,
            subscribers: args.subscribers as u32,
            size: args.size,
            pacing,
            verify: args.common.verify,
        };
        Broadcast { traffic: Traffic::new(settings, args.phases, &args.common, server, &[]) }
    }
}

impl Scenario for Broadcast {
    fn on_open(&mut self, _load: &mut Load, id: Id, part: Part, index: u32) {
        self.traffic.on_open(id, part, index);
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        self.traffic.on_message(peer, &message, at);
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        self.traffic.on_ended(ended);
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        self.traffic.turn(load, now, |_, _, _| {})
    }

    fn report(&self, load: &Load, report: &mut Report) {
        load.report(report, &[("publishers", PUBLISHER), ("subscribers", SUBSCRIBER)]);
        self.traffic.report(report);
    }
}
