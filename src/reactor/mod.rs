//! One thread: the only place where sockets meet channels.
//!
//! | file | holds |
//! |---|---|
//! | here | the reactor and its turn |
//! | `handler`, `context` | what an application is to a reactor, and what its callbacks hold in their hands |
//! | `commons`, `requests`, `remote` | the hub and the ways to it: from callbacks, and from other threads |
//! | `connection`, `connections` | one connection, and the slab of them |
//! | `accept`, `pump`, `http`, `open`, `flush`, `closing` | a connection's life, in this order |
//! | `deadlines`, `drain` | what happens because time passes, and because the server ends |
//! | `limits`, `counters` | what is granted, and what has been done |

mod accept;
mod closing;
mod commons;
mod connection;
mod connections;
mod context;
mod counters;
mod deadlines;
mod drain;
mod flush;
mod handler;
mod http;
mod limits;
mod open;
mod pump;
mod remote;
mod requests;

pub use connection::Initiator;
pub use context::{Context, Status, Subscription, Ticket, Visitor};
pub use counters::{CLOSE_CODES, Counters, RejectReason, STATUSES, Source};
pub use handler::{Answer, Handler, Upgrade};
pub use limits::ReactorLimits;
pub use remote::{PublishError, Remote};
pub use requests::NotPublished;

use std::collections::VecDeque;
use std::hash::RandomState;
use std::io;
use std::time::Duration;

use crate::hub::{Hub, HubLimits};
use crate::instant::Instant;
use crate::net::{Net, Readiness, Token};
use crate::transport::BufferPool;

use accept::Admission;
use commons::Commons;
use connection::Connection;
use connections::{Connections, listener_number, listener_token};
use context::Outgoing;
use deadlines::DeadlineSweep;
use drain::Drain;
use limits::{HELD_MEMORY_SHARE, MAIL_PER_TURN_MAX, READINESS_MAX, RECEIVE_BYTES, WAIT_MAX};
use remote::{Door, Ending};

/// A reactor: its sockets, its hub and its application. All of it is driven by [`turn`](Self::turn).
pub struct Reactor<N: Net, H: Handler> {
    net: N,
    handler: H,
    limits: ReactorLimits,
    connections: Connections<Connection<N::Stream, H::Session>>,
    commons: Commons,
    listeners: Vec<Listener<N::Listener>>,
    admission: Admission,
    door: Door,
    remote: Remote<N::Waker>,
    /// What `wait` has brought in this turn.
    readiness: Vec<Readiness>,
    /// Stopped at a budget, to go on in the next turn: readiness will not be told again.
    unfinished: VecDeque<Token>,
    /// Stopped until the way to the channels' homes has room.
    waiting_for_room: Vec<Token>,
    /// There may be more mail than was taken.
    mail_left: bool,
    /// Every connection is read into this, one after the other.
    receive: Box<[u8]>,
    outgoing: Outgoing,
    /// The rest of a frame that a leaving subscription was in the middle of.
    rest: Vec<u8>,
    pool: BufferPool,
    /// Connections in `Phase::Closing` whose peers do not take their Close.
    patient: usize,
    deadline_sweep: DeadlineSweep,
    drain: Option<Drain>,
    /// A small generator of our own for the spread of pings; seeded from the world.
    jitter: u64,
}

/// A listening socket and what has been told of it.
struct Listener<L> {
    /// The operator's: health and metrics are asked for here.
    is_admin: bool,
    /// `None` once it has been closed by a drain.
    socket: Option<L>,
    /// Readiness was told and the queue is not empty yet, as far as is known.
    ready: bool,
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// A reactor that serves `listeners` by `handler`; who comes by one of `admin_listeners` is
    /// [told apart](Visitor::is_admin).
    ///
    /// # Errors
    ///
    /// When a listener cannot be registered.
    pub fn new(
        mut net: N,
        listeners: Vec<N::Listener>,
        admin_listeners: Vec<N::Listener>,
        handler: H,
        limits: ReactorLimits,
        mut hub_limits: HubLimits,
    ) -> io::Result<Reactor<N, H>> {
        let has_admin_listener = !admin_listeners.is_empty();
        let admin_listeners = admin_listeners.into_iter().map(|socket| (socket, true));
        let all = listeners.into_iter().map(|socket| (socket, false)).chain(admin_listeners);
        let mut listeners: Vec<_> =
            all.map(|(socket, is_admin)| Listener { is_admin, socket: Some(socket), ready: false }).collect();
        for (number, listener) in listeners.iter_mut().enumerate() {
            if let Some(socket) = &mut listener.socket {
                net.listen(socket, listener_token(number))?;
            }
        }
        let mut seeds = [[0; 8]; 2];
        seeds.iter_mut().for_each(|seed| net.fill_random(seed));
        let [epoch_seed, jitter] = seeds.map(u64::from_ne_bytes);
        // What connections hold has its own part of the memory: peers that leave their messages unfinished cannot
        // take the room of the channels' logs.
        let held_bytes_max = hub_limits.memory_bytes / HELD_MEMORY_SHARE;
        hub_limits.memory_bytes -= held_bytes_max;
        let now = net.now();
        let message_bytes_max = limits.decoder.message_bytes_max;
        let commons = Commons {
            hub: Hub::new(hub_limits, RandomState::new(), epoch_seed),
            requests: requests::Requests::new(message_bytes_max),
            outcomes: VecDeque::new(),
            tickets: 0,
            counters: Counters::default(),
            now,
            unix_time: net.unix_time(),
            connections: 0,
            has_admin_listener,
            draining: false,
        };
        let (door, remote) = remote::door(net.waker(), message_bytes_max);
        Ok(Reactor {
            admission: Admission::new(&limits, now),
            handler,
            limits,
            connections: Connections::new(),
            commons,
            listeners,
            door,
            remote,
            readiness: Vec::with_capacity(READINESS_MAX),
            unfinished: VecDeque::new(),
            waiting_for_room: Vec::new(),
            mail_left: false,
            receive: vec![0; RECEIVE_BYTES].into(),
            outgoing: Outgoing::default(),
            rest: Vec::new(),
            pool: BufferPool::new(held_bytes_max),
            patient: 0,
            deadline_sweep: DeadlineSweep::new(now),
            drain: None,
            jitter: jitter | 1,
            net,
        })
    }

