//! An open WebSocket connection: decoding its frames, and sending the application's replies.

use std::borrow::Cow;

use crate::hub::DropReason;
use crate::net::Net;
use crate::protocol::{CloseCode, Decoded, Decoder, DecoderLimits, Event, ProtocolError, Role};
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

use super::api::{Context, Handler};
use super::budget;
use super::connection::{Open, Outgoing, PeerSubscriptions, Phase};
use super::core::{ConnectionOf, Core};
use super::decode_stop::Stop;
use super::end_reason::{End, Initiator};
use super::limits::REPLIES_BYTES_MAX;
use super::panics::{self, guarded};

/// Why `decode_some` stopped. `after_decoding` then does what is needed and may decode on.
#[derive(Clone, Copy)]
enum Halt {
    /// No complete frame is left.
    NeedMore,
    /// The ring to a channel's home reactor is full.
    NoRoom,
    /// A publish of this peer was refused, or it made the channel full, or it overran the peer
    /// itself. That must be handled before the next frame is decoded.
    Events,
    /// Enough frames were decoded in this step; other connections are served next.
    Enough,
    /// The application has subscribed to a channel that is not live yet.
    Subscribed,
    /// Enough replies have gathered to be written.
    Replies,
    /// The application or the peer has closed, or the peer has violated the protocol. The last
    /// replies, with a Close frame at their end, are in `outgoing`.
    End(End),
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Makes an HTTP connection a WebSocket connection, and sends the 101 from `self.outgoing`.
    pub(super) fn open(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        mut session: H::Session,
        compression: bool,
    ) {
        let mut subscriptions = PeerSubscriptions::default();
        let mut peer = Context {
            exchange: &mut self.exchange,
            turn: &mut self.turn,
            token: connection.token,
            address: connection.packed_address,
            compression,
            session: &mut session,
            subscriptions: &mut subscriptions,
            outgoing: &mut self.outgoing,
        };
        if let Err(panicked) = guarded(|| self.handler.on_open(&mut peer)) {
            panicked.contain(peer.turn);
            peer.outgoing.close(panics::CLOSE.0, panics::CLOSE.1);
        }
        self.turn.counters.opened.add(1);
        let decoder = Decoder::new(Role::Server).with_compression(compression);
        connection.phase = Phase::Open(Open { decoder, subscriptions, session });
        self.await_ping(connection);
        self.await_expiry(connection);
        if let Some(code) = self.outgoing.close {
            return self.begin_closing(connection, End::by_server(code), DropReason::Closed, false);
        }
        self.hold_until_joined(connection);
        if connection.io.is_held() {
            self.hold_messages(connection);
        }
        self.send_replies(connection);
    }

    /// Decodes the frames in the receive buffer, at most `frames_max`. Returns how many bytes were
    /// decoded, and why decoding stopped. `progressed`: bytes from the peer have just been read.
    #[inline(always)]
    pub(super) fn decode_messages(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        filled: usize,
        progressed: bool,
        frames_max: u32,
    ) -> (usize, Stop) {
        if progressed && std::mem::take(&mut connection.awaiting_pong) {
            // Anything received shows that the peer is alive, not only its pong.
            self.await_ping(connection);
        }
        let (mut consumed, mut frames_left) = (0, frames_max);
        loop {
            let halt = self.decode_some(connection, &mut consumed, filled, &mut frames_left);
            let is_all_used = consumed == filled;
            if let Some(stop) = self.after_decoding(connection, halt, is_all_used) {
                self.turn.did(u64::from(frames_max - frames_left) * budget::FRAME);
                return (consumed, stop);
            }
        }
    }

    /// Decodes frames until something else has to be done, and returns what that is. Replies gather
    /// in `self.outgoing`.
    #[inline(always)]
    fn decode_some(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        consumed: &mut usize,
        filled: usize,
        frames_left: &mut u32,
    ) -> Halt {
        let Phase::Open(open) = &mut connection.phase else { return Halt::NeedMore };
        let mut assembly = connection.io.assembly.take().unwrap_or_else(|| self.pool.take());
        let mut peer = Context {
            exchange: &mut self.exchange,
            turn: &mut self.turn,
            token: connection.token,
            address: connection.packed_address,
            compression: open.decoder.has_compression(),
            session: &mut open.session,
            subscriptions: &mut open.subscriptions,
            outgoing: &mut self.outgoing,
        };
        let mut message_since = connection.message_since;
        // While the socket is blocked, decoding stops once any reply is queued.
        let replies_bytes_max = if connection.blocked { 1 } else { REPLIES_BYTES_MAX };
        let halt = loop {
            if !peer.exchange.has_room() {
                break Halt::NoRoom;
            }
            if peer.outgoing.replies.len() >= replies_bytes_max {
                break Halt::Replies;
            }
            if *frames_left == 0 {
                break Halt::Enough;
            }
            let input = &mut self.receive[*consumed..filled];
            let decoded = open.decoder.decode(&self.limits.decoder, input, assembly.assembly());
            let Decoded { consumed: used, event } = match decoded {
                Ok(decoded) => decoded,
                Err(error) => break refuse(error, &self.limits.decoder, peer.outgoing),
            };
            #[cfg(any(test, fuzzing))]
            work::note_many(Work::Byte, used);
            *consumed += used;
            let Some(event) = event else { break Halt::NeedMore };
            #[cfg(any(test, fuzzing))]
            work::note(Work::Frame);
            let inflated = self.inflation.inflated(event, &self.limits.decoder, peer.turn);
            let (event, frames) = match inflated {
                Ok(inflated) => inflated,
                Err(error) => break refuse(error, &self.limits.decoder, peer.outgoing),
            };
            *frames_left = frames_left.saturating_sub(frames);
            if matches!(event, Event::Message(_)) {
                message_since = None;
            }
            if let Some(halt) = on_event(&mut self.handler, &mut peer, event) {
                break halt;
            }
        };
        // A partial frame header counts as the beginning of a message, so that it can time out.
        let partial = matches!(halt, Halt::NeedMore) && *consumed < filled;
        let under_way = open.decoder.is_mid_message() || partial;
        let since = || message_since.unwrap_or_else(|| self.begin_message(connection.token));
        connection.message_since = under_way.then(since);
        if open.decoder.is_mid_message() {
            self.pool.count(&mut assembly);
            connection.io.assembly = Some(assembly);
        } else {
            self.pool.put(assembly);
        }
        halt
    }

