//! A simulated server in which all system calls and work take simulated time. Each reactor has a
//! clock of its own. The reactor whose clock is earliest runs next, for one step of its turn.
//! Simulated peers act at their own moments in between.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::super::PublisherLine;
use super::app::Log;
use super::client::Client;
use super::steps::{self, Left, Step};
use super::world::{PORT, Setting, SimReactor, World};
use crate::hub::ChannelName;
use crate::instant::Instant;
use crate::net::sim::{SimCosts, SimWorld};
use crate::protocol::{Message, MessageKind};

/// One or more simulated peers, which act at moments of their own.
pub(super) trait Actor {
    /// Returns when the actor acts next; `None` if it waits for the server to send something.
    fn next_at(&self) -> Option<Instant>;

    /// Makes the actor act. `now` is the moment that `next_at` has returned.
    fn act(&mut self, now: Instant, server: &mut TimedWorld);

    /// Lets the actor look at what a reactor has sent in the turn that has just ended.
    fn after_turn(&mut self, now: Instant);
}

/// The actor of a scene in which nobody acts.
impl Actor for () {
    fn next_at(&self) -> Option<Instant> {
        None
    }

    fn act(&mut self, _: Instant, _: &mut TimedWorld) {}

    fn after_turn(&mut self, _: Instant) {}
}

impl<A: Actor + ?Sized> Actor for &mut A {
    fn next_at(&self) -> Option<Instant> {
        (**self).next_at()
    }

    fn act(&mut self, now: Instant, server: &mut TimedWorld) {
        (**self).act(now, server);
    }

    fn after_turn(&mut self, now: Instant) {
        (**self).after_turn(now);
    }
}

impl<A: Actor + ?Sized> Actor for Box<A> {
    fn next_at(&self) -> Option<Instant> {
        (**self).next_at()
    }

    fn act(&mut self, now: Instant, server: &mut TimedWorld) {
        (**self).act(now, server);
    }

    fn after_turn(&mut self, now: Instant) {
        (**self).after_turn(now);
    }
}

/// Several actors, which act in the order of their moments.
impl<A: Actor> Actor for [A] {
    fn next_at(&self) -> Option<Instant> {
        self.iter().filter_map(Actor::next_at).min()
    }

    fn act(&mut self, now: Instant, server: &mut TimedWorld) {
        let first = self.iter_mut().find(|one| one.next_at() == Some(now));
        first.expect("one of them acts now").act(now, server);
    }

    fn after_turn(&mut self, now: Instant) {
        self.iter_mut().for_each(|one| one.after_turn(now));
    }
}

impl<A: Actor, B: Actor> Actor for (A, B) {
    fn next_at(&self) -> Option<Instant> {
        self.0.next_at().into_iter().chain(self.1.next_at()).min()
    }

    fn act(&mut self, now: Instant, server: &mut TimedWorld) {
        match self.0.next_at() == Some(now) {
            true => self.0.act(now, server),
            false => self.1.act(now, server),
        }
    }

    fn after_turn(&mut self, now: Instant) {
        self.0.after_turn(now);
        self.1.after_turn(now);
    }
}

pub(super) struct TimedWorld {
    pub(super) reactors: Vec<SimReactor>,
    pub(super) sim: SimWorld,
    line: Arc<PublisherLine>,
    pub(super) log: Rc<RefCell<Log>>,
    /// By reactor: the next step, if the reactor is in the middle of a turn.
    at: Vec<Option<Step>>,
    /// By reactor: the turn that it is in, or that it was in last.
    turns: Vec<TimedTurn>,
    is_over: Vec<bool>,
    /// The longest turn that has ended since [`forget_turns`](Self::forget_turns).
    longest: TimedTurn,
    pub(super) turns_made: u64,
    /// When [`forget_turns`](Self::forget_turns) was called.
    pub(super) began: Instant,
    /// How long all turns together have taken.
    pub(super) busy: Duration,
    /// By channel: how many messages its home has numbered.
    pub(super) numbered: HashMap<String, u64>,
}

