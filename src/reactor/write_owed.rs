//! Writing the bytes queued for one peer alone, and what follows when a socket accepts no more
//! bytes, or accepts bytes again.

use std::io;

use crate::hub::SubscriptionId;
use crate::net::Net;
use crate::transport::{Extent, Sent};

use super::api::Handler;
use super::connection::{CoarseInstant, Phase};
use super::core::{ConnectionOf, Core};

impl<N: Net, H: Handler> Core<N, H> {
    /// Handles a blocked connection whose socket is writable again: sends what is queued, then goes
    /// on reading it.
    pub(super) fn on_writable(&mut self, connection: &mut ConnectionOf<N, H>) {
        connection.starved = false;
        connection.blocked = false;
        connection.unproven = true;
        match self.write_owed(connection) {
            Err(_) => self.lose(connection),
            Ok(Sent::Blocked | Sent::Starved) => {}
            Ok(Sent::All) => match &connection.phase {
                Phase::Open(_) => {
                    if connection.awaiting_pong {
                        // The ping, or bytes queued before it, have been sent only now, so its
                        // timeout begins now.
                        self.set_deadline(connection, self.limits.pong_timeout);
                    }
                    self.unblock(connection);
                }
                Phase::Http(_) => self.go_on_if_unread(connection),
                Phase::Closing { .. } => self.on_last_byte_out(connection),
                Phase::Lingering { .. } | Phase::Gone(_) => {}
            },
        }
    }

    /// Writes the rest of a partly sent frame, then the bytes queued for this peer alone; in this
    /// order, because a frame must not be interrupted. If nothing is queued and the connection has
    /// only one subscription, the sweep finishes the frame instead, with later messages in the same
    /// call.
    pub(super) fn write_owed(&mut self, connection: &mut ConnectionOf<N, H>) -> io::Result<Sent> {
        if let (Some(subscription), Phase::Open(open)) = (connection.under_way, &connection.phase)
            && (connection.io.owes() || open.subscriptions.len() > 1)
        {
            let unsent = self.exchange.hub.unsent(subscription);
            let rest = &unsent.first[..unsent.under_way_bytes];
            let written = connection.io.write(&mut self.net, rest, Extent::Whole, &mut self.pool);
            let sent = self.note_written(connection, subscription, written)?;
            if sent != Sent::All {
                return Ok(sent);
            }
        }
        if !connection.io.owes() && connection.io.refused_ciphertext().is_none() {
            return Ok(Sent::All);
        }
        self.turn.counters.sends.add(1);
        let (taken, sent) = connection.io.flush(&mut self.net, &mut self.pool)?;
        self.turn.counters.sent_bytes.add(taken as u64);
        self.turn.traffic.sent(connection.token, taken);
        if connection.rest_bytes > 0 {
            let of_rest = connection.rest_bytes.min(taken as u32);
            connection.rest_bytes -= of_rest;
            self.exchange.hub.private_sent(of_rest as usize, connection.rest_bytes == 0);
        }
        self.note_sent(connection, taken, sent);
        Ok(sent)
    }

    /// Sends or queues the replies of the callbacks. Returns false if the connection was lost.
    pub(super) fn send_replies(&mut self, connection: &mut ConnectionOf<N, H>) -> bool {
        let replies = &self.outgoing.replies;
        if replies.is_empty() {
            return true;
        }
        if connection.io.is_held() {
            connection.io.hold(replies, &mut self.pool);
            self.outgoing.clear_replies();
            return true;
        }
        // If the socket has just become writable, and log messages have not been sent since, the
        // connection may be in the middle of a frame although it is not blocked.
        let is_between_frames = connection.under_way.is_none() && !connection.io.owes();
        let may_write = !connection.blocked && is_between_frames;
        let may_write_behind = !connection.blocked && !is_between_frames;
        if may_write {
            self.turn.counters.sends.add(1);
        }
        let is_last = matches!(connection.phase, Phase::Closing { .. });
        let sent = match may_write && is_last {
            true => connection.io.send_last(&mut self.net, replies, &mut self.pool),
            false => connection.io.send(&mut self.net, replies, may_write, &mut self.pool),
        };
        self.outgoing.clear_replies();
        let sent = match sent {
            Ok((taken, sent)) if may_write => {
                self.turn.counters.sent_bytes.add(taken as u64);
                self.turn.traffic.sent(connection.token, taken);
                self.note_sent(connection, taken, sent);
                Ok(sent)
            }
            Ok(_) if may_write_behind => self.write_owed(connection),
            other => other.map(|(_, sent)| sent),
        };
        if sent.is_err() {
            self.lose(connection);
        }
        sent.is_ok()
    }

    /// Blocks a subscription that has unsent messages, because its connection is blocked. The other
    /// subscriptions of the connection, perhaps thousands, are not touched until a message comes
    /// for them and the sweep visits them.
    #[inline(never)]
    pub(super) fn block(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        subscription: SubscriptionId,
    ) {
        let Phase::Open(open) = &mut connection.phase else { return };
        if self.exchange.hub.block(subscription) {
            open.subscriptions.note_blocked(subscription);
        }
    }

    /// Unblocks the subscriptions of an open connection that were blocked, and goes on reading the
    /// connection.
    pub(super) fn unblock(&mut self, connection: &mut ConnectionOf<N, H>) {
        if let Phase::Open(open) = &mut connection.phase {
            let hub = &mut self.exchange.hub;
            open.subscriptions.take_blocked().for_each(|one| hub.unblock(one));
        }
        self.go_on_if_unread(connection);
    }

    /// Notes whether a write has blocked the socket, and when it last made progress.
    #[inline]
    fn note_sent(&mut self, connection: &mut ConnectionOf<N, H>, taken: usize, sent: Sent) {
        if sent == Sent::All {
            connection.unproven = false;
        } else {
            self.note_blocked(connection, taken, sent);
        }
    }

    #[inline(never)]
    pub(super) fn note_blocked(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        taken: usize,
        sent: Sent,
    ) {
        // If the socket became writable but took no byte, that is no progress.
        let of_ciphertext = connection.io.tls.as_mut().is_some_and(|tls| tls.take_progress());
        if taken > 0 || of_ciphertext || !(connection.blocked || connection.unproven) {
            connection.progress_at = CoarseInstant::new(self.turn.now);
        }
        connection.unproven = false;
        connection.blocked = true;
        connection.starved = sent == Sent::Starved;
        self.check_progress(connection);
    }
}
