//! Accepting connections from the listeners. Over a limit, a connection may still be accepted so
//! that it can be answered 503 or 429.

use std::io;
use std::net::SocketAddr;

use crate::instant::Instant;
use crate::net::Net;
use crate::transport::{IoBuffers, TlsSession, TlsSettings};

use super::api::Handler;
use super::connection::{AcceptedFrom, CoarseInstant, Connection, listener_token, slot_of};
use super::core::Core;
use super::counters::RejectReason;
use super::group::Refusal;
use super::limits::{ACCEPT_RETRY, ACCEPTS_PER_TURN_MAX};
use super::panics::guarded;
use super::peers::Peers;

/// The listening sockets of a reactor.
pub(super) struct Listeners<L> {
    all: Vec<Listener<L>>,
    /// When accept(2) is tried again after a failure for lack of descriptors or memory.
    retry_at: Option<Instant>,
    /// The index of the listener that `accept` serves first. It changes with every turn.
    first: usize,
}

/// What a listening socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenerKind {
    /// Channels; and health and metrics, if there is no admin listener.
    Public,
    /// The same, for trusted proxies that begin each connection with a header of the PROXY
    /// protocol.
    ProxyProtocol,
    /// Health and metrics.
    Admin,
}

/// A listening socket and its readiness.
struct Listener<L> {
    kind: ListenerKind,
    /// With what its connections are encrypted, if they are.
    tls: Option<TlsSettings>,
    /// `None` once it has been closed by a drain.
    socket: Option<L>,
    /// Readiness was reported, and no accept since then has found the queue empty.
    ready: bool,
}

/// Errors that accept(2) reports because they were pending on the connection being accepted. `std`
/// has no kind for most of them.
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

/// Returns true if accept(2) failed only because of the connection that it would have returned, or
/// was interrupted. The failed connection is no longer in the queue, so in both cases accept may be
/// called again immediately.
fn is_of_the_peer(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|errno| errno == libc::EINTR || ERRORS_OF_THE_PEER.contains(&errno))
}

impl<L> Listener<L> {
    fn is_admin(&self) -> bool {
        self.kind == ListenerKind::Admin
    }

    fn close<N: Net<Listener = L>>(&mut self, net: &mut N) {
        if let Some(socket) = self.socket.take() {
            net.unlisten(socket);
        }
    }
}

impl<L> Listeners<L> {
    /// Registers all listening sockets with `net`.
    pub(super) fn new<N: Net<Listener = L>>(
        net: &mut N,
        listeners: Vec<(L, ListenerKind, Option<TlsSettings>)>,
    ) -> io::Result<Listeners<L>> {
        let mut all = Vec::new();
        for (number, (mut socket, kind, tls)) in listeners.into_iter().enumerate() {
            net.listen(&mut socket, listener_token(number))?;
            all.push(Listener { kind, tls, socket: Some(socket), ready: false });
        }
        Ok(Listeners { all, retry_at: None, first: 0 })
    }

    /// Returns true while at least one listener is open, apart from admin listeners.
    pub(super) fn are_open(&self) -> bool {
        self.all.iter().any(|listener| listener.socket.is_some() && !listener.is_admin())
    }

    pub(super) fn note_ready(&mut self, number: usize) {
        self.all[number].ready = true;
    }

    /// Marks every open listener as ready, as if connections were waiting in its queue.
    pub(super) fn note_all_ready(&mut self) {
        self.all.iter_mut().for_each(|listener| listener.ready = listener.socket.is_some());
    }

    /// Closes the listeners whose queues are empty, except admin listeners: those stay open during
    /// a drain.
    pub(super) fn close_empty<N: Net<Listener = L>>(&mut self, net: &mut N) {
        let is_empty = |listener: &&mut Listener<L>| !listener.ready && !listener.is_admin();
        for listener in self.all.iter_mut().filter(is_empty) {
            listener.close(net);
        }
    }

    /// Closes all listeners.
    pub(super) fn close_all<N: Net<Listener = L>>(&mut self, net: &mut N) {
        self.all.iter_mut().for_each(|listener| listener.close(net));
    }

    /// Returns the earliest moment at which the accept rate and the retry delay allow another
    /// accept. `None` if no listener is ready.
    pub(super) fn next_at<N, H>(&self, peers: &Peers<N, H>) -> Option<Instant>
    where
        N: Net<Listener = L>,
        H: Handler,
    {
        self.all.iter().filter_map(|listener| self.next_at_on(listener, peers)).min()
    }

    fn next_at_on<N, H>(&self, listener: &Listener<L>, peers: &Peers<N, H>) -> Option<Instant>
    where
        N: Net<Listener = L>,
        H: Handler,
    {
        if !listener.ready {
            return None;
        }
        let now = peers.core.turn.now;
        let of_rate = match listener.is_admin() {
            true => None,
            false => peers.core.exchange.shared.connection_limits.next_at(now),
        };
        Some(self.retry_at.max(of_rate).unwrap_or(now))
    }

