//! Peers whose publish was refused. Once a message is refused, everything that its publisher sends
//! after it is refused too, so what was accepted is a gap-free prefix; a closed publisher can know
//! of no more.

use std::collections::HashMap;

use crate::hub::ReactorNumber;
use crate::net::Token;

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::record::PublishOrigin;

/// The peers that this home has refused, by reactor, as long as anything of them can still come.
#[derive(Default)]
pub(crate) struct RefusedPeers(HashMap<(ReactorNumber, Token), Rest>);

/// Where the last request of a refused peer stands.
enum Rest {
    /// Anywhere, until its reactor has taken the answer, which ends at this place of the
    /// deliveries: that closes the peer.
    Open(u64),
    /// Before this place of the requests.
    Before(u64),
}

impl RefusedPeers {
    /// Its reactor has been answered, or hears of it before the peer is read again.
    pub(crate) fn add(&mut self, from: ReactorNumber, token: Token, outbox: &Outbox) {
        self.0.insert((from, token), Rest::Open(outbox.deliveries_filled_to(from)));
    }

    /// Whether something of this peer was refused before.
    pub(crate) fn contains(&self, from: ReactorNumber, origin: PublishOrigin) -> bool {
        match origin {
            PublishOrigin::Peer(token) => !self.0.is_empty() && self.0.contains_key(&(from, token)),
            PublishOrigin::Request(_) | PublishOrigin::Publisher => false,
        }
    }

    /// Forgets those of whom nothing can come any more.
    pub(crate) fn forget_closed(&mut self, inbox: &Inbox, outbox: &Outbox) {
        self.0.retain(|(from, _), rest| {
            // In this order: what the peer has sent stands in the requests by the time that the
            // answer is taken.
            if let Rest::Open(answer) = *rest
                && outbox.has_taken_deliveries(*from, answer)
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
