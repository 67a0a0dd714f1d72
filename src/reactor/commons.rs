//! What every callback of one reactor may reach besides its own peer: the hub, the ways to the
//! channels' homes, the clock and the counters. No socket and no other connection: so no callback
//! is called from within another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{
    Accepted, ChannelInfo, ChannelName, Hub, MembershipUpdate, Owner, ReactorNumber, Refused,
    SubscriptionId,
};
use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::Message;

use super::context::{NotPublished, Ticket};
use super::counters::{Counters, Source};
use super::limits::CHANNELS_RELIEVED_MAX;
use super::mail::{Delivery, Inbox, Origin, Outbox, Request};
use super::refused::RefusedPeers;
use super::shared::Shared;

pub(super) struct Commons {
    pub(super) own: ReactorNumber,
    pub(super) shared: Arc<Shared>,
    pub(super) hub: Hub,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// A publish of this turn waits here for the sweep: the next turn follows at once.
    pub(super) waits_for_sweep: bool,
    /// Outcomes that a peer has to hear of: each is told when the callback that caused it has
    /// returned.
    pub(super) outcomes: VecDeque<Outcome>,
    /// Peers of whom this home refuses everything.
    pub(super) refused: RefusedPeers,
    /// Tickets given out so far.
    pub(super) tickets: u64,
    pub(super) counters: Counters,
    /// Both clocks as read once in this turn.
    pub(super) now: Instant,
    pub(super) unix_time: Duration,
    pub(super) connections: usize,
    pub(super) has_admin_listener: bool,
    pub(super) draining: bool,
}

/// What a home has said of a request.
pub(super) enum Outcome {
    /// Answer the request that is waiting for its publish.
    Published(Ticket, Result<Accepted, Refused>),
    /// Answer the request that asked for a channel.
    Inspected(Ticket, Box<str>, Option<ChannelInfo>),
    /// Close the publisher: its message was refused, and so would be the next.
    Overloaded(Token, Refused),
}

/// What became of the oldest record of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It was dealt with.
    One,
    /// There is none.
    None,
    /// It has to wait for the sweep.
    AfterSweep,
    /// It has to wait until another reactor has taken something: that one will ring.
    AfterRoom,
}

impl Commons {
    /// Brings a message to the home of its channel, behind whatever waits there already. An error
    /// leaves nothing behind.
    pub(super) fn submit(
        &mut self,
        origin: Origin,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        let home = self.hub.home_of(channel);
        if home == self.own && self.is_behind_refused(home, origin) {
            return Ok(());
        }
        if home == self.own && self.may_publish_here(origin) {
            let outcome = self.hub.publish(channel, message, &mut self.outbox);
            if self.is_concluded(origin, outcome) {
                return Ok(());
            }
        }
        send(home, &Request::Publish { origin, channel, message }, &mut self.outbox)
    }

    /// As [`submit`](Self::submit), to the channel of a subscription.
    pub(super) fn submit_to(
        &mut self,
        origin: Origin,
        subscription: SubscriptionId,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        let home = self.hub.home_of_subscription(subscription);
        if home == self.own && self.is_behind_refused(home, origin) {
            return Ok(());
        }
        if home == self.own && self.may_publish_here(origin) {
            let outcome = self.hub.publish_to(subscription, message, &mut self.outbox);
            if self.is_concluded(origin, outcome) {
                return Ok(());
            }
        }
        let channel = self.hub.channel_name(subscription);
        send(home, &Request::Publish { origin, channel, message }, &mut self.outbox)
    }

    /// Whether something of the same peer was refused before this publish: then so is this, and the
    /// peer knows.
    fn is_behind_refused(&mut self, from: ReactorNumber, origin: Origin) -> bool {
        let is_behind = self.refused.contains(from, origin);
        self.counters.refused += u64::from(is_behind);
        is_behind
    }

    /// Forgets refused peers of whom nothing can come any more.
    pub(super) fn forget_refused(&mut self) {
        self.refused.forget_closed(&self.inbox, &self.outbox);
    }

    /// Whether nothing has to go before a publish of this reactor to its own hub.
    fn may_publish_here(&mut self, origin: Origin) -> bool {
        // The answer to a request tells how many subscribers there are, and whoever knows of its
        // subscription counts.
        let counts_all = !matches!(origin, Origin::Request(_)) || self.take_interests();
        counts_all && self.inbox.has_no_request(self.own)
    }

