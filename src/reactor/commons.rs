//! What every callback of one reactor may reach besides its own peer: the hub, the way to a channel's home,
//! the clock and the counters. No socket and no other connection: so no callback is called from within
//! another.

use std::collections::VecDeque;
use std::time::Duration;

use crate::hub::{Accepted, ChannelName, Hub, Refused, SubscriptionId};
use crate::instant::Instant;
use crate::net::Token;
use crate::protocol::Message;

use super::context::Ticket;
use super::counters::{Counters, Source};
use super::requests::{NotPublished, Origin, Requests};

pub(super) struct Commons {
    pub(super) hub: Hub,
    pub(super) requests: Requests,
    /// Outcomes that a peer has to hear of: each is told when the callback that caused it has returned.
    pub(super) outcomes: VecDeque<Outcome>,
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

/// What became of a publish.
pub(super) enum Outcome {
    /// Answer the request that is waiting for it.
    Answer(Ticket, Result<Accepted, Refused>),
    /// Close the publisher: its message was refused, and so would be the next.
    Overloaded(Token),
}

impl Commons {
    /// Brings a message to the home of its channel, behind whatever waits there already. An error leaves
    /// nothing behind.
    pub(super) fn submit(
        &mut self,
        origin: Origin,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        if self.requests.is_empty() {
            match self.hub.publish(channel, message) {
                Err(Refused::Busy) => {}
                outcome => {
                    self.settle(origin, outcome);
                    return Ok(());
                }
            }
        }
        self.requests.push(origin, channel, message)
    }

    /// As [`submit`](Self::submit), to the channel of a subscription.
    pub(super) fn submit_to(
        &mut self,
        origin: Origin,
        subscription: SubscriptionId,
        message: Message<'_>,
    ) -> Result<(), NotPublished> {
        if self.requests.is_empty() {
            match self.hub.publish_to(subscription, message) {
                Err(Refused::Busy) => {}
                outcome => {
                    self.settle(origin, outcome);
                    return Ok(());
                }
            }
        }
        self.requests.push(origin, self.hub.channel_name(subscription), message)
    }

    /// Tries the waiting publishes again, oldest first.
    pub(super) fn retry_requests(&mut self) {
        while let Some((origin, channel, message)) = self.requests.head() {
            let outcome = self.hub.publish(channel, message);
            if let Err(Refused::Busy) = outcome {
                return;
            }
            self.requests.pop();
            self.settle(origin, outcome);
            // Whoever fell off has to hear of it before the log moves on.
            if self.hub.has_fallen() {
                return;
            }
        }
    }

    /// Counts an outcome, and notes whom to tell.
    fn settle(&mut self, origin: Origin, outcome: Result<Accepted, Refused>) {
        match outcome {
            Ok(_) => self.counters.publish(match origin {
                Origin::Peer(_) => Source::WebSocket,
                Origin::Request(_) => Source::Http,
                Origin::Publisher => Source::Publisher,
            }),
            Err(_) => self.counters.refused += 1,
        }
        match origin {
            Origin::Request(ticket) => self.outcomes.push_back(Outcome::Answer(ticket, outcome)),
            Origin::Peer(token) if outcome.is_err() => self.outcomes.push_back(Outcome::Overloaded(token)),
            Origin::Peer(_) | Origin::Publisher => {}
        }
    }
}
