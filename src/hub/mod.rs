//! The hub: channels, their logs, and a cursor for every subscriber. Pure: no socket, no clock, no
//! thread.
//!
//! A message is encoded once, as the frame that goes on the wire, and appended to its channel's log
//! (`log`). A subscriber is a cursor in it. The reactor asks who is behind ([`Hub::next_due`]),
//! offers the bytes between cursor and end to that subscriber's stream ([`Hub::unsent`]), and
//! reports how many were taken ([`Hub::advance`]).
//!
//! ```text
//! name ──► channels ──► channel ┬ log ── segments ── pool        publish: append, O(1)
//!                               └ subscribers (dense cursors)    sweep:   one scan, one send each
//! subscription id ──► subscriptions ──┘
//! ```
//!
//! Nothing here blocks or fails by itself: a limit reached is an answer ([`Refused`]), and nobody
//! is cut off but a subscriber that is blocked and in the way ([`Hub::next_fallen`]). The
//! [`Ledger`] balances at every moment.

mod channel;
mod channels;
mod cursor;
mod fallen;
mod frames;
mod homes;
mod interest;
mod leave;
mod ledger;
mod limits;
mod log;
mod members;
#[cfg(test)]
mod model;
mod name;
mod private;
mod segment;
mod spares;
mod subscribers;
mod subscriptions;
mod sweep;
#[cfg(test)]
mod tests;
mod unsent;
#[cfg(test)]
pub(crate) mod views;

#[cfg(test)]
pub(crate) use channel::Standing;
pub use channel::{Accepted, ChannelInfo, MessageId};
pub use fallen::Fallen;
pub use homes::{Homes, ReactorNumber};
pub use interest::{Arrival, Interest};
pub use ledger::{DropReason, Ledger};
pub use limits::{HubLimits, Refused, SlowPolicy};
pub use members::{Joined, Numbered, Outlet, Slot};
pub use name::{CHANNEL_NAME_BYTES_MAX, ChannelName, ChannelNameError};
pub use private::PrivateBudgetSpent;
pub use subscriptions::{Owner, SubscriptionId};
pub use sweep::Due;
pub use unsent::{Advanced, Unsent};

use crate::instant::Instant;
use crate::protocol::{HEADER_BYTES_MAX, Message};
use channels::{ChannelId, Channels};
use fallen::FallenQueue;
use interest::Interests;
use members::Members;
use private::PrivateRests;
use segment::SegmentPool;
use std::sync::Arc;
use std::time::Duration;
use subscriptions::Subscriptions;
use sweep::Sweep;

/// Memory that nobody has needed for so long begins to go back to the system.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);

/// All channels of one reactor: those that live here, and those of other homes that have
/// subscribers here.
#[derive(Debug)]
pub struct Hub {
    limits: HubLimits,
    channels: Channels,
    members: Members,
    interests: Interests,
    subscriptions: Subscriptions,
    pool: SegmentPool,
    sweep: Sweep,
    fallen: FallenQueue,
    private: PrivateRests,
    ledger: Ledger,
    trim_at: Instant,
    /// Where the search for what may go begins when memory is short.
    relief_at: usize,
    /// Every message that was numbered here, for tests to hold against what has been received.
    #[cfg(test)]
    pub(crate) numbered: Vec<(String, u64, Vec<u8>)>,
}

impl Hub {
    /// An empty hub, of the reactor `own`. The seed is where epochs come from, and should differ
    /// between processes and hubs.
    pub fn new(limits: HubLimits, homes: Arc<Homes>, own: ReactorNumber, epoch_seed: u64) -> Hub {
        // Private rests have their part of the memory set aside, so that neither has to ask for the
        // other.
        let segment_bytes_max = limits.memory_bytes.saturating_sub(limits.private_bytes_max);
        Hub {
            limits,
            interests: Interests::new(homes.reactors()),
            channels: Channels::new(limits.channels_max, homes, own, epoch_seed),
            members: Members::default(),
            subscriptions: Subscriptions::default(),
            pool: SegmentPool::new(segment_bytes_max, limits.channel_buffer_bytes),
            sweep: Sweep::new(),
            fallen: FallenQueue::default(),
            private: PrivateRests::new(limits.private_bytes_max),
            ledger: Ledger::default(),
            trim_at: Instant::ZERO,
            relief_at: 0,
            #[cfg(test)]
            numbered: Vec::new(),
        }
    }

