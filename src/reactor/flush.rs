//! Writing: the continuous sweep over subscribers that are behind, and what is owed to one peer
//! alone.

use std::io::IoSlice;

use crate::hub::Arrival;
use crate::net::{Net, Token};
use crate::protocol::CloseCode;
use crate::transport::{Sent, sent};

use super::Reactor;
use super::closing::overload_reason;
use super::commons::{Commons, Outcome};
use super::connection::{Connection, Phase};
use super::handler::Handler;
use super::limits::SENDS_PER_TURN_MAX;

impl<N: Net, H: Handler> Reactor<N, H> {
    /// Gives subscribers that are behind one `send` each, of everything between their cursor and
    /// the end of the log, and returns to the turn after a while: those not yet visited then get
    /// old and new messages in one send, so load itself raises the bytes per system call.
    pub(super) fn sweep(&mut self) {
        for _ in 0..SENDS_PER_TURN_MAX {
            let Some(due) = self.commons.hub.next_due() else { return };
            let token = Token(due.owner.0);
            let Some(connection) = self.connections.get_mut(token) else {
                debug_assert!(false, "a subscription outlives its connection");
                return;
            };
            debug_assert!(!connection.blocked, "a blocked connection is not due");
            // Its stream may stand in the middle of another subscription's frame: that comes first.
            let subscription = connection.under_way.unwrap_or(due.subscription);
            let unsent = self.commons.hub.unsent(subscription);
            let written = match unsent.second.is_empty() {
                true => self.net.write(&mut connection.link.stream, unsent.first),
                false => {
                    let slices = [IoSlice::new(unsent.first), IoSlice::new(unsent.second)];
                    self.net.write_vectored(&mut connection.link.stream, &slices)
                }
            };
            self.commons.counters.sends += 1;
            let Ok((taken, sent)) = sent(written, unsent.bytes()) else {
                self.lose(token);
                self.settle();
                continue;
            };
            self.commons.counters.sent_bytes += taken as u64;
            let advanced = self.commons.hub.advance(subscription, taken);
            connection.under_way = advanced.under_way.then_some(subscription);
            note_sent(connection, &mut self.commons, taken, sent);
        }
    }

    /// The kernel takes bytes of a blocked connection again.
    pub(super) fn on_writable(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.starved = false;
        connection.blocked = false;
        connection.unproven = true;
        match self.write_owed(token) {
            Err(_) => self.lose(token),
            Ok(Sent::Blocked | Sent::Starved) => {}
            Ok(Sent::All) => {
                let Some(connection) = self.connections.get_mut(token) else { return };
                match &connection.phase {
                    Phase::Open(open) => {
                        if open.awaiting_pong {
                            // The ping, or what it stands behind, has only now left.
                            connection.deadline = self.commons.now + self.limits.pong_timeout;
                        }
                        self.unblock(token);
                    }
                    Phase::Http(_) => self.go_on_next_turn(token),
                    Phase::Closing { .. } => self.on_last_byte_out(token),
                    Phase::Lingering { .. } => {}
                }
            }
        }
    }

    /// Writes the rest of a frame under way, then what is owed to this peer alone: in this order,
    /// for a frame may not be interrupted. A frame under way with nothing owed behind it, on a
    /// connection with one subscription, is left to the sweep, which has more to send with it.
    pub(super) fn write_owed(&mut self, token: Token) -> std::io::Result<Sent> {
        let Some(connection) = self.connections.get_mut(token) else { return Ok(Sent::All) };
        if let (Some(subscription), Phase::Open(open)) = (connection.under_way, &connection.phase)
            && (connection.link.owes() || open.subscriptions.len() > 1)
        {
            let unsent = self.commons.hub.unsent(subscription);
            let rest = &unsent.first[..unsent.under_way_bytes];
            self.commons.counters.sends += 1;
            let (taken, sent) =
                sent(self.net.write(&mut connection.link.stream, rest), rest.len())?;
            self.commons.counters.sent_bytes += taken as u64;
            let advanced = self.commons.hub.advance(subscription, taken);
            connection.under_way = advanced.under_way.then_some(subscription);
            note_sent(connection, &mut self.commons, taken, sent);
            if sent != Sent::All {
                return Ok(sent);
            }
        }
        if !connection.link.owes() {
            return Ok(Sent::All);
        }
        self.commons.counters.sends += 1;
        let (taken, sent) = connection.link.flush(&mut self.net, &mut self.pool)?;
        self.commons.counters.sent_bytes += taken as u64;
        if connection.rest_bytes > 0 {
            let of_rest = connection.rest_bytes.min(taken as u32);
            connection.rest_bytes -= of_rest;
            self.commons.hub.private_sent(of_rest as usize, connection.rest_bytes == 0);
        }
        note_sent(connection, &mut self.commons, taken, sent);
        Ok(sent)
    }

