//! The limits on new connections, which apply to the whole server, whichever reactor accepts them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::instant::Instant;
use crate::ip_network::customer_of;

use crate::reactor::counters::RejectReason;
use crate::reactor::limits::{ADMIN_CONNECTIONS_MAX, REFUSALS_MAX, ReactorLimits};

/// Why a connection is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    TooManyConnections,
    TooManyFromAddress,
    Draining,
}

impl Refusal {
    pub(crate) fn reason(self) -> RejectReason {
        match self {
            Refusal::TooManyConnections => RejectReason::ConnectionLimit,
            Refusal::TooManyFromAddress => RejectReason::AddressLimit,
            Refusal::Draining => RejectReason::Draining,
        }
    }
}

/// The limit that an open connection counts towards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quota {
    /// `connections_max`.
    Ordinary,
    /// `REFUSALS_MAX`: the connection is kept open only so that it can be answered 503 or 429.
    Refusal,
    /// `ADMIN_CONNECTIONS_MAX`: the connection was accepted on an admin listener.
    Admin,
}

/// What is decided about a connection when it has been accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Admission {
    /// Why requests of this connection are refused, if they are.
    pub(crate) refusal: Option<Refusal>,
    /// `None`: too many connections are kept open for a refusal already, so this one must be closed
    /// without an answer.
    pub(crate) quota: Option<Quota>,
}

/// How an address stands towards its limit of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Within,
    /// Over the limit: requests that are exempt from it are served.
    Over,
    /// Over twice the limit.
    FarOver,
}

/// The limits and their counts, in cache lines of their own: reactors read the neighbouring fields
/// for every message, and these counts change with every connection.
#[repr(align(64))]
pub(crate) struct ConnectionLimits {
    /// Ordinary connections.
    connections: AtomicUsize,
    connections_max: AtomicUsize,
    /// Connections that are kept open only so that they can be answered 503 or 429.
    refusals: AtomicUsize,
    /// Connections that were accepted on admin listeners.
    admins: AtomicUsize,
    /// Whether `rate` limits anything.
    has_rate: AtomicBool,
    rate: Mutex<AcceptRate>,
    /// The limit on connections per client address (IPv4 address or IPv6 /64), and how many each
    /// address has now. `None` if there was no such limit at the start: nothing is counted then.
    networks: Option<(AtomicU32, Mutex<HashMap<IpAddr, u32>>)>,
}

/// A token bucket that limits accepts: it fills over time, up to one second's worth of connections.
struct AcceptRate {
    per_second: f64,
    available: f64,
    filled_at: Instant,
}

impl AcceptRate {
    /// A full bucket.
    fn new(per_second: Option<u32>, now: Instant) -> AcceptRate {
        let per_second = f64::from(per_second.unwrap_or(1).max(1));
        AcceptRate { per_second, available: per_second, filled_at: now }
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_since(self.filled_at).as_secs_f64() * self.per_second;
        self.available = (self.available + gained).min(self.per_second.max(1.0));
        self.filled_at = self.filled_at.max(now);
    }

    /// Returns when the next connection may be accepted.
    fn next_at(&self) -> Instant {
        let missing = (1.0 - self.available).max(0.0);
        self.filled_at + Duration::from_secs_f64(missing / self.per_second)
    }
}