    /// Writes the replies of the callbacks, and closes if the application, the peer or the protocol
    /// requires it. Returns why decoding stops, or `None` if it goes on.
    fn after_decoding(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        halt: Halt,
        is_all_used: bool,
    ) -> Option<Stop> {
        if !self.finish_left_frame(connection) {
            return Some(Stop::Left);
        }
        if let Halt::End(end) = halt {
            let clean = end.initiator == Initiator::Client && is_all_used;
            self.begin_closing(connection, end, DropReason::Closed, clean);
            return Some(Stop::Left);
        }
        self.hold_until_joined(connection);
        if !self.send_replies(connection) {
            return Some(Stop::Left);
        }
        match halt {
            _ if connection.io.is_held() => Some(Stop::Paused),
            Halt::NeedMore => Some(Stop::NeedMore),
            Halt::NoRoom => Some(Stop::Paused),
            Halt::Events | Halt::Enough => Some(Stop::Yield),
            Halt::Replies if connection.io.owes() => Some(Stop::Paused),
            Halt::Subscribed | Halt::Replies | Halt::End(_) => None,
        }
    }
}

/// Closes the connection of a peer that has broken a rule or passed a limit.
#[cold]
fn refuse(error: ProtocolError, limits: &DecoderLimits, outgoing: &mut Outgoing) -> Halt {
    let reason: Cow<'static, str> = match error {
        ProtocolError::MessageTooBig => {
            let bytes = limits.message_bytes_max;
            format!("the message is larger than the {bytes} bytes of --max-message-size").into()
        }
        ProtocolError::TooManyFragments => {
            format!("the message has more than {} fragments", limits.fragments_max).into()
        }
        _ => error.reason().into(),
    };
    outgoing.close(error.close_code(), &reason);
    Halt::End(End::by_server(error.close_code()))
}

/// Passes a message to the application, or answers a control frame. Returns `Some` if decoding must
/// stop, and why.
fn on_event<H: Handler>(
    handler: &mut H,
    peer: &mut Context<'_, H::Session>,
    event: Event<'_>,
) -> Option<Halt> {
    match event {
        Event::Message(message) => {
            if let Err(panicked) = guarded(|| handler.on_message(peer, message)) {
                panicked.contain(peer.turn);
                peer.outgoing.close(panics::CLOSE.0, panics::CLOSE.1);
            }
            return match peer.outgoing.close {
                Some(code) => Some(Halt::End(End::by_server(code))),
                None if peer.has_events() => Some(Halt::Events),
                None => peer.outgoing.has_subscribed.then_some(Halt::Subscribed),
            };
        }
        Event::Compressed(_) => debug_assert!(false, "it has been inflated"),
        Event::Ping(payload) => {
            peer.turn.counters.pings_received.add(1);
            if let Err(panicked) = guarded(|| handler.on_ping(peer)) {
                panicked.contain(peer.turn);
                peer.outgoing.close(panics::CLOSE.0, panics::CLOSE.1);
            }
            if let Some(code) = peer.outgoing.close {
                return Some(Halt::End(End::by_server(code)));
            }
            peer.outgoing.pong(payload);
        }
        Event::Pong(_) => peer.turn.counters.pongs_received.add(1),
        // A Close frame is answered with the same code (RFC 6455 section 5.5.1), an empty one with
        // 1000.
        Event::Close(None) => {
            peer.outgoing.close(CloseCode::NORMAL, "");
            return Some(Halt::End(End::by_client(CloseCode::NO_STATUS)));
        }
        Event::Close(Some(frame)) => {
            peer.outgoing.close(frame.code, frame.reason);
            return Some(Halt::End(End::by_client(frame.code)));
        }
    }
    None
}
