//! The member's side of a channel whose home is another reactor: it tells the home that it wants
//! the messages, how many subscribers it has, and, when it has had none for a while, that it wants
//! no more.
//!
//! ```text
//!             told         the home's answer          nobody for a while           told
//!  Unannounced ────► Joining ───────────────► Live ──────────────────────► Leaving ────► (gone)
//!       ▲                │ refused             ▲ ▲                            │
//!       └────────────────┘                     │ └──── somebody comes ───────┘
//!                                              └ messages are appended from here on
//! ```
//!
//! All that is told to one home goes the same way, in order; so a message of before a leave cannot
//! be taken for one of after the next join (and its epoch and slot say so too).

use super::Hub;
use super::channel::Standing;
use super::channels::ChannelId;
use super::frames::frame_bytes_of;
use super::homes::ReactorNumber;
use super::limits::Refused;
use super::members::{Joined, Numbered, Slot};
use super::name::ChannelName;
use super::subscriptions::{Owner, SubscriptionId};
use std::collections::VecDeque;

/// What a home has to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest<'h> {
    /// There are subscribers: a [`Joined`] is to come back, or a refusal.
    Join {
        /// Where this reactor keeps the channel.
        slot: Slot,
        /// Which channel.
        channel: ChannelName<'h>,
        /// How many there are.
        subscribers: u32,
    },
    /// Their number has changed.
    Count {
        /// Which channel.
        channel: ChannelName<'h>,
        /// How many there are.
        subscribers: u32,
    },
    /// There have been none for a while.
    Leave {
        /// Which channel.
        channel: ChannelName<'h>,
    },
}

/// What has become of a subscription whose channel was not live yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Its owner.
    pub owner: Owner,
    /// Live from now on; or the home has refused the channel, and the subscription receives
    /// nothing: end it.
    pub outcome: Result<(), Refused>,
}

/// The channels whose homes have to be told something, by their homes; and who waits for the
/// answers.
#[derive(Debug)]
pub(super) struct Interests {
    by_home: Vec<VecDeque<ChannelId>>,
    arrivals: VecDeque<Arrival>,
}

impl Interests {
    pub(super) fn new(reactors: usize) -> Interests {
        Interests { by_home: vec![VecDeque::new(); reactors], arrivals: VecDeque::new() }
    }

    #[cfg(test)]
    pub(super) fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub(super) fn is_told_everything(&self) -> bool {
        self.by_home.iter().all(VecDeque::is_empty)
    }
}

impl Hub {
    /// The number of a channel's subscribers here has changed.
    pub(super) fn subscribers_changed(&mut self, id: ChannelId) {
        let channel = &mut self.channels[id];
        if channel.subscribers.is_empty() && channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
        let channel = &self.channels[id];
        let concerns_nobody =
            channel.standing == Standing::Unannounced && channel.subscribers.is_empty();
        if !channel.is_at_home() && !concerns_nobody {
            self.tell_home(id);
        }
    }

    pub(super) fn tell_home(&mut self, id: ChannelId) {
        if !std::mem::replace(&mut self.channels[id].is_listed_for_home, true) {
            let home = self.channels.home_of(id);
            self.interests.by_home[home.index()].push_back(id);
        }
    }

    /// Whether there is anything to tell any home.
    pub fn has_interest(&self) -> bool {
        !self.interests.is_told_everything()
    }

