//! Taking connections from the listeners, and who is let in only to be told that he is not.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::instant::Instant;
use crate::net::Net;

use super::connection::{Connection, Refusal};
use super::counters::RejectReason;
use super::handler::Handler;
use super::limits::{ACCEPT_RETRY, ACCEPTS_PER_TURN_MAX, REFUSALS_MAX};
use super::{Reactor, ReactorLimits};

/// What the limits on new connections have to remember.
pub(super) struct Admission {
    /// After a shortage of descriptors: when to try again.
    retry_at: Option<Instant>,
    /// Where the round of the listeners begins.
    first_listener: usize,
    /// Connections that are in only to be refused.
    pub(super) refusals: usize,
    rate: Option<AcceptRate>,
    /// Connections by network, where that is limited.
    networks: Option<(u32, HashMap<IpAddr, u32>)>,
}

/// A bucket of connections that may be taken now; it fills with time, up to one second's worth.
struct AcceptRate {
    per_second: f64,
    available: f64,
    filled_at: Instant,
}

impl AcceptRate {
    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_since(self.filled_at).as_secs_f64() * self.per_second;
        self.available = (self.available + gained).min(self.per_second.max(1.0));
        self.filled_at = now;
    }

    /// When the next connection may be taken.
    fn next_at(&self) -> Instant {
        let missing = (1.0 - self.available).max(0.0);
        self.filled_at + std::time::Duration::from_secs_f64(missing / self.per_second)
    }
}

/// Whom a limit per address counts together: an IPv4 address, or an IPv6 /64, which is what one customer gets.
fn network(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// What accept(2) hands out of the connection that it would have brought: the errors pending on it. `std` has no
/// kind for most of them.
const ERRORS_OF_THE_PEER: &[i32] = &[
    libc::ECONNABORTED,
    libc::ECONNRESET,
    libc::EPROTO,
    libc::ENETDOWN,
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    #[cfg(target_os = "linux")]
    libc::ENONET,
    libc::EHOSTUNREACH,
    libc::EOPNOTSUPP,
    libc::ENETUNREACH,
    libc::ETIMEDOUT,
];

/// Whether an accept failed because of the connection that it would have brought, which is out of the queue now;
/// or was interrupted. Either way it can be repeated at once.
fn is_of_the_peer(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|errno| errno == libc::EINTR || ERRORS_OF_THE_PEER.contains(&errno))
}

impl Admission {
    pub(super) fn new(limits: &ReactorLimits, now: Instant) -> Admission {
        Admission {
            retry_at: None,
            first_listener: 0,
            refusals: 0,
            rate: limits.accepts_per_second_max.map(|per_second| AcceptRate {
                per_second: f64::from(per_second.max(1)),
                available: f64::from(per_second.max(1)),
                filled_at: now,
            }),
            networks: limits.connections_per_address_max.map(|max| (max, HashMap::new())),
        }
    }

    /// Whether a connection from here is one too many. It counts from now on either way, until
    /// [`leave`](Self::leave).
    fn enter(&mut self, address: SocketAddr) -> Option<Refusal> {
        let (max, networks) = self.networks.as_mut()?;
        let count = networks.entry(network(address)).or_default();
        *count += 1;
        (*count > *max).then_some(Refusal::TooManyFromAddress)
    }

    pub(super) fn leave(&mut self, address: SocketAddr) {
        let Some((_, networks)) = &mut self.networks else { return };
        if let Some(count) = networks.get_mut(&network(address)) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&network(address));
            }
        }
    }
}

impl Refusal {
    pub(super) fn reason(self) -> RejectReason {
        match self {
            Refusal::TooManyConnections => RejectReason::TooManyConnections,
            Refusal::TooManyFromAddress => RejectReason::TooManyFromAddress,
            Refusal::Draining => RejectReason::Draining,
        }
    }
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// When accepting has been put off, until when.
    pub(super) fn accept_again_at(&self) -> Option<Instant> {
        if !self.listeners.iter().any(|listener| listener.ready) {
            return None;
        }
        let rate = self.admission.rate.as_ref().map(AcceptRate::next_at);
        self.admission.retry_at.max(rate)
    }

