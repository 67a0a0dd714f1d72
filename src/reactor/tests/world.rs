//! A reactor in a simulated world, and what must hold at every turn.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::hub::{HubLimits, Ledger};
use crate::net::sim::{SimCall, SimFaults, SimLimits, SimNet, SimWaker, SimWorld};

use super::super::connection::Phase;
use super::super::{Counters, Reactor, ReactorLimits, Remote};
use super::app::{App, Log};
use super::client::Client;

pub(super) struct World {
    pub(super) reactor: Reactor<SimNet, App>,
    pub(super) sim: SimWorld,
    pub(super) log: Rc<RefCell<Log>>,
    /// The last turn has been.
    pub(super) is_over: bool,
}

pub(super) const PORT: u16 = 80;

/// Turns after which something that should come to rest never will.
const TURNS_TO_REST_MAX: usize = 100_000;

/// The step in which time passes: deadlines are looked at in each, and none of them looks like a pause.
const STEP: Duration = Duration::from_millis(500);

impl World {
    /// A world without faults, whose clock moves by [`pass`](Self::pass) only.
    pub(super) fn new() -> World {
        World::with(|_, _| {})
    }

    /// The same with other limits.
    pub(super) fn with(limit: impl FnOnce(&mut ReactorLimits, &mut HubLimits)) -> World {
        let (mut limits, mut hub_limits) = (ReactorLimits::default(), HubLimits::default());
        limit(&mut limits, &mut hub_limits);
        let world = World::from_seed(1, SimFaults::NONE, SimLimits::default(), limits, hub_limits);
        world.sim.hold_clock(true);
        world
    }

    pub(super) fn from_seed(
        seed: u64,
        faults: SimFaults,
        sim_limits: SimLimits,
        limits: ReactorLimits,
        hub_limits: HubLimits,
    ) -> World {
        let (net, sim) = SimNet::new(seed, faults);
        sim.set_limits(sim_limits);
        let log = Rc::new(RefCell::new(Log::default()));
        let app = App { log: Rc::clone(&log) };
        let reactor =
            Reactor::new(net, vec![sim.listener(PORT)], Vec::new(), app, limits, hub_limits).unwrap();
        World { reactor, sim, log, is_over: false }
    }

    pub(super) fn turn(&mut self) {
        if !self.is_over {
            self.is_over = !self.reactor.turn().unwrap();
            self.check();
        }
    }

    /// Turns until nothing is left to do without time passing or a peer doing something.
    pub(super) fn rest(&mut self) {
        for _ in 0..TURNS_TO_REST_MAX {
            self.turn();
            if self.is_over || (self.sim.everyone_sleeps() && !self.reactor.wait_timeout().is_zero()) {
                return;
            }
        }
        panic!("the reactor does not come to rest");
    }

    /// Lets time pass, with turns in it.
    pub(super) fn pass(&mut self, duration: Duration) {
        let mut left = duration;
        self.rest();
        while !left.is_zero() {
            let step = left.min(STEP);
            left -= step;
            self.sim.advance(step);
            self.rest();
        }
    }

