//! What the hub may use, and what it says when that is not enough.

use std::fmt;
use std::time::Duration;

/// What happens to a subscriber that is blocked and has fallen off its channel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SlowPolicy {
    /// Its subscription ends.
    #[default]
    Disconnect,
    /// It goes on at the oldest message kept.
    Skip,
    /// It goes on at the newest message.
    Latest,
}

/// The limits of one hub. The configuration gathers and validates them; the hub is safe with any
/// values.
#[derive(Clone, Copy, Debug)]
pub struct HubLimits {
    /// Channels that exist at a time.
    pub channels_max: usize,
    /// How far a subscriber may fall behind, in bytes of frames per channel. The last message
    /// always fits.
    pub channel_buffer_bytes: usize,
    /// All segments of all channels, those in the pool included, and the private rests.
    pub memory_bytes: usize,
    /// The longest payload published. Enforced where messages are decoded.
    pub message_bytes_max: usize,
    /// Rests of frames that have left the log but not yet this process; a part of `memory_bytes`.
    pub private_bytes_max: usize,
    /// What becomes of slow subscribers.
    pub slow_policy: SlowPolicy,
    /// How long a channel without subscribers and publishers keeps its numbering.
    pub forget_after: Duration,
    /// How long a reactor without subscribers of a channel goes on receiving it from its home
    /// elsewhere: who comes back within this time need not wait for the home.
    pub linger: Duration,
}

/// The defaults of the command line, for one reactor of a machine with plenty of memory.
impl Default for HubLimits {
    fn default() -> HubLimits {
        HubLimits {
            channels_max: 1_000_000,
            channel_buffer_bytes: 1 << 20,
            memory_bytes: 1 << 30,
            message_bytes_max: 64 << 10,
            private_bytes_max: 8 << 20,
            slow_policy: SlowPolicy::Disconnect,
            forget_after: Duration::from_secs(60),
            linger: Duration::from_secs(2),
        }
    }
}

/// Why a message was not numbered, or a subscription not made. Nobody has received anything of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The room is held by a subscriber that is not slow, only not yet visited: try again after the
    /// sweep.
    Busy,
    /// The way to another reactor that has subscribers is full: try again when that one has taken
    /// something.
    WayFull,
    /// The limit of memory is reached, and cutting off this channel's slow subscribers would not
    /// help.
    MemoryFull,
    /// The channel does not exist, and no further one may.
    TooManyChannels,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Busy | Refused::WayFull => "the channel is busy",
            Refused::MemoryFull => "the memory limit is reached",
            Refused::TooManyChannels => "there are too many channels",
        })
    }
}

impl std::error::Error for Refused {}
