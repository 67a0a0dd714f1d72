//! What one connection's step causes for other connections: a subscriber is overrun, a join or a
//! publish is answered. It is handled after the step has returned.

use crate::hub::{Overrun, Owner, PrivateBudgetSpent, SubscriptionId};
use crate::net::{Net, Token};
use crate::protocol::CloseCode;

use super::api::Handler;
use super::budget;
use super::core::Core;
use super::limits::{CROWD_PER_TURN_MAX, FRAMES_PER_STEP_MAX};
use super::mail::Outcome;
use super::peers::Peers;

/// An overrun without its borrowed bytes: the rest of the partly sent frame, if any, was copied to
/// `Core::rest`.
struct Told {
    subscription: SubscriptionId,
    lives_on: bool,
    rest: Result<(), PrivateBudgetSpent>,
}

impl Told {
    fn new(overrun: Overrun<'_>, rests: &mut Vec<u8>) -> (Owner, Told) {
        let Overrun { subscription, owner, lives_on, rest } = overrun;
        rests.clear();
        let rest = rest.map(|rest| rests.extend_from_slice(rest));
        (owner, Told { subscription, lives_on, rest })
    }
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Charges the turn for what the last step has deflated, and handles the pending events.
    /// Outcomes of publishes and inspections are all handled. One message can overrun, and one
    /// join can admit, thousands of subscribers, so of these at most `CROWD_PER_TURN_MAX` are
    /// handled per turn.
    #[inline]
    pub(super) fn dispatch_events(&mut self) {
        let Core { exchange, turn, .. } = &mut self.core;
        turn.did(exchange.hub.take_deflated_bytes() as u64 / budget::DEFLATED_BYTES_PER_UNIT);
        if self.core.exchange.has_events() {
            self.dispatch_pending();
        }
    }

    #[inline(never)]
    fn dispatch_pending(&mut self) {
        while let Some(outcome) = self.core.exchange.outcomes.pop_front() {
            self.tell_outcome(outcome);
        }
        while self.core.turn.crowds_told < CROWD_PER_TURN_MAX
            && (self.tell_next_overrun() || self.tell_next_joined())
        {
            self.core.turn.crowds_told += 1;
        }
    }

    /// Handles the next overrun subscriber. Returns false if there is none.
    fn tell_next_overrun(&mut self) -> bool {
        let Core { exchange, rest, .. } = &mut self.core;
        let Some(overrun) = exchange.hub.next_overrun() else { return false };
        let (owner, told) = Told::new(overrun, rest);
        self.tell_overrun(Token(owner.0), &told);
        true
    }

    /// Handles the overruns of one connection, before anything else is done with it.
    pub(super) fn tell_overruns_of(&mut self, token: Token) {
        loop {
            let Core { exchange, rest, .. } = &mut self.core;
            let Some(overrun) = exchange.hub.next_overrun_of(Owner(token.0)) else { return };
            let (_, told) = Told::new(overrun, rest);
            self.tell_overrun(token, &told);
        }
    }

    fn tell_overrun(&mut self, token: Token, told: &Told) {
        let Told { subscription, lives_on, rest } = *told;
        let is_there = self.step_only(token, |core, connection| {
            core.on_overrun(connection, subscription, lives_on, rest);
        });
        if !is_there {
            self.core.abandon_rest();
        }
    }

    fn tell_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answer(ticket, answer) => {
                self.step_alone(ticket.token, |core, connection| {
                    core.answer_waiting(connection, ticket, answer);
                });
            }
            Outcome::Overloaded(token, refused) => {
                self.step_alone(token, |core, connection| {
                    core.close(connection, CloseCode::TRY_AGAIN_LATER, refused.close_reason());
                });
            }
            Outcome::Wait(token) => {
                self.step_alone(token, |_, connection| {
                    connection.waits_to_publish = connection.waits_to_publish.saturating_add(1);
                });
            }
            Outcome::GoOn(token) => {
                self.step_alone(token, |core, connection| {
                    let waits = connection.waits_to_publish.saturating_sub(1);
                    connection.waits_to_publish = waits;
                    if waits == 0 {
                        core.read(connection, FRAMES_PER_STEP_MAX);
                    }
                });
            }
        }
    }
}
