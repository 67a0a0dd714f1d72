//! Publishers and receivers of one channel: what is sent when, and whether each receiver gets all
//! of it once, in order and intact. Used by every scenario that broadcasts; this is one thread's
//! half of it.
//!
//! A publisher over a WebSocket receives too: the other publishers' messages, and its own where the
//! server sends those. The first message, the probe, finds out whether it does.
//!
//! ```text
//! traffic        a run with publishers and subscribers, from opening to the last delivery
//! publishing     what is sent when
//! receiving      what was read, held against what was sent
//! state          publishers, receivers and counts of one thread
//! settings       what is asked for, and each thread's part of it
//! window         who has not had which message yet: closed loop, last receiver
//! board          what threads tell each other
//! last_receiver  when a message was complete, over all threads
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
