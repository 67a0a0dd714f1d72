//! Log lines go to the standard error, as text or as JSON.

use std::io::{self, IsTerminal};

use super::config::LogFormat;

/// Starts writing log lines. Only the first call has an effect.
pub(crate) fn start(format: LogFormat) {
    // A line that cannot be written is dropped, because the server must go on after the reader of
    // its log has gone. Reporting the failure on standard error would panic on the reactor's
    // thread.
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_target(false);
    // This fails only if a logger has been set already, which then stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(true).try_init(),
    };
}
