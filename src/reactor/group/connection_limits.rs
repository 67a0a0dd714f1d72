//! The limits on new connections, which apply to the whole server, whichever reactor accepts them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::instant::Instant;

use crate::reactor::counters::RejectReason;
use crate::reactor::limits::{REFUSALS_MAX, ReactorLimits};

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
            Refusal::TooManyConnections => RejectReason::TooManyConnections,
            Refusal::TooManyFromAddress => RejectReason::TooManyFromAddress,
            Refusal::Draining => RejectReason::Draining,
        }
    }
}

pub(crate) struct ConnectionLimits {
    /// Accepted connections that hold a slot. A refused connection holds none.
    connections: AtomicUsize,
    connections_max: usize,
    /// Connections that were accepted only so that they can be answered 503 or 429.
    refusals: AtomicUsize,
    rate: Option<Mutex<AcceptRate>>,
    /// The limit on connections per client address (IPv4 address or IPv6 /64), and how many each
    /// address has now. `None` if there is no such limit.
    networks: Option<(u32, Mutex<HashMap<IpAddr, u32>>)>,
}

/// A token bucket that limits accepts: it fills over time, up to one second's worth of connections.
struct AcceptRate {
    per_second: f64,
    available: f64,
    filled_at: Instant,
}

impl AcceptRate {
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

/// Returns the addresses that a per-address limit counts as one: an IPv4 address, or an IPv6 /64,
/// which is what one customer usually gets.
fn network(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
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
        let bucket = |per_second: u32| AcceptRate {
            per_second: f64::from(per_second.max(1)),
            available: f64::from(per_second.max(1)),
            filled_at: now,
        };
        ConnectionLimits {
            connections: AtomicUsize::new(0),
            connections_max: limits.connections_max,
            refusals: AtomicUsize::new(0),
            rate: limits.accepts_per_second_max.map(|per_second| Mutex::new(bucket(per_second))),
            networks: limits.connections_per_address_max.map(|max| (max, Mutex::default())),
        }
    }

    /// Returns when the rate limit allows the next connection, or `None` if the rate is not
    /// limited.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.rate.as_ref().map(|rate| {
            let mut rate = lock(rate);
            rate.fill(now);
            rate.next_at()
        })
    }

    /// Counts an accepted connection. Returns why it must be refused, or `None` if it may stay and
    /// has taken a slot. In both cases it counts against its address until [`leave`](Self::leave).
    pub(crate) fn enter(&self, address: SocketAddr) -> Option<Refusal> {
        if let Some(rate) = &self.rate {
            lock(rate).available -= 1.0;
        }
        let too_many_from_address = self.networks.as_ref().is_some_and(|(max, networks)| {
            let mut networks = lock(networks);
            let count = networks.entry(network(address)).or_default();
            *count += 1;
            *count > *max
        });
        if too_many_from_address {
            return Some(Refusal::TooManyFromAddress);
        }
        let is_in = count_one_more(&self.connections, self.connections_max);
        (!is_in).then_some(Refusal::TooManyConnections)
    }

    /// Returns true if one more connection may be kept open only to be answered 503 or 429. It then
    /// counts towards `REFUSALS_MAX` until [`end_refusal`](Self::end_refusal).
    pub(crate) fn begin_refusal(&self) -> bool {
        count_one_more(&self.refusals, REFUSALS_MAX)
    }

    pub(crate) fn end_refusal(&self) {
        self.refusals.fetch_sub(1, Ordering::Relaxed);
    }

    /// Releases the slot that `enter` took: the connection has closed, or is refused because of a
    /// drain.
    pub(crate) fn give_place_back(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns how many connections hold a slot, and how many are kept open only to be refused.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.refusals.load(Ordering::Relaxed))
    }

    /// Stops counting a closed connection against its address. Called for every connection, refused
    /// or not.
    pub(crate) fn leave(&self, address: SocketAddr) {
        let Some((_, networks)) = &self.networks else { return };
        let mut networks = lock(networks);
        if let Some(count) = networks.get_mut(&network(address)) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&network(address));
            }
        }
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

    #[test]
    fn who_is_refused_takes_nobodys_place() {
        let limits = connection_limits(|configured| configured.connections_max = 1);
        let here = from("127.0.0.1:1");
        assert_eq!(limits.enter(here), None);
        assert_eq!(limits.enter(here), Some(Refusal::TooManyConnections));
        limits.leave(here);
        assert_eq!(limits.enter(here), Some(Refusal::TooManyConnections));
        limits.give_place_back();
        assert_eq!(limits.enter(here), None);
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        let limits =
            connection_limits(|configured| configured.connections_per_address_max = Some(1));
        assert_eq!(limits.enter(from("[2001:db8::1]:1")), None);
        assert_eq!(limits.enter(from("[2001:db8::2]:2")), Some(Refusal::TooManyFromAddress));
        assert_eq!(limits.enter(from("[2001:db8:0:1::2]:2")), None);
        assert_eq!(limits.enter(from("10.0.0.1:1")), None);
        limits.leave(from("[2001:db8::2]:2"));
        limits.leave(from("[2001:db8::1]:1"));
        assert_eq!(limits.enter(from("[2001:db8::3]:3")), None);
    }

    #[test]
    fn the_rate_is_that_of_all_together() {
        let limits = connection_limits(|configured| configured.accepts_per_second_max = Some(2));
        let now = Instant::ZERO + Duration::from_secs(5);
        for _ in 0..2 {
            assert!(limits.next_at(now).is_some_and(|moment| moment <= now));
            assert_eq!(limits.enter(from("127.0.0.1:1")), None);
        }
        assert_eq!(limits.next_at(now), Some(now + Duration::from_millis(500)));
    }
}
