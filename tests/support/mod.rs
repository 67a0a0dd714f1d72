//! What the test programs share: a server in this process or in a process of its own; tungstenite
//! as an independent WebSocket client; a client that sends and receives raw bytes; the metrics
//! page; and a frame client.
//!
//! A test program includes this by `#[path = "../support/mod.rs"] mod support;`. The simulator and
//! the fuzz targets use no sockets, and include only `frames.rs`.
//!
//! No function here sleeps for a fixed time: each waits for a condition, and fails at [`DEADLINE`].

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

/// A test fails if something that it waits for takes longer than this. No test waits until the
/// deadline in order to pass.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Calls the closure again and again until it returns a value.
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
