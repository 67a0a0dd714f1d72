//! The home of a channel: the one reactor that numbers its messages.

use super::name::ChannelName;
use siphasher::sip::SipHasher13;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A reactor of the server, by its number from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReactorNumber(pub u16);

impl ReactorNumber {
    /// Returns the number as an index into a table of all reactors.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// State that all reactors of a server share: which of them is the home of a channel, and the
/// number of channels, which changes only when a channel is made or forgotten.
#[derive(Debug)]
pub struct Homes {
    hasher: SipHasher13,
    reactors: u16,
    counts: Counts,
}

/// The counts over all reactors, in a cache line of their own. They are written whenever a channel
/// is made. The other fields of `Homes` are read for every name, and must not have to be reloaded
/// then.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counts {
    channels: AtomicUsize,
    /// How many of the channels are at rest: without subscribers.
    at_rest: AtomicUsize,
}

/// The hash of a name: one half selects the home, the other the bucket in a hub's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NameHash(u64);

impl NameHash {
    pub(super) fn in_table(self) -> u32 {
        self.0 as u32
    }
}

impl Homes {
    /// Makes the homes for this many reactors, at least one. The key is secret and drawn for each
    /// process: otherwise peers could choose names that all have one home or one hash bucket.
    pub fn new(key: [u8; 16], reactors: u16) -> Homes {
        Homes {
            hasher: SipHasher13::new_with_key(&key),
            reactors: reactors.max(1),
            counts: Counts::default(),
        }
    }

    /// Returns how many reactors there are.
    pub fn reactors(&self) -> usize {
        usize::from(self.reactors)
    }

    /// Returns the reactor that numbers the messages of this channel.
    pub fn home_of(&self, channel: ChannelName<'_>) -> ReactorNumber {
        if self.reactors == 1 {
            return ReactorNumber(0);
        }
        self.home_of_hash(self.hash(channel.as_str()))
    }

    pub(super) fn hash(&self, name: &str) -> NameHash {
        NameHash(self.hasher.hash(name.as_bytes()))
    }

    pub(super) fn home_of_hash(&self, hash: NameHash) -> ReactorNumber {
        ReactorNumber((((hash.0 >> 32) * u64::from(self.reactors)) >> 32) as u16)
    }

    /// Counts a new channel. Returns false if that would exceed the limit and no reactor has a
    /// channel at rest that could be forgotten instead. If a count beyond the limit is allowed for
    /// that reason, the reactors forget as many channels at rest in their next turns.
    pub(super) fn add_channel(&self, channels_max: usize) -> bool {
        let at_rest = self.counts.at_rest.load(Ordering::Relaxed);
        let within =
            |channels| (channels < channels_max.saturating_add(at_rest)).then_some(channels + 1);
        self.counts.channels.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// Returns how many channels there are, on all reactors.
    pub(super) fn channels(&self) -> usize {
        self.counts.channels.load(Ordering::Relaxed)
    }

    /// Counts a channel that comes to rest, or stops counting one that is used again or forgotten.
    pub(super) fn count_at_rest(&self, rests: bool) {
        match rests {
            true => self.counts.at_rest.fetch_add(1, Ordering::Relaxed),
            false => self.counts.at_rest.fetch_sub(1, Ordering::Relaxed),
        };
    }

    pub(super) fn remove_channel(&self) {
        self.counts.channels.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_spread_over_all_reactors_and_every_hub_agrees_where() {
        let homes = Homes::new([7; 16], 3);
        let mut channels = [0; 3];
        for number in 0..3_000 {
            let text = format!("channel/{number}");
            let name = ChannelName::parse(&text).unwrap();
            let home = homes.home_of(name);
            assert_eq!(home, Homes::new([7; 16], 3).home_of(name));
            channels[home.index()] += 1;
        }
        assert!(channels.iter().all(|count| (900..1_100).contains(count)), "{channels:?}");
    }

    #[test]
    fn with_another_key_channels_live_elsewhere() {
        let (one, other) = (Homes::new([1; 16], 2), Homes::new([2; 16], 2));
        let names: Vec<_> = (0..100).map(|number| format!("channel/{number}")).collect();
        let names = names.iter().map(|name| ChannelName::parse(name).unwrap());
        let moved = names.filter(|name| one.home_of(*name) != other.home_of(*name)).count();
        assert!((20..80).contains(&moved), "{moved}");
    }

    #[test]
    fn the_limit_of_channels_holds_for_all_hubs_together() {
        let homes = Homes::new([0; 16], 2);
        assert!(homes.add_channel(2) && homes.add_channel(2) && !homes.add_channel(2));
        homes.remove_channel();
        assert!(homes.add_channel(2));
    }
}
