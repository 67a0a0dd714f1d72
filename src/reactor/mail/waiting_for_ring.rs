//! Peers of this reactor that have published while the ring to their channel's home was half full.
//! They are not read until it is emptier. So those who publish much never fill a ring, and whoever
//! publishes little, or nothing, or to other homes, finds room and is not held up. The same holds
//! for large payloads, which travel beside the rings: who has published one while half of their
//! places were used waits for these, and not for a ring.
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

/// What a peer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RequestRoom {
    /// Half of the request ring to this home.
    Ring(ReactorNumber),
    /// Half of the places for large payloads of requests, to whatever home.
    LargePayloads,
}

pub(crate) struct RingWaiters {
    /// By home, and last for large payloads: the peers that wait, in the order in which they came.
    lists: Vec<VecDeque<Token>>,
    /// How many wait, in all lists.
    waiting: usize,
    /// The list whose waiters come next.
    next_list: usize,
    /// The peer that was let go on last.
    last: Option<Share>,
}

/// How much a peer that goes on may publish before it waits again.
struct Share {
    room: RequestRoom,
    peer: Token,
    bytes: usize,
}

impl RingWaiters {
    pub(super) fn new(reactors: usize) -> RingWaiters {
        let lists = vec![VecDeque::new(); reactors + 1];
        RingWaiters { lists, waiting: 0, next_list: 0, last: None }
    }

    /// Returns true if a peer must wait that has published so many bytes: half of the room is used,
    /// or others wait for it and the peer has used its share.
    pub(super) fn must_wait(
        &mut self,
        room: RequestRoom,
        peer: Token,
        payload_bytes: usize,
        is_half_full: bool,
    ) -> bool {
        if is_half_full || self.list(room).is_empty() {
            return is_half_full;
        }
        let last = self.last.as_mut().filter(|last| (last.room, last.peer) == (room, peer));
        last.is_none_or(|share| {
            share.bytes = share.bytes.saturating_sub(payload_bytes.saturating_add(HEAD_BYTES));
            share.bytes == 0
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Lists a peer. Returns false if it was the last to be listed already.
    pub(super) fn add(&mut self, room: RequestRoom, peer: Token) -> bool {
        let waiters = self.list(room);
        let is_new = waiters.back() != Some(&peer);
        if is_new {
            waiters.push_back(peer);
            self.waiting += 1;
        }
        is_new
    }

    /// Takes the next peer that may go on: one of each list in turn. Those in one list share these
    /// bytes.
    pub(super) fn take_next(
        &mut self,
        bytes: usize,
        is_half_full: impl Fn(RequestRoom) -> bool,
    ) -> Option<Token> {
        let large = self.lists.len() - 1;
        let room = |list: usize| match list == large {
            true => RequestRoom::LargePayloads,
            false => RequestRoom::Ring(ReactorNumber(list as u16)),
        };
        let can_go_on = |list: &usize| !self.lists[*list].is_empty() && !is_half_full(room(*list));
        let mut lists = (self.next_list..self.lists.len()).chain(0..self.next_list);
        let list = lists.find(can_go_on)?;
        self.next_list = (list + 1) % self.lists.len();
        let waiters = &mut self.lists[list];
        let bytes = (bytes / waiters.len()).max(SHARE_BYTES_MIN);
        let peer = waiters.pop_front()?;
        self.waiting -= 1;
        self.last = Some(Share { room: room(list), peer, bytes });
        Some(peer)
    }

    fn list(&mut self, room: RequestRoom) -> &mut VecDeque<Token> {
        let large = self.lists.len() - 1;
        match room {
            RequestRoom::Ring(home) => &mut self.lists[home.index()],
            RequestRoom::LargePayloads => &mut self.lists[large],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: RequestRoom = RequestRoom::Ring(ReactorNumber(1));

    #[test]
    fn a_peer_waits_only_while_the_ring_is_half_full_or_others_wait() {
        let mut waiters = RingWaiters::new(2);
        assert!(!waiters.must_wait(HOME, Token(1), 100, false));
        assert!(waiters.must_wait(HOME, Token(1), 100, true));
        assert!(waiters.add(HOME, Token(1)) && !waiters.add(HOME, Token(1)));
        assert!(waiters.must_wait(HOME, Token(2), 100, false), "it comes after the first");
        assert!(!waiters.must_wait(RequestRoom::Ring(ReactorNumber(0)), Token(2), 100, false));
        assert!(!waiters.must_wait(RequestRoom::LargePayloads, Token(2), 100, false));
        assert_eq!(waiters.take_next(1_000, |_| true), None);
        assert_eq!(waiters.take_next(1_000, |_| false), Some(Token(1)));
        assert!(!waiters.must_wait(HOME, Token(2), 100, false));
    }

    #[test]
    fn those_who_wait_for_one_home_have_equal_shares() {
        let mut waiters = RingWaiters::new(2);
        for peer in 1..=4 {
            waiters.add(HOME, Token(peer));
        }
        for peer in 1..=3 {
            assert_eq!(waiters.take_next(4 * 2 * SHARE_BYTES_MIN, |_| false), Some(Token(peer)));
            let payload_bytes = SHARE_BYTES_MIN - HEAD_BYTES;
            let messages =
                (1..).find(|_| waiters.must_wait(HOME, Token(peer), payload_bytes, false));
            assert_eq!(messages, Some(2));
            waiters.add(HOME, Token(peer));
        }
    }
}
