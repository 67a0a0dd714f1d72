//! The state of a simulated world: clock, sockets, and what is going to happen to them. Reactors enter it through
//! `calls` and `waiting`, the test through [`SimWorld`](super::SimWorld) and [`SimPeer`](super::SimPeer).

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::SimWaker;
use super::faults::{SimFaults, SimLimits};
use super::random::Random;
use super::socket::{Hold, News, Registration, Socket};
use super::trace::{SimCall, SimCallRecord, Trace};
use crate::instant::Instant;
use crate::net::Token;

/// 2026-01-01, where the wall clock begins.
const UNIX_START: Duration = Duration::from_secs(1_767_225_600);

/// The most that arrives at once when arriving takes time: some packets.
const SEGMENT_BYTES_MAX: usize = 8 * 1024;

/// Tokens of closed streams kept for stale readiness: as many as one wait may well have told.
const STALE_TOKENS_MAX: usize = 64;

pub(super) type Shared = Rc<RefCell<World>>;

/// Numbers listeners and connections of a world, in the order of their creation, from 1; never used again.
pub(super) type Id = u64;

/// What is going to happen to a connection, at its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// It reaches the queue of its listener.
    Connect { listener: Id },
    /// Bytes or the end arrive from the peer.
    Inbound,
    /// Bytes or the end arrive at the peer.
    Outbound,
    /// The peer's reset arrives.
    Reset,
    /// What a fault refused to read is told after all.
    Readable,
    /// What a fault refused to take has room after all.
    Room,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) queue: VecDeque<Id>,
    pub(super) registration: Option<Registration>,
}

/// What the world keeps for one reactor: its event poll.
#[derive(Debug)]
pub(super) struct Reactor {
    pub(super) waker: SimWaker,
    /// Listeners and streams with news, the oldest first. Some may have been closed since.
    pub(super) ready: VecDeque<Id>,
    pub(super) sleep: Sleep,
    /// The test has stopped it until then.
    pub(super) paused_until: Option<Instant>,
    /// The tokens of streams closed last.
    pub(super) stale: VecDeque<Token>,
}

impl Reactor {
    /// When its pause ends, if it has not.
    pub(super) fn pause_end(&self, clock: Instant) -> Option<Instant> {
        self.paused_until.filter(|end| *end > clock)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sleep {
    Awake,
    /// In `wait`, as far as it is concerned, until this moment or without end.
    Until(Option<Instant>),
    /// Its `SimNet` has been dropped.
    Gone,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Instant,
    /// Waiting does not move the clock: only the test does.
    pub(super) clock_held: bool,
    /// The wall clock when `clock` was zero.
    wall_start: Duration,
    pub(super) random: Random,
    pub(super) faults: SimFaults,
    pub(super) limits: SimLimits,
    pub(super) trace: Trace,
    pub(super) reactors: Vec<Reactor>,
    pub(super) listeners: BTreeMap<Id, Listener>,
    /// Connections that one of the two ends can still see.
    pub(super) sockets: BTreeMap<Id, Socket>,
    pub(super) open_streams: usize,
    pub(super) next_accept_error: Option<i32>,
    ids: Id,
    /// By time, and in the order of their causes within one moment.
    happenings: BTreeMap<(Instant, u64), (Id, Happening)>,
    happenings_made: u64,
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
            ids: 0,
            happenings: BTreeMap::new(),
            happenings_made: 0,
        }
    }

