//! TLS on the connections of a reactor: their handshakes, which have a budget of their own in each
//! turn because they take long, and what becomes of a connection whose handshake fails.

use crate::net::Net;
use crate::protocol::Response;
use crate::transport::{Established, Received, Sent, TlsFailure};

use super::api::Handler;
use super::budget;
use super::core::{ConnectionOf, Core};
use super::counters::{RejectReason, TlsHandshake};
use super::limits::{FRAMES_WHEN_READY_MAX, LOOP_WORK_MAX};
use super::peers::Peers;
use super::respond::How;

/// The answer to whoever speaks plain HTTP where TLS is spoken.
const SPEAKS_TLS: &str = "TLS is spoken at this port: the URL begins with https:// or wss://\n";

impl<N: Net, H: Handler> Peers<N, H> {
    /// Goes on with the handshakes for which something has come, in order, until the budget is
    /// spent.
    pub(super) fn go_on_with_handshakes(&mut self) {
        self.core.turn.allow(LOOP_WORK_MAX / 2);
        for _ in 0..self.core.handshaking.len() {
            if !self.core.turn.has_budget() {
                return;
            }
            let Some(token) = self.core.handshaking.pop_front() else { return };
            self.step(token, |core, connection| {
                connection.unfinished = false;
                core.read(connection, FRAMES_WHEN_READY_MAX);
            });
        }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Puts a connection on the list of those that go on with their handshakes.
    pub(super) fn go_on_with_handshake(&mut self, connection: &mut ConnectionOf<N, H>) {
        if !std::mem::replace(&mut connection.unfinished, true) {
            self.handshaking.push_back(connection.token);
        }
    }

    /// Calls `recv` once, and decrypts what has come into the receive buffer, behind the `kept`
    /// bytes. Returns `None` if the connection is lost or ends.
    pub(super) fn receive_encrypted(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        kept: usize,
    ) -> Option<Received> {
        let was_handshaking = connection.io.is_handshaking();
        let Core { net, receive, pool, .. } = self;
        let hung_up = connection.hung_up;
        let received = connection.io.receive_encrypted(net, &mut receive[kept..], hung_up, pool);
        if was_handshaking {
            self.turn.did(budget::TLS_HANDSHAKE);
        }
        match received {
            Ok(received) => {
                if was_handshaking {
                    self.note_handshake(connection);
                }
                if !connection.blocked && connection.io.owes_ciphertext() {
                    self.note_blocked(connection, 0, Sent::Blocked);
                }
                Some(received)
            }
            Err(failure) => {
                match was_handshaking {
                    true => self.fail_handshake(connection, &failure),
                    false => self.lose(connection),
                }
                None
            }
        }
    }

    /// Counts a handshake that has just become complete.
    fn note_handshake(&mut self, connection: &ConnectionOf<N, H>) {
        let Some(tls) = &connection.io.tls else { return };
        if !tls.is_handshaking() {
            self.turn.counters.tls_handshake(match tls.established() {
                Established::Full => TlsHandshake::Full,
                Established::Resumed => TlsHandshake::Resumed,
            });
        }
    }

    /// Ends a connection whose handshake has failed. The peer has been sent an alert (RFC 8446
    /// section 6.2), or is answered in plain HTTP if that is what it speaks.
    fn fail_handshake(&mut self, connection: &mut ConnectionOf<N, H>, failure: &TlsFailure) {
        let end = match failure {
            TlsFailure::Lost => return self.lose(connection),
            TlsFailure::NotTls => TlsHandshake::NotTls,
            TlsFailure::Incompatible => TlsHandshake::Incompatible,
            TlsFailure::Certificate => TlsHandshake::ClientCertificate,
            TlsFailure::Refused => TlsHandshake::RefusedByClient,
            TlsFailure::Malformed => TlsHandshake::Malformed,
        };
        self.turn.counters.tls_handshake(end);
        if end == TlsHandshake::NotTls {
            connection.io.tls = None;
            let response = Response::text(400, SPEAKS_TLS);
            return self.respond(connection, response, How::refused(RejectReason::TlsHandshake));
        }
        self.reject(RejectReason::TlsHandshake, connection.address(), None);
        self.leave_http(connection);
        self.send_last(connection);
    }

    /// Ends a connection whose handshake was not complete in time.
    pub(super) fn time_out_tls_handshake(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.give_up_tls_handshake(connection, TlsHandshake::TimedOut);
        self.reject(RejectReason::TlsHandshake, connection.address(), None);
        self.remove(connection);
    }

    /// Counts the end of a handshake that was under way, once.
    pub(super) fn give_up_tls_handshake(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        end: TlsHandshake,
    ) {
        if connection.io.tls.as_mut().is_some_and(|tls| tls.give_up_handshake()) {
            self.turn.counters.tls_handshake(end);
        }
    }
}