/// How long a turn has taken, without the time that it waited for events.
#[derive(Clone, Default)]
pub(super) struct TimedTurn {
    began: Instant,
    pub(super) duration: Duration,
    /// The name of each kind of step, and how long these steps have taken together.
    parts: BTreeMap<String, Duration>,
}

impl fmt::Display for TimedTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2?}", self.duration)?;
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(_, duration)| std::cmp::Reverse(**duration));
        for (name, duration) in parts.iter().take(3) {
            write!(f, ", {name} {duration:.2?}")?;
        }
        Ok(())
    }
}

impl TimedWorld {
    pub(super) fn new(setting: Setting) -> TimedWorld {
        let World { reactors, sim, line, log, .. } = World::from(setting);
        sim.set_costs(SimCosts::USUAL);
        TimedWorld {
            at: vec![None; reactors.len()],
            turns: vec![TimedTurn::default(); reactors.len()],
            is_over: vec![false; reactors.len()],
            reactors,
            sim,
            line,
            log,
            longest: TimedTurn::default(),
            turns_made: 0,
            began: Instant::ZERO,
            busy: Duration::ZERO,
            numbered: HashMap::new(),
        }
    }

    /// Returns the time up to which everything has been simulated: the earliest of the reactors'
    /// clocks.
    pub(super) fn now(&self) -> Instant {
        let clocks = (0..self.reactors.len()).map(|number| self.sim.clock_of(number));
        clocks.min().expect("there is a reactor")
    }

    /// Returns the longest turn, also if it has not ended yet.
    pub(super) fn longest_turn(&self) -> TimedTurn {
        let under_way = (0..self.reactors.len()).filter(|number| self.at[*number].is_some());
        let so_far = under_way.map(|number| {
            let turn = self.turns[number].clone();
            let clock = self.sim.clock_of(number);
            TimedTurn { duration: clock.saturating_since(turn.began), ..turn }
        });
        let all = so_far.chain([self.longest.clone()]);
        all.max_by_key(|turn| turn.duration).expect("there is one")
    }

    pub(super) fn forget_turns(&mut self) {
        self.longest = TimedTurn::default();
        self.turns_made = 0;
        self.began = self.now();
        self.busy = Duration::ZERO;
        self.numbered.clear();
    }

    /// Runs everything that begins before `end`.
    pub(super) fn run_until(&mut self, end: Instant, actor: &mut (impl Actor + ?Sized)) {
        let mut acts_at = actor.next_at();
        loop {
            let numbers = (0..self.reactors.len()).filter(|number| !self.is_over[*number]);
            let next = numbers.map(|number| (self.next_at(number), number)).min();
            let Some((moment, number)) = next else { return };
            match acts_at {
                Some(act_at) if act_at <= moment && act_at < end => {
                    self.sim.set_moment(act_at);
                    actor.act(act_at, self);
                    acts_at = actor.next_at();
                }
                _ if moment >= end => return,
                _ => {
                    if self.step(number, moment) {
                        actor.after_turn(self.sim.now());
                        acts_at = actor.next_at();
                    }
                }
            }
        }
    }

    pub(super) fn run_for(&mut self, duration: Duration, actor: &mut (impl Actor + ?Sized)) {
        self.run_until(self.now() + duration, actor);
    }

    /// Returns when this reactor's next step begins.
    fn next_at(&self, number: usize) -> Instant {
        match self.at[number] {
            Some(_) => self.sim.clock_of(number),
            None => self.sim.wakes_at(number, self.reactors[number].wait_timeout()),
        }
    }

    /// Runs a step of a turn. Returns true if the turn has ended with it.
    fn step(&mut self, number: usize, moment: Instant) -> bool {
        self.sim.resume(number, moment);
        let before = self.sim.now();
        let reactor = &mut self.reactors[number];
        let (name, left) = match self.at[number] {
            Some(step) => (name_of(step), steps::take(reactor, step)),
            None => (String::new(), Left::Step(steps::begin(reactor))),
        };
        for (channel, ..) in reactor.peers.core.exchange.hub.numbered.drain(..) {
            *self.numbered.entry(channel).or_default() += 1;
        }
        self.sim.suspend(number);
        let now = self.sim.now();
        let turn = &mut self.turns[number];
        if self.at[number].is_none() {
            *turn = TimedTurn { began: now, ..TimedTurn::default() };
        } else {
            *turn.parts.entry(name).or_default() += now.saturating_since(before);
        }
        match left {
            Left::Step(step) => {
                self.at[number] = Some(step);
                false
            }
            Left::Turn(goes_on) => {
                self.at[number] = None;
                self.is_over[number] = !goes_on;
                turn.duration = now.saturating_since(turn.began);
                if turn.duration > self.longest.duration {
                    self.longest = turn.clone();
                }
                self.turns_made += 1;
                self.busy += turn.duration;
                true
            }
        }
    }

