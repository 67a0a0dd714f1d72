//! What the reactors of a server share, apart from the rings between them. The only part that is
//! written for every message is each reactor's own counters. The connection limits and the count of
//! channels are written when a connection or a channel begins or ends, and the memory flags when
//! they change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::hub::{Homes, ReactorNumber};
use crate::instant::Instant;
use crate::reactor::limits::STANDSTILL_MIN;

use super::connection_limits::ConnectionLimits;
use super::live_status::{LiveStatus, OwnCounters};
use super::standstill::Standstill;
use super::status::{Gauges, ReactorStatus};
use super::survey::Surveys;

pub(crate) struct Shared {
    pub(crate) homes: Arc<Homes>,
    pub(crate) connection_limits: ConnectionLimits,
    /// The figures of each reactor: its counters as of now, the rest as of its last turn.
    statuses: Vec<Arc<LiveStatus>>,
    /// One per reactor: true if it has no memory left for messages. Home reactors read it for each
    /// message.
    memory_full: Vec<Flag>,
    /// How many reactors have no connections left in a drain. They still number and send their
    /// channels' messages.
    drained: AtomicUsize,
    /// Questions about all channels.
    pub(crate) surveys: Surveys,
}

/// A flag in a cache line of its own, so that a write to its neighbour does not force other cores
/// to reload it.
#[derive(Default)]
#[repr(align(64))]
struct Flag(AtomicBool);

impl Shared {
    pub(crate) fn new(
        homes: Arc<Homes>,
        connection_limits: ConnectionLimits,
        now: Instant,
    ) -> Shared {
        let reactors = homes.reactors();
        let shared = Shared {
            homes,
            connection_limits,
            statuses: (0..reactors).map(|_| Arc::default()).collect(),
            memory_full: (0..reactors).map(|_| Flag::default()).collect(),
            drained: AtomicUsize::new(0),
            surveys: Surveys::default(),
        };
        shared.statuses.iter().for_each(|status| status.note_turn(now));
        shared
    }

    pub(crate) fn reactors(&self) -> usize {
        self.statuses.len()
    }

    /// Returns the counters that a reactor counts with.
    pub(crate) fn counters_of(&self, own: ReactorNumber) -> OwnCounters {
        OwnCounters(Arc::clone(&self.statuses[own.index()]))
    }

    /// Returns the reactors that have not begun a turn for `STANDSTILL_MIN`. They are judged from
    /// `judge_from` on, if that is later than their last turn.
    pub(crate) fn standing_still(&self, now: Instant, judge_from: Instant) -> Vec<Standstill> {
        let standstill = |(reactor, status): (usize, &Arc<LiveStatus>)| {
            let lasted = now.saturating_since(status.turned_at().max(judge_from));
            (lasted >= STANDSTILL_MIN).then_some(Standstill { reactor, lasted })
        };
        self.statuses.iter().enumerate().filter_map(standstill).collect()
    }

    pub(crate) fn store_gauges(&self, own: ReactorNumber, gauges: &Gauges) {
        self.statuses[own.index()].store(gauges);
    }

    /// Adds up the figures of all other reactors.
    pub(crate) fn add_statuses_of_others(&self, own: ReactorNumber, sum: &mut ReactorStatus) {
        let others = self.statuses.iter().enumerate().filter(|(number, _)| *number != own.index());
        for (_, status) in others {
            sum.add(&status.read());
        }
    }

    pub(crate) fn set_memory_full(&self, own: ReactorNumber, is_full: bool) {
        if self.memory_full[own.index()].0.load(Ordering::Relaxed) != is_full {
            self.memory_full[own.index()].0.store(is_full, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_memory_full(&self, reactor: ReactorNumber) -> bool {
        self.memory_full[reactor.index()].0.load(Ordering::Relaxed)
    }

    /// Notes that one reactor has no connections left. Returns true if no reactor has any now.
    pub(crate) fn note_drained(&self) -> bool {
        self.drained.fetch_add(1, Ordering::AcqRel) + 1 == self.reactors()
    }

    pub(crate) fn all_are_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) == self.reactors()
    }
}
