//! A scene: a server, bystanders whose waiting times are measured, and crowds that act beside them.

use std::fmt;
use std::time::Duration;

use super::super::super::ReactorLimits;
use super::super::timed::{Actor, TimedTurn, TimedWorld};
use super::super::world::Setting;
use super::bystander::{Bystander, CROWDED, Kind, Waits};
use crate::hub::HubLimits;

/// The figures that a scene has measured.
pub(super) struct Report {
    name: String,
    longest_turn: TimedTurn,
    turns: u64,
    pub(super) waits: Vec<Waits>,
    /// Messages of the crowd's channel that its home has numbered, per second.
    pub(super) messages_per_second: u64,
    sends_per_second: u64,
    /// How many copies of messages the subscribers were sent per second.
    pub(super) deliveries_per_second: u64,
    /// A hash of all calls to the simulated network.
    pub(super) hash: u64,
}

/// The most that a scene's figures may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) turn: Duration,
    pub(super) wait: Duration,
    pub(super) median_wait: Duration,
}

impl Bounds {
    /// The bounds that hold for every scene.
    pub(super) const ALL: Bounds = Bounds::millis(10, 50, 5);

    pub(super) const fn millis(turn: u64, wait: u64, median_wait: u64) -> Bounds {
        Bounds {
            turn: Duration::from_millis(turn),
            wait: Duration::from_millis(wait),
            median_wait: Duration::from_millis(median_wait),
        }
    }
}

impl Report {
    pub(super) fn check(&self, bounds: Bounds) {
        let Report { longest_turn, waits, .. } = self;
        assert!(longest_turn.duration <= bounds.turn, "a turn is too long: {self}");
        for wait in waits {
            assert!(wait.longest <= bounds.wait, "a bystander waits too long: {self}");
            assert!(wait.median <= bounds.median_wait, "bystanders wait too long: {self}");
            assert_eq!(wait.refused, 0, "a bystander is refused: {self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, longest_turn, turns, waits, .. } = self;
        let Report { messages_per_second, sends_per_second, deliveries_per_second, .. } = self;
        writeln!(f, "{name}:")?;
        writeln!(f, "  {turns} turns, the longest {longest_turn}")?;
        writeln!(
            f,
            "  per second {messages_per_second} messages of the crowd, {sends_per_second} sends, \
             {deliveries_per_second} deliveries"
        )?;
        waits.iter().try_for_each(|wait| writeln!(f, "  {wait}"))
    }
}

/// A server and the bystanders in it.
pub(super) struct Scene {
    name: String,
    pub(super) server: TimedWorld,
    bystanders: Vec<Bystander>,
}

impl Scene {
    pub(super) fn new(name: &str, reactors: usize, seed: u64) -> Scene {
        Scene::with(name, reactors, seed, |_| {})
    }

    pub(super) fn with(
        name: &str,
        reactors: usize,
        seed: u64,
        change: impl FnOnce(&mut Setting),
    ) -> Scene {
        let mut setting = Setting {
            seed,
            reactors,
            limits: ReactorLimits { connections_max: 1 << 20, ..ReactorLimits::default() },
            hub: HubLimits::default(),
            ..Setting::default()
        };
        change(&mut setting);
        let name = format!("{name}, reactors: {reactors}, seed {seed}");
        Scene { name, server: TimedWorld::new(setting), bystanders: Vec::new() }
    }

    /// Connects some bystanders of each of these kinds. They send their first requests when the
    /// scene runs.
    pub(super) fn invite(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            for _ in 0..4 {
                let number = self.bystanders.len() as u64;
                self.bystanders.push(Bystander::come(&mut self.server, *kind, number));
            }
        }
    }

    /// Runs for this much simulated time, and returns the figures of this time.
    pub(super) fn run(&mut self, duration: Duration, others: &mut (impl Actor + ?Sized)) -> Report {
        let server = &mut self.server;
        server.forget_turns();
        let begin = server.now();
        self.bystanders.iter_mut().for_each(|one| one.begin(begin));
        let sends = |server: &TimedWorld| {
            server.sum(|reactor| reactor.peers.core.turn.counters.sends.read())
        };
        let deliveries = |server: &TimedWorld| {
            server.sum(|reactor| reactor.peers.core.exchange.hub.ledger().delivered)
        };
        let (sends_before, deliveries_before) = (sends(server), deliveries(server));
        let everybody = &mut (&mut self.bystanders[..], others);
        server.run_until(begin + duration, everybody);
        let end = server.now();
        self.bystanders.iter_mut().for_each(|one| one.finish(end));
        let per_second = |count: u64| (count as f64 / duration.as_secs_f64()) as u64;
        let report = Report {
            name: self.name.clone(),
            longest_turn: server.longest_turn(),
            turns: server.turns_made,
            waits: Waits::of(&self.bystanders),
            messages_per_second: per_second(server.numbered.get(CROWDED).copied().unwrap_or(0)),
            sends_per_second: per_second(sends(server) - sends_before),
            deliveries_per_second: per_second(deliveries(server) - deliveries_before),
            hash: server.sim.trace_hash(),
        };
        eprint!("{report}");
        report
    }
}
