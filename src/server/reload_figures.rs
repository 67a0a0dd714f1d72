//! How often a program has reloaded its configuration, for the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// How often a program has read its configuration again. A
/// [`Broadcast`](crate::Broadcast) server shows it in its metrics.
#[derive(Debug, Default)]
pub struct ReloadFigures {
    succeeded: AtomicU64,
    failed: AtomicU64,
    has_failed_last: AtomicBool,
    /// In seconds since 1970-01-01 UTC; zero if there was none.
    last_success: AtomicU64,
}

impl ReloadFigures {
    /// Notes the configuration that the program starts with.
    pub fn note_start(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.last_success.store(now, Ordering::Relaxed);
    }

    /// Notes a new configuration that is in force.
    pub fn note_success(&self) {
        self.note_start();
        self.has_failed_last.store(false, Ordering::Relaxed);
        self.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a new configuration that is bad.
    pub fn note_failure(&self) {
        self.has_failed_last.store(true, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many have succeeded and failed.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [&self.succeeded, &self.failed].map(|count| count.load(Ordering::Relaxed))
    }

    /// Returns when the configuration was last good, in seconds since 1970-01-01 UTC, and whether
    /// it still was at the last reload; `None` if the program has noted no configuration.
    pub(crate) fn last(&self) -> Option<(u64, bool)> {
        let at = self.last_success.load(Ordering::Relaxed);
        (at > 0).then(|| (at, !self.has_failed_last.load(Ordering::Relaxed)))
    }
}
