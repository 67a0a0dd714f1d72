//! Sockets that systemd hands over (socket activation), and what it is told of a service of
//! `Type=notify` or `Type=notify-reload`: that the server listens, that it lives, that it reads its
//! configuration again, and that it ends.
//! Nothing is sent where no service manager has asked for it by `NOTIFY_SOCKET`.

use std::os::fd::OwnedFd;
use std::thread;

use fanfare::Health;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::warn;

/// Takes the listening sockets that the service manager hands over (`LISTEN_FDS`), and removes the
/// variables that tell of them.
pub(crate) fn sockets() -> Result<Vec<OwnedFd>, String> {
    let mut handed = ListenFd::from_env();
    let mut take = |index| -> std::io::Result<Option<OwnedFd>> {
        // A socket of the other family is left where it is.
        match handed.take_tcp_listener(index) {
            Ok(socket) => Ok(socket.map(OwnedFd::from)),
            Err(_) => Ok(handed.take_unix_listener(index)?.map(OwnedFd::from)),
        }
    };
    let mut sockets = Vec::new();
    for index in 0.. {
        let number = index + 1;
        match take(index) {
            Ok(Some(socket)) => sockets.push(socket),
            Ok(None) => break,
            Err(error) => {
                return Err(format!(
                    "--listen systemd: socket {number} that was handed over is neither of TCP nor \
                     a stream in the file system: {error}"
                ));
            }
        }
    }
    if sockets.is_empty() {
        return Err(
            "--listen systemd: no socket was handed over (LISTEN_FDS): start the server by \
                    a .socket unit"
                .to_owned(),
        );
    }
    Ok(sockets)
}

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

/// If the service manager has asked for it by `WATCHDOG_USEC`, tells it three times in each of its
/// periods that the server lives, as long as every reactor turns. If one stands still, the service
/// manager is told nothing, and ends the server at the end of the period.
pub(crate) fn keep_watchdog(health: Health) -> Result<(), String> {
    let Some(period) = sd_notify::watchdog_enabled() else { return Ok(()) };
    let keep = move || {
        loop {
            thread::sleep(period / 3);
            let standing_still = health.standing_still();
            match standing_still.first() {
                None => tell(&[NotifyState::Watchdog]),
                Some(one) => warn!("no sign of life for the service manager: {one}"),
            }
        }
    };
    let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(keep);
    thread.map(|_| ()).map_err(|error| format!("cannot keep the watchdog: {error}"))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("cannot notify the service manager: {error}");
    }
}
