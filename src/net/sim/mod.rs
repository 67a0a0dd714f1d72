//! The simulated network, for tests: deterministic, with its own clock and faults drawn from a
//! seed.
//!
//! With [`SimWorld`] a test opens listeners and peers, moves the clock, sets faults and limits, and
//! asks which calls were made. [`SimNet`] is the [`Net`](super::Net) of one reactor in it.
//! Everything runs in one thread: what the test or a peer does takes place between two calls of a
//! reactor.
//!
//! Readiness is edge-triggered, like that of Linux's epoll. A change on a socket puts it once on a
//! list: bytes, the end, a reset, or room after a refused or short write or a poll that found none.
//! `wait` takes the socket off and reports what is possible at that moment. The same tests run on
//! this network and on [`MioNet`](super::MioNet).
//!
//! A world may have several reactors. The clock then moves only when all of them sleep: while
//! another reactor is awake, `wait` returns immediately with nothing, so that the driver can run
//! that one. The driver may run any reactor that is not paused ([`SimWorld::pause`]); a paused one
//! counts as asleep. When all are paused, [`SimWorld::go_on`] moves the clock to the end of the
//! first pause.
//!
//! In a world with costs ([`SimWorld::set_costs`]) calls and the server's own work take time, and
//! each reactor has a clock of its own: then the length of a turn, and how long a peer waits for
//! its answer, are the same on every machine.
//!
//! | file | holds |
//! |---|---|
//! | `handle`, `peer` | what the test holds: the world, and the far ends of connections |
//! | `net`, `waker` | what the reactor holds |
//! | `world`, `socket` | the state: clock, sockets and edges; one connection with its two ends |
//! | `calls`, `waiting` | the system calls |
//! | `costs`, `spending`, `clocks` | how long calls and work take, and the clocks of reactors |
//! | `events`, `crash` | what happens to connections between the calls |
//! | `faults`, `errors`, `trace`, `random` | what goes wrong, what was called, and the seed |

mod calls;
mod clocks;
mod costs;
mod crash;
mod errors;
mod events;
mod faults;
mod handle;
mod net;
mod peer;
mod random;
mod socket;
mod spending;
#[cfg(test)]
mod tests;
mod trace;
mod waiting;
mod waker;
mod world;

pub use costs::SimCosts;
pub use faults::{SimCrash, SimFaults, SimLimits};
pub use handle::SimWorld;
pub use net::{SimListener, SimNet, SimStream};
pub use peer::SimPeer;
pub use trace::{SimCall, SimCallRecord};
pub use waker::SimWaker;
