//! Peers whose publish was refused. What they have sent behind it is refused as well, so that what
//! is accepted of a publisher is a beginning without a gap: it cannot know of more when it is
//! closed.

use std::collections::HashMap;

use crate::hub::ReactorNumber;
use crate::net::Token;

use super::mail::{Inbox, Origin, Outbox};

/// The peers that this home has refused, by reactor, as long as anything of them can still come.
#[derive(Default)]
pub(super) struct RefusedPeers(HashMap<(ReactorNumber, Token), Rest>);

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
    pub(super) fn add(&mut self, from: ReactorNumber, token: Token, outbox: &Outbox) {
        self.0.insert((from, token), Rest::Open(outbox.deliveries_filled_to(from)));
    }

    /// Whether something of this peer was refused before.
    pub(super) fn contains(&self, from: ReactorNumber, origin: Origin) -> bool {
        match origin {
            Origin::Peer(token) => !self.0.is_empty() && self.0.contains_key(&(from, token)),
            Origin::Request(_) | Origin::Publisher => false,
        }
    }

    /// Forgets those of whom nothing can come any more.
    pub(super) fn forget_closed(&mut self, inbox: &Inbox, outbox: &Outbox) {
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
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
