//! SIGINT and SIGTERM: the first one asks for an end, the second one ends the process.
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const EXIT_INTERRUPTED: i32 = 130;

/// A flag that the first signal sets.
pub(crate) fn on_interrupt() -> io::Result<Arc<AtomicBool>> {
    let is_ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in this order: the flag is not set yet at the first signal.
        flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&is_ending))?;
        flag::register(signal, Arc::clone(&is_ending))?;
    }
    Ok(is_ending)
}
