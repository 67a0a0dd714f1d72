//! How often each address has done something within a minute, for limits: has presented wrong
//! credentials, has opened a WebSocket.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::instant::Instant;
use crate::ip_network::customer_of;

/// What an address does is counted from its first time on, for this long.
const PERIOD: Duration = Duration::from_secs(60);

/// The most periods that are remembered; a further one takes the place of the oldest. About a
/// mebibyte. Whoever has so many addresses that it fills the table harms nobody else: no address is
/// refused because of a period that was forgotten.
const PERIODS_MAX: usize = 16 * 1024;

/// How many periods that are over are forgotten at once: more than one can begin at once.
const FORGOTTEN_AT_ONCE_MAX: usize = 4;

/// What is counted of all addresses. Clones are the same, so that all reactors count together. An
/// IPv6 /64 is one address. Peers at a socket in the file system have none, and are not counted:
/// they would all be the same.
#[derive(Clone, Default, Debug)]
pub struct AddressCounts(Arc<SharedTable>);

#[derive(Default, Debug)]
struct SharedTable {
    /// How many periods the table has. While it is zero, nobody has to look into the table.
    periods: AtomicUsize,
    table: Mutex<Table>,
}

#[derive(Default, Debug)]
struct Table {
    by_address: HashMap<IpAddr, Period>,
    /// All periods, the oldest first. An address whose period was over before it was forgotten, and
    /// that has begun another one, stands here twice.
    oldest_first: VecDeque<(IpAddr, Instant)>,
}

/// What one address has done.
#[derive(Clone, Copy, Debug)]
struct Period {
    since: Instant,
    count: u32,
}

impl AddressCounts {
    /// Returns true if nothing is remembered of any address.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.periods.load(Ordering::Relaxed) == 0
    }

    /// Returns how long an address must wait, if it has reached this limit.
    pub(crate) fn wait_of(&self, address: IpAddr, max: u32, now: Instant) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        self.with_table(now, |table| table.wait_of(customer_of(address), max, now))
    }

    /// Counts one time more.
    pub(crate) fn note(&self, address: IpAddr, now: Instant) {
        if !address.is_unspecified() {
            self.with_table(now, |table| table.count(customer_of(address), now));
        }
    }

    /// Counts one time more if the address has not reached this limit. Else returns how long it
    /// must wait.
    pub(crate) fn take(&self, address: IpAddr, max: u32, now: Instant) -> Result<(), Duration> {
        if address.is_unspecified() {
            return Ok(());
        }
        let address = customer_of(address);
        self.with_table(now, |table| match table.wait_of(address, max, now) {
            Some(wait) => Err(wait),
            None => {
                table.count(address, now);
                Ok(())
            }
        })
    }

    fn with_table<R>(&self, now: Instant, act: impl FnOnce(&mut Table) -> R) -> R {
        // A count is valid even if a thread panicked while holding the lock.
        let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget(now);
        let acted = act(&mut table);
        self.0.periods.store(table.oldest_first.len(), Ordering::Relaxed);
        acted
    }
}

impl Table {
    fn wait_of(&self, address: IpAddr, max: u32, now: Instant) -> Option<Duration> {
        let period = self.by_address.get(&address)?;
        let end = period.since + PERIOD;
        (period.count >= max && end > now).then(|| end.saturating_since(now))
    }

    fn count(&mut self, address: IpAddr, now: Instant) {
        match self.by_address.get_mut(&address) {
            Some(period) if period.since + PERIOD > now => {
                period.count = period.count.saturating_add(1);
            }
            Some(_) | None => {
                if self.oldest_first.len() == PERIODS_MAX {
                    self.drop_oldest();
                }
                self.by_address.insert(address, Period { since: now, count: 1 });
                self.oldest_first.push_back((address, now));
            }
        }
    }

    /// Forgets a few of the periods that are over.
    fn forget(&mut self, now: Instant) {
        for _ in 0..FORGOTTEN_AT_ONCE_MAX {
            match self.oldest_first.front() {
                Some((_, since)) if *since + PERIOD <= now => self.drop_oldest(),
                Some(_) | None => return,
            }
        }
    }

    fn drop_oldest(&mut self) {
        let Some((address, since)) = self.oldest_first.pop_front() else { return };
        if self.by_address.get(&address).is_some_and(|period| period.since == since) {
            self.by_address.remove(&address);
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
        let failures = AddressCounts::default();
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
        let failures = AddressCounts::default();
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
        let failures = AddressCounts::default();
        let number = |number: usize| IpAddr::V4(Ipv4Addr::from(number as u32 + 1));
        for one in 0..PERIODS_MAX + 3 {
            failures.note(number(one), at(one as u64 / 1000));
        }
        assert_eq!(failures.0.periods.load(Ordering::Relaxed), PERIODS_MAX);
        let is_known = |one| failures.wait_of(number(one), 1, at(100)).is_some();
        assert_eq!([0, 2, 3, PERIODS_MAX + 2].map(is_known), [false, false, true, true]);
    }

    #[test]
    fn what_is_over_is_forgotten_a_few_at_a_time() {
        let failures = AddressCounts::default();
        let number = |number: u32| IpAddr::V4(Ipv4Addr::from(number + 1));
        let remembered = || failures.0.periods.load(Ordering::Relaxed);
        (0..1_000).for_each(|one| failures.note(number(one), at(0)));
        // This one was not forgotten yet, and begins anew.
        failures.note(number(999), at(60_000));
        assert_eq!(failures.wait_of(number(999), 2, at(60_000)), None);
        failures.note(number(999), at(60_001));
        assert!(failures.wait_of(number(999), 2, at(60_002)).is_some());
        while remembered() > 1 {
            let before = remembered();
            assert_eq!(failures.wait_of(number(500), 1, at(60_003)), None);
            assert!((1..=FORGOTTEN_AT_ONCE_MAX).contains(&(before - remembered())));
        }
        assert!(failures.wait_of(number(999), 2, at(60_004)).is_some(), "forgotten is the old one");
        failures.wait_of(number(1), 1, at(120_000));
        let is_left = failures.with_table(at(120_000), |table| table.by_address.len());
        assert_eq!((remembered(), is_left), (0, 0));
    }

    #[test]
    fn what_is_taken_is_counted_until_the_limit() {
        let openings = AddressCounts::default();
        let (one, other) = (address("203.0.113.1"), address("203.0.113.2"));
        for _ in 0..3 {
            assert_eq!(openings.take(one, 3, at(1_000)), Ok(()));
        }
        for _ in 0..3 {
            assert_eq!(openings.take(one, 3, at(31_000)), Err(Duration::from_secs(30)));
        }
        assert_eq!(openings.take(one, 4, at(31_000)), Ok(()), "the limit was raised");
        assert_eq!(openings.take(other, 3, at(31_000)), Ok(()));
        assert_eq!(openings.take(one, 3, at(61_000)), Ok(()), "another period");
        assert_eq!(openings.take(one, 0, at(61_000)), Err(PERIOD));
        for _ in 0..3 {
            assert_eq!(openings.take(address("::"), 1, at(61_000)), Ok(()), "nobody's");
        }
    }

    #[test]
    fn nobodys_failures_are_not_everybodys() {
        let failures = AddressCounts::default();
        failures.note(address("::"), at(0));
        assert_eq!(failures.wait_of(address("::"), 1, at(0)), None);
    }
}
