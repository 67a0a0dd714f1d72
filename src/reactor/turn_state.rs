//! The state that all steps of a turn share: the clocks, read once at the turn's beginning, and the
//! counters.

use std::time::Duration;

use crate::instant::Instant;

use super::counters::Counters;

pub(crate) struct TurnState {
    pub(crate) now: Instant,
    /// The time since 1970-01-01 UTC.
    pub(crate) unix_time: Duration,
    pub(crate) counters: Counters,
    pub(crate) connections: usize,
    /// How many of the connections were accepted on admin listeners.
    pub(crate) admin_connections: usize,
    pub(crate) has_admin_listener: bool,
    pub(crate) draining: bool,
    /// A callback has called into the server's own state, and that call has not returned.
    pub(crate) is_in_call: bool,
}

impl TurnState {
    /// Carries out a call of a callback into the server's own state.
    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut TurnState) -> R) -> R {
        self.is_in_call = true;
        let result = call(self);
        self.is_in_call = false;
        result
    }
}
