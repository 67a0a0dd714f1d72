//! A simulated server: reactors in a simulated network, with invariants checked after every turn.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{ChannelId, ChannelName, Homes, Hub, HubLimits, Ledger, Membership, SlowPolicy};
use crate::net::Net;
use crate::net::sim::{SimCall, SimFaults, SimLimits, SimNet, SimWaker, SimWorld};
use crate::protocol::{HEADER_BYTES_MAX, Message, MessageKind};

use super::super::connection::{Phase, slot_of};
use super::super::core::Core;
use super::super::counters::Counters;
use super::super::limits::CROWD_PER_TURN_MAX;
use super::super::peers::Peers;
use super::super::{
    Handle, ListenerKind, PublishError, PublisherLine, Reactor, ReactorLimits, RingSizes, setups,
};
use super::app::{App, Log};
use super::client::Client;
use super::ledger::Words;
use super::steps::{self, Left, Step};
use super::tls_client::{self, TlsClient};

pub(super) type SimReactor = Reactor<SimNet, App>;

pub(super) struct World {
    pub(super) reactors: Vec<SimReactor>,
    /// By reactor: true once its last turn has ended.
    over: Vec<bool>,
    /// By reactor: its next step if it is in the middle of a turn, else `None`.
    at: Vec<Option<Step>>,
    /// By reactor: the turn that it is in the middle of, if any.
    turns: Vec<Option<Turn>>,
    /// The clock moves only when the test calls [`pass`](Self::pass).
    is_still: bool,
    pub(super) sim: SimWorld,
    /// The publisher of [`publish`](Self::publish).
    pub(super) line: Arc<PublisherLine>,
    pub(super) log: Rc<RefCell<Log>>,
    /// By channel: every message that its home has accepted, in the order of its numbers.
    pub(super) accepted: HashMap<String, Vec<Vec<u8>>>,
    /// By channel: its epochs, each with the index in `accepted` at which it begins.
    pub(super) epochs: HashMap<String, Vec<(u64, usize)>>,
}

/// A turn of one reactor that has started and not ended.
struct Turn {
    /// What the reactor had written to rings and taken from them before this turn.
    before: Words,
    /// Another reactor has run since this turn started.
    is_interrupted: bool,
}

/// The parameters of a simulated server.
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) faults: SimFaults,
    pub(super) sim: SimLimits,
    pub(super) limits: ReactorLimits,
    pub(super) hub: HubLimits,
    pub(super) reactors: usize,
    pub(super) rings: Option<RingSizes>,
    /// The channel that has a slow policy of its own, if any.
    pub(super) own_policy: Option<(&'static str, SlowPolicy)>,
    /// Whether the application is told of what was served.
    pub(super) wants_served: bool,
    /// There is a listener at `TLS_PORT`.
    pub(super) speaks_tls: bool,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting {
            seed: 1,
            faults: SimFaults::NONE,
            sim: SimLimits::default(),
            limits: ReactorLimits::default(),
            hub: HubLimits::default(),
            reactors: 1,
            rings: None,
            own_policy: None,
            wants_served: false,
            speaks_tls: false,
        }
    }
}

pub(super) const PORT: u16 = 80;
/// Where the PROXY protocol is spoken, if there are trusted proxies.
pub(super) const PROXY_PORT: u16 = 81;
/// The same, with TLS behind the header.
pub(super) const PROXY_TLS_PORT: u16 = 82;
pub(super) const TLS_PORT: u16 = 443;

/// The most turns until the reactors are idle; if they are not by then, they never will be.
const TURNS_TO_REST_MAX: usize = 100_000;

/// A hub's counts are verified only once in this many turns, because that is slow.
const TURNS_PER_RECOUNT: u64 = 4;

/// The test's time passes in steps of this size: small enough that every deadline is checked in
/// time, and that no step counts as a pause of the process.
const STEP: Duration = Duration::from_millis(500);

