//! One thread: the only place where sockets meet channels.
//!
//! | file | holds |
//! |---|---|
//! | here | the reactor and its turn |
//! | `handler`, `context` | what an application is to a reactor, and what its callbacks hold in their hands |
//! | `commons`, `refused` | the hub and the ways to it, from callbacks and from other reactors |
//! | `seat`, `shared`, `mail` | several reactors: what they share, and what they send each other |
//! | `remote` | a reactor's door for other threads |
//! | `connection`, `connections` | one connection, and the slab of them |
//! | `gate`, `accept`, `pump`, `http`, `open`, `flush`, `closing` | a connection's life, in this order |
//! | `deadlines`, `drain` | what happens because time passes, and because the server ends |
//! | `limits`, `counters`, `figures` | what is granted, and what has been done |

mod accept;
mod closing;
mod commons;
mod connection;
mod connections;
mod context;
mod counters;
mod deadlines;
mod drain;
mod figures;
mod flush;
mod gate;
mod handler;
mod http;
mod limits;
mod mail;
mod open;
mod pump;
mod refused;
mod remote;
mod seat;
mod shared;

pub use connection::Initiator;
pub use context::{Context, NotPublished, Subscription, Ticket, Visitor};
pub use counters::{CLOSE_CODES, Counters, RejectReason, STATUSES, Source};
pub use figures::Status;
pub use handler::{Answer, Handler, Upgrade};
pub use limits::ReactorLimits;
pub use mail::RingSizes;
#[doc(hidden)]
pub use mail::exposed;
pub use remote::{PublishError, Remote};
pub use seat::{Seat, reactor_memory_min, seats};

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{Hub, ReactorNumber};
use crate::instant::Instant;
use crate::net::{Net, Readiness, Token};
use crate::transport::BufferPool;

use accept::Admission;
use commons::{Commons, Taken};
use connection::Connection;
use connections::{Connections, listener_number, listener_token};
use context::Outgoing;
use deadlines::DeadlineSweep;
use drain::Drain;
use figures::Figures;
use limits::{
    MAIL_PER_TURN_MAX, READINESS_MAX, RECEIVE_BYTES, RECORDS_OF_ONE_MIN, RECORDS_PER_TURN_MAX,
    WAIT_MAX,
};
use mail::Bell;
use refused::RefusedPeers;
use remote::{Door, Ending};

