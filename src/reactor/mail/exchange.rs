//! The hub between its inbox and its outbox. Everything that callbacks, other reactors and other
//! threads ask of this reactor's channels passes through here. This file has no access to sockets
//! or connections, so a callback never runs inside another. What a connection must be notified of
//! becomes an [`Outcome`].

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::{
    Accepted, Appended, ChannelInfo, ChannelName, FormKind, Hub, MembershipUpdate, Owner,
    ReactorNumber, Refused, SubscriptionId,
};
use crate::net::Token;
use crate::protocol::Message;
use crate::reactor::counters::{LiveCounters, Source};
use crate::reactor::group::{ChannelListing, Gauges, ReactorStatus, Shared, Status};
use crate::reactor::held_publishers::HeldPublishers;
use crate::reactor::limits::FULL_CHANNELS_PER_TURN_MAX;
use crate::reactor::remote_publish::{RefusalReason, UnderWay};
use crate::reactor::ticket::{NotPublished, Ticket};
use crate::reactor::turn_state::TurnState;

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::record::{AnswerRecord, HomeRequest, PublishOrigin};
use super::refused::RefusedPeers;
use super::waiting::WaitingPublishers;
use super::waiting_for_ring::RingWaiters;

pub(crate) struct Exchange {
    pub(crate) own: ReactorNumber,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hub: Hub,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// A publish waits in its ring until the sweep has freed memory, so the next turn must follow
    /// without waiting for events.
    pub(crate) waits_for_sweep: bool,
    /// Publishers that wait because their channel is full.
    pub(crate) waiting: WaitingPublishers,
    /// Peers that wait because the ring to the home of their channel is half full.
    ring_waiters: RingWaiters,
    /// Publishers that have waited for a full channel, or a ring, can go on in the next turn.
    pub(super) can_let_go_on: bool,
    /// What connections must still be notified of. Handled after the present callback or record,
    /// because no callback runs inside another.
    pub(crate) outcomes: VecDeque<Outcome>,
    /// Messages of other threads of the program whose outcome is not settled.
    pub(crate) from_threads: UnderWay,
    /// Messages of other threads that are put aside because their channel is full.
    pub(crate) held: HeldPublishers,
    /// Peers whose publishes this home refuses, because it has refused an earlier one.
    pub(crate) refused: RefusedPeers,
    /// The number of tickets issued so far.
    pub(crate) tickets: u64,
}

/// What a connection of this reactor must be notified of after a channel's home has answered.
pub(crate) enum Outcome {
    /// The answer to the request for which this ticket was issued.
    Answer(Ticket, HomeAnswer),
    /// A message of this connection was refused, and later ones will be: it must be closed.
    Overloaded(Token, Refused),
    /// The channel to which this connection has published is full, or the ring to the channel's
    /// home half full, so the connection must not be read.
    Wait(Token),
    /// The channel, or the ring, has room again, so this connection may be read.
    GoOn(Token),
}

/// The answer of a home to a request.
pub(crate) enum HomeAnswer {
    Published(Result<Accepted, Refused>),
    /// The name of a channel, and its figures if it exists.
    Inspected(Box<str>, Option<ChannelInfo>),
    /// A list of channels; `None` if not every reactor has contributed in time.
    Listed(Option<ChannelListing>),
}

/// What happened to the oldest record of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// The record was processed.
    One,
    /// The ring has no record that may be taken now.
    None,
    /// The record waits until the sweep has made room in its channel's log.
    AfterSweep,
    /// The record waits until another reactor drains its ring; that reactor will wake us.
    AfterRoom,
}

impl Exchange {
    pub(crate) fn new(
        own: ReactorNumber,
        shared: Arc<Shared>,
        hub: Hub,
        inbox: Inbox,
        outbox: Outbox,
    ) -> Exchange {
        let ring_waiters = RingWaiters::new(shared.reactors());
        Exchange {
            own,
            shared,
            hub,
            inbox,
            outbox,
            waits_for_sweep: false,
            waiting: WaitingPublishers::default(),
            ring_waiters,
            can_let_go_on: false,
            outcomes: VecDeque::new(),
            from_threads: UnderWay::default(),
            held: HeldPublishers::default(),
            refused: RefusedPeers::default(),
            tickets: 0,
        }
    }

