//! How often an address may present wrong credentials: whoever guesses keys or forges tokens is
//! slowed down, and costs no more signatures.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::instant::Instant;
use crate::ip_network::customer_of;

/// Failures are counted from the first one of an address, for this long.
const PERIOD: Duration = Duration::from_secs(60);

/// The most addresses that are remembered; a further one takes the place of the oldest. About a
/// mebibyte.
const ADDRESSES_MAX: usize = 16 * 1024;

/// The failures of all addresses. Clones are the same, so that all reactors count together.
#[derive(Clone, Default, Debug)]
pub struct CredentialFailures(Arc<FailureTable>);

#[derive(Default, Debug)]
struct FailureTable {
    /// How many addresses the table has. While it is zero, nobody has to look into the table.
    addresses: AtomicUsize,
    table: Mutex<Table>,
}

#[derive(Default, Debug)]
struct Table {
    by_address: HashMap<IpAddr, Failures>,
    /// The same addresses, the one with the oldest first failure first.
    oldest_first: VecDeque<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Failures {
    fn end(&self) -> Instant {
        self.since + PERIOD
    }
}

impl CredentialFailures {
    /// Returns how long credentials from an address are not looked at, if it has had as many
    /// failures as it may have. An IPv6 /64 is one address.
    pub(crate) fn wait_of(&self, address: IpAddr, max: u32, now: Instant) -> Option<Duration> {
        if self.0.addresses.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let table = self.table();
        let failures = table.by_address.get(&customer_of(address))?;
        let is_over = failures.count >= max && failures.end() > now;
        is_over.then(|| failures.end().saturating_since(now))
    }

    /// Counts a failure. Peers at a socket in the file system have no address, so theirs are not
    /// counted: they would be those of everybody.
    pub(crate) fn note(&self, address: IpAddr, now: Instant) {
        if address.is_unspecified() {
            return;
        }
        let mut table = self.table();
        table.forget(now);
        let address = customer_of(address);
        match table.by_address.get_mut(&address) {
            Some(failures) => failures.count = failures.count.saturating_add(1),
            None => {
                if table.by_address.len() == ADDRESSES_MAX {
                    table.drop_oldest();
                }
                table.by_address.insert(address, Failures { since: now, count: 1 });
                table.oldest_first.push_back(address);
            }
        }
        self.0.addresses.store(table.by_address.len(), Ordering::Relaxed);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets the addresses whose time is over.
    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.oldest_first.front()
            && self.by_address.get(oldest).is_none_or(|failures| failures.end() <= now)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.oldest_first.pop_front() {
            self.by_address.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MAX: u32 = 20;

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_twenty_failures_an_address_waits_for_the_end_of_its_minute() {
        let failures = CredentialFailures::default();
        let (one, other) = (address("203.0.113.1"), address("203.0.113.2"));
        for number in 0..20 {
            let now = at(5_000 + 100 * number);
            assert_eq!(failures.wait_of(one, MAX, now), None, "{number}");
            failures.note(one, now);
        }
        assert_eq!(failures.wait_of(one, MAX, at(7_000)), Some(Duration::from_secs(58)));
        assert_eq!(failures.wait_of(one, MAX, at(64_999)), Some(Duration::from_millis(1)));
        assert_eq!(failures.wait_of(one, MAX, at(65_000)), None);
        assert_eq!(failures.wait_of(other, MAX, at(7_000)), None);
        // The next minute begins with the next failure.
        for number in 0..20 {
            assert_eq!(failures.wait_of(one, MAX, at(100_000)), None, "{number}");
            failures.note(one, at(100_000));
        }
        assert_eq!(failures.wait_of(one, MAX, at(159_999)), Some(Duration::from_millis(1)));
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_a_mapped_address_is_that_of_ipv4() {
        let failures = CredentialFailures::default();
        for (one, same, another) in [
            ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
            ("203.0.113.1", "::ffff:203.0.113.1", "::ffff:203.0.113.2"),
        ] {
            failures.note(address(one), at(0));
            assert!(failures.wait_of(address(same), 1, at(1)).is_some());
            assert!(failures.wait_of(address(another), 1, at(1)).is_none());
        }
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_goes_first() {
        let failures = CredentialFailures::default();
        let number = |number: usize| IpAddr::V4(Ipv4Addr::from(number as u32 + 1));
        for one in 0..ADDRESSES_MAX + 3 {
            failures.note(number(one), at(one as u64 / 1000));
        }
        assert_eq!(failures.0.addresses.load(Ordering::Relaxed), ADDRESSES_MAX);
        let is_known = |one| failures.wait_of(number(one), 1, at(100)).is_some();
        assert_eq!([0, 2, 3, ADDRESSES_MAX + 2].map(is_known), [false, false, true, true]);
        failures.note(number(7), at(200_000));
        assert_eq!(failures.0.addresses.load(Ordering::Relaxed), 1, "the others' time is over");
    }

    #[test]
    fn nobodys_failures_are_not_everybodys() {
        let failures = CredentialFailures::default();
        failures.note(address("::"), at(0));
        assert_eq!(failures.wait_of(address("::"), 1, at(0)), None);
    }
}
