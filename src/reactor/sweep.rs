//! The continuous sweep: subscribers that are behind are sent what their channel's log has for them.

use std::io::IoSlice;

use crate::hub::SubscriptionId;
use crate::net::{Net, Token};

use super::api::Handler;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::limits::SENDS_PER_TURN_MAX;
use super::peers::Peers;

impl<N: Net, H: Handler> Peers<N, H> {
    /// Gives subscribers that are behind one `send` each, of everything between their cursor and
    /// the end of the log, and returns to the turn after a while: those not yet visited then get
    /// old and new messages in one send, so load itself raises the bytes per system call.
    pub(super) fn sweep(&mut self) {
        for _ in 0..SENDS_PER_TURN_MAX {
            let Some(due) = self.core.exchange.hub.next_due() else { return };
            let token = Token(due.owner.0);
            let Some(connection) = self.connections.get_mut(token) else {
                debug_assert!(false, "a subscription outlives its connection");
                return;
            };
            self.core.write_unsent(connection, due.subscription);
            if let Phase::Gone(gone) = connection.phase {
                self.take_out(token, gone);
                self.dispatch_events();
            }
        }
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    /// One `send` of what a subscriber has before it.
    fn write_unsent(&mut self, connection: &mut ConnectionOf<N, H>, due: SubscriptionId) {
        debug_assert!(!connection.blocked, "a blocked connection is not due");
        // Its stream may stand in the middle of another subscription's frame: that comes first.
        let subscription = connection.under_way.unwrap_or(due);
        let unsent = self.exchange.hub.unsent(subscription);
        let written = match unsent.second.is_empty() {
            true => self.net.write(&mut connection.io.stream, unsent.first),
            false => {
                let slices = [IoSlice::new(unsent.first), IoSlice::new(unsent.second)];
                self.net.write_vectored(&mut connection.io.stream, &slices)
            }
        };
        let offered = unsent.bytes();
        if self.note_written(connection, subscription, written, offered).is_err() {
            self.lose(connection);
        }
    }
}