    /// The reactor that numbers the messages of this channel.
    pub fn home_of(&self, name: ChannelName<'_>) -> ReactorNumber {
        self.channels.homes().home_of(name)
    }

    /// The home of a subscription's channel.
    pub fn home_of_subscription(&self, subscription: SubscriptionId) -> ReactorNumber {
        self.channels.home_of(self.subscriptions.channel_of(subscription))
    }

    // Subscribing and publishing.

    /// Joins a channel, which is made if there is none: everything published from now on, nothing
    /// before. Where another reactor is the channel's home, "now" may be later: see
    /// [`is_joining`](Self::is_joining). Refused as `TooManyChannels`, or as `MemoryFull` beyond
    /// 16,777,216 subscriptions.
    pub fn subscribe(
        &mut self,
        name: ChannelName<'_>,
        owner: Owner,
    ) -> Result<SubscriptionId, Refused> {
        if self.subscriptions.is_full() {
            return Err(Refused::MemoryFull);
        }
        let id = self.channels.find_or_insert(name)?;
        let subscription = self.subscriptions.insert(id);
        let channel = &mut self.channels[id];
        let cursor = channel.log.end();
        channel.log.enter(cursor.offset, false);
        channel.subscribers.join(subscription, owner, cursor, &mut self.subscriptions);
        channel.come_back();
        self.subscribers_changed(id);
        Ok(subscription)
    }

    /// Numbers a message, appends it to its channel's log, and puts it on its way to all members;
    /// the channel, whose home is here, is made if there is none. A refused message has changed
    /// nothing and goes to nobody. Fetch [`next_fallen`](Self::next_fallen) after it.
    pub fn publish(
        &mut self,
        name: ChannelName<'_>,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Accepted, Refused> {
        let id = self.home_channel(name)?;
        self.publish_on(id, message, outlet)
    }

