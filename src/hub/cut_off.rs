//! Cuts slow subscribers off their channel's log when memory for the part that they have not read
//! is needed.

use super::channel_id::ChannelId;
use super::cursor::Cursor;
use super::form_id::FormId;
use super::hub::Hub;
use super::ledger::DropReason;
use super::limits::{Refused, SlowPolicy};
use super::overrun_queue::Overrun;
use super::room::Room;
use super::subscriptions::Owner;

/// The most channels at rest (without subscribers) that are forgotten for one message.
const NAMES_FORGOTTEN_MAX: usize = 512;

/// The most channels with slow subscribers that are checked for one message.
const STALLED_CHECKED_MAX: usize = 1024;

impl Hub {
    /// Removes every cursor from the part of a form's log before `kept_from`. `Channel::make_room`
    /// has made sure that their subscribers are blocked. Under the policy `Latest` they go on at
    /// `newest`.
    pub(super) fn cut_off(&mut self, id: FormId, kept_from: u64, newest: Cursor) {
        let log = &self.channels[id].log;
        if kept_from == log.start() {
            return;
        }
        let end = log.end();
        let new_place = match self.slow_policy_of(id.channel) {
            SlowPolicy::Disconnect => None,
            SlowPolicy::Skip => Some(log.start_of(kept_from)),
            SlowPolicy::Latest => Some(newest),
        };
        let mut rests = self.overrun.take_rests();
        let mut left = log.cursors_before(kept_from);
        // The loop runs from the back, where most of the subscribers are that have been blocked for
        // longest, so it usually soon finds all that must be cut off. And when a subscriber is
        // removed, the last one, which has been checked already, takes its index.
        for index in self.channels[id].subscribers.blocked().rev() {
            if left == 0 {
                break;
            }
            let form = &mut self.channels[id];
            let cursor = form.subscribers.cursor(index);
            if cursor.offset >= kept_from {
                continue;
            }
            left -= 1;
            let whose = form.subscribers.subscription(index);
            if self.subscriptions.is_held(whose.0) {
                self.ledger.owed -= end.number - cursor.number;
                form.log.leave(cursor.offset, true);
                form.log.enter(end.offset, true);
                form.subscribers.set_cursor(index, end);
                continue;
            }
            // A subscriber can continue only if the rest of its partly sent frame can be kept.
            let new_place =
                new_place.filter(|_| self.private.has_room_for(cursor.under_way_bytes as usize));
            let rest_start = rests.end();
            let (until, reason) = match new_place {
                Some(place) => (place.number, DropReason::Skipped),
                None => (end.number, DropReason::SlowConsumer),
            };
            let outcome = self.detach(id, index, until, reason, Some(&mut rests.bytes));
            let form = &mut self.channels[id];
            match new_place {
                Some(place) => {
                    form.subscribers.set_cursor(index, place);
                    form.log.enter(place.offset, true);
                }
                None => {
                    form.subscribers.remove(index, &mut self.subscriptions);
                    self.subscriptions.set_overrun(whose.0);
                    self.subscribers_changed(id.channel);
                }
            }
            self.overrun.push(whose, new_place.is_some(), outcome.map(|_| rest_start..rests.end()));
        }
        debug_assert_eq!(left, 0, "only blocked subscribers are cut off");
        self.overrun.give_rests_back(rests);
        self.channels[id].log.release(&mut self.pool);
        self.channels[id.channel].drop_unread_form();
    }

    fn slow_policy_of(&self, id: ChannelId) -> SlowPolicy {
        let own = self.slow_policies.as_ref().and_then(|own| own.of(self.channels[id].name()));
        own.unwrap_or(self.limits.slow_policy)
    }

    /// If there might be no memory for a message of the largest size, frees some; see
    /// [`make_memory`](Self::make_memory).
    pub fn relieve_memory(&mut self) {
        self.make_memory(self.largest_segments_bytes());
    }

    /// Frees memory for a segment of this size by giving up what others can do without. First
    /// channels at rest (without subscribers) are forgotten, if there are enough. Then the oldest
    /// segments that only slow subscribers need are freed, of one channel after the other. So a
    /// message is refused for want of memory only if all memory is needed for subscribers that are
    /// not slow. Call [`next_overrun`](Self::next_overrun) afterwards.
    pub(super) fn make_memory(&mut self, bytes: usize) {
        if self.pool.has_room_for(bytes, 0) {
            return;
        }
        if self.channels.at_rest_bytes() >= self.pool.bytes_short_of(bytes) {
            for _ in 0..NAMES_FORGOTTEN_MAX {
                if self.pool.has_room_for(bytes, 0) || !self.forget_name() {
                    break;
                }
            }
        }
        let mut first_checked = None;
        for _ in 0..STALLED_CHECKED_MAX {
            if self.pool.has_room_for(bytes, 0) {
                return;
            }
            let Some(id) = self.channels.next_stalled() else { return };
            match self.channels[id].front_for_blocked() {
                Some((kind, kept_from)) => {
                    let id = id.form(kind);
                    let newest = self.channels[id].log.newest_from(kept_from);
                    self.cut_off(id, kept_from, newest);
                    first_checked = None;
                }
                // The channel has been checked before, and since then no memory was gained.
                None if first_checked == Some(id) => return,
                None => first_checked = first_checked.or(Some(id)),
            }
        }
    }

    /// Determines what must be cut off a channel to make room for a message, as
    /// [`Channel::make_room`](super::channel::Channel::make_room) does. If only memory is short,
    /// memory of other channels is freed first.
    pub(super) fn make_room(&mut self, id: ChannelId, frame_bytes: usize) -> Result<Room, Refused> {
        let bound = self.limits.bound();
        let channel = &self.channels[id];
        let refused = match channel.make_room(frame_bytes, bound, &self.pool) {
            Ok(room) => return Ok(room),
            Err(refused) => refused,
        };
        let bytes = channel.next_segments_bytes(frame_bytes, &self.pool);
        if self.pool.has_room_for(bytes, 0) {
            return Err(refused);
        }
        self.make_memory(bytes);
        self.channels[id].make_room(frame_bytes, bound, &self.pool)
    }

    /// Returns the next subscriber that was overrun: it has lost messages that it had not read.
    pub fn next_overrun(&mut self) -> Option<Overrun<'_>> {
        let overrun = self.overrun.pop()?;
        if !overrun.lives_on {
            self.subscriptions.remove(overrun.subscription);
        }
        Some(overrun)
    }

    /// Like [`next_overrun`](Self::next_overrun), for the subscriptions of one owner. The overruns
    /// of a connection are handled before anything else is done with it.
    pub fn next_overrun_of(&mut self, owner: Owner) -> Option<Overrun<'_>> {
        let overrun = self.overrun.pop_of(owner)?;
        if !overrun.lives_on {
            self.subscriptions.remove(overrun.subscription);
        }
        Some(overrun)
    }

    /// Returns true if a subscription of this owner has an overrun that was not fetched yet.
    #[inline(always)]
    pub fn has_overrun_of(&self, owner: Owner) -> bool {
        self.has_overrun() && self.overrun.concerns(owner)
    }

    /// Returns true if [`next_overrun`](Self::next_overrun) would return a subscriber.
    pub fn has_overrun(&self) -> bool {
        !self.overrun.is_empty()
    }
}