    pub(super) fn new_id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }

    pub(super) fn record(&mut self, reactor: usize, call: SimCall, socket: Id, result: Result<usize, i32>) {
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

    /// Moves the clock, never back; what happens on the way happens at its time.
    pub(super) fn advance_to(&mut self, end: Instant) {
        while let Some((moment, _)) = self.happenings.first_key_value().map(|(key, _)| *key)
            && moment <= end
        {
            self.clock = self.clock.max(moment);
            self.happen();
        }
        self.clock = self.clock.max(end);
    }

    /// Lets everything happen that is due now.
    pub(super) fn settle(&mut self) {
        self.advance_to(self.clock);
    }

    pub(super) fn next_happening(&self) -> Option<Instant> {
        self.happenings.first_key_value().map(|((moment, _), _)| *moment)
    }

    pub(super) fn later(&mut self, id: Id, happening: Happening) {
        let moment = self.clock + self.random.duration(self.limits.latency_max);
        self.happenings_made += 1;
        self.happenings.insert((moment, self.happenings_made), (id, happening));
    }

    fn happen(&mut self) {
        let Some((_, (id, happening))) = self.happenings.pop_first() else { return };
        match happening {
            Happening::Connect { listener } => self.arrive_at(listener, id),
            Happening::Inbound => self.carry_inbound(id),
            Happening::Outbound => self.carry_outbound(id),
            Happening::Reset => self.reset_by_peer(id),
            Happening::Readable => self.tell(id, News::READABLE),
            Happening::Room => self.open_send_buffer(id),
        }
    }

    // What happens.

    fn arrive_at(&mut self, listener: Id, id: Id) {
        if let Some(found) = self.listeners.get_mut(&listener) {
            found.queue.push_back(id);
            self.tell(listener, News::READABLE);
        } else {
            // The listener was closed meanwhile: refused.
            self.abandon(id);
        }
    }

    /// Ends a connection that no stream of ours will ever hold.
    pub(super) fn abandon(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.hold = Hold::Closed;
        self.reset_to_peer(id);
        self.forget_if_unseen(id);
    }

    fn segment_bytes(&mut self) -> usize {
        if self.limits.latency_max.is_zero() { usize::MAX } else { 1 + self.random.below(SEGMENT_BYTES_MAX) }
    }

    pub(super) fn schedule_inbound(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let pipe = &mut socket.inbound;
        if !socket.reset && pipe.can_carry(self.limits.receive_buffer_bytes) && !pipe.carrying {
            pipe.carrying = true;
            self.later(id, Happening::Inbound);
        }
    }

    fn carry_inbound(&mut self, id: Id) {
        let segment_bytes = self.segment_bytes();
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.inbound.carrying = false;
        if socket.reset {
            return;
        }
        let arrived = socket.inbound.carry(self.limits.receive_buffer_bytes, segment_bytes);
        if socket.hold == Hold::Closed && arrived.bytes > 0 {
            // Nobody will read this: the system answers with a reset, and our last words go with it.
            self.reset_to_peer(id);
            return;
        }
        if arrived.bytes > 0 || arrived.end {
            self.tell(id, News::READABLE);
        }
        self.schedule_inbound(id);
    }

    pub(super) fn schedule_outbound(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if !socket.reset && socket.outbound.can_carry(socket.peer_window_bytes) && !socket.outbound.carrying {
            socket.outbound.carrying = true;
            self.later(id, Happening::Outbound);
        }
    }

    fn carry_outbound(&mut self, id: Id) {
        let segment_bytes = self.segment_bytes();
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.outbound.carrying = false;
        if socket.reset {
            return;
        }
        let arrived = socket.outbound.carry(socket.peer_window_bytes, segment_bytes);
        if socket.peer_gone && arrived.bytes > 0 {
            socket.outbound.unread.clear();
            self.reset_by_peer(id);
            return;
        }
        if socket.peer_reads {
            socket.read_as_peer(usize::MAX);
        }
        if socket.wants_room && socket.has_room() {
            socket.wants_room = false;
            self.tell(id, News::WRITABLE);
        }
        self.schedule_outbound(id);
    }

    fn open_send_buffer(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.shut = false;
        socket.wants_room = !socket.has_room();
        if !socket.wants_room {
            self.tell(id, News::WRITABLE);
        }
    }

    /// A reset arrives from the peer. After its end it does not make reading fail: nothing was lost.
    pub(super) fn reset_by_peer(&mut self, id: Id) {
        let destroying = self.random.chance(self.faults.destroying_resets);
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.reset {
            return;
        }
        socket.tear();
        if destroying {
            socket.inbound.unread.clear();
        }
        socket.reset_untold = !socket.inbound.ended;
        self.tell(id, News::BOTH);
    }

    /// A reset goes out to the peer.
    pub(super) fn reset_to_peer(&mut self, id: Id) {
        let destroying = self.random.chance(self.faults.destroying_resets);
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if socket.reset {
            return;
        }
        socket.tear();
        if destroying {
            socket.outbound.unread.clear();
        }
    }

    /// Drops a connection of which neither end can learn anything more.
    pub(super) fn forget_if_unseen(&mut self, id: Id) {
        if self.sockets.get(&id).is_some_and(|socket| socket.hold == Hold::Closed && socket.peer_gone) {
            self.sockets.remove(&id);
        }
    }

    // Edges.

    pub(super) fn registration(&mut self, id: Id) -> Option<&mut Registration> {
        match self.sockets.get_mut(&id) {
            Some(socket) => socket.registration.as_mut(),
            None => self.listeners.get_mut(&id)?.registration.as_mut(),
        }
    }

    /// Queues an edge for a listener or stream, once until it is told. What is not registered has none: a
    /// registration begins by telling what is possible.
    pub(super) fn tell(&mut self, id: Id, news: News) {
        let Some(registration) = self.registration(id) else { return };
        registration.news.readable |= news.readable;
        registration.news.writable |= news.writable;
        if !std::mem::replace(&mut registration.queued, true) {
            let reactor = registration.reactor;
            self.reactors[reactor].ready.push_back(id);
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