    /// The same for the channel of a subscription, without looking for its name.
    pub fn publish_to(
        &mut self,
        subscription: SubscriptionId,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Accepted, Refused> {
        self.publish_on(self.subscriptions.channel_of(subscription), message, outlet)
    }

    fn publish_on(
        &mut self,
        id: ChannelId,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Accepted, Refused> {
        let channel = &mut self.channels[id];
        let frame_bytes = frames::frame_bytes_of(message);
        if u32::try_from(frame_bytes).is_err() {
            return Err(Refused::MemoryFull); // What is left of a frame is counted in 32 bits.
        }
        self.members.check_room(channel.members, message.payload().len(), outlet)?;
        if !channel.subscribers.is_empty() {
            let bound = self.limits.channel_buffer_bytes;
            let kept_from = channel.log.make_room(frame_bytes, bound, Some(&self.pool))?;
            self.cut_off(id, kept_from);
        }
        let (number, mut subscribers) = self.append_for_all(id, message);
        let channel = &self.channels[id];
        let epoch = channel.epoch;
        for member in self.members.of(channel.members) {
            subscribers += u64::from(member.subscribers);
            outlet.deliver(member.reactor, Numbered { slot: member.slot, epoch, number, message });
        }
        if channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
        #[cfg(test)]
        self.numbered.push((
            self.channels[id].name.to_string(),
            number,
            message.payload().to_vec(),
        ));
        Ok(Accepted { id: MessageId { epoch, number }, subscribers })
    }

    /// Appends a message for the subscribers that are here; there is room. Its number, and how many
    /// they are.
    fn append_for_all(&mut self, id: ChannelId, message: Message<'_>) -> (u64, u64) {
        let channel = &mut self.channels[id];
        let subscribers = channel.subscribers.len() as u64;
        self.ledger.owed += subscribers;
        if subscribers == 0 {
            return (channel.log.skip_number(), 0);
        }
        let number = channel.log.append(message, &mut self.pool);
        self.sweep.add(id, &mut self.channels);
        (number, subscribers)
    }

    // The sweep.

    /// The next subscriber that is behind and not blocked, round-robin over the channels, each
    /// channel's subscribers in order. Whoever is returned comes again, one round later, unless it
    /// has [advanced](Self::advance) to the end or is [blocked](Self::block).
    pub fn next_due(&mut self) -> Option<Due> {
        self.sweep.next_due(&mut self.channels)
    }

    /// Whether [`next_due`](Self::next_due) may have something. It can be wrong only in the
    /// positive.
    pub fn has_due(&self) -> bool {
        !self.sweep.is_empty()
    }

    /// The bytes a subscriber has before it, as far as one write goes.
    pub fn unsent(&self, subscription: SubscriptionId) -> Unsent<'_> {
        let Some((id, index)) = self.place_of(subscription) else { return Unsent::default() };
        let channel = &self.channels[id];
        channel.log.unsent(channel.subscribers.cursor(index))
    }

    /// The stream has taken so many of the unsent bytes.
    pub fn advance(&mut self, subscription: SubscriptionId, bytes_taken: usize) -> Advanced {
        let Some((id, index)) = self.place_of(subscription) else { return Advanced::default() };
        let channel = &mut self.channels[id];
        let before = channel.subscribers.cursor(index);
        let after = channel.log.advanced(before, bytes_taken);
        let blocked = channel.subscribers.is_blocked(index);
        let was_last = channel.log.leave(before.offset, blocked);
        channel.log.enter(after.offset, blocked);
        if was_last {
            channel.log.release(&mut self.pool);
        }
        channel.subscribers.set_cursor(index, after);
        let delivered = after.number - before.number;
        self.ledger.delivered += delivered;
        Advanced { delivered, under_way: after.under_way_bytes > 0 }
    }

    /// The owner may not be written to now: the subscriber is not due, and may fall off.
    /// Idempotent.
    pub fn block(&mut self, subscription: SubscriptionId) {
        let Some((id, index)) = self.place_of(subscription) else { return };
        let channel = &mut self.channels[id];
        if !channel.subscribers.is_blocked(index) {
            let offset = channel.subscribers.cursor(index).offset;
            channel.subscribers.block(index, &mut self.subscriptions);
            channel.log.leave(offset, false);
            channel.log.enter(offset, true);
        }
    }

    /// The owner may be written to again. Idempotent.
    pub fn unblock(&mut self, subscription: SubscriptionId) {
        let Some((id, index)) = self.place_of(subscription) else { return };
        let channel = &mut self.channels[id];
        if !channel.subscribers.is_blocked(index) {
            return;
        }
        let offset = channel.subscribers.cursor(index).offset;
        let nobody_was_due = channel.log.due() == 0;
        let index = channel.subscribers.unblock(index, &mut self.subscriptions);
        channel.log.leave(offset, true);
        channel.log.enter(offset, false);
        if nobody_was_due {
            // Without this, each of ten thousand slow subscribers that wake one by one costs a
            // whole scan.
            channel.subscribers.visit_next(index);
        }
        self.sweep.add(id, &mut self.channels);
    }

    /// The owner has not been let in yet: it is blocked, and what it cannot wait for it has not
    /// missed, for nothing was promised to it so far. Ends with [`admit`](Self::admit).
    pub fn park(&mut self, subscription: SubscriptionId) {
        self.block(subscription);
        self.subscriptions.set_parked(subscription, true);
    }

    /// The owner is let in: from here on it misses nothing. It is still blocked.
    pub fn admit(&mut self, subscription: SubscriptionId) {
        self.subscriptions.set_parked(subscription, false);
    }

    /// The channel and the index among its subscribers. `None`: it has fallen off, which will be
    /// reported.
    fn place_of(&self, subscription: SubscriptionId) -> Option<(ChannelId, usize)> {
        let place = self.sweep.place_of(subscription, &self.channels);
        debug_assert!(
            place.is_none() || place == self.subscriptions.place_of(subscription),
            "a wrong place"
        );
        place.or_else(|| self.subscriptions.place_of(subscription))
    }

    // Leaving.

    /// Ends a subscription whose connection lives on, if only to be closed. The rest of the frame
    /// under way is appended to `rest` (`true`: there was one), and must be sent before anything
    /// else; everything else that is pending is dropped for `reason`. Past the budget the frame
    /// cannot be finished: the subscription has ended all the same, and the connection must be
    /// reset.
    pub fn unsubscribe(
        &mut self,
        subscription: SubscriptionId,
        reason: DropReason,
        rest: &mut Vec<u8>,
    ) -> Result<bool, PrivateBudgetSpent> {
        self.end(subscription, reason, Some(rest))
    }

    /// Ends a subscription whose connection is gone: everything pending is dropped for `reason`.
    pub fn remove(&mut self, subscription: SubscriptionId, reason: DropReason) {
        // Without a place for the rest nothing becomes private, so no budget can be spent.
        let _ = self.end(subscription, reason, None);
    }

    /// So many bytes of a private rest have been taken by the stream; `completed`: its last one
    /// too.
    pub fn private_sent(&mut self, bytes: usize, completed: bool) {
        self.private.take(bytes, completed);
        self.ledger.delivered += u64::from(completed);
    }

    /// A private rest will not be sent: its connection is gone with so many bytes of it left.
    pub fn private_abandoned(&mut self, bytes_left: usize, reason: DropReason) {
        self.private.take(bytes_left, true);
        self.ledger.drop_copies(reason, 1);
    }

    /// The next subscriber that a publish has cut off its log.
    pub fn next_fallen(&mut self) -> Option<Fallen<'_>> {
        let fallen = self.fallen.pop()?;
        if !fallen.lives_on {
            self.subscriptions.remove(fallen.subscription);
        }
        Some(fallen)
    }

