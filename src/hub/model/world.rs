//! A hub and a naive implementation: a queue of whole frames for every subscriber, as other servers
//! keep it. Both must offer each subscriber the same bytes, overrun the same subscribers, and agree
//! on the ledger.

use super::super::tests::{hub, name};
use super::super::*;
use super::{CHANNELS, CONNECTIONS, Op};
use crate::instant::Instant;
use crate::protocol::{
    Deflater, Message, MessageKind, Opcode, encode_compressed_frame, encode_frame,
};
use crate::split_mix::SplitMix64;
use std::collections::VecDeque;
use std::time::Duration;

/// A subscriber of the naive implementation, with a queue of its own.
struct Twin {
    id: SubscriptionId,
    owner: Owner,
    channel: usize,
    form: FormKind,
    connection: usize,
    /// The number and frame of every message that is still to be sent to this subscriber.
    queue: VecDeque<(u64, Vec<u8>)>,
    /// How many bytes of the first frame in the queue have been sent.
    sent: usize,
    blocked: bool,
}

impl Twin {
    fn is_due(&self) -> bool {
        !self.blocked && !self.queue.is_empty()
    }

    fn unsent(&self) -> Vec<u8> {
        let frames: Vec<_> = self.queue.iter().map(|(_, frame)| frame.as_slice()).collect();
        frames.concat().split_off(self.sent)
    }

    fn rest_of_frame(&self) -> &[u8] {
        if self.sent > 0 { &self.queue[0].1[self.sent..] } else { &[] }
    }

    /// Takes `bytes` bytes off the queue. Returns how many messages were completed.
    fn send(&mut self, bytes: usize) -> u64 {
        let mut delivered = 0;
        self.sent += bytes;
        while let Some((_, frame)) = self.queue.front()
            && frame.len() <= self.sent
        {
            self.sent -= frame.len();
            self.queue.pop_front();
            delivered += 1;
        }
        delivered
    }
}

/// The unsent rest of a frame whose subscription has ended. Its owner may send nothing before it.
struct Rest {
    owner: Owner,
    bytes_left: usize,
}

/// A connection, which may have many subscriptions.
#[derive(Default)]
struct Connection {
    is_blocked: bool,
    /// The subscriptions that were marked as blocked because this connection is blocked.
    blocked: Vec<SubscriptionId>,
}

pub(super) struct World {
    hub: Hub,
    twins: Vec<Twin>,
    connections: [Connection; CONNECTIONS],
    rests: Vec<Rest>,
    ledger: Ledger,
    /// By channel: its own policy, where that of the limits does not count.
    own_policies: [Option<SlowPolicy>; CHANNELS.len()],
    /// By channel: its epoch and the number of its last message.
    numbers: [Option<(u64, u64)>; CHANNELS.len()],
    deflater: Option<Deflater>,
    /// How many messages were deflated.
    deflated: u64,
    now: Instant,
    subscribed: u64,
}

/// Returns the frame of a message in each form.
fn frames(payload: &[u8], deflater: Option<&mut Deflater>) -> [Vec<u8>; 2] {
    let [mut plain, mut deflated] = [Vec::new(), Vec::new()];
    encode_frame(&mut plain, Opcode::Binary, payload);
    if let Some(deflater) = deflater {
        let mut compressed = Vec::new();
        deflater.deflate(payload, &mut compressed);
        if compressed.len() <= payload.len() {
            encode_compressed_frame(&mut deflated, MessageKind::Binary, &compressed);
            return [plain, deflated];
        }
    }
    [plain.clone(), plain]
}

