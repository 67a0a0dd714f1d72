//! Peers of this reactor that have published while the ring to their channel's home was half full.
//! They are not read until it is emptier. So those who publish much never fill a ring, and whoever
//! publishes little, or nothing, or to other homes, finds room and is not held up.
//!
//! While several wait, each that goes on may use its part of half a ring, and then waits
//! again. So whoever has one message for a home does not wait until a thousand others have
//! published all that was read from them.

use std::collections::VecDeque;

use crate::hub::ReactorNumber;
use crate::net::Token;

/// About how many bytes a request takes in a ring beside its payload.
const HEAD_BYTES: usize = 64;
/// A peer that goes on may use at least this much, however many others wait: to read it for one
/// small message would cost more than the message.
const SHARE_BYTES_MIN: usize = 2 * 1024;

pub(crate) struct RingWaiters {
    /// By home: the peers that wait, in the order in which they came.
    by_home: Vec<VecDeque<Token>>,
    /// How many wait, whatever the home.
    waiting: usize,
    /// The home whose waiters come next.
    next_home: usize,
    /// The peer that was let go on last.
    last: Option<Share>,
}

/// What a peer that goes on may use of a ring before it waits again.
struct Share {
    home: ReactorNumber,
    peer: Token,
    bytes: usize,
}

impl RingWaiters {
    pub(super) fn new(reactors: usize) -> RingWaiters {
        let by_home = vec![VecDeque::new(); reactors];
        RingWaiters { by_home, waiting: 0, next_home: 0, last: None }
    }

    /// Returns true if a peer must wait that has published so much to a home: the ring is half
    /// full, or others wait for it and the peer has used its share.
    pub(super) fn must_wait(
        &mut self,
        home: ReactorNumber,
        peer: Token,
        payload_bytes: usize,
        is_half_full: bool,
    ) -> bool {
        if is_half_full || self.by_home[home.index()].is_empty() {
            return is_half_full;
        }
        let last = self.last.as_mut().filter(|last| (last.home, last.peer) == (home, peer));
        last.is_none_or(|share| {
            share.bytes = share.bytes.saturating_sub(payload_bytes.saturating_add(HEAD_BYTES));
            share.bytes == 0
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Lists a peer. Returns false if it was the last to be listed already.
    pub(super) fn add(&mut self, home: ReactorNumber, peer: Token) -> bool {
        let waiters = &mut self.by_home[home.index()];
        let is_new = waiters.back() != Some(&peer);
        if is_new {
            waiters.push_back(peer);
            self.waiting += 1;
        }
        is_new
    }

    /// Takes the next peer that may go on: one of each home in turn. Those who wait for one home
    /// share these bytes.
    pub(super) fn take_next(
        &mut self,
        bytes: usize,
        has_room: impl Fn(ReactorNumber) -> bool,
    ) -> Option<Token> {
        let of = |home: usize| ReactorNumber(home as u16);
        let can_go_on = |home: &usize| !self.by_home[*home].is_empty() && has_room(of(*home));
        let mut homes = (self.next_home..self.by_home.len()).chain(0..self.next_home);
        let home = homes.find(can_go_on)?;
        self.next_home = (home + 1) % self.by_home.len();
        let waiters = &mut self.by_home[home];
        let bytes = (bytes / waiters.len()).max(SHARE_BYTES_MIN);
        let peer = waiters.pop_front()?;
        self.waiting -= 1;
        self.last = Some(Share { home: of(home), peer, bytes });
        Some(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: ReactorNumber = ReactorNumber(1);

    #[test]
    fn a_peer_waits_only_while_the_ring_is_half_full_or_others_wait() {
        let mut waiters = RingWaiters::new(2);
        assert!(!waiters.must_wait(HOME, Token(1), 100, false));
        assert!(waiters.must_wait(HOME, Token(1), 100, true));
        assert!(waiters.add(HOME, Token(1)) && !waiters.add(HOME, Token(1)));
        assert!(waiters.must_wait(HOME, Token(2), 100, false), "it comes after the first");
        assert!(!waiters.must_wait(ReactorNumber(0), Token(2), 100, false), "of another home");
        assert_eq!(waiters.take_next(1_000, |_| false), None);
        assert_eq!(waiters.take_next(1_000, |_| true), Some(Token(1)));
        assert!(!waiters.must_wait(HOME, Token(2), 100, false));
    }

    #[test]
    fn those_who_wait_for_one_home_have_equal_shares() {
        let mut waiters = RingWaiters::new(2);
        for peer in 1..=4 {
            waiters.add(HOME, Token(peer));
        }
        for peer in 1..=3 {
            assert_eq!(waiters.take_next(4 * 2 * SHARE_BYTES_MIN, |_| true), Some(Token(peer)));
            let payload_bytes = SHARE_BYTES_MIN - HEAD_BYTES;
            let messages =
                (1..).find(|_| waiters.must_wait(HOME, Token(peer), payload_bytes, false));
            assert_eq!(messages, Some(2));
            waiters.add(HOME, Token(peer));
        }
    }
}
