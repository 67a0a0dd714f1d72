//! After a reload, the application decides anew on every open connection. It does so in portions,
//! so that a million connections do not make a long turn.

use crate::net::Net;
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

use super::api::{Handler, Review, Visitor};
use super::budget;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::limits::LOOP_WORK_MAX;
use super::panics::{self, guarded};
use super::peers::Peers;
use super::via::Via;

/// A walk over the slots of the connection table, once around.
#[derive(Default)]
pub(super) struct ReviewWalk {
    /// The slot that is looked at next.
    place: usize,
    /// How many slots there were when the walk began. A connection in a later slot was accepted
    /// after that, by the new rules.
    places: usize,
    /// How many of them are still to be looked at.
    left: usize,
}

impl ReviewWalk {
    /// Begins a walk. If one is under way, it goes on from where it is, and once around from
    /// there: if it began anew, frequent reloads could keep it from the last slots.
    pub(super) fn begin(&mut self, places: usize) {
        self.place = if self.place < places { self.place } else { 0 };
        self.places = places;
        self.left = places;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.left > 0
    }

    /// Returns the next slot to look at.
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let place = self.place;
        self.place = (place + 1) % self.places;
        Some(place)
    }
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Goes on with a walk, as far as one turn may.
    pub(super) fn review(&mut self, walk: &mut ReviewWalk) {
        if !walk.is_under_way() {
            return;
        }
        self.core.turn.allow(LOOP_WORK_MAX / 2);
        while self.core.turn.has_budget()
            && let Some(place) = walk.next()
        {
            self.core.turn.did(budget::SLOT);
            if let Some(token) = self.connections.token_at(place) {
                self.step(token, Core::review);
            }
        }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Asks the application whether a connection may stay open.
    fn review(&mut self, connection: &mut ConnectionOf<N, H>) {
        let mut visitor = Visitor::new(&mut self.exchange, &mut self.turn, connection, Via::PLAIN);
        visitor.expires_at = connection.expires_at;
        let Phase::Open(open) = &mut connection.phase else { return };
        #[cfg(any(test, fuzzing))]
        work::note(Work::Review);
        visitor.turn.did(budget::REVIEW);
        let handler = &mut self.handler;
        let reviewed = guarded(|| handler.on_review(&mut visitor, &mut open.session));
        connection.expires_at = visitor.expires_at;
        match reviewed {
            Ok(Review::Stay) => self.await_expiry(connection),
            Ok(Review::Close { code, reason }) => self.close(connection, code, reason),
            Err(panicked) => {
                panicked.contain(&mut self.turn);
                self.close(connection, panics::CLOSE.0, panics::CLOSE.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_once_around_from_where_it_is() {
        let mut walk = ReviewWalk::default();
        walk.begin(4);
        assert_eq!([walk.next(), walk.next(), walk.next()], [Some(0), Some(1), Some(2)]);
        walk.begin(5);
        let rest: Vec<_> = std::iter::from_fn(|| walk.next()).collect();
        assert_eq!(rest, [3, 4, 0, 1, 2]);
        assert!(!walk.is_under_way());
        walk.begin(0);
        assert_eq!((walk.next(), walk.is_under_way()), (None, false));
        walk.begin(2);
        assert_eq!(std::iter::from_fn(|| walk.next()).count(), 2);
    }
}
