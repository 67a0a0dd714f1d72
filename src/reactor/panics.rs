//! Panics of the application. A panic in a callback ends the connection for which the callback was
//! called: a WebSocket connection is closed with 1011, an HTTP request is answered 500. All other
//! connections go on.
//!
//! What a callback has asked for before it panicked stands: each call of `Context` or `Visitor` has
//! been carried out or not begun. If the panic comes out of such a call, the reactor itself has
//! failed in the middle of a change, and nothing that it would send afterwards could be trusted; so
//! that panic goes on and ends the server.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::protocol::{CloseCode, Response};

use super::turn_state::TurnState;

/// The Close frame and the text of the answer after a panic. They tell nothing of the program.
pub(super) const CLOSE: (CloseCode, &str) = (CloseCode::INTERNAL_ERROR, "internal error");

/// A panic of the application. The panic hook has printed it already.
#[must_use = "it must be contained"]
pub(super) struct Panicked(Box<dyn Any + Send>);

/// Calls the application.
///
/// The assertion of unwind safety: of the reactor's state a callback changes nothing but through
/// calls that [`Panicked::contain`] knows of, and replies, which only grow by whole frames. The
/// handler's own state is the application's business, as is said at `Handler`.
pub(super) fn guarded<R>(call: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panicked)
}

impl Panicked {
    /// Counts the panic, so that the caller may end the connection and go on. Panics again if the
    /// reactor's own state may be half changed.
    #[cold]
    pub(super) fn contain(self, turn: &mut TurnState) {
        if turn.is_in_call {
            resume_unwind(self.0);
        }
        turn.counters.panics.add(1);
        // What a program panics with may panic when it is dropped.
        if let Err(Panicked(second)) = guarded(|| drop(self.0)) {
            std::mem::forget(second);
        }
    }

    /// The same; returns the answer to the request during which it happened.
    #[cold]
    pub(super) fn contain_in_request(self, turn: &mut TurnState) -> Response {
        self.contain(turn);
        Response::text(500, format!("{}\n", CLOSE.1))
    }
}
