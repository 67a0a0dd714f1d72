//! Taking connections from the listeners, and who is let in only to be told that he is not.

use std::io;
use std::net::SocketAddr;

use crate::instant::Instant;
use crate::net::Net;

use super::Reactor;
use super::connection::{Connection, Refusal};
use super::counters::RejectReason;
use super::handler::Handler;
use super::limits::{ACCEPT_RETRY, ACCEPTS_PER_TURN_MAX};

/// What a reactor has to remember of its accepting.
#[derive(Default)]
pub(super) struct Admission {
    /// After a shortage of descriptors: when to try again.
    retry_at: Option<Instant>,
    /// Where the round of the listeners begins.
    first_listener: usize,
}

/// What accept(2) hands out of the connection that it would have brought: the errors pending on it.
/// `std` has no kind for most of them.
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

/// Whether an accept failed because of the connection that it would have brought, which is out of
/// the queue now; or was interrupted. Either way it can be repeated at once.
fn is_of_the_peer(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|errno| errno == libc::EINTR || ERRORS_OF_THE_PEER.contains(&errno))
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
        self.admission.retry_at.max(self.commons.shared.gate.next_at(self.commons.now))
    }

    /// Whether a listener has been told ready and nothing keeps us from accepting.
    pub(super) fn can_accept_now(&self) -> bool {
        self.listeners.iter().any(|listener| listener.ready)
            && self.accept_again_at().is_none_or(|moment| moment <= self.commons.now)
    }

    pub(super) fn accept_connections(&mut self) {
        let mut budget = ACCEPTS_PER_TURN_MAX;
        // The one that was served first goes last next time, lest a busy listener keeps the others
        // waiting.
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
        let gate = &self.commons.shared.gate;
        let mut refusal = gate.enter(address);
        if self.drain.is_some() {
            if refusal.is_none() {
                gate.give_place_back();
            }
            refusal = Some(Refusal::Draining);
        }
        if let Some(refusal) = refusal {
            self.commons.counters.reject(refusal.reason());
            if !gate.begin_refusal() {
                gate.leave(address);
                self.net.close(stream);
                return;
            }
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
        for errno in
            [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EINVAL]
        {
            assert!(!is_of_the_peer(errno), "{}", io::Error::from_raw_os_error(errno));
        }
    }
}
