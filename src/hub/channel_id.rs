//! The id of a channel: its index among a hub's [channels](super::channels).

/// A channel, valid as long as the channel exists. Ids of forgotten channels are used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChannelId(pub(super) u32);