/// A reactor: its sockets, its hub and its application. All of it is driven by
/// [`turn`](Self::turn).
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
    /// Of all reactors, by their numbers.
    bells: Vec<Bell<N::Waker>>,
    /// What `wait` has brought in this turn.
    readiness: Vec<Readiness>,
    /// Stopped at a budget, to go on in the next turn: readiness will not be told again.
    unfinished: VecDeque<Token>,
    /// Stopped until the way to the channels' homes has room.
    waiting_for_room: VecDeque<Token>,
    /// There may be more mail than was taken.
    mail_left: bool,
    /// Some of that can be taken in the next turn: there was no time, or it has to wait for the
    /// sweep.
    mail_goes_on: bool,
    /// Whose mail is looked at first: another one's in each turn.
    first_sender: usize,
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
    /// A reactor on its seat, which serves `listeners` by `handler`; who comes by one of
    /// `admin_listeners` is [told apart](Visitor::is_admin).
    ///
    /// # Errors
    ///
    /// When a listener cannot be registered.
    pub fn new(
        mut net: N,
        listeners: Vec<N::Listener>,
        admin_listeners: Vec<N::Listener>,
        handler: H,
        seat: Seat<N::Waker>,
    ) -> io::Result<Reactor<N, H>> {
        let has_admin_listener = !admin_listeners.is_empty();
        let admin_listeners = admin_listeners.into_iter().map(|socket| (socket, true));
        let all = listeners.into_iter().map(|socket| (socket, false)).chain(admin_listeners);
        let mut listeners: Vec<_> = all
            .map(|(socket, is_admin)| Listener { is_admin, socket: Some(socket), ready: false })
            .collect();
        for (number, listener) in listeners.iter_mut().enumerate() {
            if let Some(socket) = &mut listener.socket {
                net.listen(socket, listener_token(number))?;
            }
        }
        let mut seeds = [[0; 8]; 2];
        seeds.iter_mut().for_each(|seed| net.fill_random(seed));
        let [epoch_seed, jitter] = seeds.map(u64::from_ne_bytes);
        let now = net.now();
        let Seat {
            own,
            shared,
            inbox,
            outbox,
            door,
            remote,
            bells,
            limits,
            hub_limits,
            held_bytes_max,
        } = seat;
        let commons = Commons {
            own,
            hub: Hub::new(hub_limits, Arc::clone(&shared.homes), own, epoch_seed),
            shared,
            inbox,
            outbox,
            waits_for_sweep: false,
            outcomes: VecDeque::new(),
            refused: RefusedPeers::default(),
            tickets: 0,
            counters: Counters::default(),
            now,
            unix_time: net.unix_time(),
            connections: 0,
            has_admin_listener,
            draining: false,
        };
        Ok(Reactor {
            admission: Admission::default(),
            handler,
            limits,
            connections: Connections::new(),
            commons,
            listeners,
            door,
            remote,
            bells,
            readiness: Vec::with_capacity(READINESS_MAX),
            unfinished: VecDeque::new(),
            waiting_for_room: VecDeque::new(),
            mail_left: false,
            mail_goes_on: false,
            first_sender: 0,
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

    /// How the server is doing.
    pub fn status(&self) -> Status {
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

        // Before the mail: what was accepted before the server was told to end is in there.
        self.bells[self.commons.own.index()].hear();
        let ending = self.door.ending();
        self.take_mail();
        if self.drain.is_none() && ending == Ending::Drain {
            self.begin_drain();
        }
        // Who has waited comes before who has just become ready, or a few could take all the room
        // there is.
        self.go_on_with_waiting();
        self.go_on_with_unfinished();
        self.take_readiness();
        self.accept_connections();
        self.check_deadlines();
        self.send_word();
        self.sweep();

        let goes_on = match ending {
            Ending::Not => true,
            Ending::Drain => !self.advance_drain(),
            Ending::Stop => {
                self.cut_everybody();
                false
            }
        };
        // Once more, for what the sweep has caused.
        self.send_word();
        self.publish_figures();
        Ok(goes_on)
    }

    /// Zero while anything is left to do, else until the next deadline can be due.
    fn wait_timeout(&mut self) -> Duration {
        let due = self.commons.hub.has_due() || self.deadline_sweep.is_behind;
        if !self.unfinished.is_empty()
            || due
            || self.can_accept_now()
            || self.mail_goes_on
            || self.commons.waits_for_sweep
        {
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
            // It has its turn already, perhaps behind others that wait for room as well.
            let is_waiting = connection.unfinished;
            if writable && connection.blocked {
                self.on_writable(token);
                self.settle();
            }
            if (readable || hung_up) && !is_waiting {
                self.pump(token);
            }
        }
    }

    /// Lets go on who waits for room, each in its turn, as long as there is some.
    fn go_on_with_waiting(&mut self) {
        for _ in 0..self.waiting_for_room.len() {
            if !self.commons.has_room() {
                return;
            }
            let Some(token) = self.waiting_for_room.pop_front() else { return };
            self.go_on_with(token);
        }
    }

    fn go_on_with_unfinished(&mut self) {
        for _ in 0..self.unfinished.len() {
            let Some(token) = self.unfinished.pop_front() else { return };
            self.go_on_with(token);
        }
    }

    fn go_on_with(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.unfinished = false;
            self.pump(token);
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

    /// Puts a connection on the list of those that go on when the way to the channels' homes has
    /// room.
    fn go_on_with_room(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.unfinished
        {
            connection.unfinished = true;
            self.waiting_for_room.push_back(token);
        }
    }

    /// Takes what other reactors and other threads have sent, and what waits here for its channel's
    /// log.
    fn take_mail(&mut self) {
        (self.mail_left, self.mail_goes_on) = (false, false);
        self.commons.waits_for_sweep = false;
        self.commons.take_note_of_requests();
        self.commons.forget_refused();
        let reactors = self.commons.shared.reactors();
        self.first_sender = (self.first_sender + 1) % reactors;
        for offset in 0..reactors {
            let from = ReactorNumber(((self.first_sender + offset) % reactors) as u16);
            self.take_records(from, Commons::take_delivery);
            self.take_records(from, Commons::serve_request);
        }
        // The way to this reactor itself may have room again.
        self.commons.tell_all_interest();
        self.take_remote_mail();
    }

    /// Takes records of one reactor and one kind, within a budget.
    fn take_records(
        &mut self,
        from: ReactorNumber,
        take: fn(&mut Commons, ReactorNumber) -> Taken,
    ) {
        let budget = (RECORDS_PER_TURN_MAX / self.bells.len()).max(RECORDS_OF_ONE_MIN);
        for _ in 0..budget {
            match take(&mut self.commons, from) {
                Taken::One => self.settle(),
                Taken::None => return,
                stopped @ (Taken::AfterSweep | Taken::AfterRoom) => {
                    self.mail_left = true;
                    self.mail_goes_on |= stopped == Taken::AfterSweep;
                    return;
                }
            }
        }
        (self.mail_left, self.mail_goes_on) = (true, true);
    }

    /// Takes what other threads have sent, as long as there is a place for it.
    fn take_remote_mail(&mut self) {
        for _ in 0..MAIL_PER_TURN_MAX {
            if !self.commons.outbox.has_room_to(self.commons.own) {
                // Whatever makes room there makes this reactor take its mail again.
                self.mail_left = true;
                return;
            }
            let Some(mail) = self.door.take() else { return };
            mail.deliver(&mut self.commons);
            self.settle();
        }
        (self.mail_left, self.mail_goes_on) = (true, true);
    }

    /// Tells the other reactors what they have to know, and wakes those for whom there is
    /// something.
    fn send_word(&mut self) {
        if self.bells.len() == 1 {
            return;
        }
        self.commons.tell_all_interest();
        let Commons { own, inbox, outbox, .. } = &mut self.commons;
        for (number, bell) in self.bells.iter().enumerate() {
            let number = ReactorNumber(number as u16);
            let has_room_again = inbox.relieve(number);
            if number != *own && (outbox.take_news(number) || has_room_again) {
                bell.ring();
            }
        }
    }

    /// Leaves what the others have to know of this reactor where they find it.
    fn publish_figures(&mut self) {
        if self.bells.len() > 1 {
            self.commons.relieve_memory();
            self.settle();
            let commons = &self.commons;
            commons.shared.store_figures(commons.own, Figures::of(commons));
        }
    }
}

#[cfg(test)]
mod tests;