    /// Writes what callbacks have said to their peer. False when the peer is lost.
    pub(super) fn send_replies(&mut self, token: Token) -> bool {
        let Some(connection) = self.connections.get_mut(token) else { return false };
        let replies = &self.outgoing.replies;
        if replies.is_empty() {
            return true;
        }
        if connection.link.is_held() {
            connection.link.hold(replies, &mut self.pool);
            self.outgoing.replies.clear();
            return true;
        }
        // Between the edge and the sweep a connection that is not blocked may be in the middle of a
        // frame.
        let is_between_frames = connection.under_way.is_none() && !connection.link.owes();
        let may_write = !connection.blocked && is_between_frames;
        let may_write_behind = !connection.blocked && !is_between_frames;
        if may_write {
            self.commons.counters.sends += 1;
        }
        let is_last = matches!(connection.phase, Phase::Closing { .. });
        let sent = match may_write && is_last {
            true => connection.link.send_last(&mut self.net, replies, &mut self.pool),
            false => connection.link.send(&mut self.net, replies, may_write, &mut self.pool),
        };
        self.outgoing.replies.clear();
        let sent = match sent {
            Ok((taken, sent)) if may_write => {
                self.commons.counters.sent_bytes += taken as u64;
                note_sent(connection, &mut self.commons, taken, sent);
                Ok(sent)
            }
            Ok(_) if may_write_behind => self.write_owed(token),
            other => other.map(|(_, sent)| sent),
        };
        if sent.is_err() {
            self.lose(token);
        }
        sent.is_ok()
    }

    /// A callback has subscribed to channels whose homes have to be told first: until all of them
    /// are live nothing that it has said leaves.
    pub(super) fn hold_until_joined(&mut self, token: Token) {
        if std::mem::take(&mut self.outgoing.has_subscribed)
            && self.is_joining(token)
            && let Some(connection) = self.connections.get_mut(token)
        {
            connection.link.hold(b"", &mut self.pool);
        }
    }

    /// The 101 is held: no message may come before it. What the peer has published to itself
    /// meanwhile follows it.
    pub(super) fn park(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        for subscription in open.subscriptions.iter() {
            let hub = &mut self.commons.hub;
            while !hub.is_caught_up(subscription) {
                let unsent = hub.unsent(subscription);
                self.outgoing.replies.extend_from_slice(unsent.first);
                let bytes = unsent.first.len();
                hub.advance(subscription, bytes);
            }
            hub.park(subscription);
        }
    }

    /// Whether any channel of a connection is not live yet.
    fn is_joining(&mut self, token: Token) -> bool {
        match self.connections.get_mut(token).map(|connection| &connection.phase) {
            Some(Phase::Open(open)) => {
                open.subscriptions.iter().any(|one| self.commons.hub.is_joining(one))
            }
            _ => false,
        }
    }

    /// The home of a channel has answered one who has subscribed to it.
    fn on_arrival(&mut self, Arrival { subscription, owner, outcome }: Arrival) {
        let token = Token(owner.0);
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        if !open.subscriptions.contains(subscription) {
            return;
        }
        match outcome {
            Ok(()) => self.let_go_on(token),
            Err(refused) => self.close(token, CloseCode::TRY_AGAIN_LATER, overload_reason(refused)),
        }
    }

    /// If all channels of a held connection are live, what was said to it leaves, and it is read
    /// again.
    fn let_go_on(&mut self, token: Token) {
        if self.is_joining(token) {
            return;
        }
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !connection.link.is_held() {
            return;
        }
        connection.link.release(&mut self.pool);
        if let Phase::Open(open) = &connection.phase {
            if open.awaiting_pong {
                connection.deadline = self.commons.now + self.limits.pong_timeout;
            }
            open.subscriptions.iter().for_each(|one| self.commons.hub.admit(one));
        }
        if connection.blocked {
            return;
        }
        match self.write_owed(token) {
            Err(_) => self.lose(token),
            Ok(Sent::Blocked | Sent::Starved) => {}
            Ok(Sent::All) => self.unblock(token),
        }
    }

    /// The messages of an open connection's channels go on, and so does reading it.
    fn unblock(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        open.subscriptions.iter().for_each(|one| self.commons.hub.unblock(one));
        self.go_on_next_turn(token);
    }

    /// Tells everybody whom the last callback concerned beside its own peer: who has fallen off a
    /// log, whose channel is live, and who is waiting to hear from a channel's home.
    pub(super) fn settle(&mut self) {
        loop {
            while self.cut_off_next_fallen() {}
            if let Some(arrival) = self.commons.hub.next_arrival() {
                self.on_arrival(arrival);
                continue;
            }
            let Some(outcome) = self.commons.outcomes.pop_front() else { return };
            match outcome {
                Outcome::Published(ticket, outcome) => self.answer_published(ticket, outcome),
                Outcome::Inspected(ticket, channel, info) => {
                    self.answer_inspected(ticket, &channel, info)
                }
                Outcome::Overloaded(token, refused) => {
                    self.close(token, CloseCode::TRY_AGAIN_LATER, overload_reason(refused));
                }
            }
        }
    }
}

/// Notes what a write says of the socket.
fn note_sent<T, S>(
    connection: &mut Connection<T, S>,
    commons: &mut Commons,
    taken: usize,
    sent: Sent,
) {
    if sent == Sent::All {
        connection.unproven = false;
        return;
    }
    // An edge that brought no room is no progress.
    if taken > 0 || !(connection.blocked || connection.unproven) {
        connection.progress_at = commons.now;
    }
    connection.unproven = false;
    connection.blocked = true;
    connection.starved = sent == Sent::Starved;
    if let Phase::Open(open) = &connection.phase {
        open.subscriptions.iter().for_each(|one| commons.hub.block(one));
    }
}
