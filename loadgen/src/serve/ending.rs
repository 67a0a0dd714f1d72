//! How connections end, and how the server ends. A copy of a message that the kernel has not fully
//! taken by then counts as not sent, and is subtracted from the ledger.
use std::io;
use std::time::Duration;

use fanfare::protocol::CloseCode;
use mio::Events;

use super::connection::ServerPhase;
use super::faults::Ledger;
use super::server::Server;
use crate::net::slots::Id;
use crate::stderr::tell;

/// How long a connection that is ending may take to read its last bytes and to close.
const ENDING_TIME: Duration = Duration::from_secs(10);
/// How long the server tries to write waiting bytes when it ends.
const DRAIN_TIME: Duration = Duration::from_secs(1);

impl Server {
    /// Closes a receiver whose delivery failed or was its last, or that is too far behind.
    pub(super) fn end_receiver(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let is_last =
            self.plan.close.filter(|close| connection.receiver.messages() >= close.messages);
        if let (Some(close), ServerPhase::Open) = (is_last, connection.phase) {
            connection.close(close.code, "after so many messages, as asked for", &mut self.ledger);
            self.note_ending(id);
        }
        self.flush(id);
    }

    /// Writes the waiting bytes. Ends the connection if that fails or the client is too far behind.
    pub(super) fn flush(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.is_too_far_behind() {
            if self.ledger.closed_behind == 0 {
                tell(
                    "loadgen: a receiver is more than 64 MiB behind, and is closed with 1013 (the \
                     next ones are only counted)",
                );
            }
            connection.close_behind(&mut self.ledger);
            self.ending.push_back((self.clock.now() + ENDING_TIME, id));
        }
        if connection.flush(&mut self.ledger).is_err() {
            self.remove(id);
        }
    }

    pub(super) fn note_ending(&mut self, id: Id) {
        self.ending.push_back((self.clock.now() + ENDING_TIME, id));
    }

    /// Removes a connection, and from the ledger its copies that were not fully written.
    pub(super) fn remove(&mut self, id: Id) {
        if let Some(mut connection) = self.connections.remove(id) {
            connection.outbound.take_back(&mut self.ledger);
        }
    }

    /// Returns the ledger (the counts to print) without copies that still wait to be written.
    pub(super) fn settled_ledger(&mut self) -> Ledger {
        let mut ledger = self.ledger;
        for (_, connection) in self.connections.iter_mut() {
            connection.outbound.take_back(&mut ledger);
        }
        ledger
    }

    /// Ends the server's work: reads no more, and writes waiting bytes and Close frames in time.
    pub(super) fn drain(&mut self, events: &mut Events) -> io::Result<()> {
        for (_, connection) in self.connections.iter_mut() {
            if connection.phase == ServerPhase::Open {
                connection.close(CloseCode::GOING_AWAY, "", &mut self.ledger);
            }
            // Errors are ignored: the bytes of a failed connection stay unsent and are not counted.
            let _ = connection.flush(&mut self.ledger);
        }
        let until = self.clock.now() + DRAIN_TIME;
        while self.connections.iter_mut().any(|(_, connection)| !connection.outbound.is_empty()) {
            let now = self.clock.now();
            if now >= until {
                break;
            }
            match self.poll.poll(events, Some(Duration::from_nanos(until.nanos_since(now)))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in events.iter().filter(|event| event.is_writable()) {
                let Some(connection) = self.connections.get_mut(Id::of(event.token())) else {
                    continue;
                };
                connection.blocked = false;
                let _ = connection.flush(&mut self.ledger);
            }
        }
        Ok(())
    }
}
