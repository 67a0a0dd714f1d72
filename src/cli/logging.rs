//! Log lines go to the standard error, as text or as JSON.

use std::io::{self, IsTerminal};

use super::config::LogFormat;

/// From here on, log lines are written. The first call counts.
pub(crate) fn start(format: LogFormat) {
    // A line that cannot be written is lost. To report that on the standard error as well would
    // panic, and that on the thread of the reactor: a server outlives the reader of its log.
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_target(false);
    // It fails only where there is a logger already, and then that one stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(true).try_init(),
    };
}
