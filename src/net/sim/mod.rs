//! The simulated network, for tests: deterministic, with a clock of its own and faults drawn from a
//! seed.
//!
//! [`SimWorld`] is the hand of the test: it opens listeners and peers, moves the clock, sets faults
//! and limits, and knows what has been called. [`SimNet`] is one reactor's [`Net`] in it.
//! Everything runs in one thread: what the test or a peer does takes place between two calls of a
//! reactor.
//!
//! Readiness is that of Linux's epoll, edge-triggered: something new on a socket (bytes, the end, a
//! reset; room after a refused or short write, or after a poll that saw none) puts it on a list,
//! once; `wait` takes it off and tells what is possible at that moment. The same tests hold this
//! and [`MioNet`](super::MioNet) to it.
//!
//! A world may have several reactors. The clock then goes on only when all of them sleep: `wait`
//! returns early with nothing when another one is to run first. Whoever drives them runs any that
//! is not paused ([`SimWorld::pause`]): a paused one counts as asleep until its pause is over, and
//! when all are paused [`SimWorld::go_on`] takes the clock there.
//!
//! | module | holds |
//! |---|---|
//! | `world` | clock, sockets and edges |
//! | `happenings`, `crash` | what happens to the sockets between the calls |
//! | `calls`, `waiting` | the bodies of the system calls |
//! | `socket` | one connection, as its two ends see it |
//! | `handle`, `peer` | what the test holds |
//! | `faults`, `errors`, `trace`, `random` | what goes wrong, what was asked, and the seed |

mod calls;
mod crash;
mod errors;
mod faults;
mod handle;
mod happenings;
mod peer;
mod random;
mod socket;
mod trace;
mod waiting;
mod world;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use crash::SimCrash;
pub use faults::{SimFaults, SimLimits};
pub use handle::SimWorld;
pub use peer::SimPeer;
pub use trace::{SimCall, SimCallRecord};

use self::world::{Id, Shared, Sleep};
use super::{Net, Readiness, Token, Wake};
use crate::instant::Instant;

/// The network of one reactor in a [`SimWorld`].
#[derive(Debug)]
pub struct SimNet {
    world: Shared,
    reactor: usize,
    waker: SimWaker,
}

/// A listening socket of a [`SimWorld`]. Dropping it closes it.
#[derive(Debug)]
pub struct SimListener {
    world: Shared,
    id: Id,
}

/// A connected stream of a [`SimWorld`]. Dropping it closes it.
#[derive(Debug)]
pub struct SimStream {
    world: Shared,
    id: Id,
    /// Reset instead of closed: nothing is left to drop.
    is_reset: bool,
}

/// Wakes a reactor of a [`SimWorld`], from any thread.
#[derive(Clone, Default, Debug)]
pub struct SimWaker(Arc<AtomicBool>);

impl SimWaker {
    /// Whether a wake-up has come since the last call.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for SimWaker {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl SimNet {
    /// A world with one reactor. More come from [`SimWorld::reactor`].
    #[allow(clippy::new_ret_no_self, reason = "it makes the pair")]
    pub fn new(seed: u64, faults: SimFaults) -> (SimNet, SimWorld) {
        let world = SimWorld::new(seed, faults);
        (world.reactor(), world)
    }
}

impl Net for SimNet {
    type Listener = SimListener;
    type Stream = SimStream;
    type Waker = SimWaker;

    fn now(&self) -> Instant {
        self.world.borrow().clock
    }

    fn unix_time(&self) -> Duration {
        self.world.borrow().unix_time()
    }

    fn wait(
        &mut self,
        readiness: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.world.borrow_mut().wait(self.reactor, readiness, timeout);
        Ok(())
    }

    fn waker(&self) -> SimWaker {
        self.waker.clone()
    }

    fn listen(&mut self, listener: &mut SimListener, token: Token) -> io::Result<()> {
        self.world.borrow_mut().listen(self.reactor, listener.id, token);
        Ok(())
    }

    fn unlisten(&mut self, listener: SimListener) {
        drop(listener);
    }

    fn accept(&mut self, listener: &mut SimListener) -> io::Result<(SimStream, SocketAddr)> {
        let accepted = self.world.borrow_mut().accept(self.reactor, listener.id);
        let (id, addr) = accepted.map_err(io::Error::from_raw_os_error)?;
        Ok((SimStream { world: Shared::clone(&self.world), id, is_reset: false }, addr))
    }

    fn register(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.world
            .borrow_mut()
            .register(self.reactor, stream.id, token)
            .map_err(io::Error::from_raw_os_error)
    }

    fn read(&mut self, stream: &mut SimStream, buffer: &mut [u8]) -> io::Result<usize> {
        self.world
            .borrow_mut()
            .read(self.reactor, stream.id, buffer)
            .map_err(io::Error::from_raw_os_error)
    }

    fn write(&mut self, stream: &mut SimStream, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(stream, &[IoSlice::new(bytes)])
    }

    fn write_vectored(
        &mut self,
        stream: &mut SimStream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.world
            .borrow_mut()
            .write(self.reactor, stream.id, slices)
            .map_err(io::Error::from_raw_os_error)
    }

    fn shutdown_write(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.world
            .borrow_mut()
            .shutdown_write(self.reactor, stream.id)
            .map_err(io::Error::from_raw_os_error)
    }

    fn close(&mut self, stream: SimStream) {
        drop(stream);
    }

    fn reset(&mut self, mut stream: SimStream) {
        stream.is_reset = true;
        self.world.borrow_mut().reset(stream.id);
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        self.world.borrow_mut().fill_random(self.reactor, bytes);
    }
}

impl Drop for SimNet {
    fn drop(&mut self) {
        self.world.borrow_mut().reactors[self.reactor].sleep = Sleep::Gone;
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.world.borrow_mut().unlisten(self.id);
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        if !self.is_reset {
            self.world.borrow_mut().close(self.id);
        }
    }
}

#[cfg(test)]
mod tests;
