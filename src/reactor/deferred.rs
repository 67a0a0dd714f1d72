//! An opening handshake on which the application decides later. Until then its head is kept, and
//! nothing more is read from the peer.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::net::Net;
use crate::protocol::{HeaderStorage, Request, Response, check_upgrade};

use super::api::{Handler, Visitor};
use super::budget;
use super::client::client_of;
use super::connection::{Owed, Phase};
use super::core::{ConnectionOf, Core};
use super::deferral::ReadyHandshakes;
use super::http::{Answering, Next, answer_upgrade};
use super::limits::LOOP_WORK_MAX;
use super::panics::guarded;
use super::peers::Peers;
use super::respond::How;
use super::ticket::Ticket;

/// The handshakes on which the application can decide now.
pub(super) struct DeferredHandshakes {
    pub(super) ready: Arc<ReadyHandshakes>,
    /// Those that the reactor has taken over from other threads, but not handled yet.
    taken: VecDeque<Ticket>,
}

impl DeferredHandshakes {
    pub(super) fn new(ready: Arc<ReadyHandshakes>) -> DeferredHandshakes {
        DeferredHandshakes { ready, taken: VecDeque::new() }
    }

    /// Returns true if there are any that the reactor has not come to.
    pub(super) fn are_left(&self) -> bool {
        !self.taken.is_empty()
    }
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Has the application decide on handshakes, as far as one turn may.
    pub(super) fn decide_on_deferred(&mut self, deferred: &mut DeferredHandshakes) {
        if !deferred.ready.is_any() && !deferred.are_left() {
            return;
        }
        deferred.ready.take(&mut deferred.taken);
        self.core.turn.allow(LOOP_WORK_MAX / 2);
        while self.core.turn.has_budget()
            && let Some(ticket) = deferred.taken.pop_front()
        {
            self.core.turn.did(budget::REQUEST);
            self.step_alone(ticket.token, |core, connection| core.decide(connection, ticket));
        }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Keeps the head of a handshake until the application decides.
    pub(super) fn defer(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        head: std::ops::Range<usize>,
        owed: Owed,
    ) {
        let mut assembly = self.pool.take();
        assembly.append(&self.receive[head]);
        self.pool.count(&mut assembly);
        connection.io.assembly = Some(assembly);
        self.await_answer(connection, owed);
        if let Phase::Http(http) = &mut connection.phase {
            http.is_deferred = true;
        }
        self.leave_if_given_up(connection);
    }

    /// Ends a connection whose handshake waits, if its peer has closed its side: a client that
    /// waits for its 101 does not do that. So its place is free before the decision comes.
    pub(super) fn leave_if_given_up(&mut self, connection: &mut ConnectionOf<N, H>) {
        if let Phase::Http(http) = &connection.phase
            && http.is_deferred
            && connection.hung_up
        {
            self.leave_silently(connection);
        }
    }

    /// Has the application decide on a handshake, if it still waits for that.
    fn decide(&mut self, connection: &mut ConnectionOf<N, H>, ticket: Ticket) {
        let Phase::Http(http) = &mut connection.phase else { return };
        if http.answer.take_if(|owed| owed.waits_for(ticket)).is_none() {
            return;
        }
        let assembly = connection.io.assembly.take().unwrap_or_default();
        let mut storage = HeaderStorage::default();
        let mut next = None;
        if let Ok(request) = Request::parse(assembly.unread(), &mut storage)
            && let Ok(upgrade) = check_upgrade(&request)
        {
            let (via, _) = client_of(connection, &request, &self.limits);
            let mut visitor = Visitor::new(&mut self.exchange, &mut self.turn, connection, via);
            let handler = &mut self.handler;
            next = Some(match guarded(|| handler.on_deferred(&mut visitor, &request, ticket)) {
                Ok(answer) => {
                    let answering = Answering::new(&mut self.outgoing, &self.limits);
                    answer_upgrade(answer, &upgrade, answering, &mut visitor)
                }
                Err(panicked) => {
                    let response = panicked.contain_in_request(visitor.turn);
                    Next::Respond(response, How::of_handshake(Owed::LAST))
                }
            });
            connection.expires_at = visitor.expires_at;
        }
        self.pool.put(assembly);
        match next {
            Some(Next::Open { session, compression }) => {
                self.open(connection, session, compression);
                self.go_on_if_unread(connection);
            }
            Some(Next::OpenAndClose) => self.turn_away(connection),
            Some(Next::Respond(response, how)) => self.respond(connection, response, how),
            // The head was valid when it was kept, and a decision cannot be put off twice.
            Some(Next::Later(..) | Next::Defer(..) | Next::AwaitBody(..)) | None => {
                let response = Response::text(500, "internal error\n");
                self.respond(connection, response, How::of_handshake(Owed::LAST));
            }
        }
    }
}
