//! The state of a simulated world: clock, sockets, and their future events (`events`). Reactors use
//! it through `calls` and `waiting`, the test through [`SimWorld`](super::SimWorld) and
//! [`SimPeer`](super::SimPeer).

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::faults::{SimFaults, SimLimits};
use super::random::Random;
use super::socket::{Edges, Registration, Socket};
use super::spending::{OwnTime, Spending};
use super::trace::{SimCall, SimCallRecord, Trace};
use super::waker::SimWaker;
use crate::instant::Instant;
use crate::net::Token;

/// What the wall clock shows when a world begins: 2026-01-01.
const UNIX_START: Duration = Duration::from_secs(1_767_225_600);

/// The most tokens kept of closed streams, for the fault that a wait reports such a stream.
const STALE_TOKENS_MAX: usize = 64;

pub(super) type Shared = Rc<RefCell<World>>;

/// The number of a listener or connection, counted from 1 in the order of creation; never reused.
pub(super) type Id = u64;

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) queue: VecDeque<Id>,
    pub(super) registration: Option<Registration>,
}

/// What the world keeps for one reactor; the counterpart of an epoll instance.
#[derive(Debug)]
pub(super) struct EventPoll {
    pub(super) waker: SimWaker,
    /// Listeners and streams with changes to report, the oldest first. Some may have been closed in
    /// the meantime.
    pub(super) ready: VecDeque<Id>,
    pub(super) sleep: Sleep,
    /// The test has suspended the reactor until this time.
    pub(super) paused_until: Option<Instant>,
    /// The tokens of the streams closed last, for the fault that a wait reports such a stream.
    pub(super) stale: VecDeque<Token>,
    pub(super) own_time: OwnTime,
}

impl EventPoll {
    /// Returns when the reactor's pause ends, or `None` if it is not paused.
    pub(super) fn pause_end(&self, clock: Instant) -> Option<Instant> {
        self.paused_until.filter(|end| *end > clock)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sleep {
    Awake,
    /// The reactor is in `wait` until this time; `None` is a wait without a timeout.
    Until(Option<Instant>),
    /// The reactor's `SimNet` has been dropped.
    Gone,
}

/// A future event of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum SimEvent {
    /// The connection reaches the queue of its listener.
    Connect { listener: Id },
    /// Bytes or the end of the stream arrive at our end.
    Inbound,
    /// Bytes or the end of the stream arrive at the peer.
    Outbound,
    /// The peer's reset arrives.
    Reset,
    /// Bytes that a fault withheld from a read are reported.
    Readable,
    /// Room that a fault withheld from a write is reported.
    Room,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Instant,
    /// The clock is moved only by the test, not by waiting reactors.
    pub(super) clock_held: bool,
    /// The time of the wall clock when `clock` was zero.
    wall_start: Duration,
    pub(super) random: Random,
    pub(super) faults: SimFaults,
    pub(super) limits: SimLimits,
    pub(super) trace: Trace,
    pub(super) reactors: Vec<EventPoll>,
    pub(super) listeners: BTreeMap<Id, Listener>,
    /// Connections that at least one of the two ends can still observe.
    pub(super) sockets: BTreeMap<Id, Socket>,
    pub(super) open_streams: usize,
    pub(super) next_accept_error: Option<i32>,
    /// In a world with costs: the prices.
    pub(super) spending: Option<Spending>,
    ids: Id,
    /// Future events by time; those of the same time are in the order in which they were scheduled.
    events: BTreeMap<(Instant, u64), (Id, SimEvent)>,
    events_made: u64,
}

impl World {
    pub(super) fn new(seed: u64, faults: SimFaults) -> World {
        World {
            clock: Instant::ZERO,
            clock_held: false,
            wall_start: UNIX_START,
            random: Random::new(seed),
            faults,
            limits: SimLimits::default(),
            trace: Trace::new(),
            reactors: Vec::new(),
            listeners: BTreeMap::new(),
            sockets: BTreeMap::new(),
            open_streams: 0,
            next_accept_error: None,
            spending: None,
            ids: 0,
            events: BTreeMap::new(),
            events_made: 0,
        }
    }

    pub(super) fn new_id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }

    pub(super) fn record(
        &mut self,
        reactor: usize,
        call: SimCall,
        socket: Id,
        result: Result<usize, i32>,
    ) {
        self.trace.record(SimCallRecord { at: self.clock, reactor, call, socket, result });
    }

    pub(super) fn unix_time(&self) -> Duration {
        self.wall_start + Duration::from_nanos(self.clock.as_nanos())
    }

    pub(super) fn set_unix_time(&mut self, unix_time: Duration) {
        self.wall_start = unix_time.saturating_sub(Duration::from_nanos(self.clock.as_nanos()));
    }

    // Time.

    pub(super) fn advance(&mut self, duration: Duration) {
        self.advance_to(self.clock + duration);
    }

    /// Moves the clock forward, never back. Events that are due on the way are applied at their
    /// time.
    pub(super) fn advance_to(&mut self, end: Instant) {
        while let Some((moment, _)) = self.events.first_key_value().map(|(key, _)| *key)
            && moment <= end
        {
            self.clock = self.clock.max(moment);
            let Some((_, (id, event))) = self.events.pop_first() else { return };
            self.apply(id, event);
        }
        self.clock = self.clock.max(end);
    }

    /// Applies all events that are due now.
    pub(super) fn settle(&mut self) {
        self.advance_to(self.clock);
    }

    pub(super) fn next_event(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((moment, _), _)| *moment)
    }

    pub(super) fn later(&mut self, id: Id, event: SimEvent) {
        let moment = self.clock + self.random.duration(self.limits.latency_max);
        self.events_made += 1;
        self.events.insert((moment, self.events_made), (id, event));
    }

    // Edges.

    pub(super) fn registration(&mut self, id: Id) -> Option<&mut Registration> {
        match self.sockets.get_mut(&id) {
            Some(socket) => socket.registration.as_mut(),
            None => self.listeners.get_mut(&id)?.registration.as_mut(),
        }
    }

    /// Puts changes of a listener or stream on the reactor's ready list, if it is registered. A new
    /// registration begins with a report of what is possible.
    pub(super) fn tell(&mut self, id: Id, edges: Edges) {
        let Some(registration) = self.registration(id) else { return };
        registration.edges.readable |= edges.readable;
        registration.edges.writable |= edges.writable;
        if !std::mem::replace(&mut registration.queued, true) {
            let reactor = registration.reactor;
            self.reactors[reactor].ready.push_back(id);
            self.note_ready(reactor);
        }
    }

    /// Ends the registration of a stream that is being closed.
    pub(super) fn unregister(&mut self, registration: Registration) {
        let stale = &mut self.reactors[registration.reactor].stale;
        if stale.len() == STALE_TOKENS_MAX {
            stale.pop_front();
        }
        stale.push_back(registration.token);
    }
}
