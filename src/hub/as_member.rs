//! What a hub does as a member of a channel whose home is another reactor: it sends the home
//! updates about its subscribers, and appends the messages that the home has numbered. The states
//! are in [`Membership`].

use super::channel_id::ChannelId;
use super::form::Form;
use super::form_id::FormKind;
use super::frames::Frame;
use super::homes::ReactorNumber;
use super::hub::Hub;
use super::limits::Refused;
use super::members::{Joined, Numbered, Slot};
use super::membership::{JoinOutcome, Membership, MembershipUpdate};
use super::subscriptions::SubscriptionId;

impl Hub {
    /// Must be called when the number of a channel's subscribers on this reactor has changed.
    pub(super) fn subscribers_changed(&mut self, id: ChannelId) {
        self.channels.blocked_changed(id);
        let channel = &mut self.channels[id];
        if channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
        let channel = &self.channels[id];
        let concerns_nobody =
            channel.membership == Membership::Unannounced && channel.subscribers() == 0;
        if !channel.is_at_home() && !concerns_nobody {
            self.tell_home(id);
        }
    }

    pub(super) fn tell_home(&mut self, id: ChannelId) {
        if !std::mem::replace(&mut self.channels[id].is_listed_for_home, true) {
            let home = self.channels.home_of(id);
            self.membership_queue.by_home[home.index()].push_back(id);
            self.membership_queue.updates += 1;
        }
    }

    /// Returns true if an update is waiting to be sent to any home.
    pub fn has_membership_update(&self) -> bool {
        self.membership_queue.updates > 0
    }

