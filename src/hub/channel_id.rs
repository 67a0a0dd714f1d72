//! The id of a channel: its place among a hub's [channels](super::channels).

/// A channel, as long as it exists. Ids of channels that were forgotten are used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChannelId(pub(super) u32);
