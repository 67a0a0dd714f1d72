//! The struct [`Hub`]: all channels of one reactor. This file has subscribing, forgetting and
//! figures.

use super::channel_id::ChannelId;
use super::channels::Channels;
use super::delivery_times::DeliveryTimes;
use super::form_id::{FormId, FormKind};
use super::frame_deflater::FrameDeflater;
use super::frames::Frame;
use super::homes::{Homes, ReactorNumber};
use super::ledger::Ledger;
use super::limits::{HubLimits, Refused};
use super::members::Members;
use super::membership::MembershipQueue;
use super::name::ChannelName;
use super::overrun_queue::OverrunQueue;
use super::private::PrivateRests;
use super::segment_pool::{LARGE_SEGMENT_BYTES, SegmentPool};
use super::slow_policies::SlowPolicies;
use super::subscriptions::{Owner, SubscriptionId, Subscriptions};
use super::sweep_order::Sweep;
use crate::instant::Instant;
use crate::protocol::{HEADER_BYTES_MAX, Message};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How often a part of the free memory that was not needed since goes back to the system.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);

/// One part in this many of the memory limit is the most that the channels and their names take.
pub(super) const NAMES_SHARE: usize = 2;

/// The memory that channels and names may take however small the memory limit is: enough for some
/// dozen channels with short names.
pub(super) const NAMES_BYTES_MIN: usize = 16 << 10;

/// All channels of one reactor: those that have their home here, and those of other homes that have
/// subscribers here.
#[derive(Debug)]
pub struct Hub {
    pub(super) limits: HubLimits,
    /// The policies of channels for which that of `limits` does not count.
    pub(super) slow_policies: Option<SlowPolicies>,
    pub(super) channels: Channels,
    pub(super) members: Members,
    pub(super) membership_queue: MembershipQueue,
    pub(super) subscriptions: Subscriptions,
    pub(super) pool: SegmentPool,
    /// Present if messages are deflated for subscribers that ask for it.
    pub(super) deflater: Option<FrameDeflater>,
    pub(super) sweep: Sweep,
    pub(super) overrun: OverrunQueue,
    /// The channels that are full.
    pub(super) full: VecDeque<ChannelId>,
    pub(super) private: PrivateRests,
    pub(super) ledger: Ledger,
    pub(super) delivery_times: DeliveryTimes,
    pub(super) trim_at: Instant,
    /// Every message that was numbered here: tests compare it with what was received.
    #[cfg(test)]
    pub(crate) numbered: Vec<(String, super::MessageId, Vec<u8>)>,
}

impl Hub {
    /// Makes an empty hub of the reactor `own`. Epochs are drawn from the seed, which should differ
    /// between hubs and between processes.
    pub fn new(limits: HubLimits, homes: Arc<Homes>, own: ReactorNumber, epoch_seed: u64) -> Hub {
        // Memory is set aside for private rests (unsent ends of frames that are no longer in a
        // log), so that logs cannot use it up.
        let segment_bytes_max = limits.memory_bytes.saturating_sub(limits.private_bytes_max);
        let names_bytes_max = (limits.memory_bytes / NAMES_SHARE).max(NAMES_BYTES_MIN);
        Hub {
            limits,
            slow_policies: None,
            membership_queue: MembershipQueue::new(homes.reactors()),
            channels: Channels::new(limits.channels_max, names_bytes_max, homes, own, epoch_seed),
            members: Members::default(),
            subscriptions: Subscriptions::default(),
            pool: SegmentPool::new(segment_bytes_max, limits.channel_buffer_bytes),
            deflater: limits.compression.map(FrameDeflater::new),
            sweep: Sweep::new(),
            overrun: OverrunQueue::default(),
            full: VecDeque::new(),
            private: PrivateRests::new(limits.private_bytes_max),
            ledger: Ledger::default(),
            delivery_times: DeliveryTimes::new(),
            trim_at: Instant::ZERO,
            #[cfg(test)]
            numbered: Vec::new(),
        }
    }

    /// Replaces the policies of single channels. They count at once, for all subscribers. Every
    /// reactor must be given the same.
    pub fn set_slow_policies(&mut self, policies: Option<SlowPolicies>) {
        self.slow_policies = policies;
    }

