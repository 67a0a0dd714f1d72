//! Publishers and subscribers on one channel. Open loop: at a rate, with latency from the intended
//! moment of sending. Closed loop: as fast as all deliveries return. The run itself is
//! [`crate::fanout::traffic`].

use crate::cli::scenarios::BroadcastArgs;
use crate::fanout::settings::{FanoutSettings, Pacing};
use crate::fanout::traffic::TrafficPlan;
use crate::measure::process::Process;

pub(crate) fn plan(args: &BroadcastArgs, server: Option<Process>) -> TrafficPlan {
    let pacing = match args.pacing.open_rate() {
        Some(per_second) => Pacing::Open { per_second },
        None => {
            Pacing::Closed { inflight: args.pacing.inflight as u32, pipeline: args.pacing.pipeline }
        }
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