impl World {
    pub(super) fn new(
        limits: HubLimits,
        own_policies: [Option<SlowPolicy>; CHANNELS.len()],
    ) -> World {
        let mut hub = hub(limits);
        let of = move |name: ChannelName<'_>| {
            let channel = CHANNELS.iter().position(|own| *own == name.as_str());
            channel.and_then(|channel| own_policies[channel])
        };
        hub.set_slow_policies(Some(SlowPolicies::new(of)));
        World {
            hub,
            own_policies,
            twins: Vec::new(),
            connections: Default::default(),
            rests: Vec::new(),
            ledger: Ledger::default(),
            numbers: [None; CHANNELS.len()],
            deflater: limits.compression.map(|own| Deflater::new(own.level, own.window_bits)),
            deflated: 0,
            now: Instant::ZERO,
            subscribed: 0,
        }
    }

    pub(super) fn run(&mut self, op: Op) {
        match op {
            Op::Subscribe { channel, form } => self.subscribe(channel, form),
            Op::Unsubscribe { who } => self.with(who, World::unsubscribe),
            Op::Remove { who } => self.with(who, World::remove),
            Op::Publish { channel, payload_bytes } => self.publish(channel, None, payload_bytes),
            Op::PublishTo { who, payload_bytes } => self.with(who, |world, index| {
                world.publish(
                    world.twins[index].channel,
                    Some(world.twins[index].id),
                    payload_bytes,
                );
            }),
            Op::Visit { bytes_max, block } => {
                self.visit(bytes_max, block);
            }
            Op::Sweep => self.sweep(),
            Op::Block { who } => self.with(who, |world, index| {
                world.twins[index].blocked = true;
                world.hub.block(world.twins[index].id);
            }),
            Op::Unblock { who } => self.with(who, |world, index| {
                world.twins[index].blocked = false;
                world.hub.unblock(world.twins[index].id);
            }),
            Op::BlockConnection { which } => self.connections[which].is_blocked = true,
            Op::UnblockConnection { which } => self.unblock_connection(which),
            Op::SendRest { which, bytes_max } => self.send_rest(which, bytes_max),
            Op::AbandonRest { which } => self.abandon_rest(which),
            Op::ForgetIdle { seconds } => {
                self.now = self.now + Duration::from_secs(seconds);
                self.hub.forget_idle(self.now);
            }
        }
        self.check();
    }

    fn slow_policy(&self, channel: usize) -> SlowPolicy {
        self.own_policies[channel].unwrap_or(self.hub.limits.slow_policy)
    }

    fn with(&mut self, who: usize, act: impl FnOnce(&mut World, usize)) {
        if !self.twins.is_empty() {
            act(self, who % self.twins.len());
        }
    }

    fn subscribe(&mut self, channel: usize, form: FormKind) {
        self.subscribed += 1;
        let owner = Owner(self.subscribed);
        match self.hub.subscribe(name(CHANNELS[channel]), form, owner) {
            Ok(id) => {
                self.twins.push(Twin {
                    id,
                    owner,
                    channel,
                    form: if self.hub.limits.compression.is_some() {
                        form
                    } else {
                        FormKind::Plain
                    },
                    connection: self.subscribed as usize % CONNECTIONS,
                    queue: VecDeque::new(),
                    sent: 0,
                    blocked: false,
                });
            }
            Err(refused) => self.check_too_many_channels(channel, refused),
        }
    }

    fn check_too_many_channels(&self, channel: usize, refused: Refused) {
        assert_eq!(refused, Refused::TooManyChannels);
        let in_use: std::collections::BTreeSet<_> =
            self.twins.iter().map(|twin| twin.channel).collect();
        // A full channel is not at rest until `look_at_full` has found room in it.
        let not_at_rest = in_use.len() + self.hub.full_channels();
        assert!(not_at_rest >= self.hub.limits.channels_max, "a name at rest has not given way");
        assert!(self.hub.channels() >= self.hub.limits.channels_max);
        assert_eq!(self.hub.inspect(name(CHANNELS[channel])), None);
    }

    fn unblock_connection(&mut self, which: usize) {
        let Connection { is_blocked, blocked } = &mut self.connections[which];
        *is_blocked = false;
        for id in blocked.drain(..) {
            let twin = self.twins.iter_mut().find(|twin| twin.id == id);
            twin.expect("it has not ended").blocked = false;
            self.hub.unblock(id);
        }
    }

    fn take(&mut self, index: usize) -> Twin {
        let twin = self.twins.swap_remove(index);
        self.connections[twin.connection].blocked.retain(|id| *id != twin.id);
        twin
    }

    fn unsubscribe(&mut self, index: usize) {
        let twin = self.take(index);
        let mut rest = vec![7];
        let outcome = self.hub.unsubscribe(twin.id, DropReason::NoProgress, &mut rest);
        assert_eq!(outcome, self.expected_outcome(&twin).map(|rest_bytes| rest_bytes > 0));
        let rest_bytes = self.end(&twin, DropReason::NoProgress, outcome.is_ok());
        assert_eq!(rest[1..], twin.rest_of_frame()[..rest_bytes]);
    }

    fn remove(&mut self, index: usize) {
        let twin = self.take(index);
        self.hub.remove(twin.id, DropReason::Closed);
        self.end(&twin, DropReason::Closed, false);
    }

    /// Returns how many bytes of a half-sent frame are left, or an error if the budget for such
    /// private rests does not cover them.
    fn expected_outcome(&self, twin: &Twin) -> Result<usize, PrivateBudgetSpent> {
        let private_bytes: usize = self.rests.iter().map(|rest| rest.bytes_left).sum();
        let rest_bytes = twin.rest_of_frame().len();
        let fits =
            rest_bytes == 0 || private_bytes + rest_bytes <= self.hub.limits.private_bytes_max;
        if fits { Ok(rest_bytes) } else { Err(PrivateBudgetSpent) }
    }

    /// Records the end of a subscription in the ledger. Returns how many bytes of a half-sent frame
    /// stay to be sent; zero unless `keeps_rest`.
    fn end(&mut self, twin: &Twin, reason: DropReason, keeps_rest: bool) -> usize {
        let bytes_left = if keeps_rest { twin.rest_of_frame().len() } else { 0 };
        let kept = u64::from(bytes_left > 0);
        if bytes_left > 0 {
            self.rests.push(Rest { owner: twin.owner, bytes_left });
        }
        self.ledger.drop_copies(reason, twin.queue.len() as u64 - kept);
        bytes_left
    }

    fn publish(&mut self, channel: usize, to: Option<SubscriptionId>, payload_bytes: usize) {
        let number = self.next_number(channel);
        let byte = number as u8 ^ (channel as u8) << 6;
        // Every fourth message cannot be deflated.
        let mut dice = SplitMix64(number);
        let random = number.is_multiple_of(4);
        let bytes = (0..payload_bytes).map(|_| if random { dice.next() as u8 } else { byte });
        let payload: Vec<u8> = bytes.collect();
        let read = self.forms_read(channel);
        let is_deflated = read > 0 && payload_bytes >= self.message_bytes_min();
        let frames = frames(&payload, self.deflater.as_mut().filter(|_| is_deflated));
        let used_bytes = self.hub.used_bytes(name(CHANNELS[channel]));
        let segment_bytes = frames[0].len().max(segment_pool::LARGE_SEGMENT_BYTES);
        let had_memory = self.hub.pool.has_room_for(segment_bytes * read.max(1), 0);
        let message = Message::binary(&payload);
        let outcome = match to {
            Some(subscription) => self.hub.publish_to(subscription, message, &mut ()),
            None => self.hub.publish(name(CHANNELS[channel]), message, &mut ()),
        };
        let fell = self.fall_off(channel, number, had_memory);
        let channel_buffer_bytes = self.hub.limits.channel_buffer_bytes;
        let had_room = used_bytes + frames[0].len() * read <= channel_buffer_bytes && had_memory;
        assert!(!fell || !had_room, "a subscriber was overrun although there was room");
        match outcome {
            Ok(Appended { accepted, full }) => {
                let newest_bytes = self.accept(channel, accepted, &frames, payload_bytes);
                let bound = channel_buffer_bytes.max(newest_bytes);
                let used_bytes = self.hub.used_bytes(name(CHANNELS[channel]));
                let someone =
                    self.twins.iter().any(|twin| twin.channel == channel && twin.is_due());
                assert!(
                    used_bytes <= bound || full.is_some() && someone,
                    "the log is over its bound"
                );
                let excess_bytes = self.hub.limits.bound().excess_bytes;
                assert!(used_bytes <= bound + excess_bytes, "the log is far over its bound");
            }
            Err(Refused::Busy) => {
                let someone =
                    self.twins.iter().any(|twin| twin.channel == channel && twin.is_due());
                assert!(someone, "busy, but no healthy subscriber is behind");
            }
            Err(Refused::WayFull) => panic!("there is no way"),
            Err(Refused::MemoryFull) => assert!(!had_memory, "there was memory"),
            Err(refused @ Refused::TooManyChannels) => {
                self.check_too_many_channels(channel, refused);
            }
        }
    }

    /// Returns the size from which on messages are deflated.
    fn message_bytes_min(&self) -> usize {
        self.hub.limits.compression.map_or(usize::MAX, |own| own.message_bytes_min)
    }

    /// Returns how many forms of a channel somebody reads.
    fn forms_read(&self, channel: usize) -> usize {
        let reads =
            |form| self.twins.iter().any(|twin| twin.channel == channel && twin.form == form);
        [FormKind::Plain, FormKind::Deflated].into_iter().filter(|form| reads(*form)).count()
    }

    /// Returns the size of the message, in all forms that are read.
    fn accept(
        &mut self,
        channel: usize,
        accepted: Accepted,
        frames: &[Vec<u8>; 2],
        payload_bytes: usize,
    ) -> usize {
        let expected = match self.numbers[channel] {
            Some((epoch, number)) if epoch == accepted.id.epoch => number + 1,
            Some(_) | None => 1,
        };
        assert_eq!(accepted.id.number, expected);
        self.numbers[channel] = Some((accepted.id.epoch, accepted.id.number));
        let (mut subscribers, mut read) = (0, [false; 2]);
        for twin in self.twins.iter_mut().filter(|twin| twin.channel == channel) {
            twin.queue.push_back((expected, frames[twin.form as usize].clone()));
            subscribers += 1;
            read[twin.form as usize] = true;
        }
        assert_eq!(accepted.subscribers, subscribers);
        self.ledger.owed += subscribers;
        self.deflated += u64::from(read[1] && payload_bytes >= self.message_bytes_min());
        frames.iter().zip(read).map(|(frame, read)| frame.len() * usize::from(read)).sum()
    }

    /// Fetches the overruns that a publish caused in the hub, and ends the same naive subscribers.
    /// Returns true if there were any.
    fn fall_off(&mut self, channel: usize, published: u64, had_memory: bool) -> bool {
        let mut living_on = std::collections::BTreeSet::new();
        let mut any = false;
        // An overrun subscription has ended. Until the overrun has been fetched, every operation on
        // it must have no effect.
        for twin in &self.twins {
            if self.hub.subscriptions.place_of(twin.id).is_none() {
                assert!(self.hub.unsent(twin.id).is_empty());
                self.hub.unblock(twin.id);
                self.hub.block(twin.id);
                self.hub.remove(twin.id, DropReason::Closed);
            }
        }
        while let Some(overrun) = self.hub.next_overrun() {
            any = true;
            let (id, lives_on, rest) =
                (overrun.subscription, overrun.lives_on, overrun.rest.map(<[u8]>::to_vec));
            let index = self
                .twins
                .iter()
                .position(|twin| twin.id == id)
                .expect("a subscription of this model");
            assert_eq!(overrun.owner, self.twins[index].owner);
            let twin = match lives_on {
                true => self.twins.swap_remove(index),
                false => self.take(index),
            };
            // If memory is short, slow subscribers of other channels can be overrun too, and one
            // that goes on (`lives_on`) can be overrun more than once.
            let is_first = living_on.insert(twin.owner.0);
            assert!(twin.blocked && (!twin.queue.is_empty() || !is_first), "not slow");
            assert!((twin.channel == channel && is_first) || !had_memory);
            assert_eq!(
                rest.as_ref().map(Vec::len),
                self.expected_outcome(&twin).as_ref().map(|bytes| *bytes)
            );
            assert!(rest.as_ref().is_ok_and(|rest| rest == twin.rest_of_frame()) || rest.is_err());
            assert_eq!(
                lives_on,
                self.slow_policy(twin.channel) != SlowPolicy::Disconnect && rest.is_ok()
            );
            if lives_on {
                let of = twin.channel;
                let next = if of == channel { published } else { self.next_number(of) };
                let first = self.first_number(of, twin.form);
                let kept_from = match self.slow_policy(of) {
                    SlowPolicy::Latest => {
                        let newest = self.next_number(of) - 1;
                        // For want of memory it may have been cut off before the message that is
                        // published now: then another one was the newest.
                        let was_newest = !had_memory && self.is_at(id, newest - 1);
                        first.map_or(next, |_| newest - u64::from(was_newest))
                    }
                    SlowPolicy::Disconnect | SlowPolicy::Skip => first.unwrap_or(next),
                };
                self.pass_over(twin, kept_from, is_first);
            } else {
                self.end(&twin, DropReason::SlowConsumer, rest.is_ok());
            }
        }
        any
    }

    fn is_at(&self, id: SubscriptionId, number: u64) -> bool {
        let place = self.hub.place_of(id);
        place.is_some_and(|(channel, index)| {
            self.hub.channels[channel].subscribers.cursor(index).number == number
        })
    }

    fn first_number(&self, channel: usize, form: FormKind) -> Option<u64> {
        let id = self.hub.channels.find(name(CHANNELS[channel]))?;
        self.hub.channels[id].form(form)?.log.first_number()
    }

    fn next_number(&self, channel: usize) -> u64 {
        self.hub.inspect(name(CHANNELS[channel])).map_or(1, |info| info.messages + 1)
    }

    fn pass_over(&mut self, mut twin: Twin, kept_from: u64, is_first: bool) {
        let mut kept =
            twin.queue.split_off(twin.queue.partition_point(|(number, _)| *number < kept_from));
        assert!(!twin.queue.is_empty() || !is_first, "overrun, but nothing was dropped");
        self.end(&twin, DropReason::Skipped, true);
        std::mem::swap(&mut twin.queue, &mut kept);
        twin.sent = 0;
        self.twins.push(twin);
    }

    /// Sends to one due subscriber. Returns its owner, or `None` if no subscriber is due.
    fn visit(&mut self, bytes_max: usize, block: bool) -> Option<Owner> {
        let Some(due) = self.hub.next_due() else {
            assert!(!self.twins.iter().any(Twin::is_due), "a subscriber is due and not visited");
            return None;
        };
        let is_it = |twin: &Twin| twin.id == due.subscription;
        let index = self.twins.iter().position(is_it).expect("a subscription of this model");
        let twin = &mut self.twins[index];
        assert!(twin.is_due() && twin.owner == due.owner);
        let Connection { is_blocked, blocked } = &mut self.connections[twin.connection];
        if *is_blocked {
            assert!(self.hub.block(twin.id), "it was due and blocked");
            twin.blocked = true;
            blocked.push(twin.id);
            return Some(due.owner);
        }
        // As in the reactor, the rest of a half-sent frame must be sent before anything else.
        while let Some(which) = self.rests.iter().position(|rest| rest.owner == due.owner) {
            self.send_rest(which, usize::MAX);
        }
        let twin = &mut self.twins[index];
        let bytes = self.hub.unsent(twin.id).bytes();
        let bytes_taken = bytes.min(bytes_max);
        let advanced = self.hub.advance(twin.id, bytes_taken);
        let delivered = twin.send(bytes_taken);
        assert_eq!(advanced, Advanced { delivered, under_way: twin.sent > 0 });
        self.ledger.delivered += delivered;
        if block && bytes_taken < bytes {
            let Connection { is_blocked, blocked } = &mut self.connections[twin.connection];
            *is_blocked = true;
            twin.blocked = true;
            assert!(self.hub.block(twin.id));
            blocked.push(twin.id);
        }
        Some(due.owner)
    }

    /// Checks that a round of visits reaches every due subscriber, and ends. Other tests check the
    /// order.
    fn sweep(&mut self) {
        let due = self.twins.iter().filter(|twin| twin.is_due()).map(|twin| twin.owner.0);
        let due: std::collections::BTreeSet<_> = due.collect();
        let mut visited = std::collections::BTreeSet::new();
        while let Some(owner) = self.visit(usize::MAX, false) {
            visited.insert(owner.0);
        }
        assert_eq!(visited, due);
        for _ in 0..self.hub.full_channels() {
            let id = self.hub.look_at_full().expect("everything was sent, so it has room");
            let full = self.hub.channels[id].name.to_string();
            let channel = CHANNELS.iter().position(|name| *name == full).expect("a channel");
            self.fall_off(channel, self.hub.channels[id].next_number(), true);
        }
    }

    fn send_rest(&mut self, which: usize, bytes_max: usize) {
        let count = self.rests.len();
        if count > 0 {
            let rest = &mut self.rests[which % count];
            let bytes = rest.bytes_left.min(bytes_max);
            rest.bytes_left -= bytes;
            let completed = rest.bytes_left == 0;
            self.hub.private_sent(bytes, completed);
            if completed {
                self.rests.swap_remove(which % count);
                self.ledger.delivered += 1;
            }
        }
    }

    fn abandon_rest(&mut self, which: usize) {
        if !self.rests.is_empty() {
            let rest = self.rests.swap_remove(which % self.rests.len());
            self.hub.private_abandoned(rest.bytes_left, DropReason::Closed);
            self.ledger.drop_copies(DropReason::Closed, 1);
        }
    }

    fn check(&self) {
        self.hub.check_invariants();
        assert_eq!(self.hub.ledger(), self.ledger);
        assert_eq!(self.hub.subscriptions(), self.twins.len());
        assert_eq!(self.hub.messages_deflated(), self.deflated, "once for each message");
        assert_eq!(
            self.hub.private.bytes(),
            self.rests.iter().map(|rest| rest.bytes_left).sum::<usize>()
        );
        for twin in &self.twins {
            let unsent = self.hub.unsent(twin.id);
            let expected = twin.unsent();
            assert!(
                expected.starts_with(&[unsent.first, unsent.second].concat()),
                "the bytes differ"
            );
            assert_eq!(unsent.is_empty(), expected.is_empty());
            assert_eq!(unsent.under_way_bytes, twin.rest_of_frame().len());
            assert_eq!(self.hub.is_blocked(twin.id), twin.blocked);
        }
    }

    /// Unblocks all subscribers and sends until nothing is left.
    pub(super) fn finish(&mut self) {
        for which in 0..CONNECTIONS {
            self.run(Op::UnblockConnection { which });
        }
        for index in 0..self.twins.len() {
            self.run(Op::Unblock { who: index });
        }
        self.run(Op::Sweep);
        while !self.rests.is_empty() {
            self.run(Op::SendRest { which: 0, bytes_max: usize::MAX });
        }
        assert!(self.twins.iter().all(|twin| twin.queue.is_empty()));
        assert_eq!((self.hub.ledger().outstanding(), self.hub.log_bytes()), (0, 0));
        assert!(self.hub.next_overrun().is_none());
        // Nothing is left to send, so no subscriber holds up a publish any more.
        if self.hub.limits.memory_bytes == usize::MAX {
            for channel in CHANNELS {
                let refused =
                    self.hub.publish(name(channel), Message::binary(&[0; 1_000]), &mut ()).err();
                assert!(refused.is_none_or(|refused| refused == Refused::TooManyChannels));
            }
        }
    }
}

impl Hub {
    /// Returns how many bytes of frames a channel's log holds.
    fn used_bytes(&self, name: ChannelName<'_>) -> usize {
        self.channels.find(name).map_or(0, |id| self.channels[id].kept_bytes())
    }
}
