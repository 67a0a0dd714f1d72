//! The connections of a reactor, and the core that serves them. Each step (read, sweep, deadline
//! check, ...) looks its connection up here by token, once.

use crate::net::{Net, Token};

use super::api::Handler;
use super::budget;
use super::connection::{Connections, Gone, Phase, slot_of};
use super::core::{ConnectionOf, Core};

pub(super) struct Peers<N: Net, H: Handler> {
    pub(super) connections: Connections<N::Stream, H::Session>,
    pub(super) core: Core<N, H>,
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Runs one step of one connection, then handles what the step has caused for other
    /// connections. Does nothing if the connection has gone.
    pub(super) fn step(
        &mut self,
        token: Token,
        step: impl FnOnce(&mut Core<N, H>, &mut ConnectionOf<N, H>),
    ) {
        self.step_alone(token, step);
        self.dispatch_events();
    }

    /// Runs one step of one connection; the caller must then dispatch the events that the step has
    /// caused. Returns false if the connection has already gone.
    pub(super) fn step_alone(
        &mut self,
        token: Token,
        step: impl FnOnce(&mut Core<N, H>, &mut ConnectionOf<N, H>),
    ) -> bool {
        if self.core.exchange.hub.has_overrun() {
            // An overrun connection must finish its partly sent frame before it writes anything
            // else.
            self.tell_overruns_of(token);
        }
        self.step_only(token, step)
    }

    /// Like [`step_alone`](Self::step_alone), but overruns of the connection must have been handled
    /// already.
    pub(super) fn step_only(
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

    /// Removes a connection that has ended from the table of connections (`slab`), stops counting
    /// it towards the connection limits, and closes its socket.
    pub(super) fn take_out(&mut self, token: Token, gone: Gone) {
        let Some(mut connection) = self.connections.remove(token) else { return };
        let Core { net, exchange, turn, pool, timers, .. } = &mut self.core;
        timers.remove(slot_of(token));
        turn.traffic.end(token);
        turn.connections = self.connections.len();
        turn.admin_connections -= usize::from(connection.is_admin());
        let limits = &exchange.shared.connection_limits;
        limits.leave(connection.counted_address(), Some(connection.quota));
        turn.did(budget::END);
        if gone == Gone::Close {
            connection.io.say_goodbye(net, pool);
        }
        let stream = connection.io.dismantle(pool);
        match gone {
            Gone::Close => net.close(stream),
            Gone::Reset => net.reset(stream),
        }
    }
}
