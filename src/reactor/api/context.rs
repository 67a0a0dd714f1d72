//! What a callback is given: the peer it is called for, and what it may do for that peer.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::hub::{ChannelName, DropReason, FormKind, Owner, Refused};
use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::{CloseCode, Message, encode_frame};
use crate::reactor::connection::{
    Connection, Outgoing, PackedAddress, PeerSubscriptions, running_number,
};
use crate::reactor::counters::RejectReason;
use crate::reactor::deferral::Deferral;
use crate::reactor::group::{ChannelQuery, Standstill, Status};
use crate::reactor::mail::{Exchange, PublishOrigin};
use crate::reactor::ticket::{NotPublished, Subscription, Ticket};
use crate::reactor::turn_state::TurnState;
use crate::reactor::via::Via;

/// The peer of a callback for an HTTP request or an opening handshake, which is not a WebSocket
/// connection, or not yet; or an open connection that is reviewed after a reload.
pub struct Visitor<'a> {
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) turn: &'a mut TurnState,
    pub(crate) token: Token,
    pub(in crate::reactor) address: PackedAddress,
    pub(crate) via: Via,
    pub(crate) is_admin: bool,
    /// The reason that the application has given with `reject_as`, if any.
    pub(crate) rejected: Option<RejectReason>,
    /// The moment that the application has given with `expire_at`, if any, in seconds.
    pub(crate) expires_at: Option<NonZeroU32>,
    /// The application has admitted this request before its body. It is forgotten if the body has
    /// not arrived yet, because the rules may change meanwhile.
    #[cfg_attr(
        not(feature = "broadcast"),
        expect(dead_code, reason = "only the standalone server decides before the body")
    )]
    pub(crate) is_admitted: bool,
}

impl<'a> Visitor<'a> {
    pub(in crate::reactor) fn new<T, S>(
        exchange: &'a mut Exchange,
        turn: &'a mut TurnState,
        connection: &Connection<T, S>,
        via: Via,
    ) -> Visitor<'a> {
        Visitor {
            exchange,
            turn,
            token: connection.token,
            address: connection.packed_address,
            via,
            is_admin: connection.is_admin(),
            rejected: None,
            expires_at: None,
            is_admitted: false,
        }
    }
}

