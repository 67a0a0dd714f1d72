//! What systemd is told of a service of `Type=notify`: that the server listens, and that it ends.
//! Nothing is sent where no service manager has asked for it by `NOTIFY_SOCKET`.
//!
//! There are no watchdog messages: a signal of life must come from every reactor, and a thread
//! beside them does not know whether each of them still turns.

use sd_notify::NotifyState;
use tracing::warn;

/// The server listens. `status` is shown by `systemctl status`.
pub(crate) fn tell_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The server has begun to drain, or ends at once.
pub(crate) fn tell_stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("cannot notify the service manager: {error}");
    }
}