impl World {
    /// Makes a server of one reactor without faults, whose clock moves only in
    /// [`pass`](Self::pass).
    pub(super) fn new() -> World {
        World::with(|_, _| {})
    }

    /// Like [`new`](Self::new), with other limits.
    pub(super) fn with(limit: impl FnOnce(&mut ReactorLimits, &mut HubLimits)) -> World {
        World::of(1, limit)
    }

    /// Like [`with`](Self::with), with this many reactors.
    pub(super) fn of(
        reactors: usize,
        limit: impl FnOnce(&mut ReactorLimits, &mut HubLimits),
    ) -> World {
        let mut setting = Setting { reactors, ..Setting::default() };
        limit(&mut setting.limits, &mut setting.hub);
        World::still(setting)
    }

    /// Makes a server whose clock moves only in [`pass`](Self::pass).
    pub(super) fn still(setting: Setting) -> World {
        let mut world = World::from(setting);
        world.is_still = true;
        world.sim.hold_clock(true);
        world
    }

    pub(super) fn from(setting: Setting) -> World {
        let Setting { seed, faults, limits, hub, reactors, rings, own_policy, .. } = setting;
        let sim = SimWorld::new(seed, faults);
        sim.set_limits(setting.sim);
        if setting.speaks_tls {
            sim.expect_random_bytes();
        }
        let mut nets: Vec<_> = (0..reactors).map(|_| sim.reactor()).collect();
        let mut key = [0; 16];
        nets[0].fill_random(&mut key);
        let wakers = nets.iter().map(SimNet::waker).collect();
        let homes = Homes::new(key, reactors as u16);
        let setups = setups(wakers, homes, sim.now(), &limits, hub, rings);
        let log = Rc::new(RefCell::new(Log::default()));
        log.borrow_mut().wants_served = setting.wants_served;
        let tls = || Some(tls_client::settings());
        let seated = nets.into_iter().zip(setups).map(|(net, setup)| {
            let app = App { log: Rc::clone(&log), own_policy };
            let mut listeners = vec![(sim.listener(PORT), ListenerKind::Public, None)];
            if !limits.trusted_proxies.is_empty() {
                listeners.push((sim.listener(PROXY_TLS_PORT), ListenerKind::ProxyProtocol, tls()));
                listeners.push((sim.listener(PROXY_PORT), ListenerKind::ProxyProtocol, None));
            }
            if setting.speaks_tls {
                listeners.push((sim.listener(TLS_PORT), ListenerKind::Public, tls()));
            }
            Reactor::new(net, listeners, app, setup).unwrap()
        });
        let reactors: Vec<_> = seated.collect();
        let line = Arc::new(PublisherLine::new(reactors.len()));
        World {
            over: vec![false; reactors.len()],
            at: vec![None; reactors.len()],
            turns: reactors.iter().map(|_| None).collect(),
            is_still: false,
            reactors,
            sim,
            line,
            log,
            accepted: HashMap::new(),
            epochs: HashMap::new(),
        }
    }

    /// Returns the only reactor. Panics if there are several.
    pub(super) fn reactor(&self) -> &SimReactor {
        assert_eq!(self.reactors.len(), 1, "which one?");
        &self.reactors[0]
    }

    /// Runs one turn of every reactor, in the order of their numbers.
    pub(super) fn turn(&mut self) {
        for number in 0..self.reactors.len() {
            self.turn_of(number);
        }
    }

    /// Runs a turn of this reactor, or the rest of one that was interrupted.
    pub(super) fn turn_of(&mut self, number: usize) {
        if self.over[number] {
            return;
        }
        if self.is_in_turn(number) {
            while self.step_of(number) {}
            return;
        }
        self.begin_turn(number);
        self.interrupt_others(number);
        self.over[number] = !self.reactors[number].turn().unwrap();
        self.end_turn(number);
    }

