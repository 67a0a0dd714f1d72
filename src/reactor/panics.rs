//! Panics of the application. A panic in a callback ends the connection for which the callback was
//! called: a WebSocket connection is closed with 1011, an HTTP request is answered 500. All other
//! connections go on.
//!
//! The effects of a callback before it panicked stay: each call that it made of `Context` or
//! `Visitor` was carried out completely. If the panic comes out of such a call, the reactor itself
//! has failed in the middle of a change, and nothing that it would send afterwards could be
//! trusted. So that panic is passed on and ends the server.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::protocol::{CloseCode, Response};

use super::turn_state::TurnState;

/// The Close frame after a panic; its reason is also the text of the 500. It does not tell the peer
/// what went wrong.
pub(super) const CLOSE: (CloseCode, &str) = (CloseCode::INTERNAL_ERROR, "internal error");

/// A panic of the application. The panic hook has printed it already.
#[must_use = "it must be contained"]
pub(super) struct Panicked(Box<dyn Any + Send>);

/// Calls the application, and catches a panic.
///
/// Why `AssertUnwindSafe` is sound: a callback changes the reactor's state only through calls of
/// `Context` and `Visitor`, which [`Panicked::contain`] takes into account, and by replies, which
/// only grow by whole frames. The handler is responsible for its own state, as the documentation of
/// `Handler` says.
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
        // The value that the program panicked with may itself panic when it is dropped.
        if let Err(Panicked(second)) = guarded(|| drop(self.0)) {
            std::mem::forget(second);
        }
    }

    /// Like [`contain`](Self::contain), in an HTTP request. Returns the response to that request:
    /// 500.
    #[cold]
    pub(super) fn contain_in_request(self, turn: &mut TurnState) -> Response {
        self.contain(turn);
        Response::text(500, format!("{}\n", CLOSE.1))
    }
}
