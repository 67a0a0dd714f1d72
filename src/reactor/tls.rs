//! TLS on the connections of a reactor: their handshakes, which have a budget of their own in each
//! turn because they take long, and what becomes of a connection whose handshake fails.

use std::time::Duration;

use crate::net::Net;
use crate::protocol::Response;
use crate::transport::{Established, Received, TlsFailure};

use super::api::{Handler, Rejected};
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
        if std::mem::replace(&mut connection.unfinished, true) {
            return;
        }
        // Who needs one more step comes before who is at the beginning: in a storm that is more
        // than the time for a handshake allows, some get in instead of none.
        match connection.io.tls.as_ref().is_some_and(|tls| tls.is_half_way()) {
            true => self.handshaking.push_front(connection.token),
            false => self.handshaking.push_back(connection.token),
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
        let before = net.now();
        let received = connection.io.receive_encrypted(net, &mut receive[kept..], hung_up, pool);
        let took = net.now().saturating_since(before);
        self.charge(connection, took);
        match received {
            Ok(received) => {
                if was_handshaking && !connection.io.is_handshaking() {
                    self.note_handshake(connection);
                }
                if let Some(refused) = connection.io.refused_ciphertext()
                    && !connection.blocked
                {
                    self.note_blocked(connection, 0, refused);
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

    /// Charges the turn for what TLS has done. It is timed, because nobody can tell from the bytes
    /// whether they are a record of 16 KiB or hundreds of new keys, and keys of servers differ by a
    /// factor of a hundred. A step of a handshake has a price in any case.
    fn charge(&mut self, connection: &mut ConnectionOf<N, H>, took: Duration) {
        self.turn.did_for(took);
        if connection.io.tls.as_mut().is_some_and(|tls| tls.take_answered()) {
            let timed = took.as_nanos() as u64 / budget::UNIT_NANOS;
            self.turn.did(budget::TLS_HANDSHAKE.saturating_sub(timed));
        }
    }

    /// Counts a handshake that has just become complete.
    fn note_handshake(&mut self, connection: &ConnectionOf<N, H>) {
        if let Some(tls) = &connection.io.tls {
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
            TlsFailure::Lost => {
                // It may have become complete before the answer to it could not be sent.
                if connection.io.tls.as_ref().is_some_and(|tls| tls.is_established()) {
                    self.note_handshake(connection);
                }
                return self.lose(connection);
            }
            TlsFailure::NotTls => TlsHandshake::NotTls,
            TlsFailure::Incompatible => TlsHandshake::Incompatible,
            TlsFailure::Certificate => TlsHandshake::ClientCertificate,
            TlsFailure::Refused => TlsHandshake::RefusedByClient,
            TlsFailure::Malformed => TlsHandshake::Malformed,
        };
        self.turn.counters.tls_handshake(end);
        self.tell_failed(connection, end);
        if end == TlsHandshake::NotTls {
            connection.io.tls = None;
            let how = How::refused_aloud(RejectReason::TlsHandshake, false);
            return self.respond(connection, Response::text(400, SPEAKS_TLS), how);
        }
        self.turn.counters.reject(RejectReason::TlsHandshake);
        self.leave_http(connection);
        self.send_last(connection);
    }

    /// Ends a connection whose handshake was not complete in time.
    pub(super) fn time_out_tls_handshake(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.give_up_tls_handshake(connection, TlsHandshake::TimedOut);
        self.tell_failed(connection, TlsHandshake::TimedOut);
        self.turn.counters.reject(RejectReason::TlsHandshake);
        self.remove(connection);
    }

    /// Notifies the application of a handshake that has failed.
    fn tell_failed(&mut self, connection: &ConnectionOf<N, H>, end: TlsHandshake) {
        self.tell_of(&Rejected {
            reason: RejectReason::TlsHandshake,
            address: connection.address(),
            request: None,
            tls: Some(end),
            now: self.turn.now,
        });
    }

    /// Counts the end of a handshake that was under way, once. Whoever has only looked whether the
    /// port is open has not begun one.
    pub(super) fn give_up_tls_handshake(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        end: TlsHandshake,
    ) {
        let given_up = connection.io.tls.as_mut().and_then(|tls| tls.give_up_handshake());
        if given_up.is_some_and(|has_begun| has_begun || end != TlsHandshake::Closed) {
            self.turn.counters.tls_handshake(end);
        }
    }
}