    /// Runs one step of a reactor's turn. Returns false if the turn is over or the reactor has
    /// ended.
    pub(super) fn step_of(&mut self, number: usize) -> bool {
        if self.over[number] {
            return false;
        }
        let reactor = &mut self.reactors[number];
        let left = match self.at[number] {
            Some(step) => steps::take(reactor, step),
            None => {
                self.begin_turn(number);
                Left::Step(steps::begin(&mut self.reactors[number]))
            }
        };
        self.interrupt_others(number);
        self.note_numbered(number);
        match left {
            Left::Step(step) => self.at[number] = Some(step),
            Left::Turn(goes_on) => {
                self.over[number] = !goes_on;
                self.at[number] = None;
                self.end_turn(number);
            }
        }
        self.hold_clock();
        self.is_in_turn(number)
    }

    fn interrupt_others(&mut self, number: usize) {
        for (other, turn) in self.turns.iter_mut().enumerate() {
            if let Some(turn) = turn.as_mut().filter(|_| other != number) {
                turn.is_interrupted = true;
            }
        }
    }

    /// Checks the invariants when a reactor is left in the middle of its turn.
    pub(super) fn interrupt(&mut self, number: usize) {
        self.check(number);
    }

    pub(super) fn is_in_turn(&self, number: usize) -> bool {
        self.at[number].is_some()
    }

    /// Holds the clock while any reactor that is not paused is in the middle of a turn, so that no
    /// time passes in a turn. Releases it otherwise, unless the server `is_still`.
    pub(super) fn hold_clock(&self) {
        let acts = |number: usize| self.is_in_turn(number) && !self.sim.is_paused(number);
        self.sim.hold_clock(self.is_still || (0..self.at.len()).any(acts));
    }

    fn begin_turn(&mut self, number: usize) {
        let before = Words::of(&self.reactors, number);
        self.turns[number] = Some(Turn { before, is_interrupted: false });
    }

    fn end_turn(&mut self, number: usize) {
        let turn = self.turns[number].take().expect("the turn has started");
        self.note_numbered(number);
        self.check(number);
        self.check_end(number);
        // A reactor in the middle of a turn has not sent wake-ups yet for what it wrote in this
        // turn.
        for other in 0..self.reactors.len() {
            if other == number || turn.is_interrupted && !self.is_in_turn(other) {
                self.check_awake(other);
            }
        }
        if !turn.is_interrupted {
            // A reactor that was woken, and has not cleared that flag yet, will still look at its
            // rings: it need not be woken again.
            let will_look = |reactor| {
                self.sim.is_woken(reactor) || self.at[reactor] == Some(Step::HearCommands)
            };
            Words::of(&self.reactors, number).check_since(&turn.before, will_look);
        }
    }

    fn note_numbered(&mut self, number: usize) {
        for (channel, id, payload) in
            self.reactors[number].peers.core.exchange.hub.numbered.drain(..)
        {
            let accepted = self.accepted.entry(channel.clone()).or_default();
            let epochs = self.epochs.entry(channel).or_default();
            if epochs.last().is_none_or(|(epoch, _)| *epoch != id.epoch) {
                assert!(
                    epochs.iter().all(|(epoch, _)| *epoch != id.epoch),
                    "an epoch was used twice"
                );
                epochs.push((id.epoch, accepted.len()));
            }
            let (_, first) = epochs[epochs.len() - 1];
            let next = (accepted.len() - first) as u64 + 1;
            assert_eq!(id.number, next, "the numbers of an epoch start at 1 without gaps");
            accepted.push(payload);
        }
    }

    /// Returns true if every reactor has had its last turn.
    pub(super) fn is_over(&self) -> bool {
        self.over.iter().all(|over| *over)
    }

