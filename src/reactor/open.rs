//! An open WebSocket connection: its frames in, the application's replies out.

use crate::hub::DropReason;
use crate::net::{Net, Token};
use crate::protocol::{
    CloseCode, Decoded, Decoder, Event, Opcode, ProtocolError, Role, encode_frame,
};

use super::Reactor;
use super::connection::{End, Initiator, NonZeroInstant, Open, Phase, Subscriptions};
use super::context::Context;
use super::handler::Handler;
use super::limits::REPLIES_BYTES_MAX;
use super::pump::Stop;

/// Why decoding messages stopped.
enum Halt {
    /// No whole frame is left.
    NeedMore,
    /// The way to the channels' homes is full.
    NoRoom,
    /// Somebody has fallen off a log, or this peer was refused, and has to hear of it before
    /// anything else is published.
    News,
    /// A channel was subscribed to that is not live yet.
    Subscribed,
    /// The replies have grown enough to be written.
    Replies,
    /// The application has closed.
    Closed(CloseCode),
    /// The peer has closed.
    PeerClosed(CloseCode),
    /// The peer has broken the protocol.
    Failed(ProtocolError),
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// The 101 stands in the outgoing: the connection is let in.
    pub(super) fn open(&mut self, token: Token, mut session: H::Session) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let mut subscriptions = Subscriptions::default();
        let address = connection.address();
        let mut peer = Context {
            commons: &mut self.commons,
            token,
            address,
            session: &mut session,
            subscriptions: &mut subscriptions,
            outgoing: &mut self.outgoing,
        };
        self.handler.on_open(&mut peer);
        self.commons.counters.opened += 1;
        let decoder = Decoder::new(Role::Server);
        connection.phase =
            Phase::Open(Open { decoder, awaiting_pong: false, subscriptions, session });
        let interval = self.spread_ping_interval();
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.deadline = self.commons.now + interval;
        match self.outgoing.close {
            Some(code) => {
                let end = End { code, initiator: Initiator::Server };
                self.begin_closing(token, end, DropReason::Closed, false);
            }
            None => {
                self.hold_until_joined(token);
                if self
                    .connections
                    .get_mut(token)
                    .is_some_and(|connection| connection.link.is_held())
                {
                    self.park(token);
                }
                self.send_replies(token);
            }
        }
    }

    /// Decodes what stands in the receive buffer; how much of it has been used.
    pub(super) fn decode_messages(
        &mut self,
        token: Token,
        filled: usize,
        progressed: bool,
    ) -> (usize, Stop) {
        let mut consumed = 0;
        loop {
            let Some(connection) = self.connections.get_mut(token) else {
                return (consumed, Stop::Left);
            };
            if progressed
                && let Phase::Open(open) = &mut connection.phase
                && std::mem::take(&mut open.awaiting_pong)
            {
                // Anything that a peer sends shows that it lives; its pong is one of those things.
                let interval = self.spread_ping_interval();
                if let Some(connection) = self.connections.get_mut(token) {
                    connection.deadline = self.commons.now + interval;
                }
            }
            let halt = self.decode_some(token, &mut consumed, filled);
            if !self.finish_left_frame(token) {
                return (consumed, Stop::Left);
            }
            match halt {
                Halt::Closed(code) => {
                    let end = End { code, initiator: Initiator::Server };
                    self.begin_closing(token, end, DropReason::Closed, false);
                    return (consumed, Stop::Left);
                }
                Halt::PeerClosed(code) => {
                    let end = End { code, initiator: Initiator::Client };
                    self.begin_closing(token, end, DropReason::Closed, consumed == filled);
                    return (consumed, Stop::Left);
                }
                Halt::Failed(error) => {
                    let code = error.close_code();
                    self.outgoing.close(code, error.reason());
                    let end = End { code, initiator: Initiator::Server };
                    self.begin_closing(token, end, DropReason::Closed, false);
                    return (consumed, Stop::Left);
                }
                Halt::NeedMore | Halt::NoRoom | Halt::News | Halt::Subscribed | Halt::Replies => {}
            }
            self.hold_until_joined(token);
            if !self.send_replies(token) {
                return (consumed, Stop::Left);
            }
            let Some(connection) = self.connections.get_mut(token) else {
                return (consumed, Stop::Left);
            };
            if connection.blocked
                && let Phase::Open(open) = &connection.phase
            {
                // Also those subscriptions that have just been made.
                open.subscriptions.iter().for_each(|one| self.commons.hub.block(one));
            }
            match halt {
                _ if connection.link.is_held() => return (consumed, Stop::Paused),
                Halt::NeedMore => return (consumed, Stop::NeedMore),
                Halt::NoRoom => return (consumed, Stop::Paused),
                Halt::News => return (consumed, Stop::Yield),
                Halt::Subscribed => {}
                Halt::Replies if connection.link.owes() => return (consumed, Stop::Paused),
                Halt::Replies | Halt::Closed(_) | Halt::PeerClosed(_) | Halt::Failed(_) => {}
            }
        }
    }

    /// Decodes until something else has to be done. Replies gather in the outgoing.
    fn decode_some(&mut self, token: Token, consumed: &mut usize, filled: usize) -> Halt {
        let Some(connection) = self.connections.get_mut(token) else { return Halt::NeedMore };
        let address = connection.address();
        let Phase::Open(open) = &mut connection.phase else { return Halt::NeedMore };
        let mut assembly = connection.link.assembly.take().unwrap_or_else(|| self.pool.take());
        let mut peer = Context {
            commons: &mut self.commons,
            token,
            address,
            session: &mut open.session,
            subscriptions: &mut open.subscriptions,
            outgoing: &mut self.outgoing,
        };
        let mut message_since = connection.message_since;
        // A peer that does not take its replies owes us patience: one of them waits here, the rest
        // with it.
        let replies_bytes_max = if connection.blocked { 1 } else { REPLIES_BYTES_MAX };
        let halt = loop {
            if !peer.commons.has_room() {
                break Halt::NoRoom;
            }
            if peer.outgoing.replies.len() >= replies_bytes_max {
                break Halt::Replies;
            }
            let input = &mut self.receive[*consumed..filled];
            let decoded = open.decoder.decode(&self.limits.decoder, input, assembly.assembly());
            let Decoded { consumed: used, event } = match decoded {
                Ok(decoded) => decoded,
                Err(error) => break Halt::Failed(error),
            };
            *consumed += used;
            match event {
                None => break Halt::NeedMore,
                Some(Event::Message(message)) => {
                    message_since = None;
                    self.handler.on_message(&mut peer, message);
                    if let Some(code) = peer.outgoing.close {
                        break Halt::Closed(code);
                    }
                    if peer.commons.hub.has_overrun() || !peer.commons.outcomes.is_empty() {
                        break Halt::News;
                    }
                    if peer.outgoing.has_subscribed {
                        break Halt::Subscribed;
                    }
                }
                Some(Event::Ping(payload)) => {
                    peer.commons.counters.pings_received += 1;
                    encode_frame(&mut peer.outgoing.replies, Opcode::Pong, payload);
                }
                Some(Event::Pong(_)) => peer.commons.counters.pongs_received += 1,
                Some(Event::Close(frame)) => break peer_closed(&mut peer, frame),
            }
        };
        // A frame header that never becomes whole is a message under way as well.
        let partial = matches!(halt, Halt::NeedMore) && *consumed < filled;
        let under_way = open.decoder.is_mid_message() || partial;
        connection.message_since =
            under_way.then(|| message_since.unwrap_or(NonZeroInstant::new(self.commons.now)));
        if open.decoder.is_mid_message() {
            self.pool.count(&mut assembly);
            connection.link.assembly = Some(assembly);
        } else {
            self.pool.put(assembly);
        }
        halt
    }
}

/// The peer's Close frame is answered by one with the same code (RFC 6455 section 5.5.1), and an
/// empty one by 1000.
fn peer_closed<S>(
    peer: &mut Context<'_, S>,
    frame: Option<crate::protocol::CloseFrame<'_>>,
) -> Halt {
    match frame {
        None => {
            peer.outgoing.close(CloseCode::NORMAL, "");
            Halt::PeerClosed(CloseCode::NO_STATUS)
        }
        Some(frame) => {
            peer.outgoing.close(frame.code, frame.reason);
            Halt::PeerClosed(frame.code)
        }
    }
}