    // Publishing and subscribing, from this reactor's callbacks.

    /// Publishes a message through the home of its channel, after the requests that already wait in
    /// the ring to that home. On an error nothing has been sent.
    pub(crate) fn submit(
        &mut self,
        origin: PublishOrigin,
        channel: ChannelName<'_>,
        message: Message<'_>,
        counters: &LiveCounters,
    ) -> Result<(), NotPublished> {
        let home = self.hub.home_of(channel);
        if self.publish_here(home, origin, counters, |hub, outbox| {
            hub.publish(channel, message, outbox)
        }) {
            return Ok(());
        }
        send(home, &HomeRequest::Publish { origin, channel, message }, &mut self.outbox)?;
        self.let_wait_for_ring(home, origin, message.payload().len());
        Ok(())
    }

    /// Like [`submit`](Self::submit), to the channel of a subscription.
    pub(crate) fn submit_to(
        &mut self,
        origin: PublishOrigin,
        subscription: SubscriptionId,
        message: Message<'_>,
        counters: &LiveCounters,
    ) -> Result<(), NotPublished> {
        let home = self.hub.home_of_subscription(subscription);
        if self.publish_here(home, origin, counters, |hub, outbox| {
            hub.publish_to(subscription, message, outbox)
        }) {
            return Ok(());
        }
        let channel = self.hub.channel_name(subscription);
        send(home, &HomeRequest::Publish { origin, channel, message }, &mut self.outbox)?;
        self.let_wait_for_ring(home, origin, message.payload().len());
        Ok(())
    }

    /// Lets a peer wait that has published to a home, if half of the room for that is used.
    fn let_wait_for_ring(
        &mut self,
        home: ReactorNumber,
        origin: PublishOrigin,
        payload_bytes: usize,
    ) {
        let room = self.outbox.room_for(home, payload_bytes);
        let is_half_full = self.outbox.is_half_full(room);
        if let PublishOrigin::Peer(token) = origin
            && self.ring_waiters.must_wait(room, token, payload_bytes, is_half_full)
            && self.ring_waiters.add(room, token)
        {
            self.outcomes.push_back(Outcome::Wait(token));
        }
    }

    /// Lets the next peer go on that has waited because a ring was half full. Returns false if
    /// there is none, or a ring is full.
    pub(crate) fn let_next_go_on_to_ring(&mut self) -> bool {
        // Where some ring has no room at all, it would queue for that one with everybody else.
        if self.ring_waiters.is_empty() || !self.outbox.has_room() {
            return false;
        }
        let outbox = &self.outbox;
        let next =
            self.ring_waiters.take_next(outbox.half_bytes(), |room| outbox.is_half_full(room));
        next.map(|token| self.outcomes.push_back(Outcome::GoOn(token))).is_some()
    }

    /// Publishes without a ring if this reactor is the home and no earlier request waits. Returns
    /// true if the message was published or refused, false if it must go through a ring.
    fn publish_here(
        &mut self,
        home: ReactorNumber,
        origin: PublishOrigin,
        counters: &LiveCounters,
        publish: impl FnOnce(&mut Hub, &mut Outbox) -> Result<Appended, Refused>,
    ) -> bool {
        if home != self.own {
            return false;
        }
        if self.refused.contains(home, origin, &self.from_threads) {
            self.refuse_behind(origin, counters);
            return true;
        }
        // The answer to an HTTP publish contains the number of subscribers. Updates are taken
        // before it, so that every peer that has read its 101 response is counted.
        let counts_all = !matches!(origin, PublishOrigin::Request(_)) || self.take_updates();
        if !counts_all || !self.inbox.has_no_request(self.own) {
            return false;
        }
        match publish(&mut self.hub, &mut self.outbox) {
            Err(Refused::Busy) => {
                self.waits_for_sweep = true;
                false
            }
            Err(Refused::WayFull) => false,
            outcome => {
                self.conclude(self.own, origin, outcome, counters);
                true
            }
        }
    }

