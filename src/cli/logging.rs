//! Log lines go to the standard error, as text or as JSON.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing::error;

use super::config::LogFormat;
use super::log_writer::LogWriter;

/// The log of a server. When it is dropped, the last lines are written.
pub(crate) struct RunningLog(LogWriter);

impl Drop for RunningLog {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Starts writing log lines. `dropped` counts the lines that could not be written because nothing
/// read the earlier ones.
pub(crate) fn start(format: LogFormat, dropped: Arc<AtomicU64>) -> Result<RunningLog, String> {
    let writer = LogWriter::start(io::stderr(), dropped)
        .map_err(|error| format!("cannot start a thread for the log: {error}"))?;
    let log = RunningLog(writer.clone());
    let lines = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .log_internal_errors(false)
        .with_target(false);
    // This fails only if a logger has been set already, which then stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(true).try_init(),
    };
    // The default hook writes to standard error itself, and would block if nothing reads it.
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
    Ok(log)
}
