//! What one connection's step causes for other connections: a subscriber is overrun, a join or a
//! publish is answered. It is handled after the step has returned.

use crate::hub::Overrun;
use crate::net::{Net, Token};
use crate::protocol::CloseCode;

use super::api::Handler;
use super::mail::Outcome;
use super::peers::Peers;

impl<N: Net, H: Handler> Peers<N, H> {
    /// Handles all pending events: overrun subscribers, joins that a home reactor has answered, and
    /// the outcomes of publishes and inspections.
    pub(super) fn dispatch_events(&mut self) {
        loop {
            if self.tell_next_overrun() || self.tell_next_joined() {
                continue;
            }
            let Some(outcome) = self.core.exchange.outcomes.pop_front() else { return };
            self.tell_outcome(outcome);
        }
    }

    /// Handles the next overrun subscriber. Returns false if there is none.
    fn tell_next_overrun(&mut self) -> bool {
        let core = &mut self.core;
        let Some(Overrun { subscription, owner, lives_on, rest }) =
            core.exchange.hub.next_overrun()
        else {
            return false;
        };
        core.rest.clear();
        let rest = rest.map(|rest| core.rest.extend_from_slice(rest));
        let is_there = self.step_alone(Token(owner.0), |core, connection| {
            core.on_overrun(connection, subscription, lives_on, rest);
        });
        if !is_there {
            self.core.abandon_rest();
        }
        true
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
        }
    }
}