    /// Concludes a publish, unless it has to wait.
    fn is_concluded(&mut self, origin: Origin, outcome: Result<Accepted, Refused>) -> bool {
        match outcome {
            Err(Refused::Busy) => {
                self.waits_for_sweep = true;
                false
            }
            Err(Refused::WayFull) => false,
            outcome => {
                self.conclude(self.own, origin, outcome);
                true
            }
        }
    }

    /// Asks the home of a channel what is known of it.
    pub(super) fn inspect(
        &mut self,
        ticket: Ticket,
        channel: ChannelName<'_>,
    ) -> Result<(), NotPublished> {
        let home = self.hub.home_of(channel);
        if home != self.own || !self.take_interests() {
            return send(home, &Request::Inspect { ticket, channel }, &mut self.outbox);
        }
        let info = self.hub.inspect(channel);
        self.outcomes.push_back(Outcome::Inspected(ticket, channel.as_str().into(), info));
        Ok(())
    }

    /// Subscribes, and tells the home if it has to know first.
    pub(super) fn subscribe(
        &mut self,
        channel: ChannelName<'_>,
        owner: Owner,
    ) -> Result<SubscriptionId, Refused> {
        let subscription = self.hub.subscribe(channel, owner)?;
        let home = self.hub.home_of_subscription(subscription);
        if home != self.own {
            // Before anything is published by the same peer, so that it receives that too; and
            // before the peer hears that it is subscribed, so that it is counted from then on.
            self.tell_interest(home);
        }
        Ok(subscription)
    }

    // Requests out.

    /// Whether nobody who is decoded now can find a way full: neither by one publish nor by one
    /// question.
    pub(super) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Tells all homes what they have to know, as far as there is room, and looks for room where
    /// there was none.
    pub(super) fn tell_all_interest(&mut self) {
        if self.hub.has_membership_update() || !self.outbox.has_room() {
            for home in 0..self.shared.reactors() as u16 {
                self.tell_interest(ReactorNumber(home));
            }
        }
    }

    fn tell_interest(&mut self, home: ReactorNumber) {
        while let Some(interest) = self.hub.membership_update(home) {
            if !self.outbox.tell(home, interest) {
                break;
            }
            self.hub.membership_update_sent(home);
        }
        let is_told = self.hub.membership_update(home).is_none();
        self.outbox.look_for_room(home, is_told);
    }

    // Interests and requests in.

    /// Takes what all reactors have told this home up to now; false if some of it has to wait for
    /// room.
    pub(super) fn take_interests(&mut self) -> bool {
        self.inbox.note_interests();
        let reactors = (0..self.shared.reactors() as u16).map(ReactorNumber);
        // Of all of them, also behind one that has to wait.
        reactors.fold(true, |all, from| {
            while self.take_interest(from) {}
            all && !self.inbox.has_noted_interest(from)
        })
    }

    fn take_interest(&mut self, from: ReactorNumber) -> bool {
        let Some(interest) = self.inbox.interest(from) else { return false };
        match interest {
            MembershipUpdate::Join { slot, channel, subscribers } => {
                if !self.outbox.has_room_to_answer(from) {
                    return false;
                }
                let answer = match self.hub.join_member(from, slot, channel, subscribers) {
                    Ok(joined) => Delivery::Joined(joined),
                    Err(refused) => Delivery::NotJoined { slot, refused },
                };
                self.outbox.answer(from, &answer);
            }
            MembershipUpdate::Count { channel, subscribers } => {
                self.hub.count_member(from, channel, subscribers)
            }
            MembershipUpdate::Leave { channel } => self.hub.leave_member(from, channel),
        }
        self.inbox.use_up_interest(from);
        true
    }

    /// Notes which requests may be served: those of before all interests that have been taken. As
    /// long as an interest has to wait, so do the requests that may have come after it.
    pub(super) fn take_note_of_requests(&mut self) {
        self.inbox.note_requests();
        if self.take_interests() {
            self.inbox.serve_noted();
        }
    }

