//! Visitors: connections that open, read the 101, stay for their lifetime, and leave, some by a
//! reset and the others by the closing handshake.
use std::collections::VecDeque;
use std::time::Duration;

use crate::cli::scenarios::ChurnArgs;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::ends::End;
use crate::net::slots::Id;
use crate::run::load::Load;
use crate::run::opening::Pace;
use crate::run::schedule::Schedule;

pub(super) const VISITOR: Part = Part(2);

/// How many visitors may open, and how many may leave, in one turn. Meanwhile nothing is read.
const VISITORS_PER_TURN_MAX: u32 = 32;
/// How often to check whether another visitor may open. Readiness usually wakes the thread sooner.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Visitors {
    pub(super) per_second: u64,
    pace: Pace,
    lifetime: Duration,
    reset_fraction: f64,
    schedule: Option<Schedule>,
    /// When each open visitor leaves, earliest first.
    staying: VecDeque<(Moment, Id)>,
    pub(super) left_by_reset: u64,
    pub(super) left_by_closing: u64,
    /// Visitors whose connection ended before they left, by the server or by an error.
    pub(super) cut_short: u64,
}

impl Visitors {
    pub(super) fn new(args: &ChurnArgs) -> Visitors {
        Visitors {
            per_second: args.visits,
            pace: Pace { per_second: None, concurrency_max: args.common.connect_concurrency },
            lifetime: args.lifetime,
            reset_fraction: args.reset_fraction,
            schedule: None,
            staying: VecDeque::new(),
            left_by_reset: 0,
            left_by_closing: 0,
            cut_short: 0,
        }
    }

    pub(super) fn begin(&mut self, load: &Load, now: Moment) {
        self.schedule = (self.per_second > 0).then(|| load.thread.schedule(now, self.per_second));
    }

    /// Opens no more visitors, and makes those that are open leave.
    pub(super) fn end(&mut self, now: Moment) {
        self.schedule = None;
        for (leaves_at, _) in &mut self.staying {
            *leaves_at = now;
        }
    }

    pub(super) fn on_open(&mut self, load: &Load, id: Id) {
        // A visitor that opens after `end` was called leaves immediately.
        let stays = if self.schedule.is_some() { self.lifetime } else { Duration::ZERO };
        self.staying.push_back((load.clock.now() + stays, id));
    }

    pub(super) fn on_ended(&mut self, was_open: bool, end: End) {
        match end {
            End::ClosedByUs => self.left_by_closing += 1,
            _ if was_open => self.cut_short += 1,
            _ => {}
        }
    }

    /// Closes visitors whose lifetime is over and opens those that are due. Returns when to call
    /// again; `None` if no visitor is open or due later.
    pub(super) fn turn(&mut self, load: &mut Load, now: Moment) -> Option<Moment> {
        for _ in 0..VISITORS_PER_TURN_MAX {
            let Some((_, id)) = self.staying.pop_front_if(|(leaves_at, _)| *leaves_at <= now)
            else {
                break;
            };
            // The connection may have ended before; `on_ended` was called then.
            if !load.is_open(id) {
                continue;
            }
            if load.random.chance(self.reset_fraction) {
                self.left_by_reset += 1;
                load.reset(id);
            } else {
                load.close(id);
            }
        }
        let leaving = self.staying.front().map(|(leaves_at, _)| *leaves_at);
        let coming = self.let_in(load, now);
        [leaving, coming].into_iter().flatten().min()
    }

    fn let_in(&mut self, load: &mut Load, now: Moment) -> Option<Moment> {
        let schedule = self.schedule.as_mut()?;
        for _ in 0..VISITORS_PER_TURN_MAX {
            // A visitor that exceeds the concurrency limit opens late. It is not skipped.
            if self.pace.is_full(load) {
                return Some(now + LOOK_AGAIN);
            }
            if schedule.take_due(now).is_none() {
                return Some(schedule.next());
            }
            load.open(VISITOR, 0);
        }
        Some(now)
    }

    pub(super) fn are_gone(&self, load: &Load) -> bool {
        self.staying.is_empty() && load.counts(VISITOR).open == 0 && load.openings_under_way() == 0
    }

    pub(super) fn absorb(&mut self, other: &Visitors) {
        self.left_by_reset += other.left_by_reset;
        self.left_by_closing += other.left_by_closing;
        self.cut_short += other.cut_short;
    }
}
