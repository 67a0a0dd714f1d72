//! Peers whose publish was refused. Once a message is refused, everything that its publisher sends
//! after it is refused too. So the accepted messages of a publisher are a prefix without gaps, and
//! that is all that a closed publisher knows about them.

use std::collections::HashMap;

use crate::hub::ReactorNumber;
use crate::net::Token;
use crate::reactor::remote_publish::UnderWay;

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::record::PublishOrigin;

/// Peers of which this home reactor has refused a publish, each with its own reactor and token. A
/// peer stays here until none of its requests can still arrive, so that later ones are refused too.
#[derive(Default)]
pub(crate) struct RefusedPeers(HashMap<(ReactorNumber, Token), Rest>);

/// Where requests of a refused peer may still be.
enum Rest {
    /// The peer's reactor has not yet taken the refusal, which ends at this offset of the
    /// answers ring. Taking it closes the peer.
    Open(u64),
    /// The peer is closed, and all its requests lie before this offset of the requests ring.
    Before(u64),
}

impl RefusedPeers {
    /// Refuses everything that this peer publishes from now on. The caller has already queued the
    /// refusal, either as an answer to the peer's reactor or, on this reactor, as an `Outcome`
    /// that is handled before the peer is read again.
    pub(crate) fn add(&mut self, from: ReactorNumber, token: Token, outbox: &Outbox) {
        self.0.insert((from, token), Rest::Open(outbox.answers_filled_to(from)));
    }

    /// Returns true if an earlier message of the same publisher was refused, so that this one must
    /// be refused too.
    pub(crate) fn contains(
        &self,
        from: ReactorNumber,
        origin: PublishOrigin,
        from_threads: &UnderWay,
    ) -> bool {
        match origin {
            PublishOrigin::Peer(token) => !self.0.is_empty() && self.0.contains_key(&(from, token)),
            PublishOrigin::Publisher(key) => from_threads.is_behind_a_refusal(key),
            PublishOrigin::Request(_) => false,
        }
    }

    /// Removes the peers from which no more requests can arrive.
    pub(crate) fn forget_closed(&mut self, inbox: &Inbox, outbox: &Outbox) {
        self.0.retain(|(from, _), rest| {
            // The offset is read after this check: once the refusal has been taken, everything that
            // the peer has sent is in the requests ring.
            if let Rest::Open(answer) = *rest
                && outbox.has_taken_answers(*from, answer)
            {
                *rest = Rest::Before(inbox.requests_filled_to(*from));
            }
            match *rest {
                Rest::Open(_) => true,
                Rest::Before(place) => inbox.has_request_before(*from, place),
            }
        });
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