    /// Accepts connections from the ready listeners, at most `ACCEPTS_PER_TURN_MAX`.
    pub(super) fn accept<N, H>(&mut self, peers: &mut Peers<N, H>)
    where
        N: Net<Listener = L>,
        H: Handler,
    {
        let mut budget = ACCEPTS_PER_TURN_MAX;
        // The listener that was served first goes last in the next turn, so that a busy listener
        // cannot starve the others.
        let listeners = self.all.len();
        self.first = (self.first + 1) % listeners.max(1);
        for offset in 0..listeners {
            let number = (self.first + offset) % listeners;
            let may_accept = |all: &Listeners<L>, peers: &Peers<N, H>| {
                let next_at = all.next_at_on(&all.all[number], peers);
                next_at.is_some_and(|moment| moment <= peers.core.turn.now)
            };
            while budget > 0 && may_accept(self, peers) {
                budget -= 1;
                self.accept_one(number, peers);
            }
        }
    }

    fn accept_one<N, H>(&mut self, number: usize, peers: &mut Peers<N, H>)
    where
        N: Net<Listener = L>,
        H: Handler,
    {
        self.retry_at = None;
        let listener = &mut self.all[number];
        let Some(socket) = &mut listener.socket else {
            listener.ready = false;
            return;
        };
        match peers.core.net.accept(socket) {
            Ok((stream, address)) => {
                peers.admit(stream, address, listener.kind, listener.tls.as_ref());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.ready = false,
            // This connection failed while it was queued (or the call was interrupted). The next
            // call may succeed.
            Err(error) if is_of_the_peer(&error) => {}
            // Out of descriptors or memory, or an unknown error that may last: the next attempt
            // waits.
            Err(error) => {
                peers.core.turn.counters.accept_shortages.add(1);
                let Core { handler, turn, .. } = &mut peers.core;
                let now = turn.now;
                if let Err(panicked) = guarded(|| handler.on_accept_failed(&error, now)) {
                    panicked.contain(turn);
                }
                self.retry_at = Some(peers.core.turn.now + ACCEPT_RETRY);
            }
        }
    }
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Admits a new connection, keeps it only to answer 503 or 429, or closes it immediately.
    fn admit(
        &mut self,
        stream: N::Stream,
        address: SocketAddr,
        kind: ListenerKind,
        tls: Option<&TlsSettings>,
    ) {
        let core = &mut self.core;
        let is_admin = kind == ListenerKind::Admin;
        let tells_first = kind == ListenerKind::ProxyProtocol;
        core.turn.counters.accepted.add(1);
        let limits = &core.exchange.shared.connection_limits;
        let is_proxy = core.limits.trusts(address.ip());
        if tells_first && !is_proxy {
            core.net.close(stream);
            return core.reject(RejectReason::UntrustedProxy, address, None);
        }
        let from = AcceptedFrom { address, is_proxy, tells_first };
        let mut admission = match (is_admin, is_proxy) {
            (true, _) => limits.enter_as_admin(),
            (false, true) => limits.enter_as_proxy(),
            (false, false) => limits.enter(address),
        };
        if core.turn.draining && !is_admin {
            admission.refusal = Some(Refusal::Draining);
        }
        let Some(quota) = admission.quota else {
            let is_counted = !is_admin && !is_proxy;
            limits.leave(is_counted.then_some(address), None);
            core.net.close(stream);
            let refusal = admission.refusal.unwrap_or(Refusal::TooManyConnections);
            return core.reject(refusal.reason(), address, None);
        };
        // A configuration that can make no session is a fault of the program, which has made it.
        let session = tls.and_then(|tls| TlsSession::new(tls.current(), tells_first).ok());
        if tls.is_some() && session.is_none() {
            limits.leave((!is_admin && !is_proxy).then_some(address), Some(quota));
            core.net.close(stream);
            return core.turn.counters.silent.add(1);
        }
        let timeout = core.limits.handshake_timeout.min(CoarseInstant::FURTHEST);
        let deadline = core.turn.now + timeout;
        let connection = self.connections.insert(|token| {
            let io = IoBuffers::new(stream, session.map(Box::new));
            Connection::new(token, io, from, quota, admission.refusal, deadline)
        });
        let token = connection.token;
        core.timers.check_by(slot_of(token), deadline);
        let registered = core.net.register(&mut connection.io.stream, token);
        core.turn.connections = self.connections.len();
        core.turn.admin_connections += usize::from(is_admin);
        if registered.is_err() {
            self.core.turn.counters.accept_shortages.add(1);
            self.step_alone(token, Core::leave_silently);
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
        for errno in
            [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EINVAL]
        {
            assert!(!is_of_the_peer(errno), "{}", io::Error::from_raw_os_error(errno));
        }
    }
}
