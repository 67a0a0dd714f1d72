//! The subscriptions of one connection. Most connections have just one subscription, which needs no
//! allocation.

use crate::hub::SubscriptionId;

#[derive(Default)]
pub(crate) struct PeerSubscriptions {
    first: Option<SubscriptionId>,
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More(Vec<SubscriptionId>);

impl PeerSubscriptions {
    pub(crate) fn add(&mut self, subscription: SubscriptionId) {
        match self.first {
            None => self.first = Some(subscription),
            Some(_) => self.more.get_or_insert_default().0.push(subscription),
        }
    }

    /// Removes a subscription. Returns false if it is not there.
    pub(crate) fn remove(&mut self, subscription: SubscriptionId) -> bool {
        let more = self.more.as_mut().map(|more| &mut more.0);
        if self.first == Some(subscription) {
            self.first = more.and_then(Vec::pop);
            return true;
        }
        let Some(more) = more else { return false };
        let Some(place) = more.iter().position(|one| *one == subscription) else { return false };
        more.swap_remove(place);
        true
    }

    /// Removes any one subscription and returns it.
    pub(crate) fn take(&mut self) -> Option<SubscriptionId> {
        let one = self.first?;
        self.remove(one);
        Some(one)
    }

    pub(crate) fn contains(&self, subscription: SubscriptionId) -> bool {
        self.iter().any(|one| one == subscription)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.first.into_iter().chain(self.more.iter().flat_map(|more| more.0.iter().copied()))
    }

    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }
}
