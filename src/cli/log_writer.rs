//! The log lines on their way to standard error. A thread of its own writes them. If nothing reads
//! a pipe at standard error, a write blocks, and must not block the reactors or the thread that
//! handles signals.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most bytes of log lines that may wait for standard error: some ten thousand lines. Further
/// lines are dropped and counted.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// How long the end of the process may wait for the last lines to be written.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// The writer that the logger uses. Each call of `write` is one line.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<LogQueue>);

struct LogQueue {
    lines: Mutex<Lines>,
    /// Signalled when there are lines to write, and when `is_closed` or `is_done` changes.
    changed: Condvar,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    /// No more lines will come: the thread ends when it has written all.
    is_closed: bool,
    /// The thread has written all and has ended.
    is_done: bool,
}

/// Ignores poisoning: bytes are valid even if a thread panicked while it held the lock.
fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogWriter {
    /// Starts the thread that writes to `out`. `dropped` counts the lines that were not written.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        dropped: Arc<AtomicU64>,
    ) -> io::Result<LogWriter> {
        let shared =
            Arc::new(LogQueue { lines: Mutex::default(), changed: Condvar::new(), dropped });
        let writer = LogWriter(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_all_to(out))?;
        Ok(writer)
    }

    /// Waits until all lines are written, but at most `LAST_LINES_TIMEOUT`.
    pub(crate) fn finish(&self) {
        let mut lines = lock(&self.0.lines);
        lines.is_closed = true;
        self.0.changed.notify_all();
        let is_writing = |lines: &mut Lines| !lines.is_done;
        // The process ends in either case, whether all lines are written or the time is over.
        let _ = self.0.changed.wait_timeout_while(lines, LAST_LINES_TIMEOUT, is_writing);
    }
}

impl LogQueue {
    fn write_all_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let is_idle = |lines: &mut Lines| lines.waiting.is_empty() && !lines.is_closed;
            let waited = self.changed.wait_while(lock(&self.lines), is_idle);
            let mut lines = waited.unwrap_or_else(PoisonError::into_inner);
            if lines.waiting.is_empty() {
                lines.is_done = true;
                self.changed.notify_all();
                return;
            }
            std::mem::swap(&mut lines.waiting, &mut batch);
            drop(lines);
            // Standard error may have been closed for good; the server goes on without a log.
            if out.write_all(&batch).is_err() {
                let lost = batch.iter().filter(|byte| **byte == b'\n').count();
                self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
            }
            batch.clear();
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = lock(&self.0.lines);
        if lines.waiting.len() + line.len() > WAITING_BYTES_MAX {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let was_empty = lines.waiting.is_empty();
        lines.waiting.extend_from_slice(line);
        drop(lines);
        if was_empty {
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A writer that passes on what is written, and then blocks until the test lets it go on.
    struct Valve {
        written: Sender<Vec<u8>>,
        opened: Receiver<()>,
    }

    impl Write for Valve {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            self.opened.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start() -> (LogWriter, Receiver<Vec<u8>>, Sender<()>, Arc<AtomicU64>) {
        let ((written, lines), (open, opened)) = (channel(), channel());
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = LogWriter::start(Valve { written, opened }, Arc::clone(&dropped)).unwrap();
        (writer, lines, open, dropped)
    }

    #[test]
    fn lines_are_written_in_order_and_the_end_waits_for_them() {
        let (mut writer, lines, open, dropped) = start();
        writer.write_all(b"one\n").unwrap();
        assert_eq!(lines.recv().unwrap(), b"one\n");
        writer.write_all(b"two\n").unwrap();
        writer.write_all(b"three\n").unwrap();
        open.send(()).unwrap();
        assert_eq!(lines.recv().unwrap(), b"two\nthree\n");
        open.send(()).unwrap();
        writer.finish();
        assert!(lock(&writer.0.lines).is_done);
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_counted_and_hold_up_nobody() {
        let (mut writer, lines, open, dropped) = start();
        let line = [b'x'; 1024];
        writer.write_all(&line).unwrap();
        // The thread is blocked in writing the first line now.
        lines.recv().unwrap();
        for _ in 0..WAITING_BYTES_MAX / line.len() + 7 {
            writer.write_all(&line).unwrap();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 7);
        open.send(()).unwrap();
        assert_eq!(lines.recv().unwrap().len(), WAITING_BYTES_MAX);
        writer.write_all(b"after\n").unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 7, "there is room again");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (mut writer, lines, open, dropped) = start();
        drop((lines, open));
        writer.write_all(b"one\n").unwrap();
        writer.finish();
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }
}
