//! Lingering: a connection whose end has been decided is still read for a while, and what it sends
//! is discarded (RFC 9112 section 9.6). Otherwise a client that first sends its whole request, or
//! its whole message, would never get to read why it was refused: its unread bytes would block it,
//! or closing the socket with unread bytes would reset the connection and so destroy the answer.
//!
//! Time and bytes are bounded, and a connection that lingers is read once per turn, as any other.

use crate::net::Net;
use crate::transport::Received;

use super::api::Handler;
use super::connection::{CoarseInstant, Phase};
use super::core::{ConnectionOf, Core};
use super::limits::{LINGER_BYTES_MAX, LINGER_MAX, LINGER_QUIET_MAX};

impl<N: Net, H: Handler> Core<N, H> {
    /// Begins to linger after our side of the stream was shut down: waits for the peer to end its
    /// side.
    pub(super) fn begin_lingering(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        discarded_bytes: usize,
    ) {
        let until = self.turn.now + LINGER_MAX;
        connection.phase = Phase::Lingering { discarded_bytes, until };
        self.set_deadline(connection, LINGER_QUIET_MAX);
        if connection.readable {
            self.go_on_next_turn(connection);
        }
    }

    /// Reads once, and discards what it has read. If the peer has sent too much, a connection that
    /// still has bytes to send is read no more, and one that has none is closed.
    pub(super) fn discard(&mut self, connection: &mut ConnectionOf<N, H>) {
        let (Phase::Closing { discarded_bytes, .. } | Phase::Lingering { discarded_bytes, .. }) =
            &mut connection.phase
        else {
            return;
        };
        if !connection.readable || *discarded_bytes >= LINGER_BYTES_MAX {
            return;
        }
        self.turn.counters.receives.add(1);
        let count = match connection.io.receive(&mut self.net, &mut self.receive) {
            Ok(Received::Bytes(count)) => count,
            Ok(Received::Drained(count)) => {
                connection.readable = connection.hung_up && count > 0;
                count
            }
            Ok(Received::End) => {
                connection.readable = false;
                connection.ended = true;
                0
            }
            Err(_) => return self.lose(connection),
        };
        self.turn.counters.received_bytes.add(count as u64);
        *discarded_bytes += count;
        let is_too_much = *discarded_bytes >= LINGER_BYTES_MAX;
        if let Phase::Lingering { until, .. } = connection.phase {
            if connection.ended || is_too_much {
                return self.remove(connection);
            }
            if count > 0 {
                // This deadline is later than the one before, so the timer wheel need not be
                // updated.
                let deadline = until.min(self.turn.now + LINGER_QUIET_MAX);
                connection.deadline = CoarseInstant::new(deadline);
            }
        }
        if connection.readable && !is_too_much {
            self.go_on_next_turn(connection);
        }
    }
}