impl Visitor<'_> {
    /// Publishes a message. To answer the request with the outcome, return
    /// [`Answer::Later`](super::Answer::Later) with the ticket;
    /// [`Handler::on_published`](super::Handler::on_published) then makes the response.
    ///
    /// # Errors
    ///
    /// [`NotPublished::Busy`] if the ring to the channel's home reactor is full. The first publish
    /// for a request never fails with it.
    pub fn publish(
        &mut self,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<Ticket, NotPublished> {
        let ticket = self.next_ticket();
        let origin = PublishOrigin::Request(ticket);
        let exchange = &mut *self.exchange;
        self.turn.call(|turn| exchange.submit(origin, channel, message, &turn.counters))?;
        self.exchange.tickets += 1;
        Ok(ticket)
    }

    /// Asks the channel's home reactor for the channel's figures, such as its subscribers. To
    /// answer the request with these figures, return [`Answer::Later`](super::Answer::Later) with
    /// the ticket; [`Handler::on_inspected`](super::Handler::on_inspected) then makes the response.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn inspect(&mut self, channel: ChannelName<'_>) -> Result<Ticket, NotPublished> {
        let ticket = self.next_ticket();
        let exchange = &mut *self.exchange;
        self.turn.call(|_| exchange.inspect(ticket, channel))?;
        self.exchange.tickets += 1;
        Ok(ticket)
    }

    /// Defers the decision on an opening handshake: give the deferral to another thread, and return
    /// [`Upgrade::Later`](super::Upgrade::Later) with its ticket. When the deferral is dropped,
    /// [`Handler::on_deferred`](super::Handler::on_deferred) is called. The connection waits until
    /// then, without a limit of time.
    pub fn defer(&mut self) -> Deferral {
        let ticket = self.next_ticket();
        self.exchange.tickets += 1;
        self.turn.ready_handshakes.defer(ticket)
    }

    /// Asks all reactors for a list of channels. To answer the request with it, return
    /// [`Answer::Later`](super::Answer::Later) with the ticket;
    /// [`Handler::on_listed`](super::Handler::on_listed) then makes the response. The reactors walk
    /// through their channels beside their other work, and at most once a second. If nobody has
    /// asked for half a minute, it takes a second to measure the rates.
    ///
    /// # Errors
    ///
    /// [`NotPublished::Busy`] if there are too many such questions already.
    pub fn list_channels(&mut self, query: ChannelQuery) -> Result<Ticket, NotPublished> {
        let ticket = self.next_ticket();
        let (shared, own) = (&self.exchange.shared, self.exchange.own);
        if !shared.surveys.begin(query, own, ticket, shared.reactors()) {
            return Err(NotPublished::Busy);
        }
        self.exchange.tickets += 1;
        Ok(ticket)
    }

    fn next_ticket(&self) -> Ticket {
        Ticket { token: self.token, number: self.exchange.tickets + 1 }
    }

    /// Returns the address of the peer; behind a [trusted proxy](crate::Builder::trusted_proxies)
    /// that of the client, with port 0 if the proxy does not tell its port.
    pub fn address(&self) -> SocketAddr {
        self.address.unpack()
    }

    /// Returns true if the connection was accepted on an admin listener, meant for the operator.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Sets the reason for which this request or handshake is refused, for the metric
    /// `fanfare_rejects_total`. Only the last call during one callback counts. A handshake that is
    /// declined without a reason is counted as [`RejectReason::Declined`]; any other response
    /// without a reason is not counted as a refusal.
    pub fn reject_as(&mut self, reason: RejectReason) {
        self.rejected = Some(reason);
    }

    /// Has the connection that this handshake opens closed with 4401 at this moment of the wall
    /// clock (the time since 1970-01-01 UTC, rounded up to a second): the credentials end then.
    /// It is closed within a second of that moment; if the clock of the machine is set meanwhile,
    /// within 35 seconds. Without effect outside of [`on_upgrade`](super::Handler::on_upgrade) and
    /// [`on_review`](super::Handler::on_review).
    pub fn expire_at(&mut self, unix_time: Duration) {
        let rounds_up = u64::from(unix_time.subsec_nanos() > 0);
        let seconds = unix_time.as_secs().saturating_add(rounds_up);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        self.expires_at = NonZeroU32::new(seconds);
    }

    /// Returns when the credentials of a connection that is reviewed end, as the last call of
    /// [`expire_at`](Self::expire_at) has said.
    pub fn expires_at(&self) -> Option<Duration> {
        self.expires_at.map(|seconds| Duration::from_secs(u64::from(seconds.get())))
    }

    /// Returns the channel of a subscription of a connection that is reviewed.
    pub fn channel_of(&self, subscription: Subscription) -> ChannelName<'_> {
        self.exchange.hub.channel_name(subscription.0)
    }

    /// Tells the reactor that this callback does work that takes about this long, such as checking
    /// a signature. After many of them, the reactor serves other connections first.
    pub fn charge(&mut self, work: Duration) {
        self.turn.did_for(work);
    }

    /// Returns true if the server has admin listeners, which are separate ones for the operator.
    pub fn has_admin_listener(&self) -> bool {
        self.turn.has_admin_listener
    }
}

/// What a callback may use of its WebSocket peer: the session, the outgoing frames and the
/// subscriptions.
pub struct Context<'a, S> {
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) turn: &'a mut TurnState,
    pub(crate) token: Token,
    pub(in crate::reactor) address: PackedAddress,
    /// The peer has agreed to compression: it reads the deflated form of its channels.
    pub(crate) compression: bool,
    pub(crate) session: &'a mut S,
    pub(crate) subscriptions: &'a mut PeerSubscriptions,
    pub(crate) outgoing: &'a mut Outgoing,
}

