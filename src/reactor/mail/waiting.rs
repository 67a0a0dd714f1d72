//! Publishers that wait because a channel to which they have published is full. When the channel
//! has room again, they are resumed one after the other, as long as the room lasts.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::hub::{Accepted, ChannelId, ReactorNumber};
use crate::net::Token;
use crate::reactor::held_publishers::LineId;
use crate::reactor::ticket::Ticket;

/// Lists of publishers that are kept for reuse when empty.
const SPARES_MAX: usize = 64;

/// A publisher whose message was accepted by a channel that was full afterwards, or one on another
/// thread, whose message finds the channel full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiter {
    /// A WebSocket connection of a reactor: it is not read until it is resumed.
    Peer(ReactorNumber, Token),
    /// An HTTP request of a reactor: its answer is held back until then.
    Request(ReactorNumber, Ticket, Accepted),
    /// A publisher on another thread of this process: its messages are put aside until then.
    Thread(LineId),
}

/// All publishers that wait at a home, by channel.
#[derive(Default)]
pub(crate) struct WaitingPublishers {
    by_channel: HashMap<ChannelId, WaitersOfChannel>,
    /// Those of the waiting peers that are connected to other reactors. Such a peer may have sent
    /// several messages before it was stopped, and must be listed only once.
    remote: HashSet<(ChannelId, ReactorNumber, Token)>,
    /// The channels that have room again. One waiter of each is resumed at a time, in rotation.
    with_room: VecDeque<ChannelId>,
    spares: Vec<VecDeque<Waiter>>,
}

#[derive(Default)]
struct WaitersOfChannel {
    list: VecDeque<Waiter>,
    /// The channel is in `WaitingPublishers::with_room`.
    has_room: bool,
}

impl WaitingPublishers {
    /// Lists a peer of another reactor. Returns false if it waits for this channel already.
    pub(super) fn is_new(&mut self, channel: ChannelId, from: ReactorNumber, token: Token) -> bool {
        self.remote.insert((channel, from, token))
    }

    pub(super) fn add(&mut self, channel: ChannelId, waiter: Waiter) {
        let spares = &mut self.spares;
        let waiters = self.by_channel.entry(channel).or_insert_with(|| WaitersOfChannel {
            list: spares.pop().unwrap_or_default(),
            has_room: false,
        });
        waiters.list.push_back(waiter);
    }

    /// Returns true if publishers wait for a channel.
    pub(super) fn has_waiters(&self, channel: ChannelId) -> bool {
        self.by_channel.contains_key(&channel)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_channel.is_empty()
    }

    /// Must be called when a channel is no longer full.
    pub(super) fn has_room(&mut self, channel: ChannelId) {
        if let Some(waiters) = self.by_channel.get_mut(&channel)
            && !std::mem::replace(&mut waiters.has_room, true)
        {
            self.with_room.push_back(channel);
        }
    }

    /// Returns the next waiter that may go on, and its channel: one of each channel in turn. It
    /// stays until it is [taken](Self::take).
    pub(super) fn next(
        &mut self,
        is_full: impl Fn(ChannelId) -> bool,
    ) -> Option<(ChannelId, Waiter)> {
        while let Some(channel) = self.with_room.front().copied() {
            let waiters = self.by_channel.get_mut(&channel)?;
            if !is_full(channel) {
                return waiters.list.front().map(|waiter| (channel, *waiter));
            }
            waiters.has_room = false;
            self.with_room.pop_front();
        }
        None
    }

    /// Takes the waiter that `next` has returned.
    pub(super) fn take(&mut self) {
        let Some(channel) = self.with_room.pop_front() else { return };
        let Some(waiters) = self.by_channel.get_mut(&channel) else { return };
        if let Some(Waiter::Peer(from, token)) = waiters.list.pop_front() {
            self.remote.remove(&(channel, from, token));
        }
        if !waiters.list.is_empty() {
            return self.with_room.push_back(channel);
        }
        if let Some(waiters) = self.by_channel.remove(&channel)
            && self.spares.len() < SPARES_MAX
        {
            self.spares.push(waiters.list);
        }
    }

    /// Moves the channel of the waiter that `next` has returned behind the other channels, because
    /// that waiter cannot be resumed yet.
    pub(super) fn put_off(&mut self) {
        self.with_room.rotate_left(1);
    }

    /// Returns how many channels have room and waiters.
    pub(super) fn channels_with_room(&self) -> usize {
        self.with_room.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ReactorNumber = ReactorNumber(0);

    fn peer(number: u64) -> Waiter {
        Waiter::Peer(HERE, Token(number))
    }

    /// Takes every waiter that may be resumed.
    fn take_all(waiting: &mut WaitingPublishers, full: &[ChannelId]) -> Vec<Waiter> {
        let next = || {
            let (_, waiter) = waiting.next(|channel| full.contains(&channel))?;
            waiting.take();
            Some(waiter)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn waiters_go_on_in_the_order_in_which_they_came_and_channels_in_turn() {
        let mut waiting = WaitingPublishers::default();
        let [news, sport] = [ChannelId(1), ChannelId(2)];
        for number in [1, 2, 3] {
            waiting.add(news, peer(number));
        }
        waiting.add(sport, peer(4));
        assert_eq!(take_all(&mut waiting, &[]), [], "both are full");
        waiting.has_room(news);
        waiting.has_room(sport);
        assert_eq!(take_all(&mut waiting, &[]), [peer(1), peer(4), peer(2), peer(3)]);
        assert_eq!(waiting.channels_with_room(), 0);
    }

    #[test]
    fn when_a_channel_is_full_again_its_other_waiters_keep_their_places() {
        let mut waiting = WaitingPublishers::default();
        let news = ChannelId(1);
        for number in [1, 2] {
            waiting.add(news, peer(number));
        }
        waiting.has_room(news);
        assert_eq!(waiting.next(|_| false), Some((news, peer(1))));
        waiting.take();
        waiting.add(news, peer(1));
        assert_eq!(take_all(&mut waiting, &[news]), []);
        waiting.has_room(news);
        assert_eq!(take_all(&mut waiting, &[]), [peer(2), peer(1)]);
    }

    #[test]
    fn a_peer_of_another_reactor_waits_once_for_a_channel() {
        let mut waiting = WaitingPublishers::default();
        let (news, from, token) = (ChannelId(1), ReactorNumber(1), Token(7));
        assert!(waiting.is_new(news, from, token));
        waiting.add(news, Waiter::Peer(from, token));
        assert!(!waiting.is_new(news, from, token));
        waiting.has_room(news);
        assert_eq!(take_all(&mut waiting, &[]), [Waiter::Peer(from, token)]);
        assert!(waiting.is_new(news, from, token));
    }
}
