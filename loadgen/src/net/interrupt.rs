//! SIGINT and SIGTERM: the first signal asks the run to end, the second ends the process.
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const EXIT_INTERRUPTED: i32 = 130;

/// Returns a flag that the first SIGINT or SIGTERM sets.
pub(crate) fn on_interrupt() -> io::Result<Arc<AtomicBool>> {
    let is_ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The shutdown is registered first, so at the first signal it finds the flag unset.
        flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&is_ending))?;
        flag::register(signal, Arc::clone(&is_ending))?;
    }
    Ok(is_ending)
}
