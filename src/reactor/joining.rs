//! Joining: a connection has subscribed to a channel whose home is another reactor. Nothing is sent
//! to it, not even its 101, until the home has reported the number of the first message that the
//! connection will receive. From then on the subscription is live.

use crate::hub::{JoinOutcome, Refused, SubscriptionId};
use crate::net::{Net, Token};
use crate::protocol::CloseCode;
use crate::transport::Sent;

use super::api::Handler;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::peers::Peers;

impl<N: Net, H: Handler> Peers<N, H> {
    /// Handles the next answer of a home reactor to a join. Returns false if there is none.
    pub(super) fn tell_next_joined(&mut self) -> bool {
        let Some(joined) = self.core.exchange.hub.next_join_outcome() else { return false };
        let JoinOutcome { subscription, owner, outcome } = joined;
        self.step_alone(Token(owner.0), |core, connection| {
            core.on_joined(connection, subscription, outcome);
        });
        true
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Holds back the replies of the last callback if it has subscribed to channels whose home
    /// reactors have not answered yet.
    pub(super) fn hold_until_joined(&mut self, connection: &mut ConnectionOf<N, H>) {
        if std::mem::take(&mut self.outgoing.has_subscribed) && self.is_joining(connection) {
            connection.io.hold(b"", &mut self.pool);
        }
    }

    /// Holds back messages while a 101 is held for a join, because they must follow the 101.
    /// Messages that are already in the log are appended to the replies after the 101; later ones
    /// stay in the log, because the subscriptions are blocked.
    pub(super) fn hold_messages(&mut self, connection: &mut ConnectionOf<N, H>) {
        let Phase::Open(open) = &mut connection.phase else { return };
        let hub = &mut self.exchange.hub;
        for subscription in open.subscriptions.iter() {
            while !hub.is_caught_up(subscription) {
                let unsent = hub.unsent(subscription);
                self.outgoing.replies.extend_from_slice(unsent.first);
                let bytes = unsent.first.len();
                hub.advance(subscription, bytes);
            }
            hub.hold(subscription);
        }
        open.subscriptions.note_all_blocked();
    }

    /// Returns true if the home reactor of any channel of the connection has not answered yet.
    fn is_joining(&self, connection: &ConnectionOf<N, H>) -> bool {
        connection.subscriptions().any(|one| self.exchange.hub.is_joining(one))
    }

    /// A channel's home reactor has answered a subscription. A refusal closes the connection. Once
    /// all subscriptions of the connection are live, the held replies are sent, and the connection
    /// is read again.
    fn on_joined(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        subscription: SubscriptionId,
        outcome: Result<(), Refused>,
    ) {
        if !connection.subscriptions().any(|one| one == subscription) {
            return;
        }
        if let Err(refused) = outcome {
            let reason = refused.close_reason();
            return self.close(connection, CloseCode::TRY_AGAIN_LATER, reason);
        }
        if self.is_joining(connection) || !connection.io.is_held() {
            return;
        }
        connection.io.release();
        connection.subscriptions().for_each(|one| self.exchange.hub.release(one));
        if connection.awaiting_pong {
            self.set_deadline(connection, self.limits.pong_timeout);
        }
        if connection.blocked {
            return;
        }
        match self.write_owed(connection) {
            Err(_) => self.lose(connection),
            Ok(Sent::Blocked | Sent::Starved) => {}
            Ok(Sent::All) => self.unblock(connection),
        }
    }
}
