//! All subscriptions of a hub: from an id to the form of a channel and the index among its
//! subscribers.

use super::channel_id::ChannelId;
use super::form_id::{FormId, FormKind};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};
use slab::Slab;
use std::num::NonZeroU32;

/// This many bits of an id are the key in `places`. The other bits are a generation, which detects
/// that an id is used after its end.
const KEY_BITS: u32 = 24;

/// The most subscriptions of one hub at a time: 16,777,216, which alone would take a gigabyte.
pub(super) const SUBSCRIPTIONS_MAX: usize = 1 << KEY_BITS;

/// A subscription. The id is valid until the subscription is removed, or is reported as overrun
/// with `lives_on` false.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SubscriptionId(NonZeroU32);

impl SubscriptionId {
    fn new(key: usize, generation: u8) -> SubscriptionId {
        let number = key as u32 | u32::from(generation) << KEY_BITS;
        SubscriptionId(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    fn key(self) -> usize {
        self.0.get() as usize & (SUBSCRIPTIONS_MAX - 1)
    }

    fn generation(self) -> u8 {
        (self.0.get() >> KEY_BITS) as u8
    }
}

/// The owner of a subscription: opaque to the hub (the reactor's token).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner(pub u64);

/// The location of a subscription's cursor.
#[derive(Clone, Copy, Debug)]
struct Place {
    channel: ChannelId,
    /// The index among the subscribers of the form, or `OVERRUN`.
    index: u32,
    form: FormKind,
    generation: u8,
    /// True while the 101 response of its owner is held back.
    is_held: bool,
}

/// The index of a subscription that an overrun has ended, until its owner has fetched that overrun.
const OVERRUN: u32 = u32::MAX;

/// All subscriptions of a hub, each with the location of its subscriber.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    places: Slab<Place>,
    generation: u8,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= SUBSCRIPTIONS_MAX
    }

    /// Returns a new id. The caller must set its location with `moved`.
    pub(super) fn insert(&mut self, of: FormId) -> SubscriptionId {
        // No generation is zero, so no id is: an `Option` of one needs no extra bytes.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        let (generation, FormId { channel, kind: form }) = (self.generation, of);
        let place = Place { channel, index: OVERRUN, form, generation, is_held: false };
        SubscriptionId::new(self.places.insert(place), generation)
    }

    pub(super) fn remove(&mut self, subscription: SubscriptionId) {
        self.check(subscription);
        self.places.try_remove(subscription.key());
    }

    pub(super) fn moved(&mut self, subscription: SubscriptionId, index: usize) {
        self.check(subscription);
        self.places[subscription.key()].index = index as u32;
    }

    /// Ends a subscription that was overrun: its id stays reserved, but every operation with it has
    /// no effect.
    pub(super) fn set_overrun(&mut self, subscription: SubscriptionId) {
        self.moved(subscription, OVERRUN as usize);
    }

    pub(super) fn set_held(&mut self, subscription: SubscriptionId, is_held: bool) {
        self.check(subscription);
        self.places[subscription.key()].is_held = is_held;
    }

    pub(super) fn is_held(&self, subscription: SubscriptionId) -> bool {
        self.places[subscription.key()].is_held
    }

    pub(super) fn channel_of(&self, subscription: SubscriptionId) -> ChannelId {
        self.check(subscription);
        self.places[subscription.key()].channel
    }

    /// Returns a subscription's form, and its index among the subscribers of that form. `None` if
    /// an overrun has ended the subscription and its owner has not fetched the overrun yet.
    pub(super) fn place_of(&self, subscription: SubscriptionId) -> Option<(FormId, usize)> {
        self.check(subscription);
        let place = self.places[subscription.key()];
        (place.index != OVERRUN).then(|| (place.channel.form(place.form), place.index as usize))
    }

    fn check(&self, subscription: SubscriptionId) {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Subscription);
        debug_assert!(
            self.places
                .get(subscription.key())
                .is_some_and(|place| place.generation == subscription.generation()),
            "a subscription is used after its end"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_to_the_last_place_told() {
        let mut subscriptions = Subscriptions::default();
        let first = subscriptions.insert(ChannelId(7).form(FormKind::Plain));
        let second = subscriptions.insert(ChannelId(8).form(FormKind::Deflated));
        subscriptions.moved(first, 3);
        subscriptions.moved(second, 0);
        subscriptions.moved(first, 1);
        assert_eq!(subscriptions.place_of(first), Some((ChannelId(7).form(FormKind::Plain), 1)));
        assert_eq!(
            subscriptions.place_of(second),
            Some((ChannelId(8).form(FormKind::Deflated), 0))
        );
        subscriptions.set_overrun(first);
        assert_eq!(subscriptions.place_of(first), None);
        assert_eq!(subscriptions.channel_of(first), ChannelId(7));
    }

    #[test]
    #[should_panic(expected = "after its end")]
    #[cfg(debug_assertions)]
    fn an_id_used_after_its_end_is_noticed_though_its_slot_is_taken_again() {
        let mut subscriptions = Subscriptions::default();
        let first = subscriptions.insert(ChannelId(0).form(FormKind::Plain));
        subscriptions.remove(first);
        let second = subscriptions.insert(ChannelId(0).form(FormKind::Plain));
        assert_ne!(first, second);
        subscriptions.place_of(first);
    }
}
