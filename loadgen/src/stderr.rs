//! Lines for people on standard error: warnings, and the live view where there is no terminal. A
//! run goes on even if these lines cannot be written.
use std::io::{self, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long to wait if standard error is full because its reader has not read earlier lines. After
/// that the line is left out.
const PATIENCE: Duration = Duration::from_millis(100);

/// Writes one line, unless standard error is closed or stays full.
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
