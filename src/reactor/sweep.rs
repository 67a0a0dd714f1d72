//! The sweep: sends messages from the channels' logs to the subscribers that have not received them
//! yet.

use std::io;

use crate::hub::SubscriptionId;
use crate::net::{Net, Token};
use crate::transport::{Extent, Sent};

use super::api::Handler;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::limits::{SENDS_PER_TURN_MAX, SENT_BYTES_PER_TURN_MAX};
use super::peers::Peers;

impl<N: Net, H: Handler> Peers<N, H> {
    /// Sends each subscriber that is behind, in one `send`, everything between its cursor and the
    /// end of the log. Stops after `SENDS_PER_TURN_MAX` sends or `SENT_BYTES_PER_TURN_MAX` bytes,
    /// so that the reactor can read again. A subscriber whose connection is blocked counts as a
    /// send. The subscribers left out get old and new messages in one `send` next time, so a higher
    /// load means more bytes per system call.
    pub(super) fn sweep(&mut self) {
        let sent_bytes_max = self.core.turn.counters.sent_bytes.read() + SENT_BYTES_PER_TURN_MAX;
        for _ in 0..SENDS_PER_TURN_MAX {
            if self.core.turn.counters.sent_bytes.read() >= sent_bytes_max {
                return;
            }
            let Some(due) = self.core.exchange.hub.next_due() else { return };
            let token = Token(due.owner.0);
            let Some(connection) = self.connections.get_mut(token) else {
                debug_assert!(false, "a subscription outlives its connection");
                return;
            };
            if connection.blocked {
                // This is the first message for this subscription since the connection was blocked.
                self.core.block(connection, due.subscription);
                continue;
            }
            if self.core.write_unsent(connection, due.subscription).is_ok() {
                continue;
            }
            self.core.lose(connection);
            if let Phase::Gone(gone) = connection.phase {
                self.take_out(token, gone);
                self.dispatch_events();
            }
        }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Sends a subscriber, in one system call, the bytes between its cursor and the end of the log.
    /// If another subscription's frame is half written on this connection, that subscription is
    /// served instead.
    fn write_unsent(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        due: SubscriptionId,
    ) -> io::Result<Sent> {
        // A half-written frame has to be finished before anything else is written.
        let subscription = connection.under_way.unwrap_or(due);
        let unsent = self.exchange.hub.unsent(subscription);
        let Core { net, pool, .. } = self;
        let written = match unsent.second.is_empty() {
            true => connection.io.write(net, unsent.first, Extent::Part, pool),
            false => connection.io.write_both(net, unsent.first, unsent.second, pool),
        };
        self.note_written(connection, subscription, written)
    }

    /// Notes how many log bytes of a subscription the kernel has taken, and returns whether it has
    /// taken all that were offered.
    #[inline(always)]
    pub(super) fn note_written(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        subscription: SubscriptionId,
        written: io::Result<(usize, Sent)>,
    ) -> io::Result<Sent> {
        self.turn.counters.sends.add(1);
        let (taken, sent) = written?;
        self.turn.counters.sent_bytes.add(taken as u64);
        self.turn.traffic.sent(connection.token, taken);
        let advanced = self.exchange.hub.advance(subscription, taken);
        connection.under_way = advanced.under_way.then_some(subscription);
        if sent == Sent::All {
            connection.unproven = false;
        } else {
            self.note_blocked(connection, taken, sent);
            self.block(connection, subscription);
        }
        Ok(sent)
    }
}
