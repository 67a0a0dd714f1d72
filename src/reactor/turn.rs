//! A reactor and its event loop. One pass through the loop is a turn.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::Hub;
use crate::instant::Instant;
use crate::net::{Net, Readiness};
use crate::transport::{BufferPool, TlsSettings};

use super::accept::{ListenerKind, Listeners};
use super::api::{Ending, FromThreads, Handle, Handler};
use super::budget;
use super::connection::{Connections, Outgoing, listener_number};
use super::core::Core;
use super::deadlines::DeadlineChecks;
use super::deferral::ReadyHandshakes;
use super::deferred::DeferredHandshakes;
use super::drain::{self, Drain};
use super::group::Status;
use super::inflation::Inflation;
use super::limits::{
    LOOP_WORK_MAX, PUBLISHES_PER_TURN_MAX, READINESS_MAX, RECEIVE_BYTES, WAIT_MAX,
};
use super::mail::{Exchange, HomeAnswer, MailTurn, Notifier, Outcome, RequestRoom};
use super::panics::guarded;
use super::peers::Peers;
use super::review::ReviewWalk;
use super::setup::Setup;
use super::surveyor::{AfterStep, Surveyor};
use super::timer_wheel::TimerWheel;
use super::turn_state::TurnState;

/// A reactor: its sockets, its hub and its application. [`turn`](Self::turn) drives all of it.
pub struct Reactor<N: Net, H: Handler> {
    pub(super) peers: Peers<N, H>,
    pub(super) listeners: Listeners<N::Listener>,
    pub(super) mail: MailTurn,
    commands: FromThreads,
    /// Whether a drain or a stop has been requested, as of this turn.
    ending: Ending,
    handle: Handle<N::Waker>,
    /// The notifiers of all reactors, by reactor number.
    notifiers: Vec<Notifier<N::Waker>>,
    /// The readiness events that the last wait has returned.
    readiness: Vec<Readiness>,
    /// The index in `readiness` of the first event that was not taken yet.
    next_readiness: usize,
    pub(super) deadlines: DeadlineChecks,
    pub(super) review: ReviewWalk,
    pub(super) deferred: DeferredHandshakes,
    pub(super) surveyor: Surveyor,
    pub(super) drain: Option<Drain>,
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// Creates a reactor that serves `listeners` with `handler`. What is accepted on a listener
    /// with [`TlsSettings`] is encrypted.
    ///
    /// # Errors
    ///
    /// When a listener cannot be registered.
    pub fn new(
        mut net: N,
        listeners: Vec<(N::Listener, ListenerKind, Option<TlsSettings>)>,
        handler: H,
        setup: Setup<N::Waker>,
    ) -> io::Result<Reactor<N, H>> {
        let has_admin_listener = listeners.iter().any(|(_, kind, _)| *kind == ListenerKind::Admin);
        let listeners = Listeners::new(&mut net, listeners)?;
        let mut seeds = [[0; 8]; 2];
        seeds.iter_mut().for_each(|seed| net.fill_random(seed));
        let [epoch_seed, jitter] = seeds.map(u64::from_ne_bytes);
        let counters = setup.shared.counters_of(setup.own);
        let notifier = setup.notifiers[setup.own.index()].clone();
        let ready = ReadyHandshakes::new(move || notifier.notify());
        let deferred = DeferredHandshakes::new(Arc::clone(&ready));
        let (now, unix_time) = (net.now(), net.unix_time());
        let mut turn = TurnState::new(now, unix_time, counters, has_admin_listener, ready);
        turn.traffic.count(handler.wants_served());
        let homes = Arc::clone(&setup.shared.homes);
        let mut hub = Hub::new(setup.hub_limits, homes, setup.own, epoch_seed);
        hub.set_slow_policies(handler.slow_policies());
        let deadlines = DeadlineChecks::new(turn.now);
        let timers = TimerWheel::new(turn.now);
        let core = Core {
            net,
            handler,
            limits: setup.limits,
            exchange: Exchange::new(setup.own, setup.shared, hub, setup.inbox, setup.outbox),
            turn,
            timers,
            receive: vec![0; RECEIVE_BYTES].into(),
            pool: BufferPool::new(setup.held_bytes_max),
            outgoing: Outgoing::new(RECEIVE_BYTES),
            inflation: Inflation::default(),
            rest: Vec::new(),
            unfinished: VecDeque::new(),
            waiting_for_room: VecDeque::new(),
            handshaking: VecDeque::new(),
            patient: 0,
            jitter: jitter | 1,
        };
        Ok(Reactor {
            peers: Peers { connections: Connections::new(), core },
            listeners,
            mail: MailTurn::default(),
            commands: setup.commands,
            ending: Ending::Not,
            handle: setup.handle,
            notifiers: setup.notifiers,
            readiness: Vec::with_capacity(READINESS_MAX),
            next_readiness: 0,
            deadlines,
            review: ReviewWalk::default(),
            deferred,
            surveyor: Surveyor::default(),
            drain: None,
        })
    }