    /// A handle for other threads.
    pub fn remote(&self) -> Remote<N::Waker> {
        self.remote.clone()
    }

    /// How the reactor is doing.
    pub fn status(&self) -> Status<'_> {
        Status::of(&self.commons)
    }

    /// Serves until a drain has been completed, or until stopped.
    ///
    /// # Errors
    ///
    /// When the wait itself fails: nothing can be done then.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// One turn; false when it was the last.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn turn(&mut self) -> io::Result<bool> {
        let timeout = self.wait_timeout();
        self.net.wait(&mut self.readiness, Some(timeout))?;
        self.commons.now = self.net.now();
        self.commons.unix_time = self.net.unix_time();
        self.commons.counters.turns += 1;

        self.take_mail();
        // After the door has been opened: who asks for the end later than this look wakes the reactor again.
        if self.drain.is_none() && self.door.ending() == Ending::Drain {
            self.begin_drain();
        }
        self.take_readiness();
        self.go_on_with_unfinished();
        self.accept_connections();
        self.check_deadlines();
        self.sweep();
        self.retry_requests();

        match self.door.ending() {
            Ending::Not => Ok(true),
            Ending::Drain => Ok(!self.advance_drain()),
            Ending::Stop => {
                self.cut_everybody();
                Ok(false)
            }
        }
    }

    /// Zero while anything is left to do, else until the next deadline can be due.
    fn wait_timeout(&mut self) -> Duration {
        let mail = self.mail_left && self.commons.requests.has_room();
        let requests = !self.commons.requests.is_empty();
        let due = self.commons.hub.has_due() || self.deadline_sweep.is_behind;
        if !self.unfinished.is_empty() || due || self.can_accept_now() || mail || requests {
            return Duration::ZERO;
        }
        let now = self.commons.now;
        let until = |moment: Instant| moment.saturating_since(now);
        let accept = self.accept_again_at().map_or(WAIT_MAX, until);
        let drain = self.drain.as_ref().map_or(WAIT_MAX, |_| drain::STEP);
        WAIT_MAX.min(accept).min(drain)
    }

    fn take_readiness(&mut self) {
        for place in 0..self.readiness.len() {
            let Readiness { token, readable, writable, hung_up } = self.readiness[place];
            if let Some(number) = listener_number(token) {
                self.listeners[number].ready = true;
                continue;
            }
            let Some(connection) = self.connections.get_mut(token) else { continue };
            // An error may be all there is to read.
            connection.readable |= readable || hung_up;
            connection.hung_up |= hung_up;
            if writable && connection.blocked {
                self.on_writable(token);
                self.settle();
            }
            if readable || hung_up {
                self.pump(token);
            }
        }
    }

    fn go_on_with_unfinished(&mut self) {
        for _ in 0..self.unfinished.len() {
            let Some(token) = self.unfinished.pop_front() else { break };
            if let Some(connection) = self.connections.get_mut(token) {
                connection.unfinished = false;
                self.pump(token);
            }
        }
    }

    /// Puts a connection on the list of the next turn.
    fn go_on_next_turn(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.unfinished
        {
            connection.unfinished = true;
            self.unfinished.push_back(token);
        }
    }

    /// Puts a connection on the list of those that go on when the way to the channels' homes has room.
    fn go_on_with_room(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.unfinished
        {
            connection.unfinished = true;
            self.waiting_for_room.push(token);
        }
    }

    fn take_mail(&mut self) {
        self.door.open();
        for _ in 0..MAIL_PER_TURN_MAX {
            self.mail_left = true;
            if !self.commons.requests.has_room() {
                return;
            }
            let Some(mail) = self.door.take() else {
                self.mail_left = false;
                return;
            };
            mail.deliver(&mut self.commons);
            self.settle();
        }
    }

    /// Tries the publishes that wait for their home, and lets go on whom they kept waiting.
    fn retry_requests(&mut self) {
        if !self.commons.requests.is_empty() {
            self.commons.retry_requests();
            self.settle();
        }
        if self.commons.requests.has_room() {
            self.unfinished.extend(self.waiting_for_room.drain(..));
        }
    }
}

#[cfg(test)]
mod tests;
