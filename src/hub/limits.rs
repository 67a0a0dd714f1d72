//! The limits of a hub, and the errors when they are reached.

use crate::protocol::CompressionOptions;
use std::fmt;
use std::time::Duration;

/// The log of a full channel may exceed its bound by one part in this many of the memory limit. The
/// excess has room for what is already on its way when the publishers are stopped: one message of
/// each, and what other reactors have sent.
const EXCESS_MEMORY_SHARE: usize = 8;
/// The excess is at least this many messages of the largest size, however small the memory limit
/// is.
const EXCESS_MESSAGES_MIN: usize = 16;

/// What happens to a subscriber that was overrun: it was blocked for so long that its next message
/// is no longer in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum, serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(rename_all = "lowercase"))]
pub enum SlowPolicy {
    /// Its subscription ends, and its connection is closed with 4008.
    #[default]
    Disconnect,
    /// Its subscription goes on at the oldest message that is kept.
    Skip,
    /// Its subscription skips everything in the log, and goes on with the next message appended.
    Latest,
}

/// The limits of one hub. The configuration gathers and validates them; no value makes the hub
/// unsafe.
#[derive(Clone, Copy, Debug)]
pub struct HubLimits {
    /// The most channels at a time, on all reactors together.
    pub channels_max: usize,
    /// The most bytes of frames that one channel's log keeps: how far a subscriber may be behind.
    /// The last message is always kept. While subscribers that are not slow have not been visited
    /// yet, more is kept, at most an eighth of `memory_bytes` or 16 messages, and the publishers
    /// wait.
    pub channel_buffer_bytes: usize,
    /// The most bytes of all log segments, the free ones included, of all channels with their
    /// names, and of private rests. Channels and names may take half of it.
    pub memory_bytes: usize,
    /// The longest payload published. It is enforced where messages are decoded.
    pub message_bytes_max: usize,
    /// The most bytes of private rests: the unsent ends of frames that are no longer in the log. A
    /// part of `memory_bytes`.
    pub private_bytes_max: usize,
    /// What happens to a subscriber that was overrun, on channels without a policy of their own.
    pub slow_policy: SlowPolicy,
    /// How long a channel without subscribers and publishers keeps its numbering.
    pub forget_after: Duration,
    /// How long a reactor keeps receiving a channel's messages after its last local subscriber has
    /// left. A subscriber that comes within this time need not wait for the channel's home reactor
    /// to answer a join.
    pub linger: Duration,
    /// How messages are deflated for the subscribers that read the deflated form. `None`: there is
    /// no such form, and all read the plain one.
    pub compression: Option<CompressionOptions>,
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
            compression: None,
        }
    }
}

/// How many bytes of frames a log keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Above this size, segments that only blocked subscribers need are freed.
    pub(crate) bytes: usize,
    /// How much more is kept while subscribers that are not blocked need it, because the sweep has
    /// not visited them yet. Meanwhile the channel is full, and its publishers wait.
    pub(crate) excess_bytes: usize,
}

impl HubLimits {
    /// Returns in how many forms a message may be kept.
    pub(crate) fn forms_max(&self) -> usize {
        1 + usize::from(self.compression.is_some())
    }

    /// Returns how much the log of one channel keeps.
    pub(crate) fn bound(&self) -> Bound {
        let excess_bytes = (self.memory_bytes / EXCESS_MEMORY_SHARE)
            .max(self.message_bytes_max.saturating_mul(EXCESS_MESSAGES_MIN));
        Bound { bytes: self.channel_buffer_bytes, excess_bytes }
    }
}

/// The text for a peer whose message, whole or still in fragments, found no memory.
pub(crate) const OUT_OF_MEMORY: &str = "out of memory for messages: try again later";

/// Why a message was not numbered, or a subscription not made. No subscriber has received such a
/// message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There is no memory at the moment. The sweep will free some by sending what is kept for
    /// subscribers that are not slow: try again after it.
    Busy,
    /// The ring to another reactor that has subscribers is full: try again when that reactor has
    /// taken messages from it.
    WayFull,
    /// The memory limit is reached, and dropping what is kept for slow subscribers would not free
    /// enough. Or the channel is full, and the excess that its log is allowed is used up too.
    MemoryFull,
    /// The channel does not exist, and the limit of channels is reached.
    TooManyChannels,
}

impl Refused {
    /// Returns the reason text of the Close frame (1013) for a peer whose message or subscription
    /// was refused.
    pub fn close_reason(self) -> &'static str {
        match self {
            Refused::TooManyChannels => "too many channels: try again later",
            Refused::Busy | Refused::WayFull | Refused::MemoryFull => OUT_OF_MEMORY,
        }
    }
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
