//! Figures of channels, one after the other, for a list of them. They are those of this reactor:
//! a home knows all subscribers and counts all messages, and each reactor keeps messages for its
//! own subscribers.

use super::channel::Channel;
use super::channel_id::ChannelId;
use super::hub::Hub;
use super::log::FIRST_NUMBER;
use super::name::ChannelName;

/// The figures of one channel on this reactor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelFigures<'h> {
    /// The channel.
    pub name: ChannelName<'h>,
    /// True if this reactor numbers the channel's messages.
    pub is_at_home: bool,
    /// The epoch of the numbers.
    pub epoch: u64,
    /// The number of messages in this epoch.
    pub messages: u64,
    /// The number of subscribers on all reactors; zero if this is not the home.
    pub subscribers: u64,
    /// How many messages are kept here, because the slowest subscriber of this reactor may not have
    /// been sent them. A log is freed in segments, so this may be more than the subscriber lacks,
    /// but it is zero if there is nobody who lacks any.
    pub lag: u64,
    /// How many bytes are kept here, in all forms.
    pub kept_bytes: u64,
}

impl Hub {
    /// Returns a number that is greater than every slot with a channel.
    pub fn slots_end(&self) -> usize {
        self.channels.slots_end()
    }

    /// Returns the figures of the channel at a slot, if there is one.
    pub fn figures_at(&self, slot: usize) -> Option<ChannelFigures<'_>> {
        let id = ChannelId(u32::try_from(slot).ok()?);
        self.channels.find_by_id(id).map(|channel| self.figures(channel))
    }

    /// Returns the slot of a channel and its figures, if it exists.
    pub fn figures_of(&self, name: ChannelName<'_>) -> Option<(usize, ChannelFigures<'_>)> {
        let id = self.channels.find(name)?;
        Some((id.0 as usize, self.figures(&self.channels[id])))
    }

    fn figures<'h>(&'h self, channel: &'h Channel) -> ChannelFigures<'h> {
        let (next, is_at_home) = (channel.next_number(), channel.is_at_home());
        let own = channel.subscribers() as u64;
        ChannelFigures {
            name: channel.name(),
            is_at_home,
            epoch: channel.epoch,
            messages: next - FIRST_NUMBER,
            subscribers: match is_at_home {
                true => own + self.members.subscribers(channel.members),
                false => 0,
            },
            lag: channel.first_number().map_or(0, |first| next - first),
            kept_bytes: channel.kept_bytes() as u64,
        }
    }
}
