//! Reloads a server that serves.

use std::sync::Arc;

use crate::net::MioWaker;
use crate::reactor::{Handle, ReactorLimits};

/// Reloads a server while it serves, from any thread.
///
/// What the handlers go by, such as the rules of a [`Broadcast`](crate::Broadcast) server, the
/// program changes itself, in a place that it shares with its handlers, and then calls
/// [`reload`](Self::reload). Limits are changed by
/// [`Builder::apply_to`](crate::Builder::apply_to).
///
/// ```
/// let server = fanfare::Server::builder().listen("127.0.0.1:0").bind()?;
/// let reloader = server.reloader();
/// fanfare::Server::builder().max_connections(500).apply_to(&reloader)?;
/// # server.stopper().drain();
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Reloader {
    reactors: Arc<[Handle<MioWaker>]>,
}

impl Reloader {
    pub(super) fn new(reactors: Arc<[Handle<MioWaker>]>) -> Reloader {
        Reloader { reactors }
    }

    /// Has every reactor call [`Handler::on_reload`](crate::Handler::on_reload) at its next turn,
    /// and then perhaps review its connections. Does not wait for that. Calls that follow each
    /// other quickly may be heard as one.
    pub fn reload(&self) {
        self.reactors.iter().for_each(|reactor| reactor.reload(None));
    }

    /// Like [`reload`](Self::reload), with new limits.
    pub(super) fn reload_with(&self, limits: &ReactorLimits) {
        self.reactors.iter().for_each(|reactor| reactor.reload(Some(limits)));
    }
}