impl<S> Context<'_, S> {
    /// Returns the application's state for this connection.
    pub fn session(&self) -> &S {
        self.session
    }

    /// Returns the application's state for this connection, mutable.
    pub fn session_mut(&mut self) -> &mut S {
        self.session
    }

    /// Returns the address of the peer, as [`Visitor::address`] does.
    pub fn address(&self) -> SocketAddr {
        self.address.unpack()
    }

    /// Returns a number for logs that is unique among the connections of a server. It repeats only
    /// after more than four thousand million connections.
    pub fn connection(&self) -> u64 {
        running_number(self.token, self.exchange.own, self.exchange.shared.reactors())
    }

    /// Returns true if the last callback has caused something that must be handled before the next
    /// frame of this peer is decoded.
    pub(in crate::reactor) fn has_events(&self) -> bool {
        !self.exchange.outcomes.is_empty() || self.exchange.hub.has_overrun_of(Owner(self.token.0))
    }

    /// Sends a message to this peer only, after everything sent to it before; compressed, if that
    /// was agreed. Does nothing after [`close`](Self::close).
    pub fn send(&mut self, message: Message<'_>) {
        if self.outgoing.close.is_some() {
            return;
        }
        let replies = &mut self.outgoing.replies;
        match self.compression {
            true => self.exchange.hub.encode_deflated(message, replies),
            false => encode_frame(replies, message.kind().opcode(), message.payload()),
        }
    }

    /// Sends a Close frame after everything sent before (RFC 6455 section 5.5.1) and ends the
    /// connection; nothing more from this peer is decoded. The reason is cut to 123 bytes. Only the
    /// first call has an effect.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        debug_assert!(code.is_allowed_on_wire(), "{code:?} may not be sent");
        self.outgoing.close(code, reason);
    }

    /// Subscribes the peer to a channel: it receives every message that the channel's home accepts
    /// from now on, exactly once and in order. If the home is another reactor, which does not send
    /// this channel's messages here yet, everything sent to this peer in this callback (the 101
    /// included) is held until the home has answered, and nothing more from the peer is decoded
    /// until then. So a peer that has read a reply sent in this callback misses no later message.
    ///
    /// # Errors
    ///
    /// [`Refused`] if there are too many channels. If the home is another reactor, its refusal
    /// arrives only later; the peer is then closed with 1013.
    pub fn subscribe(&mut self, channel: ChannelName<'_>) -> Result<Subscription, Refused> {
        let (exchange, owner) = (&mut *self.exchange, Owner(self.token.0));
        let form = if self.compression { FormKind::Deflated } else { FormKind::Plain };
        let subscription = self.turn.call(|_| exchange.subscribe(channel, form, owner))?;
        self.outgoing.has_subscribed |= self.exchange.hub.is_joining(subscription);
        self.subscriptions.add(subscription);
        Ok(Subscription(subscription))
    }

    /// Ends a subscription of this peer: it receives nothing more of the channel. Of the messages
    /// published before, one that is partly sent is completed, and those after it are dropped. Does
    /// nothing if the subscription has ended already.
    pub fn unsubscribe(&mut self, subscription: Subscription) {
        if self.subscriptions.remove(subscription.0) {
            let (hub, rest) = (&mut self.exchange.hub, &mut self.outgoing.rest);
            let left =
                self.turn.call(|_| hub.unsubscribe(subscription.0, DropReason::Closed, rest));
            self.outgoing.cut_short |= left.is_err();
        }
    }

    /// Returns the channel of a subscription of this peer, or `None` if the subscription has ended.
    pub fn channel(&self, subscription: Subscription) -> Option<ChannelName<'_>> {
        let is_live = self.subscriptions.contains(subscription.0);
        is_live.then(|| self.exchange.hub.channel_name(subscription.0))
    }

    /// Publishes to all subscribers of a channel, including this peer if it is subscribed. If the
    /// channel's home reactor refuses the message because memory is full, the peer is closed with
    /// 1013, and that reactor refuses everything that the peer publishes after the message.
    ///
    /// # Errors
    ///
    /// [`NotPublished::Busy`] if the ring to the channel's home reactor is full. One publish per
    /// [`on_message`] never fails with it.
    ///
    /// [`on_message`]: super::Handler::on_message
    pub fn publish(
        &mut self,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        let (exchange, origin) = (&mut *self.exchange, PublishOrigin::Peer(self.token));
        self.turn.call(|turn| exchange.submit(origin, channel, message, &turn.counters))
    }

    /// Like [`publish`](Self::publish), to a channel that this peer is subscribed to.
    ///
    /// # Errors
    ///
    /// Those of `publish`, and [`NotPublished::NotSubscribed`] if the subscription has ended.
    pub fn publish_to(
        &mut self,
        subscription: Subscription,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        if !self.subscriptions.contains(subscription.0) {
            return Err(NotPublished::NotSubscribed);
        }
        let (exchange, origin) = (&mut *self.exchange, PublishOrigin::Peer(self.token));
        let subscription = subscription.0;
        self.turn.call(|turn| exchange.submit_to(origin, subscription, message, &turn.counters))
    }
}

/// Methods of both [`Visitor`] and [`Context`].
macro_rules! shared_reads {
    () => {
        /// Returns the time of the monotonic clock, as read in this turn.
        pub fn now(&self) -> Instant {
            self.turn.now
        }

        /// Returns the time of the wall clock, as read in this turn: the time since 1970-01-01 UTC.
        pub fn unix_time(&self) -> Duration {
            self.turn.unix_time
        }

        /// Returns true if the server is draining; readiness checks should then fail.
        pub fn is_draining(&self) -> bool {
            self.turn.draining
        }

        /// Returns the reactors that have not begun a turn for two seconds; a health check should
        /// then fail. If this reactor itself stood still until a moment ago, or the whole process
        /// did, the others are given two seconds first.
        pub fn standing_still(&self) -> Vec<Standstill> {
            self.exchange.shared.standing_still(self.turn.now, self.turn.resumed_at)
        }

        /// Returns the figures of the server, for metrics and status pages. Each call adds up the
        /// figures of all reactors.
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