    /// Whether [`next_fallen`](Self::next_fallen) has somebody.
    pub fn has_fallen(&self) -> bool {
        !self.fallen.is_empty()
    }

    // Looking at it.

    /// The name of a subscription's channel.
    pub fn channel_name(&self, subscription: SubscriptionId) -> ChannelName<'_> {
        self.channels[self.subscriptions.channel_of(subscription)].name()
    }

    /// Whether a subscriber has everything that was published.
    pub fn is_caught_up(&self, subscription: SubscriptionId) -> bool {
        self.unsent(subscription).is_empty()
    }

    /// Forgets the channels that nobody has used for `forget_after`, and gives back memory not
    /// needed for long. Bounded work; `true` means that there is more to do at once.
    pub fn forget_idle(&mut self, now: Instant) -> bool {
        if self.trim_at <= now {
            self.trim_at = now + TRIM_INTERVAL;
            self.pool.trim();
        }
        // One that has fallen off may still publish to its channel until its event is fetched.
        if !self.fallen.is_empty() {
            return false;
        }
        let more = self.channels.forget_idle(now, self.limits.forget_after, self.limits.linger);
        while let Some(id) = self.channels.next_left() {
            self.tell_home(id);
        }
        more
    }

    /// Copies owed, delivered and dropped so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Copies neither delivered nor dropped yet, counted one by one: the messages before every
    /// cursor, and the private rests. Always [`Ledger::outstanding`]; for tests, which hold the two
    /// together.
    pub fn pending(&self) -> u64 {
        self.channels.iter().map(|(_, channel)| channel.pending()).sum::<u64>()
            + self.private.messages()
    }

    /// Memory of the segments in channel logs, in bytes.
    pub fn log_bytes(&self) -> usize {
        self.pool.in_use_bytes()
    }

    /// Memory that counts towards the limit, in bytes: segments in logs and in the pool, private
    /// rests.
    pub fn memory_bytes(&self) -> usize {
        self.pool.allocated_bytes() + self.private.bytes()
    }

    /// Whether there may be no memory for the next message.
    pub fn is_memory_full(&self) -> bool {
        let largest = self.limits.message_bytes_max.saturating_add(HEADER_BYTES_MAX);
        !self.pool.has_room_for(largest.max(segment::LARGE_SEGMENT_BYTES), 0)
    }

    /// Channels that live here.
    pub fn channels(&self) -> usize {
        self.channels.at_home()
    }

    /// Subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }
}
