//! What a fan-out is asked for, and each thread's part of it.
use std::ops::Range;
use std::time::Duration;

use crate::check::payload::Sizes;
use crate::cli::common::Verify;
use crate::run::threads::{ThisThread, share};

/// When publishers send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pacing {
    /// Closed loop: each has `inflight` messages under way until all receivers of its thread have
    /// them. In a pipeline all of them leave in one write when all receivers have all of the last
    /// ones.
    Closed { inflight: u32, pipeline: bool },
    /// Open loop: so many messages per second of all publishers together, whatever arrives.
    Open { per_second: u64 },
}

#[derive(Clone, Copy)]
pub(crate) struct FanoutSettings {
    /// Of the whole run, as all that follows.
    pub(crate) publishers: u32,
    /// Receivers that do not publish.
    pub(crate) subscribers: u32,
    /// Publishers POST, and receive nothing.
    pub(crate) by_post: bool,
    pub(crate) sizes: Sizes,
    pub(crate) pacing: Pacing,
    pub(crate) verify: Verify,
    /// Measured messages to send, if that is bounded.
    pub(crate) messages: Option<u64>,
    /// How long a closed loop waits for a message before it goes on without.
    pub(crate) patience: Duration,
}

impl FanoutSettings {
    /// Which publishers and which subscribers are this thread's. In an open loop publishers have a
    /// thread of their own when there are two; a closed loop needs both on each.
    pub(crate) fn shares(&self, thread: &ThisThread) -> (Range<u32>, Range<u32>) {
        let (thread, threads) = (thread.number(), thread.count());
        let part = |total: u32, at: u32, of: u32| {
            let part = share(u64::from(total), at, of);
            part.start as u32..part.end as u32
        };
        match self.pacing {
            Pacing::Open { .. } if threads > 1 && thread == 0 => (0..self.publishers, 0..0),
            Pacing::Open { .. } if threads > 1 => {
                (0..0, part(self.subscribers, thread - 1, threads - 1))
            }
            Pacing::Open { .. } | Pacing::Closed { .. } => {
                (part(self.publishers, thread, threads), part(self.subscribers, thread, threads))
            }
        }
    }
}