    /// Runs turns until nothing is left to do, unless time passes or a peer acts.
    pub(super) fn rest(&mut self) {
        for _ in 0..TURNS_TO_REST_MAX {
            self.turn();
            let sleepy = self.reactors.iter_mut().zip(&self.over);
            let all_would_wait =
                sleepy.filter(|(_, over)| !**over).all(|(one, _)| !one.wait_timeout().is_zero());
            if self.is_over() || (self.sim.everyone_sleeps() && all_would_wait) {
                return;
            }
        }
        self.dump();
        panic!("the reactors do not come to rest");
    }

    /// Lets this much time pass in small steps, and runs turns in between.
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

    /// Connects a client to this path. Its handshake must be accepted.
    /// Connects a client that speaks TLS to a server that does.
    pub(super) fn connect_tls(&self) -> Client {
        Client::over_tls(self.sim.connect(TLS_PORT), TlsClient::new())
    }

    pub(super) fn open(&mut self, path: &str) -> Client {
        let mut client = self.connect();
        client.upgrade(path);
        self.rest();
        assert_eq!(client.answered().map(|answered| answered.status), Some(101));
        client
    }

    /// Connects this many clients to this path. Their handshakes must be accepted.
    pub(super) fn open_many(&mut self, count: usize, path: &str) -> Vec<Client> {
        let mut clients: Vec<_> = (0..count).map(|_| self.connect()).collect();
        clients.iter().for_each(|client| client.upgrade(path));
        self.rest();
        for client in &mut clients {
            assert_eq!(client.answered().map(|answered| answered.status), Some(101));
        }
        clients
    }

    /// Returns the number of the reactor that is the home of a channel.
    pub(super) fn home_of(&self, channel: &str) -> usize {
        self.reactors[0]
            .peers
            .core
            .exchange
            .hub
            .home_of(ChannelName::parse(channel).unwrap())
            .index()
    }

    /// Returns the name of a channel whose home is this reactor.
    pub(super) fn channel_at(&self, home: usize) -> String {
        let names = (0..).map(|number| format!("channel-{number}"));
        names.into_iter().find(|name| self.home_of(name) == home).expect("there are many")
    }

    /// Returns the number of the reactor that holds a client's connection.
    pub(super) fn holder_of(&self, client: &Client) -> usize {
        let address = client.peer.addr();
        let holds = |reactor: &SimReactor| {
            reactor.peers.connections.iter().any(|one| one.address() == address)
        };
        self.reactors.iter().position(holds).expect("a reactor holds the connection")
    }

    /// Connects a client to this reactor, with a handshake that is accepted. Tries until this
    /// reactor, and not another one, accepts the connection.
    pub(super) fn open_at(&mut self, reactor: usize, path: &str) -> Client {
        loop {
            let client = self.connect();
            self.rest();
            if self.holder_of(&client) == reactor {
                client.upgrade(path);
                self.rest();
                let mut client = client;
                assert_eq!(client.answered().map(|answered| answered.status), Some(101));
                return client;
            }
            drop(client);
            self.rest();
        }
    }

    /// Publishes a message as another thread of the program would.
    pub(super) fn publish(
        &self,
        channel: &str,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), PublishError> {
        self.publish_as(&self.line, channel, kind, payload)
    }

    /// Makes another publisher, for [`publish_as`](Self::publish_as).
    pub(super) fn new_line(&self) -> Arc<PublisherLine> {
        Arc::new(PublisherLine::new(self.reactors.len()))
    }

    /// Like [`publish`](Self::publish), as this publisher.
    pub(super) fn publish_as(
        &self,
        line: &Arc<PublisherLine>,
        channel: &str,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), PublishError> {
        let name = ChannelName::parse(channel).unwrap();
        let message = Message::new(kind, payload).unwrap();
        self.reactors[self.home_of(channel)].handle().try_publish(line, name, message)
    }

    pub(super) fn handles(&self) -> Vec<Handle<SimWaker>> {
        self.reactors.iter().map(Reactor::handle).collect()
    }

