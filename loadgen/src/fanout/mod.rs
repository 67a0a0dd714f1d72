//! Publishers and receivers of one channel: what is sent when, and whether each receiver gets every
//! message once, in order and intact. Every scenario that broadcasts uses this module. Each thread
//! has its own `Fanout`, for its share of the publishers and receivers.
//!
//! A publisher over a WebSocket also receives: the messages of other publishers, and its own if the
//! server sends them back. The first message, the probe, finds out whether the server does.
//!
//! ```text
//! traffic        a run with publishers and subscribers, from opening to the last delivery
//! publishing     what is sent when
//! receiving      compares what was read with what was sent
//! state          publishers, receivers and counts of one thread
//! settings       what was asked for, and each thread's share of it
//! window         which messages some receiver has not received yet (closed loop, last receiver)
//! board          what the threads share
//! last_receiver  when each message had reached all receivers of all threads
//! report         counts, latency and checks
//! ```
mod board;
mod last_receiver;
mod publishing;
mod receiving;
mod report;
pub(crate) mod settings;
mod state;
pub(crate) mod traffic;
mod window;
