//! The wait call of a simulated world: reports what is ready, and, when every reactor sleeps, moves
//! the clock to the next event.

use std::time::Duration;

use super::socket::Possible;
use super::trace::SimCall;
use super::world::{Id, Sleep, World};
use crate::instant::Instant;
use crate::net::{Readiness, Token};

/// The longest suspension of the whole process by a fault: several deadlines pass in it.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// The farthest jump of the wall clock by a fault, either way: an hour, as after a wrong time zone.
const WALL_CLOCK_JUMP_MAX: Duration = Duration::from_secs(3600);

impl World {
    /// See [`Net::wait`](crate::net::Net::wait). If this reactor would sleep while another one is
    /// awake, returns immediately with nothing, so that the driver can run the other reactor.
    pub(super) fn wait(
        &mut self,
        reactor: usize,
        told: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) {
        told.clear();
        assert!(!self.is_paused(reactor), "a paused reactor does not run: a bug of the driver");
        self.reactors[reactor].sleep = Sleep::Awake;
        self.begin_call(SimCall::Wait);
        self.move_clocks_by_fault();
        let deadline = timeout.map(|timeout| self.clock + timeout);
        if !self.random.chance(self.faults.early_waits) {
            self.tell_by_fault(reactor, told);
            self.wait_until(reactor, told, deadline);
        }
        for readiness in &*told {
            self.trace.mix(readiness.token.0);
            self.trace.mix(
                u64::from(readiness.readable)
                    | u64::from(readiness.writable) << 1
                    | u64::from(readiness.hung_up) << 2,
            );
        }
        self.note_reported(reactor);
        self.record(reactor, SimCall::Wait, 0, Ok(told.len()));
    }

    /// Moves the clock until something is ready or the deadline has passed. Appends what is ready
    /// to `told`.
    fn wait_until(&mut self, reactor: usize, told: &mut Vec<Readiness>, deadline: Option<Instant>) {
        loop {
            let woken = self.reactors[reactor].waker.take();
            self.collect(reactor, told);
            if woken || !told.is_empty() || deadline.is_some_and(|deadline| deadline <= self.clock)
            {
                return;
            }
            self.reactors[reactor].sleep = Sleep::Until(deadline);
            if !self.go_on() {
                return;
            }
            if !self.is_awake(reactor) && self.somebody_is_awake() {
                return;
            }
            self.reactors[reactor].sleep = Sleep::Awake;
        }
    }

    /// Returns true if this reactor is not paused, and is either outside `wait` or would return
    /// from it.
    pub(super) fn is_awake(&self, reactor: usize) -> bool {
        let state = &self.reactors[reactor];
        if self.is_paused(reactor) {
            return false;
        }
        match state.sleep {
            Sleep::Awake => true,
            Sleep::Until(deadline) => {
                !state.ready.is_empty()
                    || state.waker.is_set()
                    || deadline.is_some_and(|deadline| deadline <= self.clock)
            }
            Sleep::Gone => false,
        }
    }

    /// Suspends a reactor for this long. Afterwards it is awake, even if it slept before.
    pub(super) fn pause(&mut self, reactor: usize, duration: Duration) {
        let end = self.clock + duration;
        let state = &mut self.reactors[reactor];
        if state.sleep != Sleep::Gone {
            state.paused_until = state.paused_until.max(Some(end));
            state.sleep = Sleep::Awake;
        }
    }

    pub(super) fn is_paused(&self, reactor: usize) -> bool {
        self.reactors[reactor].pause_end(self.clock).is_some()
    }

    /// Moves the clock to the next event. Returns false, and does nothing, while a reactor is awake
    /// or the clock is held, and when there is no next event.
    pub(super) fn go_on(&mut self) -> bool {
        let next = self.next_moment();
        if let Some(next) = next {
            self.advance_to(next);
        }
        next.is_some()
    }

    pub(super) fn somebody_is_awake(&self) -> bool {
        (0..self.reactors.len()).any(|reactor| self.is_awake(reactor))
    }

