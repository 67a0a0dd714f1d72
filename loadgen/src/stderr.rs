//! Lines for people on standard error: warnings, and the live view where there is no terminal. It
//! is no error if they cannot be written. A run goes on though nobody reads them.
use std::io::{self, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long to wait for a reader who has not taken the lines before this one. Then it is left out.
const PATIENCE: Duration = Duration::from_millis(100);

/// Writes one line, unless standard error is closed or full, or nobody reads it.
pub(crate) fn tell(line: &str) {
    let stderr = io::stderr();
    let patience = Timespec::try_from(PATIENCE).ok();
    let is_ready = {
        let mut standard_error = [PollFd::new(&stderr, PollFlags::OUT)];
        poll(&mut standard_error, patience.as_ref()).is_ok_and(|ready| ready > 0)
    };
    if is_ready {
        let _ = (&stderr).write_all(format!("{line}\n").as_bytes());
    }
}