    /// Returns the reactor that numbers the messages of this channel.
    pub fn home_of(&self, name: ChannelName<'_>) -> ReactorNumber {
        self.channels.homes().home_of(name)
    }

    /// Returns the reactor that is the home of a subscription's channel.
    pub fn home_of_subscription(&self, subscription: SubscriptionId) -> ReactorNumber {
        self.channels.home_of(self.subscriptions.channel_of(subscription))
    }

    /// Subscribes to a form of a channel, both of which are made if there are none. The subscriber
    /// gets every message published from now on, and none from before. If another reactor is the
    /// channel's home, "now" is when that reactor has answered: see
    /// [`is_joining`](Self::is_joining). Where messages are not deflated, everybody reads the plain
    /// form. Refused as `TooManyChannels`, or as `MemoryFull` beyond 16,777,216 subscriptions.
    pub fn subscribe(
        &mut self,
        name: ChannelName<'_>,
        kind: FormKind,
        owner: Owner,
    ) -> Result<SubscriptionId, Refused> {
        if self.subscriptions.is_full() {
            return Err(Refused::MemoryFull);
        }
        let kind = if self.deflater.is_some() { kind } else { FormKind::Plain };
        let id = self.channel_named(name)?;
        self.channels.in_use(id);
        let subscription = self.subscriptions.insert(id.form(kind));
        let channel = &mut self.channels[id];
        let form = channel.form_or_new(kind);
        let cursor = form.log.end();
        form.log.enter(cursor.offset, false);
        form.subscribers.join(subscription, owner, cursor, &mut self.subscriptions);
        channel.come_back();
        self.subscribers_changed(id);
        Ok(subscription)
    }

    /// Finds or makes the channel of a name. If there are too many channels, or no memory for
    /// another name, the channel that has been at rest (without subscribers) for longest is
    /// forgotten first.
    pub(super) fn channel_named(&mut self, name: ChannelName<'_>) -> Result<ChannelId, Refused> {
        if let Some(id) = self.channels.find(name) {
            return Ok(id);
        }
        let mut found = self.channels.find_or_insert(name);
        while found == Err(Refused::MemoryFull) && self.forget_name() {
            found = self.channels.find_or_insert(name);
        }
        if self.may_forget() {
            self.channels.forget_surplus();
        }
        self.pool.set_aside(self.channels.bytes());
        found
    }

    /// Forgets the channel that has been at rest for longest. Returns false if none can be
    /// forgotten.
    pub(super) fn forget_name(&mut self) -> bool {
        let is_forgotten = self.may_forget() && self.channels.forget_oldest();
        self.pool.set_aside(self.channels.bytes());
        is_forgotten
    }

    /// Returns true if channels may be forgotten: not while an overrun is queued, because until its
    /// owner fetches it, the overrun subscriber may still publish to its channel.
    fn may_forget(&self) -> bool {
        self.overrun.is_empty()
    }

    // 101 responses that are held back.

    /// Blocks a subscriber whose 101 response is held back. It has not been promised any message
    /// yet, so it is never overrun: messages that cannot be kept for it are skipped. Ends with
    /// [`release`](Self::release).
    pub fn hold(&mut self, subscription: SubscriptionId) {
        self.block(subscription);
        self.subscriptions.set_held(subscription, true);
    }

    /// Must be called when the 101 response is sent: from now on the subscriber must not miss a
    /// message. It is still blocked.
    pub fn release(&mut self, subscription: SubscriptionId) {
        self.subscriptions.set_held(subscription, false);
    }

    /// Returns a subscription's form, and its index among the subscribers of that form. `None` if
    /// an overrun has ended the subscription and its owner has not fetched the overrun yet.
    pub(super) fn place_of(&self, subscription: SubscriptionId) -> Option<(FormId, usize)> {
        let place = self.sweep.place_of(subscription, &self.channels);
        debug_assert!(
            place.is_none() || place == self.subscriptions.place_of(subscription),
            "the sweep remembers a wrong index"
        );
        place.or_else(|| self.subscriptions.place_of(subscription))
    }

