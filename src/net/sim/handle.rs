//! [`SimWorld`], with which a test controls the simulated network.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::faults::{SimFaults, SimLimits};
use super::net::{SimListener, SimNet};
use super::peer::SimPeer;
use super::socket::Socket;
use super::trace::{SimCall, SimCallRecord};
use super::waker::SimWaker;
use super::world::{EventPoll, Id, Listener, Shared, SimEvent, Sleep, World};
use crate::instant::Instant;

/// The first port number given to peers, as in Linux.
const PEER_PORT_FIRST: u16 = 32_768;

/// A simulated network that several reactors and peers share. This is a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct SimWorld(pub(super) Shared);

impl SimWorld {
    /// Makes a world without reactors. Runs with equal seeds, faults, limits and actions are equal,
    /// call by call.
    pub fn new(seed: u64, faults: SimFaults) -> SimWorld {
        SimWorld(Shared::new(RefCell::new(World::new(seed, faults))))
    }

    /// Adds a reactor and returns its network. Reactors are numbered from 0 in the order of their
    /// creation.
    pub fn reactor(&self) -> SimNet {
        let mut world = self.0.borrow_mut();
        let reactor = world.reactors.len();
        let waker = SimWaker::default();
        world.reactors.push(EventPoll {
            waker: waker.clone(),
            ready: Default::default(),
            sleep: Sleep::Awake,
            paused_until: None,
            stale: Default::default(),
            own_time: Default::default(),
        });
        SimNet { world: Shared::clone(&self.0), reactor, waker }
    }

    /// Opens a listening socket. Several on one port share its connections, as with `SO_REUSEPORT`.
    pub fn listener(&self, port: u16) -> SimListener {
        let mut world = self.0.borrow_mut();
        let id = world.new_id();
        world
            .listeners
            .insert(id, Listener { port, queue: Default::default(), registration: None });
        SimListener { world: Shared::clone(&self.0), id }
    }

    /// Connects a peer from 127.0.0.1. If several listeners share the port, the seed decides which
    /// one gets the connection; if there is none, the connection is reset.
    pub fn connect(&self, port: u16) -> SimPeer {
        self.connect_from(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    /// Connects a peer from this address.
    pub fn connect_from(&self, ip: IpAddr, port: u16) -> SimPeer {
        let mut world = self.0.borrow_mut();
        let id = world.new_id();
        let peer_ports = u64::from(u16::MAX - PEER_PORT_FIRST) + 1;
        let addr = SocketAddr::new(ip, PEER_PORT_FIRST + (id % peer_ports) as u16);
        let limits = world.limits;
        world
            .sockets
            .insert(id, Socket::new(addr, limits.send_buffer_bytes, limits.peer_window_bytes));
        let listening = |(id, listener): (&Id, &Listener)| (listener.port == port).then_some(*id);
        let listeners: Vec<Id> = world.listeners.iter().filter_map(listening).collect();
        if listeners.is_empty() {
            world.abandon(id);
        } else {
            let listener = world.random.one_of(&listeners);
            world.later(id, SimEvent::Connect { listener });
            world.settle();
        }
        SimPeer::new(Shared::clone(&self.0), id)
    }

    /// Returns the time of the monotonic clock.
    pub fn now(&self) -> Instant {
        self.0.borrow().clock
    }

    /// Moves the clock, and applies the events that are due on the way.
    pub fn advance(&self, duration: Duration) {
        self.0.borrow_mut().advance(duration);
    }

    /// Suspends a reactor for this long, as a busy machine suspends a thread. Meanwhile it must not
    /// call [`wait`](crate::net::Net::wait), and the clock moves as if it slept. Afterwards it is
    /// awake. To suspend all reactors together use [`advance`](Self::advance).
    pub fn pause(&self, reactor: usize, duration: Duration) {
        self.0.borrow_mut().pause(reactor, duration);
    }

    /// Returns true if this reactor is suspended and must not run.
    pub fn is_paused(&self, reactor: usize) -> bool {
        self.0.borrow().is_paused(reactor)
    }

    /// Moves the clock to the next event, as a wait does when all other reactors sleep. A driver
    /// needs it when all its reactors are paused. Returns false, and does nothing, while a reactor
    /// is awake or the clock is held, and when there is no next event.
    pub fn go_on(&self) -> bool {
        self.0.borrow_mut().go_on()
    }

    /// Sets the wall clock.
    pub fn set_unix_time(&self, unix_time: Duration) {
        self.0.borrow_mut().set_unix_time(unix_time);
    }

    /// Holds or releases the clock. While it is held, only [`advance`](SimWorld::advance) moves it
    /// (and calls and pauses that take time), and a wait with nothing to report returns
    /// immediately. A released clock, the default, moves to the next event or timeout when all
    /// reactors wait.
    pub fn hold_clock(&self, held: bool) {
        self.0.borrow_mut().clock_held = held;
    }

    /// Leaves the bytes that are read and written out of the trace, because they are random.
    pub fn expect_random_bytes(&self) {
        self.0.borrow_mut().trace.has_random_bytes = true;
    }

    /// Replaces the faults from now on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.0.borrow_mut().faults = faults;
    }

    /// Replaces the limits from now on. Existing connections keep their buffer and window sizes.
    pub fn set_limits(&self, limits: SimLimits) {
        assert!(limits.send_buffer_bytes > 0, "with no send buffer nothing is ever written");
        assert!(limits.events_per_wait_max > 0, "with no events nothing is ever reported");
        self.0.borrow_mut().limits = limits;
    }

    /// Makes the next accept fail with `errno`. The connection stays in the queue.
    pub fn fail_next_accept(&self, errno: i32) {
        self.0.borrow_mut().next_accept_error = Some(errno);
    }

    /// Returns how many accepted streams the reactors have neither closed nor reset.
    pub fn open_streams(&self) -> usize {
        self.0.borrow().open_streams
    }

    /// Returns true if every reactor is paused or sleeps, that is, its last wait had nothing to
    /// report and a timeout above zero. With a held clock, a test runs turns until this is true:
    /// then no work is left.
    pub fn everyone_sleeps(&self) -> bool {
        !self.0.borrow().somebody_is_awake()
    }

    /// Returns true if this reactor sleeps or is paused: it need not run before the next event.
    pub fn sleeps(&self, reactor: usize) -> bool {
        !self.0.borrow().is_awake(reactor)
    }

    /// Returns true if a wake-up for this reactor is pending: its next wait will not sleep.
    pub fn is_woken(&self, reactor: usize) -> bool {
        self.0.borrow().reactors[reactor].waker.is_set()
    }

    /// Returns how often all reactors together have made this system call.
    pub fn calls(&self, call: SimCall) -> u64 {
        self.0.borrow().trace.count(call)
    }

    /// Returns the latest system calls, up to 200, for a failing test to print.
    pub fn latest_calls(&self) -> Vec<SimCallRecord> {
        self.0.borrow().trace.latest()
    }

    /// Returns a hash over all system calls: their times, results and the bytes they carried.
    pub fn trace_hash(&self) -> u64 {
        self.0.borrow().trace.hash()
    }
}

impl SimNet {
    /// Makes a world with one reactor, and returns both. [`SimWorld::reactor`] adds more.
    #[allow(clippy::new_ret_no_self, reason = "it makes the pair")]
    pub fn new(seed: u64, faults: SimFaults) -> (SimNet, SimWorld) {
        let world = SimWorld::new(seed, faults);
        (world.reactor(), world)
    }
}
