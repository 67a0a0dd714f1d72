//! A world with costs: each reactor has a clock of its own, which moves by what the reactor does,
//! as if each ran on a core of its own. The driver runs the reactor whose clock is earliest, from
//! [`SimWorld::resume`] to [`SimWorld::suspend`], for a step of a turn.

use std::time::Duration;

use super::costs::SimCosts;
use super::handle::SimWorld;
use super::spending::Spending;
use super::trace::SimCall;
use super::world::World;
use crate::instant::Instant;
use crate::work;

impl World {
    /// Moves the clock by the price of the call that begins, and of the work since the last call.
    pub(super) fn spend_on_call(&mut self, call: SimCall) {
        if let Some(spending) = &self.spending {
            let price = spending.costs.of_call(call) + spending.costs.of_work(&work::take());
            self.spend(price);
        }
    }

    /// Moves the clock by the price of the work since the last call.
    pub(super) fn spend_on_work(&mut self) {
        if let Some(spending) = &self.spending {
            let price = spending.costs.of_work(&work::take());
            self.spend(price);
        }
    }

    /// Moves the clock by the price of the bytes that a call has transferred.
    pub(super) fn spend_on_bytes(&mut self, call: SimCall, bytes: usize) {
        if let Some(spending) = &self.spending {
            self.spend(spending.costs.of_bytes(call, bytes));
        }
    }

    fn spend(&mut self, picoseconds: u64) {
        let Some(spending) = &mut self.spending else { return };
        spending.picoseconds += picoseconds;
        let nanos = spending.picoseconds / 1_000;
        spending.picoseconds %= 1_000;
        self.advance(Duration::from_nanos(nanos));
    }

    /// Notes that the reactor's next wait has something to report. If it had nothing before, the
    /// reactor counts as ready from now on.
    pub(super) fn note_ready(&mut self, reactor: usize) {
        let clock = self.clock;
        self.reactors[reactor].own_time.ready_since.get_or_insert(clock);
    }

    /// To be called after a wait: notes whether it has reported everything, or has left some for
    /// the next wait.
    pub(super) fn note_reported(&mut self, reactor: usize) {
        let is_left = !self.reactors[reactor].ready.is_empty();
        self.reactors[reactor].own_time.ready_since = is_left.then_some(self.clock);
    }
}

impl SimWorld {
    /// From now on calls and work take time, and every reactor has a clock of its own. The driver
    /// must use [`resume`](Self::resume) and [`suspend`](Self::suspend). The latency must be zero:
    /// events that are still on their way have one common order, which the different clocks of the
    /// reactors would contradict.
    pub fn set_costs(&self, costs: SimCosts) {
        let mut world = self.0.borrow_mut();
        assert!(world.limits.latency_max.is_zero(), "a world with costs has no latency");
        work::take();
        world.spending = Some(Spending { costs, picoseconds: 0 });
        world.clock_held = true;
        let clock = world.clock;
        world.reactors.iter_mut().for_each(|state| state.own_time.clock = clock);
    }

    /// Returns the moment up to which a reactor has been busy or asleep, in a world with costs. It
    /// differs from one reactor to the next. The driver asks for it between two steps, in order to
    /// run the earliest reactor first.
    pub fn clock_of(&self, reactor: usize) -> Instant {
        self.0.borrow().reactors[reactor].own_time.clock
    }

    /// Returns the moment at which this reactor's next wait with this timeout will return.
    pub fn wakes_at(&self, reactor: usize, timeout: Duration) -> Instant {
        let world = self.0.borrow();
        let own = world.reactors[reactor].own_time;
        let in_time = own.clock + timeout;
        own.ready_since.map_or(in_time, |since| since.max(own.clock).min(in_time))
    }

    /// Continues with this reactor, whose clock is set to `moment` if that is later: it has slept
    /// until then.
    pub fn resume(&self, reactor: usize, moment: Instant) {
        let mut world = self.0.borrow_mut();
        work::take();
        let own = &mut world.reactors[reactor].own_time;
        own.clock = own.clock.max(moment);
        world.clock = own.clock;
    }

    /// Ends what [`resume`](Self::resume) has begun: the reactor's clock moves by its work since
    /// its last call. Reactors that it has woken are ready from now on.
    pub fn suspend(&self, reactor: usize) {
        let mut world = self.0.borrow_mut();
        if let Some(spending) = &world.spending {
            let price = spending.costs.of_work(&work::take());
            world.spend(price);
        }
        world.reactors[reactor].own_time.clock = world.clock;
        drop(world);
        self.note_wake_ups();
    }

    /// Notes that reactors which have been woken are ready from now on.
    pub fn note_wake_ups(&self) {
        let mut world = self.0.borrow_mut();
        for reactor in 0..world.reactors.len() {
            if world.reactors[reactor].waker.is_set() {
                world.note_ready(reactor);
            }
        }
    }

    /// Sets the time at which the peers act next. It may be before the clocks of busy reactors.
    pub fn set_moment(&self, moment: Instant) {
        self.0.borrow_mut().clock = moment;
    }
}
