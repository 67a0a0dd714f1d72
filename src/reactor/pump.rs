//! Reading one connection: at most one `recv`, then everything that can be decoded from it.

use crate::net::{Net, Token};
use crate::transport::Received;

use super::Reactor;
use super::connection::{Connection, Phase};
use super::handler::Handler;
use super::limits::{HELD_BYTES_HARMLESS, LINGER_BYTES_MAX, RECEIVE_BYTES};

/// With more than this kept from before, that is decoded first: a read needs room to be worth its
/// call.
const KEPT_BYTES_MAX: usize = RECEIVE_BYTES / 2;

/// Why decoding stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// All that can be used has been used.
    NeedMore,
    /// Nothing may be decoded for now: an answer or a reply has to leave first, a channel has to
    /// become live, or the way to the channels' homes is full. Whatever ends that lets the
    /// connection go on.
    Paused,
    /// There is more to decode, but something else comes first: go on in the next turn.
    Yield,
    /// The connection has left this phase, or has gone; what was read behind it is of no interest.
    Left,
}

impl<N: Net, H: Handler> Reactor<N, H> {
    /// Reads and decodes what there is. Called at readiness, and when a connection may go on.
    pub(super) fn pump(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match &connection.phase {
            Phase::Http(http) if http.answer.is_some() => return,
            Phase::Http(_) | Phase::Open(_) => {}
            // Nothing is read until our last bytes are out; whether they can be, writing them will
            // tell.
            Phase::Closing { .. } => return,
            Phase::Lingering { .. } => return self.discard(token),
        }
        if connection.link.owes() || connection.link.is_held() {
            return;
        }
        if !self.commons.has_room() {
            return self.go_on_with_room(token);
        }
        let kept = connection.link.restore(&mut self.receive, &mut self.pool);
        let mut filled = kept;
        if connection.readable && kept <= KEPT_BYTES_MAX {
            self.commons.counters.receives += 1;
            match connection.link.receive(&mut self.net, &mut self.receive[kept..]) {
                Ok(received) => filled += note_received(connection, received),
                Err(_) => {
                    self.lose(token);
                    return self.settle();
                }
            }
        }
        self.commons.counters.received_bytes += (filled - kept) as u64;
        let (consumed, stop) = match &connection.phase {
            Phase::Http(_) => self.decode_requests(token, filled),
            Phase::Open(_) | Phase::Closing { .. } | Phase::Lingering { .. } => {
                self.decode_messages(token, filled, filled > kept)
            }
        };
        self.settle();
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.phase {
            Phase::Http(_) | Phase::Open(_) => {}
            // What was read behind its last bytes is discarded, and the rest as it comes.
            Phase::Closing { .. } | Phase::Lingering { .. } => return,
        }
        connection.link.keep(&self.receive[consumed..filled], &mut self.pool);
        if self.pool.is_spent() && connection.link.held_bytes() > HELD_BYTES_HARMLESS {
            // A few bytes in a large buffer are no reason to end anybody.
            connection.link.shrink(&mut self.pool);
            if connection.link.held_bytes() > HELD_BYTES_HARMLESS {
                self.end_for_want_of_memory(token);
                return self.settle();
            }
        }
        match stop {
            Stop::Yield => self.go_on_next_turn(token),
            Stop::NeedMore if connection.ended => {
                self.on_end(token);
                self.settle();
            }
            Stop::NeedMore if connection.readable => self.go_on_next_turn(token),
            Stop::Paused if !connection.link.owes() => self.wait_unless_answer_is_owed(token),
            Stop::NeedMore | Stop::Paused | Stop::Left => {}
        }
    }

    /// Paused with nothing owed to the peer: either its answer is on the way, or it is held, or it
    /// waits for room.
    fn wait_unless_answer_is_owed(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let is_answer_owed =
            matches!(&connection.phase, Phase::Http(http) if http.answer.is_some());
        if !is_answer_owed && !connection.link.is_held() {
            self.go_on_with_room(token);
        }
    }

    /// The peer sends nothing more, and all that it sent has been decoded.
    fn on_end(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match &connection.phase {
            // A request cut off, or none at all: there is nothing to answer.
            Phase::Http(_) => self.leave_silently(token),
            // Without a Close frame the connection is lost (RFC 6455 section 7.1.5).
            Phase::Open(_) => self.lose(token),
            Phase::Closing { .. } | Phase::Lingering { .. } => {}
        }
    }

    /// Our side is shut down: what still comes is read and forgotten, within bounds.
    pub(super) fn discard(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Phase::Lingering { discarded_bytes } = &mut connection.phase else { return };
        if !connection.readable {
            return;
        }
        self.commons.counters.receives += 1;
        match connection.link.receive(&mut self.net, &mut self.receive) {
            Ok(Received::Bytes(count)) if *discarded_bytes + count <= LINGER_BYTES_MAX => {
                *discarded_bytes += count;
                self.go_on_next_turn(token);
            }
            Ok(Received::Drained(count)) if *discarded_bytes + count <= LINGER_BYTES_MAX => {
                *discarded_bytes += count;
                connection.readable = connection.hung_up && count > 0;
                if connection.readable {
                    self.go_on_next_turn(token);
                }
            }
            // Its end, or more than we have the patience for, or it is gone.
            Ok(Received::End | Received::Bytes(_) | Received::Drained(_)) | Err(_) => {
                self.remove(token)
            }
        }
    }
}

/// Notes what a read says of the socket; how many bytes it brought.
fn note_received<T, S>(connection: &mut Connection<T, S>, received: Received) -> usize {
    match received {
        Received::Bytes(count) => count,
        Received::Drained(count) => {
            connection.readable = connection.hung_up && count > 0;
            count
        }
        Received::End => {
            connection.readable = false;
            connection.ended = true;
            0
        }
    }
}