    /// Has every reactor reload. Connections whose path begins with `banned` are closed.
    pub(super) fn reload(&mut self, banned: &str) {
        self.log.borrow_mut().banned = Some(banned.to_owned());
        self.handles().iter().for_each(|handle| handle.reload(None));
    }

    pub(super) fn drain(&mut self) {
        self.handles().iter().for_each(Handle::drain);
    }

    /// Returns the sum of the counters of all reactors.
    pub(super) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.reactors.iter().for_each(|reactor| sum.add(&reactor.peers.core.turn.counters.read()));
        sum
    }

    pub(super) fn ledger(&self) -> Ledger {
        let mut sum = Ledger::default();
        self.reactors.iter().for_each(|reactor| sum.add(&reactor.peers.core.exchange.hub.ledger()));
        sum
    }

    pub(super) fn calls(&self, call: SimCall) -> u64 {
        self.sim.calls(call)
    }

    /// Returns the path and close code of the connection that has ended last.
    pub(super) fn last_end(&self) -> (String, u16) {
        let log = self.log.borrow();
        let (path, code, _) = log.closed.last().expect("a connection has ended");
        (path.clone(), *code)
    }

    /// Checks what must hold between any two turns. `acted` is the reactor whose turn has just
    /// ended.
    fn check(&mut self, acted: usize) {
        let core = &self.reactors[acted].peers.core;
        if core.turn.counters.turns.read().is_multiple_of(TURNS_PER_RECOUNT) {
            core.exchange.hub.check_invariants();
        }
        let between_turns = self.reactors.iter().zip(&self.at).filter(|(_, at)| at.is_none());
        between_turns.for_each(|(reactor, _)| check_reactor(reactor));
        let open: usize = self.reactors.iter().map(open_connections).sum();
        let connections: usize =
            self.reactors.iter().map(|reactor| reactor.peers.connections.len()).sum();
        assert_eq!(connections, self.sim.open_streams(), "every connection has one socket");
        assert_eq!(
            self.log.borrow().open,
            open,
            "every open connection has had on_open and no on_close"
        );
        super::ledger::check_mail(&mut self.reactors, acted);
    }

    /// Checks that no reactor ends in a drain while any reactor still has connections, which need
    /// the channels of which the ended one was the home.
    fn check_end(&self, number: usize) {
        let ends = self.over[number] && self.reactors[number].drain.is_some();
        let is_empty = self.reactors.iter().all(|reactor| reactor.peers.connections.len() == 0);
        assert!(!ends || is_empty, "reactor {number} has ended while connections are left");
    }

    /// Checks that a reactor does not sleep while it could take records from its rings.
    fn check_awake(&mut self, number: usize) {
        let at = &self.at;
        let has_told = |sender: usize| at[sender].is_none();
        let has_left_mail = super::ledger::has_left_mail(&mut self.reactors, number, has_told);
        let sleeps = !self.over[number] && !self.reactors[number].wait_timeout().is_zero();
        assert!(
            !has_left_mail || !sleeps || self.sim.is_woken(number),
            "it sleeps although it has mail"
        );
    }

    /// Returns true if a connection is blocked: its peer or the kernel must first accept more
    /// bytes.
    pub(super) fn is_anybody_blocked(&self) -> bool {
        self.reactors
            .iter()
            .any(|reactor| reactor.peers.connections.iter().any(|connection| connection.blocked))
    }

    /// Returns true if a connection has more bytes to be read or decoded, or its publishes wait for
    /// room in a ring or for a full channel.
    pub(super) fn is_anybody_unfinished(&self) -> bool {
        let goes_on = |one: &SimReactor| {
            let Peers { connections, core } = &one.peers;
            let is_put_off = !core.unfinished.is_empty() || !core.waiting_for_room.is_empty();
            is_put_off || connections.iter().any(|connection| connection.waits_to_publish > 0)
        };
        self.reactors.iter().any(goes_on)
    }

    /// Returns true if a record is in a ring between reactors, or is waiting to be written to one.
    pub(super) fn is_mail_under_way(&mut self) -> bool {
        super::ledger::is_mail_under_way(&mut self.reactors)
    }

    /// Checks that the homes of channels know how many subscribers other reactors have.
    pub(super) fn check_counts(&self) {
        super::ledger::check_counts(&self.reactors);
    }

    /// Prints the state of every reactor and the latest system calls, for a run that has failed.
    pub(super) fn dump(&self) {
        for (number, reactor) in self.reactors.iter().enumerate() {
            dump_reactor(number, reactor);
        }
        for call in self.sim.latest_calls().iter().rev().take(20).rev() {
            eprintln!("{call:?}");
        }
    }

    /// Checks what must hold once every client has disconnected.
    pub(super) fn check_empty(&mut self) {
        (0..self.reactors.len()).for_each(|number| self.check(number));
        for Peers { connections, core } in self.reactors.iter().map(|reactor| &reactor.peers) {
            assert_eq!(connections.len(), 0, "connections are left");
            assert_eq!(core.exchange.hub.pending(), 0);
            assert_eq!(core.exchange.hub.log_bytes(), 0);
            assert_eq!(core.pool.held_bytes(), 0, "a buffer is counted that no connection holds");
        }
    }
}

