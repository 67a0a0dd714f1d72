//! What every step needs beside the connection that it is about.

use std::collections::VecDeque;

use crate::net::{Net, Token};
use crate::transport::BufferPool;

use super::api::Handler;
use super::connection::{Connection, Outgoing};
use super::limits::ReactorLimits;
use super::mail::Exchange;
use super::turn_state::TurnState;

/// A step of a connection is a method here: it borrows the connection, which its caller has looked
/// up once, and everything else is in here.
pub(super) struct Core<N: Net, H: Handler> {
    pub(super) net: N,
    pub(super) handler: H,
    pub(super) limits: ReactorLimits,
    pub(super) exchange: Exchange,
    pub(super) turn: TurnState,
    /// Every connection is read into this, one after the other.
    pub(super) receive: Box<[u8]>,
    pub(super) pool: BufferPool,
    pub(super) outgoing: Outgoing,
    /// The rest of a frame that a leaving subscription was in the middle of.
    pub(super) rest: Vec<u8>,
    /// Connections that stopped at a budget: they go on in the next turn without a new edge.
    pub(super) unfinished: VecDeque<Token>,
    /// Connections that stopped because a ring to a home is full.
    pub(super) waiting_for_room: VecDeque<Token>,
    /// How many connections in `Phase::Closing` have peers that do not take their Close.
    pub(super) patient: usize,
    /// A small generator of our own for the spread of pings, seeded from the world.
    pub(super) jitter: u64,
}

/// A connection as the steps see it.
pub(super) type ConnectionOf<N, H> = Connection<<N as Net>::Stream, <H as Handler>::Session>;

impl<N: Net, H: Handler> Core<N, H> {
    /// Lets a connection go on in the next turn.
    pub(super) fn go_on_next_turn(&mut self, connection: &mut ConnectionOf<N, H>) {
        if !std::mem::replace(&mut connection.unfinished, true) {
            self.unfinished.push_back(connection.token);
        }
    }

    /// Lets a connection go on when the rings to the homes have room.
    pub(super) fn go_on_with_room(&mut self, connection: &mut ConnectionOf<N, H>) {
        if !std::mem::replace(&mut connection.unfinished, true) {
            self.waiting_for_room.push_back(connection.token);
        }
    }
}
