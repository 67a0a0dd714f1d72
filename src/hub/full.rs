//! Full channels. A channel is full while its logs, on its home or on a member, are larger than
//! `channel_buffer_bytes` because subscribers that are not slow have not been sent its oldest
//! messages yet. Messages that are already on their way to the log are still appended. The
//! channel's publishers must wait until the log has room again.

use super::channel::Accepted;
use super::channel_id::ChannelId;
use super::form_id::FormKind;
use super::hub::Hub;
use super::membership::Membership;
use super::name::ChannelName;

/// A message that was numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Its id and its subscribers.
    pub accepted: Accepted,
    /// The message's channel if it is full now: its publisher must wait until
    /// [`Hub::look_at_full`] returns this channel.
    pub full: Option<ChannelId>,
}

impl Hub {
    /// Marks a channel as full. If its home is another reactor, the home is sent an update.
    pub(super) fn note_full(&mut self, id: ChannelId) {
        let channel = &mut self.channels[id];
        if std::mem::replace(&mut channel.is_full, true) {
            return;
        }
        self.full.push_back(id);
        if channel.membership == Membership::Live {
            self.tell_home(id);
        }
    }

    /// Returns true if a channel is full. A channel that is full is not forgotten.
    pub fn is_full(&self, id: ChannelId) -> bool {
        self.channels.find_by_id(id).is_some_and(|channel| channel.is_full)
    }

    /// Returns the channel of a name, if this reactor has it.
    pub fn find_channel(&self, name: ChannelName<'_>) -> Option<ChannelId> {
        self.channels.find(name)
    }

    /// Returns how many channels are full.
    pub fn full_channels(&self) -> usize {
        self.full.len()
    }

    /// Checks the next full channel; successive calls go round all of them. Returns the channel if
    /// it has room again, so that it is no longer full. Call [`next_overrun`](Self::next_overrun)
    /// afterwards: slow subscribers may have been cut off.
    pub fn look_at_full(&mut self) -> Option<ChannelId> {
        let id = self.full.pop_front()?;
        let bound = self.limits.bound();
        let channel = &mut self.channels[id];
        let members = self.members.of(channel.members);
        if !channel.has_room_again(bound) || members.iter().any(|member| member.is_full) {
            self.full.push_back(id);
            return None;
        }
        channel.is_full = false;
        // While the channel was full, its logs could exceed its bound also for slow subscribers:
        // they are cut off now.
        let kept_from = channel.within_bound_from(bound);
        let (is_live, is_unused) = (channel.membership == Membership::Live, channel.is_unused());
        for kind in FormKind::ALL {
            let Some(form) = self.channels[id].form(kind) else { continue };
            let kept_from = kept_from[kind as usize];
            let newest = form.log.newest_from(kept_from);
            self.cut_off(id.form(kind), kept_from, newest);
        }
        if is_live {
            self.tell_home(id);
        }
        if is_unused {
            self.channels.used_without_subscribers(id);
        }
        Some(id)
    }
}