    /// Whether a listener has been told ready and nothing keeps us from accepting.
    pub(super) fn can_accept_now(&self) -> bool {
        self.listeners.iter().any(|listener| listener.ready)
            && self.accept_again_at().is_none_or(|moment| moment <= self.commons.now)
    }

    pub(super) fn accept_connections(&mut self) {
        if let Some(rate) = &mut self.admission.rate {
            rate.fill(self.commons.now);
        }
        let mut budget = ACCEPTS_PER_TURN_MAX;
        // The one that was served first goes last next time, lest a busy listener keeps the others waiting.
        let listeners = self.listeners.len();
        self.admission.first_listener = (self.admission.first_listener + 1) % listeners.max(1);
        for offset in 0..listeners {
            let number = (self.admission.first_listener + offset) % listeners;
            while self.listeners[number].ready && budget > 0 && self.can_accept_now() {
                budget -= 1;
                self.accept_one(number);
            }
        }
    }

    fn accept_one(&mut self, number: usize) {
        self.admission.retry_at = None;
        let listener = &mut self.listeners[number];
        let Some(socket) = &mut listener.socket else {
            listener.ready = false;
            return;
        };
        match self.net.accept(socket) {
            Ok((stream, address)) => {
                if let Some(rate) = &mut self.admission.rate {
                    rate.available -= 1.0;
                }
                self.commons.counters.accepted += 1;
                let is_admin = listener.is_admin;
                self.admit(stream, address, is_admin);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.ready = false,
            // The peer was gone before it was taken: the next one may be well.
            Err(error) if is_of_the_peer(&error) => {}
            // A shortage, or something unknown that may last: not again at once.
            Err(_) => {
                self.commons.counters.accept_shortages += 1;
                self.admission.retry_at = Some(self.commons.now + ACCEPT_RETRY);
            }
        }
    }

    fn admit(&mut self, stream: N::Stream, address: SocketAddr, is_admin: bool) {
        let too_many_from_address = self.admission.enter(address);
        let letting_in = self.connections.len() - self.admission.refusals;
        let refusal = match self.drain {
            Some(_) => Some(Refusal::Draining),
            None if letting_in >= self.limits.connections_max => Some(Refusal::TooManyConnections),
            None => too_many_from_address,
        };
        if let Some(refusal) = refusal {
            self.commons.counters.reject(refusal.reason());
            if self.admission.refusals >= REFUSALS_MAX {
                self.admission.leave(address);
                self.net.close(stream);
                return;
            }
            self.admission.refusals += 1;
        }
        let deadline = self.commons.now + self.limits.handshake_timeout;
        let token = self.connections.insert(Connection::new(stream, address, refusal, deadline));
        self.commons.connections = self.connections.len();
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.is_admin = is_admin;
        if self.net.register(&mut connection.link.stream, token).is_err() {
            self.commons.counters.accept_shortages += 1;
            self.leave_silently(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_connection_does_not_put_off_the_next_and_a_lasting_one_does() {
        let is_of_the_peer = |errno| is_of_the_peer(&io::Error::from_raw_os_error(errno));
        for errno in [
            libc::ECONNABORTED,
            libc::EPROTO,
            libc::ENETDOWN,
            libc::ENOPROTOOPT,
            libc::EHOSTDOWN,
            libc::EHOSTUNREACH,
            libc::EOPNOTSUPP,
            libc::ENETUNREACH,
            libc::EINTR,
        ] {
            assert!(is_of_the_peer(errno), "{}", io::Error::from_raw_os_error(errno));
        }
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EINVAL] {
            assert!(!is_of_the_peer(errno), "{}", io::Error::from_raw_os_error(errno));
        }
    }
}