/// Adds one and returns true if the count is below `max`; else returns false. Adding first and
/// undoing later could make another thread see the limit reached when it is not.
fn count_one_more(count: &AtomicUsize, max: usize) -> bool {
    let within = |count| (count < max).then_some(count + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
}

/// Locks, and ignores poisoning: a count is valid even if a thread panicked while holding the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionLimits {
    pub(crate) fn new(limits: &ReactorLimits, now: Instant) -> ConnectionLimits {
        let rate = limits.accepts_per_second_max;
        ConnectionLimits {
            connections: AtomicUsize::new(0),
            connections_max: AtomicUsize::new(limits.connections_max),
            refusals: AtomicUsize::new(0),
            admins: AtomicUsize::new(0),
            has_rate: AtomicBool::new(rate.is_some()),
            rate: Mutex::new(AcceptRate::new(rate, now)),
            networks: limits
                .connections_per_address_max
                .map(|max| (AtomicU32::new(max), Mutex::default())),
        }
    }

    /// Puts other limits into force. Connections that are over them stay; they count as before.
    /// Where connections per address were not counted from the start, they stay without a limit.
    /// May be called several times with the same limits.
    pub(crate) fn change(&self, limits: &ReactorLimits, now: Instant) {
        self.connections_max.store(limits.connections_max, Ordering::Relaxed);
        if let Some((max, _)) = &self.networks {
            max.store(limits.connections_per_address_max.unwrap_or(u32::MAX), Ordering::Relaxed);
        }
        let new = AcceptRate::new(limits.accepts_per_second_max, now);
        let mut rate = lock(&self.rate);
        if rate.per_second != new.per_second {
            *rate = new;
        }
        self.has_rate.store(limits.accepts_per_second_max.is_some(), Ordering::Relaxed);
    }

    /// Returns when the rate limit allows the next connection, or `None` if the rate is not
    /// limited.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.has_rate.load(Ordering::Relaxed).then(|| {
            let mut rate = lock(&self.rate);
            rate.fill(now);
            rate.next_at()
        })
    }

    /// Counts an accepted connection until [`leave`](Self::leave), always towards its address too.
    /// Over the limit of its address it may still be an ordinary one, so that requests exempt from
    /// that limit can be served. There may be as many of these per address as the limit says;
    /// connections beyond them count as refusals.
    pub(crate) fn enter(&self, address: SocketAddr) -> Admission {
        let (of_address, max) = self.count_in_network(address);
        let refusal = (of_address > max).then_some(Refusal::TooManyFromAddress);
        let is_heard = of_address <= max.saturating_mul(2);
        self.admit(refusal, is_heard)
    }

    /// Counts a connection of a trusted proxy, but towards no address: each of its requests may be
    /// another client's, and counts towards that one ([`enter_address`](Self::enter_address)).
    pub(crate) fn enter_as_proxy(&self) -> Admission {
        self.admit(None, true)
    }

    /// Counts a connection towards the limit of this address, until
    /// [`leave_address`](Self::leave_address).
    pub(crate) fn enter_address(&self, address: SocketAddr) -> Standing {
        let (of_address, max) = self.count_in_network(address);
        if of_address <= max {
            Standing::Within
        } else if of_address <= max.saturating_mul(2) {
            Standing::Over
        } else {
            Standing::FarOver
        }
    }

    /// Counts an ordinary connection as a refusal from now on. Returns false, and changes nothing,
    /// if there are too many of these.
    pub(crate) fn demote(&self) -> bool {
        let has_room = count_one_more(&self.refusals, REFUSALS_MAX);
        if has_room {
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
        has_room
    }

    /// Returns how many connections an address has, this one included, and how many it may have.
    /// Peers that have no address, at a socket in the file system, are not counted.
    fn count_in_network(&self, address: SocketAddr) -> (u32, u32) {
        let networks = self.networks.as_ref().filter(|_| !address.ip().is_unspecified());
        let Some((max, networks)) = networks else { return (0, u32::MAX) };
        let mut networks = lock(networks);
        let count = networks.entry(customer_of(address.ip())).or_default();
        *count += 1;
        (*count, max.load(Ordering::Relaxed))
    }

    fn admit(&self, refusal: Option<Refusal>, is_heard: bool) -> Admission {
        if self.has_rate.load(Ordering::Relaxed) {
            lock(&self.rate).available -= 1.0;
        }
        let connections_max = self.connections_max.load(Ordering::Relaxed);
        if is_heard && count_one_more(&self.connections, connections_max) {
            return Admission { refusal, quota: Some(Quota::Ordinary) };
        }
        let quota = count_one_more(&self.refusals, REFUSALS_MAX).then_some(Quota::Refusal);
        Admission { refusal: Some(refusal.unwrap_or(Refusal::TooManyConnections)), quota }
    }

    /// Counts a connection that was accepted on an admin listener. Only `ADMIN_CONNECTIONS_MAX`
    /// applies to it.
    pub(crate) fn enter_as_admin(&self) -> Admission {
        let is_in = count_one_more(&self.admins, ADMIN_CONNECTIONS_MAX);
        Admission {
            refusal: (!is_in).then_some(Refusal::TooManyConnections),
            quota: is_in.then_some(Quota::Admin),
        }
    }

    /// Stops counting a connection that has closed. `quota`: the limit that it counted towards, or
    /// `None` if there was no room for it. `address`: the address that it counted towards, if any.
    pub(crate) fn leave(&self, address: Option<SocketAddr>, quota: Option<Quota>) {
        let count = match quota {
            Some(Quota::Ordinary) => Some(&self.connections),
            Some(Quota::Refusal) => Some(&self.refusals),
            Some(Quota::Admin) => Some(&self.admins),
            None => None,
        };
        if let Some(count) = count {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(address) = address {
            self.leave_address(address);
        }
    }

    /// Stops counting a connection towards the limit of this address.
    pub(crate) fn leave_address(&self, address: SocketAddr) {
        let Some((_, networks)) = &self.networks else { return };
        let mut networks = lock(networks);
        if let Some(count) = networks.get_mut(&customer_of(address.ip())) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&customer_of(address.ip()));
            }
        }
    }

    /// Returns how many connections count towards each quota.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> [usize; 3] {
        [&self.connections, &self.refusals, &self.admins].map(|count| count.load(Ordering::Relaxed))
    }

    /// Returns how many connections count towards an address, if addresses are counted.
    #[cfg(test)]
    pub(crate) fn of_addresses(&self) -> Option<usize> {
        let (_, networks) = self.networks.as_ref()?;
        Some(lock(networks).values().map(|count| *count as usize).sum())
    }

    /// Returns how many connections count towards this address.
    #[cfg(test)]
    pub(crate) fn of_address(&self, address: SocketAddr) -> u32 {
        let Some((_, networks)) = &self.networks else { return 0 };
        lock(networks).get(&customer_of(address.ip())).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection_limits(limit: impl FnOnce(&mut ReactorLimits)) -> ConnectionLimits {
        let mut limits = ReactorLimits::default();
        limit(&mut limits);
        ConnectionLimits::new(&limits, Instant::ZERO)
    }

    fn from(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    const IN: Admission = Admission { refusal: None, quota: Some(Quota::Ordinary) };

    #[test]
    fn who_is_refused_takes_nobodys_place() {
        let limits = connection_limits(|configured| configured.connections_max = 1);
        let here = from("127.0.0.1:1");
        let refused =
            Admission { refusal: Some(Refusal::TooManyConnections), quota: Some(Quota::Refusal) };
        assert_eq!(limits.enter(here), IN);
        assert_eq!(limits.enter(here), refused);
        limits.leave(Some(here), Some(Quota::Refusal));
        assert_eq!(limits.enter(here), refused);
        limits.leave(Some(here), Some(Quota::Ordinary));
        assert_eq!(limits.enter(here), IN);
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        let limits =
            connection_limits(|configured| configured.connections_per_address_max = Some(1));
        assert_eq!(limits.enter(from("[2001:db8::1]:1")), IN);
        assert_eq!(
            limits.enter(from("[2001:db8::2]:2")).refusal,
            Some(Refusal::TooManyFromAddress)
        );
        assert_eq!(limits.enter(from("[2001:db8:0:1::2]:2")), IN);
        assert_eq!(limits.enter(from("10.0.0.1:1")), IN);
        limits.leave(Some(from("[2001:db8::2]:2")), Some(Quota::Ordinary));
        limits.leave(Some(from("[2001:db8::1]:1")), Some(Quota::Ordinary));
        assert_eq!(limits.enter(from("[2001:db8::3]:3")), IN);
    }

    #[test]
    fn over_its_limit_an_address_gets_as_many_places_again_to_be_heard_and_no_more() {
        let limits = connection_limits(|configured| {
            configured.connections_per_address_max = Some(2);
            configured.connections_max = 100;
        });
        let here = from("10.0.0.1:1");
        let places: Vec<_> = (0..2 + 2 + REFUSALS_MAX + 1).map(|_| limits.enter(here)).collect();
        assert_eq!(places[..2], [IN; 2]);
        let refusal = Some(Refusal::TooManyFromAddress);
        assert_eq!(places[2..4], [Admission { refusal, quota: Some(Quota::Ordinary) }; 2]);
        let (last, others) = places[4..].split_last().unwrap();
        let only_told = Admission { refusal, quota: Some(Quota::Refusal) };
        assert!(others.iter().all(|entry| *entry == only_told), "{others:?}");
        assert_eq!(*last, Admission { refusal, quota: None });
        assert_eq!(limits.enter(from("10.0.0.2:1")), IN);
    }

    #[test]
    fn an_admin_connection_counts_towards_a_limit_of_its_own() {
        let limits = connection_limits(|configured| {
            configured.connections_max = 0;
            configured.connections_per_address_max = Some(1);
            configured.accepts_per_second_max = Some(1);
        });
        let admin = Admission { refusal: None, quota: Some(Quota::Admin) };
        for _ in 0..ADMIN_CONNECTIONS_MAX {
            assert_eq!(limits.enter_as_admin(), admin);
        }
        assert_eq!(limits.enter_as_admin().quota, None);
        assert_eq!(limits.counts(), [0, 0, ADMIN_CONNECTIONS_MAX]);
        assert!(limits.next_at(Instant::ZERO).is_some_and(|moment| moment == Instant::ZERO));
        limits.leave(None, Some(Quota::Admin));
        assert_eq!(limits.enter_as_admin(), admin);
    }

    #[test]
    fn the_rate_is_that_of_all_together() {
        let limits = connection_limits(|configured| configured.accepts_per_second_max = Some(2));
        let now = Instant::ZERO + Duration::from_secs(5);
        for _ in 0..2 {
            assert!(limits.next_at(now).is_some_and(|moment| moment <= now));
            assert_eq!(limits.enter(from("127.0.0.1:1")), IN);
        }
        assert_eq!(limits.next_at(now), Some(now + Duration::from_millis(500)));
    }

    #[test]
    fn other_limits_bind_those_who_come_and_count_those_who_are_there() {
        let limits = connection_limits(|configured| {
            configured.connections_max = 2;
            configured.connections_per_address_max = Some(2);
        });
        let (here, there) = (from("10.0.0.1:1"), from("10.0.0.2:1"));
        assert_eq!([limits.enter(here), limits.enter(here)], [IN; 2]);
        let change = |connections_max, connections_per_address_max, accepts_per_second_max| {
            let new = ReactorLimits {
                connections_max,
                connections_per_address_max,
                accepts_per_second_max,
                ..ReactorLimits::default()
            };
            limits.change(&new, Instant::ZERO);
        };
        change(1, Some(1), None);
        assert_eq!(limits.enter(here).refusal, Some(Refusal::TooManyFromAddress));
        assert_eq!(limits.enter(there).refusal, Some(Refusal::TooManyConnections));
        change(9, None, Some(1));
        assert_eq!(limits.next_at(Instant::ZERO), Some(Instant::ZERO));
        assert_eq!(limits.enter(here), IN);
        let second = Instant::ZERO + Duration::from_secs(1);
        assert_eq!(limits.next_at(Instant::ZERO), Some(second));
        // The same limits again, from another reactor, do not fill the bucket.
        change(9, Some(3), Some(1));
        assert_eq!(limits.next_at(Instant::ZERO), Some(second));
        assert_eq!(limits.enter(here).refusal, Some(Refusal::TooManyFromAddress), "the fifth");
        change(9, Some(3), None);
        assert_eq!(limits.next_at(Instant::ZERO), None);
    }
}
