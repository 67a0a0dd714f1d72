//! Publishers and subscribers on one channel. In the open loop messages are sent at a rate, and
//! latency is measured from the intended time of sending. In the closed loop new messages are sent
//! when earlier ones have reached all receivers. [`crate::fanout::traffic`] does the run itself.

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
        subscribers: args.subscriber_count() as u32,
        by_post: args.publish_url.is_some(),
        sizes: args.size,
        pacing,
        verify: args.common.verify,
        messages: args.phases.messages,
        patience: args.common.drain,
    };
    TrafficPlan::new(settings, args.phases, &args.common, server)
}
