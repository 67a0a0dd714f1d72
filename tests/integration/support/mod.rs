//! What the modules share: a server in this process or as the real command, the far end of a
//! connection byte by byte, tungstenite as a client that nobody here wrote, and the metrics page.
//!
//! Nothing sleeps. Whoever waits, waits for a condition, and gives up at [`DEADLINE`].

mod client;
mod metrics;
mod process;
mod server;
mod wire;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, connect, connect_asking, refusal};
pub(crate) use metrics::{Metrics, Scraper};
pub(crate) use process::Program;
pub(crate) use server::Running;
pub(crate) use wire::{
    Frame, Peer, Response, close_frame, continuation, frame, frame_header, request, text, upgrade,
};

/// How long anything may take before the test that waits for it fails. No test passes because of
/// it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again and again until there is something.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
