//! The id of a channel: its index among a hub's [channels](super::channels).

/// The id of a channel, valid as long as the channel exists. After that the id is used for another
/// channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChannelId(pub(crate) u32);
