//! Log lines go to the standard error, as text or as JSON.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing::error;

use super::config::LogFormat;
use super::log_format::{EitherFormat, LogFormatSwitch};
use super::log_writer::LogWriter;

/// The log of a server. When it is dropped, the last lines are written.
pub(crate) struct RunningLog {
    writer: LogWriter,
    /// Changes the form of the lines.
    pub(crate) format: LogFormatSwitch,
}

impl Drop for RunningLog {
    fn drop(&mut self) {
        self.writer.finish();
    }
}

/// Starts writing log lines. `dropped` counts the lines that could not be written because nothing
/// read the earlier ones.
pub(crate) fn start(format: LogFormat, dropped: Arc<AtomicU64>) -> Result<RunningLog, String> {
    let writer = LogWriter::start(io::stderr(), dropped)
        .map_err(|error| format!("cannot start a thread for the log: {error}"))?;
    let log = RunningLog { writer: writer.clone(), format: LogFormatSwitch::new(format) };
    // This fails only if a logger has been set already, which then stays.
    let _ = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .event_format(EitherFormat::new(log.format.clone()))
        .try_init();
    // The default hook writes to standard error itself, and would block if nothing reads it.
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
    Ok(log)
}