    /// What a home has to be told next. It stays until it [has been](Self::interest_told).
    pub fn interest(&self, home: ReactorNumber) -> Option<Interest<'_>> {
        let id = *self.interests.by_home[home.index()].front()?;
        let channel = &self.channels[id];
        let (name, subscribers) = (channel.name(), channel.subscribers.len() as u32);
        Some(match channel.standing {
            Standing::Unannounced => {
                Interest::Join { slot: Slot(id.0), channel: name, subscribers }
            }
            Standing::Leaving => Interest::Leave { channel: name },
            Standing::Home | Standing::Joining | Standing::Live => {
                Interest::Count { channel: name, subscribers }
            }
        })
    }

    /// The home has been told.
    pub fn interest_told(&mut self, home: ReactorNumber) {
        let Some(id) = self.interests.by_home[home.index()].pop_front() else { return };
        let channel = &mut self.channels[id];
        channel.is_listed_for_home = false;
        match channel.standing {
            Standing::Unannounced => channel.standing = Standing::Joining,
            Standing::Leaving => self.channels.remove(id),
            Standing::Home | Standing::Joining | Standing::Live => {}
        }
    }

    /// The home has answered: everybody who has subscribed meanwhile is live.
    pub fn joined(&mut self, joined: Joined) {
        let Some(id) = self.joining_channel(joined.slot) else { return };
        let channel = &mut self.channels[id];
        channel.standing = Standing::Live;
        channel.epoch = joined.epoch;
        channel.log.begin_at(joined.next);
        channel.subscribers.begin_at(channel.log.end());
        self.announce_arrivals(id, Ok(()));
    }

    /// The home has refused: the channel would be one too many.
    pub fn not_joined(&mut self, slot: Slot, refused: Refused) {
        let Some(id) = self.joining_channel(slot) else { return };
        self.channels[id].standing = Standing::Unannounced;
        self.announce_arrivals(id, Err(refused));
    }

    fn joining_channel(&self, slot: Slot) -> Option<ChannelId> {
        let id = ChannelId(slot.0);
        let is_joining = self
            .channels
            .find_by_id(id)
            .is_some_and(|channel| channel.standing == Standing::Joining);
        debug_assert!(is_joining, "an answer that nobody has asked for");
        is_joining.then_some(id)
    }

    fn announce_arrivals(&mut self, id: ChannelId, outcome: Result<(), Refused>) {
        if self.channels[id].subscribers.is_empty() {
            self.channels.used_without_subscribers(id);
        }
        let subscribers = &self.channels[id].subscribers;
        self.interests.arrivals.extend((0..subscribers.len()).map(|index| {
            let (subscription, owner) = subscribers.subscription(index);
            Arrival { subscription, owner, outcome }
        }));
    }

    /// The next subscription of which the home has decided. It may have ended since.
    pub fn next_arrival(&mut self) -> Option<Arrival> {
        self.interests.arrivals.pop_front()
    }

    /// Whether a subscription still waits for the home of its channel.
    pub fn is_joining(&self, subscription: SubscriptionId) -> bool {
        self.channels[self.subscriptions.channel_of(subscription)].is_joining()
    }

    /// Appends a message that its home has numbered. It cannot be refused; [`Refused::Busy`] asks
    /// for it again after the sweep. One of a channel that has been left meanwhile is for nobody.
    /// Fetch [`next_fallen`](Self::next_fallen) after it.
    pub fn append(&mut self, numbered: Numbered<'_>) -> Result<(), Refused> {
        let Numbered { slot, epoch, number, message } = numbered;
        let id = ChannelId(slot.0);
        let Some(channel) = self.channels.find_by_id(id) else { return Ok(()) };
        let receives = matches!(channel.standing, Standing::Live | Standing::Leaving);
        if !receives || channel.epoch != epoch {
            return Ok(());
        }
        // A bug of ours, and never to be covered up: what followed would be delivered under wrong
        // numbers.
        assert_eq!(channel.log.end().number, number, "the home's numbers have a gap");
        if !channel.subscribers.is_empty() {
            let (frame_bytes, bound) = (frame_bytes_of(message), self.limits.channel_buffer_bytes);
            let kept_from = match channel.log.make_room(frame_bytes, bound, Some(&self.pool)) {
                // It was accepted, so it is delivered. The home refuses the next one:
                // `is_memory_full`.
                Err(Refused::MemoryFull) => channel.log.make_room(frame_bytes, bound, None)?,
                kept_from => kept_from?,
            };
            self.cut_off(id, kept_from);
        }
        self.append_for_all(id, message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DropReason, Homes, HubLimits};
    use super::*;
    use crate::instant::Instant;
    use crate::protocol::Message;
    use std::sync::Arc;
    use std::time::Duration;

    const HOME: ReactorNumber = ReactorNumber(0);

    /// A hub that is not the home of this channel.
    fn member() -> (Hub, String) {
        let hub =
            Hub::new(HubLimits::default(), Arc::new(Homes::new([1; 16], 2)), ReactorNumber(1), 1);
        let lives_elsewhere =
            |name: &String| hub.home_of(ChannelName::parse(name).unwrap()) == HOME;
        let name = (0..).map(|number| number.to_string()).find(lives_elsewhere).unwrap();
        (hub, name)
    }

    #[test]
    fn who_comes_back_before_the_home_was_told_keeps_the_channel_and_misses_nothing() {
        let (mut hub, text) = member();
        let name = ChannelName::parse(&text).unwrap();
        let first = hub.subscribe(name, Owner(1)).unwrap();
        let Some(Interest::Join { slot, .. }) = hub.interest(HOME) else { panic!("it joins") };
        hub.interest_told(HOME);
        hub.joined(Joined { slot, epoch: 7, next: 1 });
        hub.next_arrival();
        hub.remove(first, DropReason::Closed);
        let numbered =
            |number| Numbered { slot, epoch: 7, number, message: Message::text("hello") };
        for seconds in [0, 10] {
            hub.forget_idle(Instant::ZERO + Duration::from_secs(seconds));
        }
        assert_eq!(hub.interest(HOME), Some(Interest::Leave { channel: name }));
        hub.append(numbered(1)).unwrap();
        let second = hub.subscribe(name, Owner(2)).unwrap();
        assert!(!hub.is_joining(second));
        assert_eq!(hub.interest(HOME), Some(Interest::Count { channel: name, subscribers: 1 }));
        hub.interest_told(HOME);
        hub.append(numbered(2)).unwrap();
        assert_eq!(hub.pending(), 1);
    }

    #[test]
    fn a_message_of_what_had_the_slot_before_is_for_nobody() {
        let (mut hub, name) = member();
        hub.subscribe(ChannelName::parse(&name).unwrap(), Owner(1)).unwrap();
        let Some(Interest::Join { slot, .. }) = hub.interest(HOME) else { panic!("it joins") };
        hub.interest_told(HOME);
        let numbered =
            |epoch, number| Numbered { slot, epoch, number, message: Message::text("hello") };
        hub.append(numbered(6, 40)).unwrap();
        hub.joined(Joined { slot, epoch: 7, next: 3 });
        assert!(hub.next_arrival().is_some_and(|arrival| arrival.outcome.is_ok()));
        hub.append(numbered(6, 41)).unwrap();
        assert_eq!(hub.pending(), 0, "its epoch is another one");
        hub.append(numbered(7, 3)).unwrap();
        assert_eq!(hub.pending(), 1);
        hub.append(Numbered { slot: Slot(slot.0 + 1), ..numbered(7, 4) }).unwrap();
        assert_eq!(hub.pending(), 1, "nothing has this slot");
    }
}
