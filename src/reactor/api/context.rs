//! What a callback is given: the peer that it is about, and what can be asked for that peer.

use std::net::SocketAddr;
use std::time::Duration;

use crate::hub::{ChannelName, DropReason, Owner, Refused};
use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::{CloseCode, Message, encode_frame};
use crate::reactor::connection::{Outgoing, PeerSubscriptions, running_number};
use crate::reactor::group::Status;
use crate::reactor::mail::{Exchange, PublishOrigin};
use crate::reactor::ticket::{NotPublished, Subscription, Ticket};
use crate::reactor::turn_state::TurnState;

/// A peer that is not a WebSocket connection, or not yet.
pub struct Visitor<'a> {
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) turn: &'a mut TurnState,
    pub(crate) token: Token,
    pub(crate) address: SocketAddr,
    pub(crate) is_admin: bool,
}

impl Visitor<'_> {
    /// Publishes. To answer the request with the outcome, return
    /// [`Answer::Later`](super::Answer::Later) with the ticket;
    /// [`Handler::on_published`](super::Handler::on_published) then makes the response.
    ///
    /// # Errors
    ///
    /// [`NotPublished::Busy`] when the ring to the channel's home is full: not after one publish
    /// per request.
    pub fn publish(
        &mut self,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<Ticket, NotPublished> {
        let ticket = self.next_ticket();
        let origin = PublishOrigin::Request(ticket);
        self.exchange.submit(origin, channel, message, &mut self.turn.counters)?;
        self.exchange.tickets += 1;
        Ok(ticket)
    }

    /// Asks what is known of a channel; its home, which may be another reactor, answers. To answer
    /// the request with it, return [`Answer::Later`](super::Answer::Later) with the ticket;
    /// [`Handler::on_inspected`](super::Handler::on_inspected) then makes the response.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn inspect(&mut self, channel: ChannelName<'_>) -> Result<Ticket, NotPublished> {
        let ticket = self.next_ticket();
        self.exchange.inspect(ticket, channel)?;
        self.exchange.tickets += 1;
        Ok(ticket)
    }

    fn next_ticket(&self) -> Ticket {
        Ticket { token: self.token, number: self.exchange.tickets }
    }

    /// The far end of the connection.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the connection came by a listener that is the operator's.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Whether the operator has listeners of his own.
    pub fn has_admin_listener(&self) -> bool {
        self.turn.has_admin_listener
    }
}

/// A WebSocket peer: its session, its own outbound and its subscriptions.
pub struct Context<'a, S> {
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) turn: &'a mut TurnState,
    pub(crate) token: Token,
    pub(crate) address: SocketAddr,
    pub(crate) session: &'a mut S,
    pub(crate) subscriptions: &'a mut PeerSubscriptions,
    pub(crate) outgoing: &'a mut Outgoing,
}

impl<S> Context<'_, S> {
    /// The application's state of this connection.
    pub fn session(&self) -> &S {
        self.session
    }

    /// The application's state of this connection, to change it.
    pub fn session_mut(&mut self) -> &mut S {
        self.session
    }

    /// The far end of the connection.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A running number for logs: no two connections of a server have the same, until after four
    /// thousand million of them it begins again.
    pub fn connection(&self) -> u64 {
        running_number(self.token, self.exchange.own, self.exchange.shared.reactors())
    }

    /// Sends a message to this peer only, after everything sent to it before. Does nothing after
    /// [`close`](Self::close).
    pub fn send(&mut self, message: Message<'_>) {
        if self.outgoing.close.is_none() {
            encode_frame(&mut self.outgoing.replies, message.kind().opcode(), message.payload());
        }
    }

    /// Sends a Close frame after everything sent before (RFC 6455 section 5.5.1) and ends the
    /// connection; nothing more of this peer is looked at. The reason is cut to 123 bytes. Only the
    /// first close counts.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        debug_assert!(code.is_allowed_on_wire(), "{code:?} may not be sent");
        self.outgoing.close(code, reason);
    }

    /// Subscribes to a channel: every message that its home accepts from now on is received once,
    /// in order. Where the home is another reactor that has to be told first, whatever is said to
    /// this peer in this callback (the 101 included) leaves only then, and nothing more of the peer
    /// is looked at before: so a peer that has read the answer to its subscribing misses nothing
    /// after it.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the channel would be one too many. Another reactor can find that out only
    /// later; the peer is then closed with 1013.
    pub fn subscribe(&mut self, channel: ChannelName<'_>) -> Result<Subscription, Refused> {
        let subscription = self.exchange.subscribe(channel, Owner(self.token.0))?;
        self.outgoing.has_subscribed |= self.exchange.hub.is_joining(subscription);
        self.subscriptions.add(subscription);
        Ok(Subscription(subscription))
    }

    /// Ends a subscription of this peer: nothing more of its channel is received. Of what was
    /// published before, a message half on its way is finished, and what waited behind it is
    /// dropped. Does nothing if the subscription has ended already.
    pub fn unsubscribe(&mut self, subscription: Subscription) {
        if self.subscriptions.remove(subscription.0) {
            let rest = &mut self.outgoing.rest;
            let left = self.exchange.hub.unsubscribe(subscription.0, DropReason::Closed, rest);
            self.outgoing.cut_short |= left.is_err();
        }
    }

    /// Publishes to all subscribers of a channel, this peer included if it is one. Where the home
    /// refuses the message for want of memory, the peer is closed with 1013, and until then the
    /// home refuses all that this peer publishes behind it.
    ///
    /// # Errors
    ///
    /// [`NotPublished::Busy`] when the ring to the channel's home is full. One publish per
    /// [`on_message`] never gets it.
    ///
    /// [`on_message`]: super::Handler::on_message
    pub fn publish(
        &mut self,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        let origin = PublishOrigin::Peer(self.token);
        self.exchange.submit(origin, channel, message, &mut self.turn.counters)
    }

    /// As [`publish`](Self::publish), to a channel that this peer is subscribed to.
    ///
    /// # Errors
    ///
    /// As there, and [`NotPublished::NotSubscribed`] after the subscription has ended.
    pub fn publish_to(
        &mut self,
        subscription: Subscription,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        if !self.subscriptions.contains(subscription.0) {
            return Err(NotPublished::NotSubscribed);
        }
        let origin = PublishOrigin::Peer(self.token);
        self.exchange.submit_to(origin, subscription.0, message, &mut self.turn.counters)
    }
}

/// The reads that both kinds of callback share.
macro_rules! shared_reads {
    () => {
        /// The monotonic clock, as read in this turn.
        pub fn now(&self) -> Instant {
            self.turn.now
        }

        /// The wall clock, as read in this turn: the time since 1970-01-01 UTC.
        pub fn unix_time(&self) -> Duration {
            self.turn.unix_time
        }

        /// Whether the server is about to end: readiness checks should fail.
        pub fn is_draining(&self) -> bool {
            self.turn.draining
        }

        /// Figures of the server for metrics and status pages: they are added up for each call.
        pub fn status(&self) -> Status {
            self.exchange.status(self.turn)
        }
    };
}

impl Visitor<'_> {
    shared_reads!();
}

impl<S> Context<'_, S> {
    shared_reads!();
}