    /// Serves the oldest request of a reactor, if there is room for all that it causes.
    pub(super) fn serve_request(&mut self, from: ReactorNumber) -> Taken {
        // Every answer is a small one; a refused publish has one too.
        if from != self.own && !self.outbox.has_room_to_answer(from) {
            return if self.inbox.has_no_request(from) { Taken::None } else { Taken::AfterRoom };
        }
        let Some(request) = self.inbox.request(from) else { return Taken::None };
        match request {
            Request::Publish { origin, .. } if self.refused.contains(from, origin) => {
                self.counters.refused += 1;
            }
            Request::Publish { origin, channel, message } => {
                let outcome = match self.hub.publish(channel, message, &mut self.outbox) {
                    Err(Refused::Busy) => return Taken::AfterSweep,
                    Err(Refused::WayFull) => return Taken::AfterRoom,
                    outcome => outcome,
                };
                self.conclude(from, origin, outcome);
            }
            Request::Inspect { ticket, channel } => {
                let info = self.hub.inspect(channel);
                self.outbox.answer(from, &Delivery::Inspected { ticket, channel, info });
            }
        }
        self.inbox.use_up_request(from);
        Taken::One
    }

    /// Counts the outcome of a publish, and sees that its origin hears of it if it has to.
    fn conclude(
        &mut self,
        from: ReactorNumber,
        origin: Origin,
        outcome: Result<Accepted, Refused>,
    ) {
        match outcome {
            Ok(_) => self.counters.publish(match origin {
                Origin::Peer(_) => Source::WebSocket,
                Origin::Request(_) => Source::Http,
                Origin::Publisher => Source::Publisher,
            }),
            Err(_) => self.counters.refused += 1,
        }
        let is_to_hear = match origin {
            Origin::Request(_) => true,
            Origin::Peer(_) => outcome.is_err(),
            Origin::Publisher => false,
        };
        if is_to_hear && from == self.own {
            self.note_published(origin, outcome);
        } else if is_to_hear {
            self.outbox.answer(from, &Delivery::Published { origin, outcome });
        }
        if let (Origin::Peer(token), Err(_)) = (origin, outcome) {
            self.refused.add(from, token, &self.outbox);
        }
    }

    // Deliveries in.

    /// Takes the oldest delivery of a reactor. Needs no room in any ring.
    pub(super) fn take_delivery(&mut self, from: ReactorNumber) -> Taken {
        let Some(delivery) = self.inbox.delivery(from) else { return Taken::None };
        match delivery {
            Delivery::Message(numbered) => {
                if self.hub.append(numbered).is_err() {
                    return Taken::AfterSweep;
                }
                self.relieve_memory();
            }
            Delivery::Joined(joined) => self.hub.joined(joined),
            Delivery::NotJoined { slot, refused } => self.hub.not_joined(slot, refused),
            Delivery::Published { origin, outcome } => self.note_published(origin, outcome),
            Delivery::Inspected { ticket, channel, info } => {
                self.outcomes.push_back(Outcome::Inspected(ticket, channel.as_str().into(), info));
            }
        }
        self.inbox.use_up_delivery(from);
        Taken::One
    }

    /// Where memory is short, slow subscribers make room; if that does not help, the homes of the
    /// channels that have subscribers here have to refuse what they are asked to publish.
    pub(super) fn relieve_memory(&mut self) {
        if self.hub.is_memory_full() {
            self.hub.relieve_memory(CHANNELS_RELIEVED_MAX);
        }
        self.shared.set_memory_full(self.own, self.hub.is_memory_full());
    }

    fn note_published(&mut self, origin: Origin, outcome: Result<Accepted, Refused>) {
        match (origin, outcome) {
            (Origin::Request(ticket), _) => {
                self.outcomes.push_back(Outcome::Published(ticket, outcome))
            }
            (Origin::Peer(token), Err(refused)) => {
                self.outcomes.push_back(Outcome::Overloaded(token, refused));
            }
            (Origin::Peer(_), Ok(_)) | (Origin::Publisher, _) => {}
        }
    }
}

fn send(
    home: ReactorNumber,
    request: &Request<'_>,
    outbox: &mut Outbox,
) -> Result<(), NotPublished> {
    // Where a largest one would not fit, nothing may go before what waits for room already.
    let is_in = outbox.has_room_to(home) && outbox.request(home, request);
    if is_in { Ok(()) } else { Err(NotPublished::Busy) }
}