    /// Returns true if a connection must be notified of something.
    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        !self.outcomes.is_empty() || self.hub.has_overrun() || self.hub.has_join_outcome()
    }

    /// Returns true if the next turn has something to do whether or not a socket is ready:
    /// subscribers to send to, publishes that waited for the sweep, publishers to resume, overruns
    /// and joins to report.
    pub(crate) fn has_work_left(&self) -> bool {
        self.hub.has_due()
            || self.waits_for_sweep
            || self.can_let_go_on
            || self.hub.full_channels() > FULL_CHANNELS_PER_TURN_MAX
            || self.hub.has_overrun()
            || self.hub.has_join_outcome()
    }

    /// Removes the refused peers from which no more requests can arrive.
    pub(crate) fn forget_refused(&mut self) {
        self.refused.forget_closed(&self.inbox, &self.outbox);
    }

    /// Asks the home of a channel for the channel's figures. The answer becomes an `Outcome`.
    pub(crate) fn inspect(
        &mut self,
        ticket: Ticket,
        channel: ChannelName<'_>,
    ) -> Result<(), NotPublished> {
        let home = self.hub.home_of(channel);
        if home != self.own || !self.take_updates() {
            return send(home, &HomeRequest::Inspect { ticket, channel }, &mut self.outbox);
        }
        let info = self.hub.inspect(channel);
        note_inspected(&mut self.outcomes, ticket, channel, info);
        Ok(())
    }

    /// Returns the answer for a ticket if the home is this reactor and has answered already.
    /// Returns `None` otherwise, or if subscribers must be notified of an overrun before the answer
    /// is used.
    pub(crate) fn take_answer(&mut self, ticket: Ticket) -> Option<HomeAnswer> {
        if self.hub.has_overrun() {
            return None;
        }
        match self.outcomes.pop_back()? {
            Outcome::Answer(of, answer) if of == ticket => Some(answer),
            other => {
                self.outcomes.push_back(other);
                None
            }
        }
    }

    /// Subscribes to a form of a channel. If the home is another reactor, the pending updates are
    /// sent to it here, so that it counts this subscriber before it receives what the same peer
    /// publishes next.
    pub(crate) fn subscribe(
        &mut self,
        channel: ChannelName<'_>,
        form: FormKind,
        owner: Owner,
    ) -> Result<SubscriptionId, Refused> {
        let subscription = self.hub.subscribe(channel, form, owner)?;
        let home = self.hub.home_of_subscription(subscription);
        if home != self.own {
            // Updates leave before anything that the same peer publishes, so that the peer receives
            // its own message; and before the peer reads its 101, so that the peer is counted from
            // then on.
            self.send_updates_to(home);
        }
        Ok(subscription)
    }

    /// Returns true if every ring to a home has room for one more request of maximum size. Then a
    /// connection's frames can be decoded: no publish or inspection will fail for want of room.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Sends all homes their pending updates, as far as there is room, and checks again whether the
    /// rings that were full, or half full, have room.
    pub(crate) fn send_updates(&mut self) {
        if self.hub.has_membership_update() || !self.outbox.has_plenty_of_room() {
            for home in 0..self.shared.reactors() as u16 {
                self.send_updates_to(ReactorNumber(home));
            }
            self.can_let_go_on |= self.outbox.look_for_half_of_large_payloads();
        }
    }

    fn send_updates_to(&mut self, home: ReactorNumber) {
        while let Some(update) = self.hub.membership_update(home) {
            if !self.outbox.tell(home, update) {
                break;
            }
            self.hub.membership_update_sent(home);
        }
        let is_told = self.hub.membership_update(home).is_none();
        let had_room = self.outbox.has_room();
        self.outbox.look_for_room(home, is_told);
        let has_room_again = !had_room && self.outbox.has_room();
        self.can_let_go_on |= self.outbox.look_for_half(home) || has_room_again;
    }

    // Updates and requests from other reactors.

    /// Takes all updates that reactors have sent to this home so far. Returns false if an update
    /// must wait until there is room for its answer.
    pub(crate) fn take_updates(&mut self) -> bool {
        self.inbox.note_senders();
        let (mut all, mut number) = (true, 0);
        // If one reactor's update must wait, the updates of the other reactors are still taken.
        while let Some(from) = self.inbox.sender_from(number) {
            number = from.index() + 1;
            if self.inbox.note_updates(from) {
                while self.take_update(from) {}
                all &= !self.inbox.has_noted_update(from);
            }
        }
        all
    }

    fn take_update(&mut self, from: ReactorNumber) -> bool {
        let Some(update) = self.inbox.update(from) else { return false };
        match update {
            MembershipUpdate::Join { slot, channel, subscribers } => {
                if !self.outbox.has_room_to_answer(from) {
                    return false;
                }
                let answer = match self.hub.join_member(from, slot, channel, subscribers) {
                    Ok(joined) => AnswerRecord::Joined(joined),
                    Err(refused) => AnswerRecord::NotJoined { slot, refused },
                };
                self.outbox.answer(from, &answer);
            }
            MembershipUpdate::Count { channel, subscribers, is_full } => {
                self.hub.count_member(from, channel, subscribers, is_full);
            }
            MembershipUpdate::Leave { channel } => self.hub.leave_member(from, channel),
        }
        self.inbox.use_up_update(from);
        true
    }

    /// Marks which requests may be served: those that were present before the updates were taken.
    /// As long as an update has to wait, no further request may be served, because it may have been
    /// sent after that update.
    pub(crate) fn take_note_of_requests(&mut self) {
        self.inbox.note_requests();
        if self.take_updates() {
            self.inbox.serve_noted();
        }
    }

    /// Serves the oldest request of a reactor, if the rings have room for all records that it
    /// causes.
    pub(crate) fn serve_request(&mut self, from: ReactorNumber, counters: &LiveCounters) -> Taken {
        // Room for an answer is checked before the request is read: a refused publish needs one
        // too.
        if from != self.own && !self.outbox.has_room_to_answer(from) {
            return if self.inbox.has_no_request(from) { Taken::None } else { Taken::AfterRoom };
        }
        let Some(request) = self.inbox.request(from) else { return Taken::None };
        match request {
            HomeRequest::Publish { origin, .. }
                if self.refused.contains(from, origin, &self.from_threads) =>
            {
                self.refuse_behind(origin, counters);
            }
            HomeRequest::Publish { origin, channel, message } => {
                let outcome = match self.hub.publish(channel, message, &mut self.outbox) {
                    Err(Refused::Busy) => return Taken::AfterSweep,
                    Err(Refused::WayFull) => return Taken::AfterRoom,
                    outcome => outcome,
                };
                self.conclude(from, origin, outcome, counters);
            }
            HomeRequest::Inspect { ticket, channel } => {
                if !self.outbox.has_room_to_inform(from) {
                    return Taken::AfterRoom;
                }
                let info = self.hub.inspect(channel);
                self.outbox.answer(from, &AnswerRecord::Inspected { ticket, channel, info });
            }
        }
        self.inbox.use_up_request(from);
        Taken::One
    }

    fn refuse_behind(&mut self, origin: PublishOrigin, counters: &LiveCounters) {
        counters.refused.add(1);
        if let PublishOrigin::Publisher(key) = origin {
            self.from_threads.conclude(key, Err(RefusalReason::Behind));
        }
    }

    /// Counts the outcome of a publish, and sends it to the publisher if the publisher waits for it
    /// or must be closed.
    fn conclude(
        &mut self,
        from: ReactorNumber,
        origin: PublishOrigin,
        outcome: Result<Appended, Refused>,
        counters: &LiveCounters,
    ) {
        match outcome {
            Ok(_) => counters.publish(match origin {
                PublishOrigin::Peer(_) => Source::WebSocket,
                PublishOrigin::Request(_) => Source::Http,
                PublishOrigin::Publisher(_) => Source::Publisher,
            }),
            Err(_) => counters.refused.add(1),
        }
        if let Ok(Appended { accepted, full: Some(channel) }) = outcome {
            return self.let_wait(channel, from, origin, accepted);
        }
        let outcome = outcome.map(|appended| appended.accepted);
        let is_to_hear = match origin {
            PublishOrigin::Request(_) => true,
            PublishOrigin::Peer(_) => outcome.is_err(),
            PublishOrigin::Publisher(key) => {
                let outcome = outcome.map(drop).map_err(RefusalReason::Channel);
                self.from_threads.conclude(key, outcome);
                false
            }
        };
        if is_to_hear && from == self.own {
            self.note_published(origin, outcome);
        } else if is_to_hear {
            self.outbox.answer(from, &AnswerRecord::Published { origin, outcome });
        }
        if let (PublishOrigin::Peer(token), Err(_)) = (origin, outcome) {
            self.refused.add(from, token, &self.outbox);
        }
    }

    // Messages and answers in.

    /// Takes the oldest message of a reactor. If this reactor still waits for the answer to its
    /// join of the message's channel, takes an answer instead. That answer may have been written
    /// before the message, and without it the message would be dropped. This never needs room in a
    /// ring.
    pub(crate) fn take_message(&mut self, from: ReactorNumber) -> Taken {
        let Some(numbered) = self.inbox.message(from) else { return Taken::None };
        if !self.hub.waits_for_join(numbered.slot) {
            self.hub.append(numbered);
            self.relieve_memory();
        } else if self.take_answer_from(from) == Taken::One {
            return Taken::One;
        }
        self.inbox.use_up_message(from);
        Taken::One
    }

    /// Takes the oldest answer of a reactor. This never needs room in a ring.
    pub(crate) fn take_answer_from(&mut self, from: ReactorNumber) -> Taken {
        let Some(answer) = self.inbox.answer(from) else { return Taken::None };
        match answer {
            AnswerRecord::Joined(joined) => self.hub.joined(joined),
            AnswerRecord::NotJoined { slot, refused } => self.hub.not_joined(slot, refused),
            AnswerRecord::Published { origin, outcome } => self.note_published(origin, outcome),
            AnswerRecord::Wait { token } => self.outcomes.push_back(Outcome::Wait(token)),
            AnswerRecord::GoOn { token } => self.outcomes.push_back(Outcome::GoOn(token)),
            AnswerRecord::Inspected { ticket, channel, info } => {
                note_inspected(&mut self.outcomes, ticket, channel, info);
            }
        }
        self.inbox.use_up_answer(from);
        Taken::One
    }

    /// If memory is short, drops messages kept for slow subscribers. If it is still short, tells
    /// all reactors, and homes refuse publishes to channels that have subscribers here.
    pub(crate) fn relieve_memory(&mut self) {
        if self.hub.is_memory_full() {
            self.hub.relieve_memory();
        }
        self.shared.set_memory_full(self.own, self.hub.is_memory_full());
    }

    pub(super) fn note_published(
        &mut self,
        origin: PublishOrigin,
        outcome: Result<Accepted, Refused>,
    ) {
        match (origin, outcome) {
            (PublishOrigin::Request(ticket), _) => {
                let answer = HomeAnswer::Published(outcome);
                self.outcomes.push_back(Outcome::Answer(ticket, answer));
            }
            (PublishOrigin::Peer(token), Err(refused)) => {
                self.outcomes.push_back(Outcome::Overloaded(token, refused));
            }
            (PublishOrigin::Peer(_), Ok(_)) | (PublishOrigin::Publisher(_), _) => {}
        }
    }

    // Figures.

    /// Returns what this reactor holds now, and what its hub and its mail have counted.
    pub(crate) fn gauges(&self, turn: &TurnState) -> Gauges {
        Gauges {
            ledger: self.hub.ledger(),
            connections: turn.connections,
            channels: self.hub.channels(),
            subscriptions: self.hub.subscriptions(),
            log_bytes: self.hub.log_bytes(),
            messages_deflated: self.hub.messages_deflated(),
            mail: [self.outbox.put_for_others(), self.inbox.taken_of_others(self.own)],
        }
    }

    /// Returns the sum of all reactors' figures.
    pub(crate) fn status(&self, turn: &TurnState) -> Status {
        let mut sum = ReactorStatus { counters: turn.counters.read(), gauges: self.gauges(turn) };
        self.shared.add_statuses_of_others(self.own, &mut sum);
        Status { sum, is_draining: turn.draining }
    }
}

fn send(
    home: ReactorNumber,
    request: &HomeRequest<'_>,
    outbox: &mut Outbox,
) -> Result<(), NotPublished> {
    // If a request of maximum size does not fit, an earlier update may be waiting for room, and
    // this request must not overtake it.
    let is_in = outbox.has_room_to(home) && outbox.request(home, request);
    if is_in { Ok(()) } else { Err(NotPublished::Busy) }
}

fn note_inspected(
    outcomes: &mut VecDeque<Outcome>,
    ticket: Ticket,
    channel: ChannelName<'_>,
    info: Option<ChannelInfo>,
) {
    let answer = HomeAnswer::Inspected(channel.as_str().into(), info);
    outcomes.push_back(Outcome::Answer(ticket, answer));
}