    /// Returns the next update for a home. Returns the same one until
    /// [`membership_update_sent`](Self::membership_update_sent).
    pub fn membership_update(&self, home: ReactorNumber) -> Option<MembershipUpdate<'_>> {
        let id = *self.membership_queue.by_home[home.index()].front()?;
        let channel = &self.channels[id];
        let (name, subscribers) = (channel.name(), channel.subscribers() as u32);
        Some(match channel.membership {
            Membership::Unannounced => {
                MembershipUpdate::Join { slot: Slot(id.0), channel: name, subscribers }
            }
            Membership::Leaving => MembershipUpdate::Leave { channel: name },
            Membership::Home | Membership::Joining | Membership::Live => {
                MembershipUpdate::Count { channel: name, subscribers, is_full: channel.is_full }
            }
        })
    }

    /// Must be called when the update has been sent to the home.
    pub fn membership_update_sent(&mut self, home: ReactorNumber) {
        let Some(id) = self.membership_queue.by_home[home.index()].pop_front() else { return };
        self.membership_queue.updates -= 1;
        let channel = &mut self.channels[id];
        channel.is_listed_for_home = false;
        match channel.membership {
            Membership::Unannounced => channel.membership = Membership::Joining,
            Membership::Leaving => self.channels.remove(id),
            Membership::Home | Membership::Joining | Membership::Live => {}
        }
    }

    /// Returns true if the home of the channel at this slot has not answered its join yet.
    pub fn waits_for_join(&self, slot: Slot) -> bool {
        let channel = self.channels.find_by_id(ChannelId(slot.0));
        channel.is_some_and(|channel| channel.membership == Membership::Joining)
    }

    /// Handles the home's answer to a join: the subscriptions that waited for it are live.
    pub fn joined(&mut self, joined: Joined) {
        let Some(id) = self.joining_channel(joined.slot) else { return };
        let channel = &mut self.channels[id];
        channel.membership = Membership::Live;
        channel.epoch = joined.epoch;
        for kind in FormKind::ALL {
            if let Some(form) = channel.form_mut(kind) {
                form.begin_at(joined.next);
            }
        }
        self.note_join_outcomes(id, Ok(()));
    }

    /// Handles the home's refusal of a join.
    pub fn not_joined(&mut self, slot: Slot, refused: Refused) {
        let Some(id) = self.joining_channel(slot) else { return };
        self.channels[id].membership = Membership::Unannounced;
        self.note_join_outcomes(id, Err(refused));
    }

    fn joining_channel(&self, slot: Slot) -> Option<ChannelId> {
        let id = ChannelId(slot.0);
        let is_joining = self
            .channels
            .find_by_id(id)
            .is_some_and(|channel| channel.membership == Membership::Joining);
        debug_assert!(is_joining, "the home has answered a join that was not sent");
        is_joining.then_some(id)
    }

    fn note_join_outcomes(&mut self, id: ChannelId, outcome: Result<(), Refused>) {
        if self.channels[id].subscribers() == 0 {
            self.channels.used_without_subscribers(id);
        }
        for (_, Form { subscribers, .. }) in self.channels[id].forms() {
            self.membership_queue.join_outcomes.extend((0..subscribers.len()).map(|index| {
                let (subscription, owner) = subscribers.subscription(index);
                JoinOutcome { subscription, owner, outcome }
            }));
        }
    }

    /// Returns the next decision of a home on a subscription, which may have ended meanwhile.
    pub fn next_join_outcome(&mut self) -> Option<JoinOutcome> {
        self.membership_queue.join_outcomes.pop_front()
    }

    /// Returns true if [`next_join_outcome`](Self::next_join_outcome) would return one.
    pub fn has_join_outcome(&self) -> bool {
        !self.membership_queue.join_outcomes.is_empty()
    }

    /// Returns true if a subscription still waits for its home's decision.
    pub fn is_joining(&self, subscription: SubscriptionId) -> bool {
        self.channels[self.subscriptions.channel_of(subscription)].is_joining()
    }

    /// Appends a message that its home has numbered. The home has accepted it, so it is appended
    /// even beyond the limits: if it had to wait here, messages of other channels would wait behind
    /// it. The home then accepts no further publishes, because it is told that the log is full, or
    /// sees [`Outlet::is_memory_full`](super::Outlet::is_memory_full). Does nothing if this reactor
    /// has left the channel meanwhile. Call [`next_overrun`](Self::next_overrun) afterwards.
    pub fn append(&mut self, numbered: Numbered<'_>) {
        let Numbered { slot, epoch, number, message } = numbered;
        let id = ChannelId(slot.0);
        let Some(channel) = self.channels.find_by_id(id) else { return };
        let receives = matches!(channel.membership, Membership::Live | Membership::Leaving);
        if !receives || channel.epoch != epoch {
            return;
        }
        let next = channel.next_number();
        // Older messages may still arrive after the answer to a join: the home sent them to this
        // reactor as a member, before the reactor left the channel and joined it again.
        if number < next {
            return;
        }
        // Checked in release builds too: after a gap all later messages would be delivered under
        // wrong numbers.
        assert_eq!(next, number, "the home's numbers have a gap");
        if channel.subscribers() > 0 {
            let frame_bytes = Frame::plain(message).bytes();
            let room = self.make_room(id, frame_bytes).unwrap_or_else(|_| {
                self.channels[id].room_beyond_limits(frame_bytes, self.limits.bound())
            });
            self.take_room(id, room);
        }
        self.append_for_all(id, message);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DropReason, Homes, HubLimits, Owner};
    use super::*;
    use crate::hub::ChannelName;
    use crate::instant::Instant;
    use crate::protocol::Message;
    use std::sync::Arc;
    use std::time::Duration;

    const HOME: ReactorNumber = ReactorNumber(0);

    /// Returns a hub that is not the home of the channel, and the channel's name.
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
        let first = hub.subscribe(name, FormKind::Plain, Owner(1)).unwrap();
        let Some(MembershipUpdate::Join { slot, .. }) = hub.membership_update(HOME) else {
            panic!("it joins")
        };
        hub.membership_update_sent(HOME);
        hub.joined(Joined { slot, epoch: 7, next: 1 });
        hub.next_join_outcome();
        hub.remove(first, DropReason::Closed);
        let numbered =
            |number| Numbered { slot, epoch: 7, number, message: Message::text("hello") };
        for seconds in [0, 10] {
            hub.forget_idle(Instant::ZERO + Duration::from_secs(seconds));
        }
        assert_eq!(hub.membership_update(HOME), Some(MembershipUpdate::Leave { channel: name }));
        hub.append(numbered(1));
        let second = hub.subscribe(name, FormKind::Plain, Owner(2)).unwrap();
        assert!(!hub.is_joining(second));
        assert_eq!(
            hub.membership_update(HOME),
            Some(MembershipUpdate::Count { channel: name, subscribers: 1, is_full: false })
        );
        hub.membership_update_sent(HOME);
        hub.append(numbered(2));
        assert_eq!(hub.pending(), 1);
    }

    #[test]
    fn a_message_of_what_had_the_slot_before_is_for_nobody() {
        let (mut hub, name) = member();
        hub.subscribe(ChannelName::parse(&name).unwrap(), FormKind::Plain, Owner(1)).unwrap();
        let Some(MembershipUpdate::Join { slot, .. }) = hub.membership_update(HOME) else {
            panic!("it joins")
        };
        hub.membership_update_sent(HOME);
        let numbered =
            |epoch, number| Numbered { slot, epoch, number, message: Message::text("hello") };
        hub.append(numbered(6, 40));
        hub.joined(Joined { slot, epoch: 7, next: 3 });
        assert!(hub.next_join_outcome().is_some_and(|joined| joined.outcome.is_ok()));
        hub.append(numbered(6, 41));
        assert_eq!(hub.pending(), 0, "its epoch is another one");
        hub.append(numbered(7, 3));
        assert_eq!(hub.pending(), 1);
        hub.append(Numbered { slot: Slot(slot.0 + 1), ..numbered(7, 4) });
        assert_eq!(hub.pending(), 1, "nothing has this slot");
    }
}