fn open_connections(reactor: &SimReactor) -> usize {
    let phases = reactor.peers.connections.iter().map(|connection| &connection.phase);
    phases.filter(|phase| matches!(phase, Phase::Open(_))).count()
}

/// Checks what must hold on a reactor between two turns.
fn check_reactor(reactor: &SimReactor) {
    let Peers { connections, core } = &reactor.peers;
    let exchange = &core.exchange;
    assert_eq!(core.turn.connections, connections.len());
    assert_eq!(exchange.hub.ledger().outstanding(), exchange.hub.pending(), "the ledger balances");
    let is_crowd_left = exchange.hub.has_overrun() || exchange.hub.has_join_outcome();
    assert!(
        !is_crowd_left || core.turn.crowds_told == CROWD_PER_TURN_MAX,
        "every overrun and join outcome was handled, as far as the budget goes"
    );
    assert!(exchange.outcomes.is_empty(), "every outcome was handled");
    assert!(core.outgoing.replies.is_empty() && core.outgoing.close.is_none());

    check_memory(&exchange.hub);

    let (mut open, mut subscriptions, mut patient) = (0, 0, 0);
    for connection in connections.iter() {
        let io = &connection.io;
        assert!(
            !io.owes() || connection.blocked || io.is_held(),
            "queued output waits for a readiness event"
        );
        assert!(connection.rest_bytes == 0 || io.owes(), "the rest of a frame is queued");
        assert!(!connection.starved || connection.blocked);
        let is_open = matches!(connection.phase, Phase::Open(_));
        assert!(!connection.awaiting_pong || is_open, "a pong is awaited on what is not open");
        let (slot, next) = (slot_of(connection.token), core.next_check(connection));
        assert!(core.timers.will_check_by(slot, next), "nobody checks a deadline in time");
        let has_unread = connection.readable;
        match &connection.phase {
            Phase::Http(http) => {
                let waits = connection.unfinished || io.owes() || http.answer.is_some();
                assert!(!has_unread || waits, "an unread request waits for nothing");
            }
            Phase::Open(state) => {
                open += 1;
                subscriptions += state.subscriptions.len();
                let is_joining = state.subscriptions.iter().any(|one| exchange.hub.is_joining(one));
                assert!(
                    io.is_held() == is_joining || io.is_held() && exchange.hub.has_join_outcome(),
                    "output is held while a channel is joining"
                );
                for one in state.subscriptions.iter().filter(|one| exchange.hub.is_blocked(*one)) {
                    assert!(
                        connection.blocked || io.is_held(),
                        "a subscription is blocked though its socket is writable"
                    );
                    assert!(
                        state.subscriptions.is_noted_as_blocked(one),
                        "nobody will unblock a subscription"
                    );
                }
                let is_paused = connection.unfinished || connection.waits_to_publish > 0;
                let waits = is_paused || io.owes() || io.is_held();
                assert!(!has_unread || waits, "unread messages wait for nothing");
                if let Some(one) = connection.under_way {
                    assert!(state.subscriptions.contains(one));
                    assert!(
                        exchange.hub.unsent(one).under_way_bytes > 0
                            || exchange.hub.is_overrun(one),
                        "a frame is partly sent"
                    );
                }
            }
            Phase::Closing { patient: is_patient, .. } => {
                patient += usize::from(*is_patient);
                assert!(io.owes(), "a closing connection has output queued");
            }
            Phase::Lingering { .. } => {
                assert!(
                    !connection.readable || connection.unfinished,
                    "unread bytes wait for nothing"
                );
            }
            Phase::Gone(_) => panic!("a connection that has ended was not removed"),
        }
    }
    assert_eq!(exchange.hub.subscriptions(), subscriptions, "every subscription has a connection");
    assert_eq!(core.patient, patient);
    let counters = core.turn.counters.read();
    let closed: u64 = counters.closed.iter().flatten().sum();
    assert_eq!(counters.opened, closed + open as u64, "every end is counted once");
}

