//! The connections of a reactor and what serves them. Here a token is turned into a connection,
//! once for each step.

use std::collections::VecDeque;

use crate::net::{Net, Token};

use super::api::Handler;
use super::connection::{Connections, Gone, Phase};
use super::core::{ConnectionOf, Core};

pub(super) struct Peers<N: Net, H: Handler> {
    pub(super) connections: Connections<N::Stream, H::Session>,
    pub(super) core: Core<N, H>,
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// One step of one connection, and then of everybody whom it concerns besides. Nothing happens
    /// if the connection has gone.
    pub(super) fn step(
        &mut self,
        token: Token,
        step: impl FnOnce(&mut Core<N, H>, &mut ConnectionOf<N, H>),
    ) {
        self.step_alone(token, step);
        self.dispatch_events();
    }

    /// One step of one connection; the events that it causes are left to be dispatched. False if
    /// the connection has gone before.
    pub(super) fn step_alone(
        &mut self,
        token: Token,
        step: impl FnOnce(&mut Core<N, H>, &mut ConnectionOf<N, H>),
    ) -> bool {
        let Some(connection) = self.connections.get_mut(token) else { return false };
        step(&mut self.core, connection);
        if let Phase::Gone(gone) = connection.phase {
            self.take_out(token, gone);
        }
        true
    }

    /// Takes a connection that has ended out of the slab, gives its place back and closes its
    /// socket.
    pub(super) fn take_out(&mut self, token: Token, gone: Gone) {
        let Some(connection) = self.connections.remove(token) else { return };
        let Core { net, exchange, turn, pool, .. } = &mut self.core;
        turn.connections = self.connections.len();
        let gate = &exchange.shared.gate;
        gate.leave(connection.address());
        match connection.refusal {
            Some(_) => gate.end_refusal(),
            None => gate.give_place_back(),
        }
        let stream = connection.io.dismantle(pool);
        match gone {
            Gone::Close => net.close(stream),
            Gone::Reset => net.reset(stream),
        }
    }

    /// The kernel has told what is possible on a socket.
    pub(super) fn on_ready(&mut self, token: Token, readable: bool, writable: bool, hung_up: bool) {
        self.step(token, |core, connection| {
            // An error may be all there is to read.
            connection.readable |= readable || hung_up;
            connection.hung_up |= hung_up;
            // It has its turn already, perhaps behind others that wait for room as well.
            let is_waiting = connection.unfinished;
            if writable && connection.blocked {
                core.on_writable(connection);
            }
            if (readable || hung_up) && !is_waiting {
                core.read(connection);
            }
        });
    }

    /// Lets the connections that wait for room go on, each in its turn, as long as there is some.
    pub(super) fn go_on_with_waiting(&mut self) {
        for _ in 0..self.core.waiting_for_room.len() {
            if !self.core.exchange.has_room() {
                return;
            }
            self.go_on(|core| &mut core.waiting_for_room);
        }
    }

    /// Lets the connections go on that stopped at a budget in the last turn.
    pub(super) fn go_on_with_unfinished(&mut self) {
        for _ in 0..self.core.unfinished.len() {
            self.go_on(|core| &mut core.unfinished);
        }
    }

    fn go_on(&mut self, list: impl FnOnce(&mut Core<N, H>) -> &mut VecDeque<Token>) {
        let Some(token) = list(&mut self.core).pop_front() else { return };
        self.step(token, |core, connection| {
            connection.unfinished = false;
            core.read(connection);
        });
    }
}
