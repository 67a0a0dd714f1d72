//! Log lines go to the standard error, as text or as JSON.

use std::io::{self, IsTerminal};

use super::config::LogFormat;

/// From here on, log lines are written. The first call counts.
pub(crate) fn start(format: LogFormat) {
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false);
    // It fails only where there is a logger already, and then that one stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(true).try_init(),
    };
}