    /// Returns the time of the next event, to which the clock may move. `None` while a reactor is
    /// awake or the clock is held, and when there is no next event.
    fn next_moment(&self) -> Option<Instant> {
        if self.clock_held || self.somebody_is_awake() {
            return None;
        }
        let deadlines = self.reactors.iter().filter_map(|state| match state.sleep {
            Sleep::Until(deadline) => deadline,
            // No reactor is awake, so one in this state must be paused.
            Sleep::Awake => state.pause_end(self.clock),
            Sleep::Gone => None,
        });
        deadlines.chain(self.next_event()).min()
    }

    fn move_clocks_by_fault(&mut self) {
        if self.random.chance(self.faults.pauses) {
            let pause = self.random.duration(PAUSE_MAX);
            self.advance(pause);
        }
        if self.random.chance(self.faults.wall_clock_jumps) {
            let jump = self.random.duration(WALL_CLOCK_JUMP_MAX);
            let forward = self.random.chance(0.5);
            let unix_time = self.unix_time();
            self.set_unix_time(if forward {
                unix_time + jump
            } else {
                unix_time.saturating_sub(jump)
            });
        }
    }

    fn tell_by_fault(&mut self, reactor: usize, told: &mut Vec<Readiness>) {
        let stale = self.reactors[reactor].stale.len();
        if stale > 0 && self.random.chance(self.faults.stale_readiness) {
            let token = self.reactors[reactor].stale[self.random.below(stale)];
            let [readable, writable, hung_up] = [(); 3].map(|()| self.random.chance(0.5));
            told.push(Readiness { token, readable, writable, hung_up });
        }
        if self.random.chance(self.faults.spurious_readiness)
            && let Some(token) = self.any_stream_of(reactor)
        {
            let readable = self.random.chance(0.5);
            told.push(Readiness { token, readable, writable: !readable, hung_up: false });
        }
    }

    fn any_stream_of(&mut self, reactor: usize) -> Option<Token> {
        let (last, _) = self.sockets.last_key_value()?;
        let start = self.random.below(usize::try_from(*last).ok()? + 1) as Id;
        let registered = self.sockets.range(start..).find_map(|(_, socket)| socket.registration)?;
        (registered.reactor == reactor).then_some(registered.token)
    }

    /// Takes sockets off the reactor's ready list, and reports what is possible on them now. So
    /// several changes of a socket are reported as one, or not at all if nothing is possible any
    /// more.
    fn collect(&mut self, reactor: usize, told: &mut Vec<Readiness>) {
        let by_fault = told.len();
        if self.random.chance(self.faults.shuffled_readiness) {
            self.random.shuffle(self.reactors[reactor].ready.make_contiguous());
        }
        while told.len() < by_fault + self.limits.events_per_wait_max
            && let Some(id) = self.reactors[reactor].ready.pop_front()
        {
            let Some(possible) = self.look_at(id) else { continue };
            let narrow = self.random.chance(self.faults.narrow_readiness);
            let Some(registration) = self.registration(id) else { continue };
            registration.queued = false;
            let edges = std::mem::take(&mut registration.edges);
            let readable = possible.readable && (edges.readable || !narrow);
            let writable = possible.writable && (edges.writable || !narrow);
            if readable || writable {
                let hung_up = possible.hung_up && readable;
                let readiness =
                    Readiness { token: registration.token, readable, writable, hung_up };
                match told.iter_mut().take(by_fault).find(|other| other.token == readiness.token) {
                    Some(other) => *other = readiness,
                    None => told.push(readiness),
                }
            }
        }
    }

    /// Returns what is possible on a listener or stream. If there is no room to write, notes that
    /// an event must follow once there is, as in Linux.
    fn look_at(&mut self, id: Id) -> Option<Possible> {
        if let Some(socket) = self.sockets.get_mut(&id) {
            let possible = socket.possible();
            socket.wants_room |= !possible.writable;
            return Some(possible);
        }
        let readable = !self.listeners.get(&id)?.queue.is_empty();
        Some(Possible { readable, writable: false, hung_up: false })
    }
}
