//! The settings of a fan-out, and each thread's share of it.
use std::ops::Range;
use std::time::Duration;

use crate::check::payload::Sizes;
use crate::cli::common::Verify;
use crate::run::threads::{ThisThread, share};

/// When publishers send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pacing {
    /// Each publisher has up to `inflight` messages that are not delivered yet: it sends another
    /// when all receivers of its thread have received the oldest. With `pipeline` it sends
    /// `inflight` messages in one write, and the next ones when all of these were received.
    Closed { inflight: u32, pipeline: bool },
    /// All publishers together send `per_second` messages a second, delivered or not.
    Open { per_second: u64 },
}

#[derive(Clone, Copy)]
pub(crate) struct FanoutSettings {
    /// Publishers of the whole run. `subscribers` and `messages` are for the whole run too.
    pub(crate) publishers: u32,
    /// Receivers that do not publish.
    pub(crate) subscribers: u32,
    /// True if publishers send by POST. They then receive nothing.
    pub(crate) by_post: bool,
    pub(crate) sizes: Sizes,
    pub(crate) pacing: Pacing,
    pub(crate) verify: Verify,
    /// How many measured messages to send; `None` for no limit.
    pub(crate) messages: Option<u64>,
    /// How long a closed loop waits for a message to arrive before it gives up on it.
    pub(crate) patience: Duration,
}

impl FanoutSettings {
    /// Returns which publishers and which subscribers belong to this thread. In an open loop with
    /// two or more threads, the first thread has all publishers and no subscribers; in a closed
    /// loop each thread has some of both.
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
