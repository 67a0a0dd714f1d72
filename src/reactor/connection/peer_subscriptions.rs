//! The subscriptions of one connection. Most connections have just one subscription, which needs no
//! allocation.

use crate::hub::SubscriptionId;

#[derive(Default)]
pub(crate) struct PeerSubscriptions {
    first: Option<SubscriptionId>,
    more: Option<Box<More>>,
}

/// What a connection with more than one subscription keeps.
#[derive(Default)]
struct More {
    /// All subscriptions but the first one.
    others: Vec<SubscriptionId>,
    /// The subscriptions that the hub has marked as blocked. The first one may be missing here.
    blocked: Vec<SubscriptionId>,
}

impl PeerSubscriptions {
    pub(crate) fn add(&mut self, subscription: SubscriptionId) {
        match self.first {
            None => self.first = Some(subscription),
            Some(_) => self.more.get_or_insert_default().others.push(subscription),
        }
    }

    /// Removes a subscription. Returns false if it is not there.
    pub(crate) fn remove(&mut self, subscription: SubscriptionId) -> bool {
        let is_it = |one: &SubscriptionId| *one == subscription;
        let more = self.more.as_deref_mut();
        if self.first == Some(subscription) {
            self.first = None;
            let Some(more) = more else { return true };
            self.first = more.others.pop();
            more.forget_blocked(subscription);
            return true;
        }
        let Some(more) = more else { return false };
        let Some(place) = more.others.iter().position(is_it) else { return false };
        more.others.swap_remove(place);
        more.forget_blocked(subscription);
        true
    }

    /// Removes any one subscription and returns it, for a connection that ends.
    pub(crate) fn take(&mut self) -> Option<SubscriptionId> {
        let one = self.first.take()?;
        if let Some(more) = &mut self.more {
            self.first = more.others.pop();
            more.blocked.clear();
        }
        Some(one)
    }

    pub(crate) fn contains(&self, subscription: SubscriptionId) -> bool {
        self.iter().any(|one| one == subscription)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.first.into_iter().chain(self.more.iter().flat_map(|more| more.others.iter().copied()))
    }

    pub(crate) fn len(&self) -> usize {
        let others = self.more.as_ref().map_or(0, |more| more.others.len());
        usize::from(self.first.is_some()) + others
    }

    /// Notes that the hub has marked a subscription as blocked. It was not marked before.
    pub(crate) fn note_blocked(&mut self, subscription: SubscriptionId) {
        if self.first != Some(subscription)
            && let Some(more) = &mut self.more
        {
            more.blocked.push(subscription);
        }
    }

    /// Notes that the hub has marked all subscriptions as blocked. None was marked before.
    pub(crate) fn note_all_blocked(&mut self) {
        if let Some(More { others, blocked }) = self.more.as_deref_mut() {
            blocked.extend_from_slice(others);
        }
    }

    /// Returns the subscriptions that were noted as blocked, and forgets that they were. The first
    /// subscription is always among them, so that a connection with one subscription needs no list.
    pub(crate) fn take_blocked(&mut self) -> impl Iterator<Item = SubscriptionId> + '_ {
        let noted = self.more.iter_mut().flat_map(|more| more.blocked.drain(..));
        self.first.into_iter().chain(noted)
    }

    /// Returns true if `take_blocked` would return this subscription.
    #[cfg(test)]
    pub(crate) fn is_noted_as_blocked(&self, subscription: SubscriptionId) -> bool {
        let noted = self.more.as_ref().is_some_and(|more| more.blocked.contains(&subscription));
        self.first == Some(subscription) || noted
    }
}

impl More {
    fn forget_blocked(&mut self, subscription: SubscriptionId) {
        if let Some(place) = self.blocked.iter().position(|one| *one == subscription) {
            self.blocked.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::hub::{ChannelName, FormKind, Homes, Hub, HubLimits, Owner, ReactorNumber};

    fn ids(count: usize) -> Vec<SubscriptionId> {
        let homes = Arc::new(Homes::new([1; 16], 1));
        let mut hub = Hub::new(HubLimits::default(), homes, ReactorNumber(0), 1);
        let name = ChannelName::parse("news").unwrap();
        (0..count).map(|_| hub.subscribe(name, FormKind::Plain, Owner(1)).unwrap()).collect()
    }

    /// Takes the subscriptions that were noted as blocked, as a set, because their order does not
    /// matter.
    fn taken(subscriptions: &mut PeerSubscriptions) -> BTreeSet<String> {
        subscriptions.take_blocked().map(|one| format!("{one:?}")).collect()
    }

    fn set(ids: &[SubscriptionId]) -> BTreeSet<String> {
        ids.iter().map(|one| format!("{one:?}")).collect()
    }

    #[test]
    fn who_was_noted_as_blocked_is_taken_once_and_the_first_one_always() {
        let (ids, mut subscriptions) = (ids(6), PeerSubscriptions::default());
        ids.iter().for_each(|id| subscriptions.add(*id));
        [0, 2, 5, 4].iter().for_each(|place| subscriptions.note_blocked(ids[*place]));
        assert_eq!(taken(&mut subscriptions), set(&[ids[0], ids[2], ids[4], ids[5]]));
        assert_eq!(taken(&mut subscriptions), set(&[ids[0]]));
        subscriptions.note_all_blocked();
        assert_eq!(taken(&mut subscriptions), set(&ids));
    }

    #[test]
    fn who_leaves_is_noted_no_more() {
        let (ids, mut subscriptions) = (ids(6), PeerSubscriptions::default());
        ids.iter().for_each(|id| subscriptions.add(*id));
        subscriptions.note_all_blocked();
        // The last subscription takes the place of the first.
        assert!(subscriptions.remove(ids[0]) && subscriptions.remove(ids[2]));
        assert!(!subscriptions.remove(ids[0]));
        assert_eq!(subscriptions.len(), 4);
        assert!(subscriptions.is_noted_as_blocked(ids[3]));
        assert!(!subscriptions.is_noted_as_blocked(ids[2]));
        assert!(subscriptions.remove(ids[5]));
        assert_eq!(taken(&mut subscriptions), set(&[ids[1], ids[3], ids[4]]));
        subscriptions.note_all_blocked();
        while subscriptions.take().is_some() {}
        assert_eq!((subscriptions.len(), taken(&mut subscriptions)), (0, set(&[])));
    }
}