    pub(super) fn pass_secs(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    pub(super) fn connect(&self) -> Client {
        Client::new(self.sim.connect(PORT))
    }

    /// A client that has been let in.
    pub(super) fn open(&mut self, path: &str) -> Client {
        let mut client = self.connect();
        client.upgrade(path);
        self.rest();
        assert_eq!(client.answered().map(|answered| answered.status), Some(101));
        client
    }

    /// So many clients that have been let in.
    pub(super) fn open_many(&mut self, count: usize, path: &str) -> Vec<Client> {
        let mut clients: Vec<_> = (0..count).map(|_| self.connect()).collect();
        clients.iter().for_each(|client| client.upgrade(path));
        self.rest();
        for client in &mut clients {
            assert_eq!(client.answered().map(|answered| answered.status), Some(101));
        }
        clients
    }

    pub(super) fn remote(&self) -> Remote<SimWaker> {
        self.reactor.remote()
    }

    pub(super) fn drain(&mut self) {
        self.remote().drain();
    }

    pub(super) fn counters(&self) -> &Counters {
        self.reactor.status().counters()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.reactor.status().ledger()
    }

    pub(super) fn calls(&self, call: SimCall) -> u64 {
        self.sim.calls(call)
    }

    /// The application's last end: path and code.
    pub(super) fn last_end(&self) -> (String, u16) {
        let log = self.log.borrow();
        let (path, code, _) = log.closed.last().expect("somebody has ended");
        (path.clone(), *code)
    }

    /// What holds between any two turns.
    pub(super) fn check(&self) {
        let Reactor { connections, commons, .. } = &self.reactor;
        assert_eq!(connections.len(), self.sim.open_streams(), "connections and sockets");
        assert_eq!(commons.connections, connections.len());
        assert_eq!(commons.hub.ledger().outstanding(), commons.hub.pending(), "the ledger balances");
        assert!(!commons.hub.has_fallen() && commons.outcomes.is_empty(), "all have been told");
        assert!(self.reactor.outgoing.replies.is_empty() && self.reactor.outgoing.close.is_none());

        let (mut open, mut subscriptions, mut patient, mut refusals) = (0, 0, 0, 0);
        for place in 0..connections.places() {
            let Some(connection) = connections.token_at(place).and_then(|token| connections.get(token))
            else {
                continue;
            };
            let link = &connection.link;
            assert!(!link.owes() || connection.blocked, "what is owed waits for an edge");
            assert!(connection.rest_bytes == 0 || link.owes(), "a rest is owed");
            assert!(!connection.starved || connection.blocked);
            refusals += usize::from(connection.refusal.is_some());
            let has_unread = connection.readable;
            match &connection.phase {
                Phase::Http(http) => {
                    let waits = connection.unfinished || link.owes() || http.answer.is_some();
                    assert!(!has_unread || waits, "a request is forgotten");
                }
                Phase::Open(state) => {
                    open += 1;
                    subscriptions += state.subscriptions.len();
                    assert!(!has_unread || connection.unfinished || link.owes(), "messages are forgotten");
                    if let Some(one) = connection.under_way {
                        assert!(state.subscriptions.contains(one));
                        assert!(commons.hub.unsent(one).under_way_bytes > 0, "a frame is under way");
                    }
                }
                Phase::Closing { patient: is_patient, .. } => {
                    patient += usize::from(*is_patient);
                    assert!(link.owes(), "nothing is left to wait for");
                }
                Phase::Lingering { .. } => {
                    assert!(!connection.readable || connection.unfinished, "the rest is forgotten");
                }
            }
        }
        assert_eq!(commons.hub.subscriptions(), subscriptions, "subscriptions have connections");
        assert_eq!(self.reactor.patient, patient);
        assert_eq!(self.reactor.admission.refusals, refusals);
        assert_eq!(self.log.borrow().open, open, "on_close for every on_open");
        let counters = &commons.counters;
        let closed: u64 = counters.closed.iter().flatten().sum();
        assert_eq!(counters.opened, closed + open as u64, "every end is counted once");
    }

    /// Whether a connection waits for its peer, or for the kernel, to take something.
    pub(super) fn is_anybody_blocked(&self) -> bool {
        let connections = &self.reactor.connections;
        let tokens = (0..connections.places()).filter_map(|place| connections.token_at(place));
        tokens.filter_map(|token| connections.get(token)).any(|connection| connection.blocked)
    }

    /// For a run that has failed: where everything stands.
    pub(super) fn dump(&self) {
        let Reactor { connections, commons, unfinished, waiting_for_room, .. } = &self.reactor;
        eprintln!("now {:?}, unfinished {unfinished:?}, waiting {waiting_for_room:?}", self.sim.now());
        eprintln!("requests {}, due {}", !commons.requests.is_empty(), commons.hub.has_due());
        eprintln!("{:?} {:?}", commons.hub.ledger(), commons.counters);
        for place in 0..connections.places() {
            let Some(token) = connections.token_at(place) else { continue };
            let Some(one) = connections.get(token) else { continue };
            let phase = match &one.phase {
                Phase::Http(http) => format!("http, answer owed {}", http.answer.is_some()),
                Phase::Open(open) => format!("open, awaiting pong {}", open.awaiting_pong),
                Phase::Closing { .. } => "closing".to_owned(),
                Phase::Lingering { .. } => "lingering".to_owned(),
            };
            let (owes, under_way, rest) = (one.link.owes(), one.under_way.is_some(), one.rest_bytes);
            eprintln!(
                "{token:?} {phase}: owes {owes}, under way {under_way}, rest {rest}, readable {}, blocked {}, \
                 starved {}, unfinished {}, progress {:?}, deadline {:?}",
                one.readable, one.blocked, one.starved, one.unfinished, one.progress_at, one.deadline
            );
        }
    }

    /// What holds when everybody has gone.
    pub(super) fn check_empty(&self) {
        self.check();
        let Reactor { connections, commons, .. } = &self.reactor;
        assert_eq!(connections.len(), 0, "somebody is left");
        assert_eq!(commons.hub.pending(), 0);
        assert_eq!(commons.hub.log_bytes(), 0);
        assert_eq!(self.reactor.pool.held_bytes(), 0, "a buffer is counted that nobody has");
    }
}
