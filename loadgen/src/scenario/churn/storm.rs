//! A storm: in the middle of the run many connections are reset as fast as possible. When the last
//! has been reset, all are opened again without a rate limit.
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::slots::Id;
use crate::run::load::Load;
use crate::run::opening::{Batch, Opening, Pace};

pub(super) const STORMER: Part = Part(3);

/// Connections that may be reset in one turn. Meanwhile this thread reads nothing.
const RESETS_PER_TURN_MAX: usize = 128;

enum StormStage {
    /// The storm has not begun: its connections are open, or there are none.
    Calm,
    Resetting {
        began: Moment,
    },
    Returning {
        began: Moment,
        opening: Opening,
    },
    /// All connections have opened again or failed, `nanos` after the first reset.
    Over {
        nanos: u64,
    },
}

pub(super) struct Storm {
    count: u64,
    begins_at: Option<Moment>,
    stage: StormStage,
    members: Vec<Id>,
    /// Connections of the storm that ended for another reason than our reset.
    pub(super) ended: u64,
}

impl Storm {
    pub(super) fn new(count: u64) -> Storm {
        Storm { count, begins_at: None, stage: StormStage::Calm, members: Vec::new(), ended: 0 }
    }

    pub(super) fn batch(&self) -> Batch {
        Batch::new(STORMER, self.count)
    }

    pub(super) fn begin_at(&mut self, at: Moment) {
        self.begins_at = (self.count > 0).then_some(at);
    }

    /// Cancels a storm that has not begun.
    pub(super) fn call_off(&mut self) {
        self.begins_at = None;
    }

    pub(super) fn on_open(&mut self, id: Id) {
        self.members.push(id);
    }

    /// Resets connections, or opens them again. Returns when to call again; `None` if all is done.
    pub(super) fn turn(&mut self, load: &mut Load, now: Moment) -> Option<Moment> {
        match &mut self.stage {
            StormStage::Calm => {
                let at = self.begins_at?;
                if now < at {
                    return Some(at);
                }
                self.stage = StormStage::Resetting { began: now };
                Some(now)
            }
            StormStage::Resetting { began } => {
                for id in self.members.drain(..self.members.len().min(RESETS_PER_TURN_MAX)) {
                    load.reset(id);
                }
                if self.members.is_empty() {
                    let pace = Pace { per_second: None, concurrency_max: u64::MAX };
                    let opening = Opening::new(pace, [Batch::new(STORMER, self.count)]);
                    self.stage = StormStage::Returning { began: *began, opening };
                }
                Some(now)
            }
            StormStage::Returning { began, opening } => {
                let again = opening.turn(load, now);
                // Other connections may be opening too, so only those of the storm are counted.
                let counts = load.counts(STORMER);
                let all_tried = counts.wanted == 2 * self.count
                    && counts.opened + counts.failed == counts.wanted;
                if again.is_none() || all_tried {
                    self.stage = StormStage::Over { nanos: now.nanos_since(*began) };
                }
                again.filter(|_| !all_tried)
            }
            StormStage::Over { .. } => None,
        }
    }

    pub(super) fn nanos_until_all_back(&self) -> Option<u64> {
        match self.stage {
            StormStage::Over { nanos } => Some(nanos),
            StormStage::Calm | StormStage::Resetting { .. } | StormStage::Returning { .. } => None,
        }
    }

    pub(super) fn absorb(&mut self, other: &Storm) {
        self.ended += other.ended;
        if let Some(nanos) = other.nanos_until_all_back().max(self.nanos_until_all_back()) {
            self.stage = StormStage::Over { nanos };
        }
    }
}
