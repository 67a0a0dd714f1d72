//! The rules of a broadcast server, in a place where they can be replaced while it serves.

use std::sync::{Arc, Mutex, PoisonError};

use super::authorizer::SideThreads;
use super::options::BroadcastOptions;

/// The options of all handlers of a [`Broadcast`](crate::Broadcast) server. A clone shares them,
/// and the threads (at most 32) that ask an [`Authorizer`](crate::Authorizer).
///
/// ```
/// use fanfare::{Broadcast, BroadcastOptions, Server, SharedOptions};
///
/// let options = SharedOptions::new(BroadcastOptions::default());
/// let shared = options.clone();
/// let server = Server::builder()
///     .listen("127.0.0.1:0")
///     .handler(move |_reactor| Broadcast::new(shared.clone()))
///     .bind()?;
/// let reloader = server.reloader();
/// // At any time, and from any thread:
/// options.replace(BroadcastOptions { message_rate: Some(10), ..BroadcastOptions::default() });
/// reloader.reload();
/// # server.stopper().drain();
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedOptions(Arc<SharedState>);

#[derive(Debug)]
struct SharedState {
    current: Mutex<Arc<BroadcastOptions>>,
    side_threads: SideThreads,
}

impl SharedOptions {
    /// Shares options.
    #[must_use]
    pub fn new(options: BroadcastOptions) -> SharedOptions {
        let current = Mutex::new(Arc::new(options));
        SharedOptions(Arc::new(SharedState { current, side_threads: SideThreads::default() }))
    }

    /// Replaces the options. They come into force when
    /// [`Reloader::reload`](crate::Reloader::reload) is called: then every peer that is connected
    /// is judged by them, as if it connected again. Who would be refused with 401 is closed with
    /// 4401, who would be refused with 403 with 4403.
    pub fn replace(&self, options: BroadcastOptions) {
        *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
    }

    /// Returns the options as they are now.
    #[must_use]
    pub fn current(&self) -> Arc<BroadcastOptions> {
        Arc::clone(&self.0.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the threads by which all handlers ask the application.
    pub(crate) fn side_threads(&self) -> &SideThreads {
        &self.0.side_threads
    }
}

impl From<BroadcastOptions> for SharedOptions {
    fn from(options: BroadcastOptions) -> SharedOptions {
        SharedOptions::new(options)
    }
}
