//! What the test programs share: a server in this process or as a program of its own, tungstenite
//! as a WebSocket client that nobody here wrote, the far end of a connection byte by byte, the
//! metrics page, and a frame client.
//!
//! A test program includes it by `#[path = "../support/mod.rs"] mod support;`. The simulator and
//! the fuzz targets have no sockets and include `frames.rs` alone.
//!
//! Nothing here sleeps. Whoever waits, waits for a condition and gives up at [`DEADLINE`].

#![allow(dead_code, unused_imports, reason = "every test program uses a part of it")]

mod client;
pub(crate) mod frames;
mod metrics;
mod program;
mod server;
mod wire;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, connect, try_connect};
pub(crate) use metrics::{Metrics, Scraper};
pub(crate) use program::{Log, Program, fanfare};
pub(crate) use server::Running;
pub(crate) use wire::{
    Frame, Peer, Response, UPGRADE, ask_once, close_frame, continuation, frame, frame_header,
    request, text, upgrade,
};

/// A test fails when what it waits for takes longer than this. No test passes because of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
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
