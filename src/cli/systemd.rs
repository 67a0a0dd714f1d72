//! What systemd is told of a service of `Type=notify` or `Type=notify-reload`: that the server
//! listens, that it reads its configuration again, and that it ends.
//! Nothing is sent where no service manager has asked for it by `NOTIFY_SOCKET`.
//!
//! There are no watchdog messages: a signal of life must come from every reactor, and a thread
//! beside them does not know whether each of them still turns.

use sd_notify::NotifyState;
use tracing::warn;

/// The server reads its configuration again. [`tell_ready`] must follow.
pub(crate) fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!("cannot read the clock for the service manager: {error}"),
    }
}

/// The server listens, or has read its configuration again. `systemctl status` shows `status`.
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