    pub(super) fn connect(&self) -> Client {
        Client::new(self.sim.connect(PORT))
    }

    /// Opens this many connections to this path, and returns them when all have their 101.
    pub(super) fn open_many(
        &mut self,
        count: usize,
        path: impl Fn(usize) -> String,
    ) -> Vec<Client> {
        let mut clients = Vec::with_capacity(count);
        let mut opened = 0;
        while opened < count {
            // The clients connect in groups, so that setting up a scene does not make long turns.
            let more = (count - clients.len()).min(1_000);
            self.sim.set_moment(self.now());
            for number in clients.len()..clients.len() + more {
                let client = self.connect();
                client.upgrade(&path(number));
                clients.push(client);
            }
            self.run_for(Duration::from_millis(20), &mut ());
            while opened < clients.len()
                && let Some(answered) = clients[opened].answered()
            {
                assert_eq!(answered.status, 101, "{}", answered.body);
                opened += 1;
            }
        }
        clients
    }

    /// Publishes a message as another thread of the program would.
    pub(super) fn publish(&self, channel: &str, kind: MessageKind, payload: &[u8]) {
        let name = ChannelName::parse(channel).expect("a name");
        let home = self.reactors[0].peers.core.exchange.hub.home_of(name).index();
        let message = Message::new(kind, payload).expect("a message");
        let published = self.reactors[home].handle().try_publish(&self.line, name, message);
        assert!(published.is_ok(), "there is room");
        self.sim.set_moment(self.now());
        self.sim.note_wake_ups();
    }

    /// Keeps a reactor from running for this long, as if the system gave its core to another
    /// process.
    pub(super) fn hold_up(&self, reactor: usize, duration: Duration) {
        self.sim.resume(reactor, self.sim.clock_of(reactor) + duration);
        self.sim.suspend(reactor);
    }

    /// Returns the name of a channel whose home is this reactor.
    pub(super) fn channel_at(&self, home: usize) -> String {
        self.channels_at(home, 1).remove(0)
    }

    /// Returns the names of so many channels whose home is this reactor.
    pub(super) fn channels_at(&self, home: usize, count: usize) -> Vec<String> {
        let hub = &self.reactors[0].peers.core.exchange.hub;
        let names = (0..).map(|number| format!("channel-{number}"));
        let is_there =
            |name: &String| hub.home_of(ChannelName::parse(name).expect("a name")).index() == home;
        names.into_iter().filter(is_there).take(count).collect()
    }

    /// Has every reactor reload. Connections whose path begins with `banned` are closed.
    pub(super) fn reload(&self, banned: &str) {
        self.log.borrow_mut().banned = Some(banned.to_owned());
        self.reactors.iter().for_each(|reactor| reactor.handle().reload(None));
        self.sim.set_moment(self.now());
        self.sim.note_wake_ups();
    }

    pub(super) fn drain(&self) {
        self.reactors.iter().for_each(|reactor| reactor.handle().drain());
        self.sim.set_moment(self.now());
        self.sim.note_wake_ups();
    }

    /// Returns a figure of all reactors together.
    pub(super) fn sum(&self, figure: impl Fn(&SimReactor) -> u64) -> u64 {
        self.reactors.iter().map(figure).sum()
    }
}

/// Returns the name of a kind of step, without the number of the socket that it concerns.
fn name_of(step: Step) -> String {
    let name = format!("{step:?}");
    name.split_once('(').map_or(name.clone(), |(kind, _)| kind.to_owned())
}