    // Figures.

    /// Returns the name of a subscription's channel.
    pub fn channel_name(&self, subscription: SubscriptionId) -> ChannelName<'_> {
        self.channels[self.subscriptions.channel_of(subscription)].name()
    }

    /// Forgets the channels that have been unused for `forget_after`, and gives unneeded memory
    /// back to the system. The work of one call is bounded. Returns true if the caller should call
    /// again in the next turn.
    pub fn forget_idle(&mut self, now: Instant) -> bool {
        if self.trim_at <= now {
            self.trim_at = now + TRIM_INTERVAL;
            self.pool.trim();
        }
        if !self.may_forget() {
            return false;
        }
        // A channel is at rest, and can be forgotten, only when its members have left too. So where
        // channels are scarce, members leave at once.
        let linger = match self.channels.are_scarce() {
            true => Duration::ZERO,
            false => self.limits.linger,
        };
        let more = self.channels.forget_idle(now, self.limits.forget_after, linger);
        while let Some(id) = self.channels.next_left() {
            self.tell_home(id);
        }
        self.pool.set_aside(self.channels.bytes());
        more
    }

    /// Must be called at the beginning of each turn, with its time.
    pub fn begin_turn(&mut self, now: Instant) {
        self.delivery_times.begin_turn(now);
    }

    /// Must be called at the end of each turn, before [`next_delivered`](Self::next_delivered).
    pub fn end_turn(&mut self) {
        self.sweep.end_turn(&mut self.channels, &mut self.delivery_times);
    }

    /// Returns when a message was appended whose delivery has ended in this turn: the time of the
    /// turn. See the module `delivery_times`.
    pub fn next_delivered(&mut self) -> Option<Instant> {
        self.delivery_times.next_ended()
    }

    /// Returns the copies owed, delivered and dropped so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Counts one by one the copies not yet delivered or dropped: the messages after each cursor,
    /// and those with a private rest. For tests: always equal to [`Ledger::outstanding`].
    pub fn pending(&self) -> u64 {
        self.channels.iter().map(|(_, channel)| channel.pending()).sum::<u64>()
            + self.private.messages()
    }

    /// Returns the memory of the segments in channel logs, in bytes.
    pub fn log_bytes(&self) -> usize {
        self.pool.in_use_bytes()
    }

    /// Returns the bytes that count towards the limit of memory: all segments, whether in a log or
    /// free, the channels themselves with their names, and the unsent rests of frames whose cursor
    /// has left its log.
    pub fn memory_bytes(&self) -> usize {
        self.pool.allocated_bytes() + self.channels.bytes() + self.private.bytes()
    }

    /// Returns true if there might be no memory for a message of the largest size.
    pub fn is_memory_full(&self) -> bool {
        !self.pool.has_room_for(self.largest_segments_bytes(), 0)
    }

    /// Returns the size of the segments that a message of the largest size might begin, one in each
    /// form.
    pub(super) fn largest_segments_bytes(&self) -> usize {
        let frame_bytes = self.limits.message_bytes_max.saturating_add(HEADER_BYTES_MAX);
        frame_bytes.max(LARGE_SEGMENT_BYTES).saturating_mul(self.limits.forms_max())
    }

    /// Appends the frame of a message that is for one peer alone, in the deflated form.
    pub fn encode_deflated(&mut self, message: Message<'_>, out: &mut Vec<u8>) {
        match &mut self.deflater {
            Some(deflater) => deflater.frame(message).encode(out),
            None => Frame::plain(message).encode(out),
        }
    }

    /// Returns how many messages were deflated.
    pub fn messages_deflated(&self) -> u64 {
        self.deflater.as_ref().map_or(0, FrameDeflater::messages)
    }

    /// Returns how many bytes were deflated since the last call, plus what each message costs.
    #[inline]
    pub fn take_deflated_bytes(&mut self) -> usize {
        self.deflater.as_mut().map_or(0, FrameDeflater::take_work)
    }

    /// Returns how many channels have their home on this reactor.
    pub fn channels(&self) -> usize {
        self.channels.at_home()
    }

    /// Returns how many subscriptions this reactor has.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }
}