/// Checks that no channel exceeds its limit. A single message larger than the limit is allowed, in
/// each form, and some more while publishers wait.
fn check_memory(hub: &Hub) {
    let limits = hub.limits();
    let largest = (limits.message_bytes_max + HEADER_BYTES_MAX) * limits.forms_max();
    let log_bytes_max = limits.channel_buffer_bytes.max(largest);
    for view in hub.views() {
        let is_full = hub.is_full(ChannelId(view.slot.0));
        // A member must append the messages that its home has accepted meanwhile, so its log may be
        // larger still.
        let of_member = if view.membership == Membership::Home { 0 } else { 1 << 20 };
        let excess = if is_full { limits.bound().excess_bytes + of_member } else { 0 };
        assert!(view.log_bytes <= log_bytes_max + excess, "a log exceeds its limit: {view:?}");
    }
}

fn dump_reactor(number: usize, reactor: &SimReactor) {
    let Peers { connections, core } = &reactor.peers;
    let Core { exchange, unfinished, waiting_for_room, .. } = core;
    let mail_left = reactor.mail.is_left;
    eprintln!("reactor {number}: unfinished {unfinished:?}, waiting {waiting_for_room:?}");
    eprintln!(
        "mail left {mail_left}, due {}, room {}",
        exchange.hub.has_due(),
        exchange.has_room()
    );
    eprintln!("{:?} {:?}", exchange.hub.ledger(), core.turn.counters.read());
    for view in exchange.hub.views() {
        eprintln!("{view:?}");
    }
    for one in connections.iter() {
        let token = one.token;
        let phase = match &one.phase {
            Phase::Http(http) => format!("http, answer owed {}", http.answer.is_some()),
            Phase::Open(_) => format!("open, awaiting pong {}", one.awaiting_pong),
            Phase::Closing { .. } => "closing".to_owned(),
            Phase::Lingering { .. } => "lingering".to_owned(),
            Phase::Gone(_) => "gone".to_owned(),
        };
        let (owes, under_way, rest) = (one.io.owes(), one.under_way.is_some(), one.rest_bytes);
        eprintln!(
            "{token:?} {phase}: held {}, owes {owes}, under way {under_way}, rest {rest}, \
             readable {}, blocked {}, starved {}, unfinished {}, waits {}, progress {:?}, \
             deadline {:?}",
            one.io.is_held(),
            one.readable,
            one.blocked,
            one.starved,
            one.unfinished,
            one.waits_to_publish,
            one.progress_at,
            one.deadline
        );
    }
}