    /// Returns a handle by which other threads publish, drain the server or stop it.
    pub fn handle(&self) -> Handle<N::Waker> {
        self.handle.clone()
    }

    /// Returns the status of the whole server.
    pub fn status(&self) -> Status {
        self.peers.core.exchange.status(&self.peers.core.turn)
    }

    /// Serves until a drain is complete, or until stopped.
    ///
    /// # Errors
    ///
    /// When the wait itself fails. The reactor cannot go on then.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Runs one turn. Returns false if it was the last.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn turn(&mut self) -> io::Result<bool> {
        self.wait()?;
        self.hear_commands();
        self.begin_mail();
        while self.take_record() {}
        self.end_mail();
        // Connections that have waited come before those that have just become ready, so that a few
        // busy connections cannot take all the room in the rings.
        self.peers.go_on_with_waiting();
        self.begin_reading();
        while self.take_readiness() {}
        self.begin_reading();
        self.peers.go_on_with_unfinished();
        self.peers.go_on_with_handshakes();
        self.peers.decide_on_deferred(&mut self.deferred);
        self.listeners.accept(&mut self.peers);
        self.peers.check_deadlines(&mut self.deadlines);
        self.peers.review(&mut self.review);
        self.notify_reactors();
        self.peers.sweep();
        Ok(self.end_turn())
    }

    /// Waits for readiness events. If the last turn has not taken all of them, there is no wait:
    /// the rest is taken first, so that they are taken in the order in which the sockets became
    /// ready, and there are never more than one wait returns.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let timeout = self.wait_timeout();
        let core = &mut self.peers.core;
        if self.next_readiness == self.readiness.len() {
            core.net.wait(&mut self.readiness, Some(timeout))?;
            self.next_readiness = 0;
        }
        let now = core.net.now();
        core.turn.begin(now, || core.net.unix_time());
        core.exchange.hub.begin_turn(now);
        core.turn.counters.turns.add(1);
        core.turn.crowds_told = 0;
        Ok(())
    }

    /// Returns how long this turn waits for events: zero while any work is left, else until
    /// something may be due, but at most `WAIT_MAX`.
    pub(super) fn wait_timeout(&self) -> Duration {
        let core = &self.peers.core;
        if self.next_readiness < self.readiness.len()
            || core.exchange.has_work_left()
            || self.deadlines.is_behind
            || self.mail.goes_on
            || self.drain.as_ref().is_some_and(|drain| drain.is_calling)
            || !core.unfinished.is_empty()
            || !core.handshaking.is_empty()
            || !core.waiting_for_room.is_empty() && core.exchange.has_room()
            || self.review.is_under_way()
            || self.deferred.are_left()
        {
            return Duration::ZERO;
        }
        let until = |moment: Instant| moment.saturating_since(core.turn.now);
        let accept = self.listeners.next_at(&self.peers).map_or(WAIT_MAX, until);
        let drain = self.drain.as_ref().map_or(WAIT_MAX, |_| drain::STEP);
        let survey = self.surveyor.may_wait(core.turn.now).unwrap_or(WAIT_MAX);
        WAIT_MAX.min(accept).min(drain).min(survey)
    }

    pub(super) fn hear_commands(&mut self) {
        let own = self.peers.core.exchange.own;
        self.notifiers[own.index()].clear();
        // The request to end is read before the mail, so that the mail includes everything that was
        // accepted before that request.
        self.ending = self.commands.ending();
        if self.commands.is_to_reload() {
            self.reload();
        }
    }

    /// Takes new limits, and has the handler reload what it goes by.
    fn reload(&mut self) {
        let Core { handler, limits, exchange, turn, .. } = &mut self.peers.core;
        if let Some(new) = self.commands.take_limits() {
            limits.change_to(&new);
            exchange.shared.connection_limits.change(limits, turn.now);
        }
        let reload = || (handler.on_reload(), handler.slow_policies(), handler.wants_served());
        match guarded(reload) {
            Ok((has_review, slow_policies, wants_served)) => {
                exchange.hub.set_slow_policies(slow_policies);
                turn.traffic.count(wants_served);
                if has_review {
                    self.review.begin(self.peers.connections.places());
                }
            }
            Err(panicked) => panicked.contain(turn),
        }
    }

    /// Begins taking this turn's mail: the records from other reactors, and this reactor's own
    /// requests that have had to wait in its ring.
    pub(super) fn begin_mail(&mut self) {
        self.peers.core.turn.allow(LOOP_WORK_MAX / 2);
        let exchange = &mut self.peers.core.exchange;
        if self.ending != Ending::Not {
            exchange.inbox.note_all_senders();
        }
        self.mail.begin(exchange);
        self.peers.dispatch_events();
    }

    /// Processes one record (a message between reactors). Returns false if this turn's share of the
    /// mail is done.
    pub(super) fn take_record(&mut self) -> bool {
        let Core { exchange, turn, .. } = &mut self.peers.core;
        loop {
            if !turn.has_budget() {
                self.mail.leave_for_next_turn();
            } else if self.mail.take_next(exchange, &turn.counters) {
                turn.did(budget::RECORD);
                self.peers.dispatch_events();
                return true;
            }
            if !self.mail.next_kind() {
                return false;
            }
            turn.allow(LOOP_WORK_MAX / 2);
        }
    }

    pub(super) fn end_mail(&mut self) {
        // Taking the mail may have made room in the ring to this reactor itself; this notes it.
        self.peers.core.exchange.send_updates();
        self.take_remote_publishes();
        if self.ending == Ending::Drain && self.drain.is_none() {
            self.drain = Some(Drain::begin(&mut self.peers, &mut self.listeners));
        }
    }

    /// Publishes the messages of other threads, while half of the ring to this reactor is free:
    /// first those that were put aside and may be published now, then those in the queue. Messages
    /// to full channels are put aside; when enough are, the others stay in the queue.
    fn take_remote_publishes(&mut self) {
        let mut budget = PUBLISHES_PER_TURN_MAX;
        self.peers.core.turn.allow(LOOP_WORK_MAX / 2);
        while budget > PUBLISHES_PER_TURN_MAX / 2
            && self.peers.core.turn.has_budget()
            && self.has_room_for_own()
        {
            let Core { exchange, turn, .. } = &mut self.peers.core;
            if !exchange.go_on_with_released(&turn.counters) {
                break;
            }
            budget -= 1;
            self.after_remote_publish();
        }
        while budget > 0
            && self.peers.core.turn.has_budget()
            && self.has_room_for_own()
            && self.peers.core.exchange.held.has_room()
            && let Some(publish) = self.commands.take()
        {
            budget -= 1;
            let Core { exchange, turn, .. } = &mut self.peers.core;
            exchange.publish_from_thread(publish, &turn.counters);
            self.after_remote_publish();
        }
        let is_spent = budget == 0 || !self.peers.core.turn.has_budget();
        let held = &self.peers.core.exchange.held;
        if !self.has_room_for_own() {
            // Publishes stay queued until this reactor has emptied half of that ring; the drain
            // waits for them.
            self.mail.is_left = true;
        } else if is_spent || held.has_released() {
            self.mail.leave_for_next_turn();
        } else if held.has_messages() {
            // The messages put aside wait until their channels have room; the drain waits for them
            // too.
            self.mail.is_left = true;
        }
    }

    fn has_room_for_own(&self) -> bool {
        let exchange = &self.peers.core.exchange;
        let (outbox, own) = (&exchange.outbox, exchange.own);
        outbox.has_room_to(own) && !outbox.is_half_full(RequestRoom::Ring(own))
    }

    fn after_remote_publish(&mut self) {
        self.settle_remote_publishes();
        self.peers.dispatch_events();
    }

    /// Tells publishers on other threads the outcomes that are known by now.
    fn settle_remote_publishes(&mut self) {
        while let Some(publish) = self.peers.core.exchange.from_threads.settle_next() {
            self.commands.give_back(publish);
        }
    }

    /// Begins one of the two loops that read connections.
    pub(super) fn begin_reading(&mut self) {
        self.peers.core.turn.allow(LOOP_WORK_MAX / 2);
    }

    /// Handles one readiness event: marks a listener ready, or serves a connection. Returns false
    /// if there is none, or if the budget is spent.
    pub(super) fn take_readiness(&mut self) -> bool {
        let Some(readiness) = self.readiness.get(self.next_readiness) else { return false };
        if !self.peers.core.turn.has_budget() {
            return false;
        }
        self.next_readiness += 1;
        let Readiness { token, readable, writable, hung_up } = *readiness;
        match listener_number(token) {
            Some(number) => self.listeners.note_ready(number),
            None => self.peers.on_ready(token, readable, writable, hung_up),
        }
        true
    }

    /// Sends pending membership updates and wakes every reactor that has new records or regained
    /// ring space.
    pub(super) fn notify_reactors(&mut self) {
        if self.notifiers.len() == 1 {
            return;
        }
        let exchange = &mut self.peers.core.exchange;
        exchange.send_updates();
        while let Some(reactor) =
            exchange.outbox.take_news().or_else(|| exchange.inbox.take_relieved())
        {
            if reactor != exchange.own {
                self.notifiers[reactor.index()].notify();
            }
        }
    }

    /// Advances a drain if one has begun, and stores this reactor's figures for the other reactors.
    /// Returns false if this was the last turn.
    pub(super) fn end_turn(&mut self) -> bool {
        let goes_on = match self.ending {
            Ending::Not => true,
            Ending::Drain => !self.advance_drain(),
            Ending::Stop => false,
        };
        if !goes_on {
            // This was the last turn. After a drain at most connections to admin listeners are left
            // to be cut, after a stop everybody.
            drain::cut_everybody(&mut self.peers, &mut self.listeners);
        }
        self.settle_remote_publishes();
        self.peers.core.exchange.look_at_full_channels();
        self.survey_channels();
        self.peers.dispatch_events();
        // The turn has notified before; notify a second time, because the sweep may have caused
        // more updates and records.
        self.notify_reactors();
        if self.notifiers.len() > 1 {
            self.peers.core.exchange.relieve_memory();
            self.peers.dispatch_events();
            let Core { exchange, turn, .. } = &self.peers.core;
            exchange.shared.store_gauges(exchange.own, &exchange.gauges(turn));
        }
        self.peers.core.note_times();
        goes_on
    }

    /// Does this reactor's part in lists of channels.
    fn survey_channels(&mut self) {
        let Core { exchange, turn, .. } = &mut self.peers.core;
        let Exchange { hub, shared, own, .. } = &*exchange;
        if !self.surveyor.has_work(shared) {
            return;
        }
        let AfterStep { wakes_others, answers } = self.surveyor.step(hub, shared, *own, turn.now);
        for (ticket, listing) in answers {
            exchange.outcomes.push_back(Outcome::Answer(ticket, HomeAnswer::Listed(listing)));
        }
        if wakes_others {
            self.notifiers.iter().for_each(Notifier::notify);
        }
    }

    /// Advances a drain. Returns true when it is complete. A reactor without connections still
    /// serves as the home of its channels until no reactor has connections. The reactor that is
    /// last to lose its connections wakes all others.
    fn advance_drain(&mut self) -> bool {
        let Some(drain) = &mut self.drain else { return false };
        if drain.has_nobody {
            return self.peers.core.exchange.shared.all_are_drained();
        }
        drain.has_nobody = drain.advance(&mut self.peers, &mut self.listeners, self.mail.is_left);
        let is_last = drain.has_nobody && self.peers.core.exchange.shared.note_drained();
        if is_last {
            self.notifiers.iter().for_each(Notifier::notify);
        }
        is_last
    }
}
