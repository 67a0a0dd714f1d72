//! The rules of a broadcast server, in a place where they can be replaced while it serves.

use std::sync::{Arc, Mutex, PoisonError};

use super::options::BroadcastOptions;

/// The options of all handlers of a [`Broadcast`](crate::Broadcast) server. A clone shares them.
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
pub struct SharedOptions(Arc<Mutex<Arc<BroadcastOptions>>>);

impl SharedOptions {
    /// Shares options.
    #[must_use]
    pub fn new(options: BroadcastOptions) -> SharedOptions {
        SharedOptions(Arc::new(Mutex::new(Arc::new(options))))
    }

    /// Replaces the options. They come into force when
    /// [`Reloader::reload`](crate::Reloader::reload) is called: then every peer that is connected
    /// is judged by them, as if it connected again. Who would be refused with 401 is closed with
    /// 4401, who would be refused with 403 with 4403.
    pub fn replace(&self, options: BroadcastOptions) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
    }

    /// Returns the options as they are now.
    #[must_use]
    pub fn current(&self) -> Arc<BroadcastOptions> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl From<BroadcastOptions> for SharedOptions {
    fn from(options: BroadcastOptions) -> SharedOptions {
        SharedOptions::new(options)
    }
}
