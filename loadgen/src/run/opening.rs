//! Opening many connections: at a rate, with limits on openings under way and per turn.
use std::time::Duration;

use super::load::Load;
use super::schedule::Schedule;
use crate::cli::common::{CONNECT_RATE, CommonArgs};
use crate::net::clock::Moment;
use crate::net::connection::Part;

/// Openings that may begin in one turn. Each takes about 30 µs, and meanwhile nothing is read.
const OPENINGS_PER_TURN_MAX: u32 = 32;
/// How often to check for finished openings. Readiness usually wakes the thread sooner.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The pace of the openings of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Openings per second. `None`: as fast as the server answers.
    pub(crate) per_second: Option<u64>,
    pub(crate) concurrency_max: u64,
}

impl Pace {
    pub(crate) fn of(common: &CommonArgs) -> Pace {
        let per_second = common.connect_rate.unwrap_or(CONNECT_RATE);
        Pace {
            per_second: (per_second > 0).then_some(per_second),
            concurrency_max: common.connect_concurrency,
        }
    }

    /// Returns when this thread's share of the openings is due; `None` without a rate.
    fn schedule(&self, load: &Load, now: Moment) -> Option<Schedule> {
        self.per_second.map(|rate| load.thread.schedule(now, rate))
    }

    /// Returns true if this thread has as many openings under way as it may.
    pub(crate) fn is_full(&self, load: &Load) -> bool {
        let share = self.concurrency_max.div_ceil(u64::from(load.thread.count()));
        load.openings_under_way() >= share
    }
}

/// Connections to open, all of one part (such as subscribers), with consecutive indexes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) part: Part,
    pub(crate) first: u32,
    pub(crate) count: u64,
    /// True if these connections publish by POST.
    pub(crate) is_http: bool,
}

impl Batch {
    pub(crate) fn new(part: Part, count: u64) -> Batch {
        Batch { part, first: 0, count, is_http: false }
    }
}

/// Batches of connections that are opened one after another, at a pace.
pub(crate) struct Opening {
    pace: Pace,
    schedule: Option<Schedule>,
    /// In reverse order: the last batch is opened first.
    batches: Vec<Batch>,
}

impl Opening {
    pub(crate) fn new(pace: Pace, batches: impl IntoIterator<Item = Batch>) -> Opening {
        let mut batches: Vec<Batch> = batches.into_iter().collect();
        batches.reverse();
        Opening { pace, schedule: None, batches }
    }

    /// Begins the openings that are due. Returns when to call again, or `None` once every
    /// connection has opened or failed, or the run is stopping.
    pub(crate) fn turn(&mut self, load: &mut Load, now: Moment) -> Option<Moment> {
        if load.is_stopping() {
            // The server may never answer, so a run that is stopping does not wait.
            for batch in self.batches.drain(..) {
                load.note_not_begun(batch.part, batch.count);
            }
            return None;
        }
        if self.schedule.is_none() {
            self.schedule = self.pace.schedule(load, now);
        }
        for _ in 0..OPENINGS_PER_TURN_MAX {
            let Some(batch) = self.batches.last_mut() else { break };
            if batch.count == 0 {
                self.batches.pop();
                continue;
            }
            if self.pace.is_full(load) {
                return Some(now + LOOK_AGAIN);
            }
            if let Some(schedule) = &mut self.schedule
                && schedule.take_due(now).is_none()
            {
                return Some(schedule.next());
            }
            let (part, index, is_http) = (batch.part, batch.first, batch.is_http);
            batch.first += 1;
            batch.count -= 1;
            if is_http { load.open_http(part, index) } else { load.open(part, index) }
        }
        if !self.batches.is_empty() {
            return Some(now);
        }
        (load.openings_under_way() > 0).then(|| now + LOOK_AGAIN)
    }
}
