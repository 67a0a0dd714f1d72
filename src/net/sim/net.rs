//! [`SimNet`], one reactor's network in a simulated world, with its listeners and streams.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use super::waker::SimWaker;
use super::world::{Id, Shared, Sleep};
use crate::instant::Instant;
use crate::net::{Net, Readiness, Token};

/// The network of one reactor in a [`SimWorld`](super::SimWorld).
#[derive(Debug)]
pub struct SimNet {
    pub(super) world: Shared,
    pub(super) reactor: usize,
    pub(super) waker: SimWaker,
}

/// A listening socket of a [`SimWorld`](super::SimWorld). Dropping it closes it.
#[derive(Debug)]
pub struct SimListener {
    pub(super) world: Shared,
    pub(super) id: Id,
}

/// A connected stream of a [`SimWorld`](super::SimWorld). Dropping it closes it.
#[derive(Debug)]
pub struct SimStream {
    world: Shared,
    id: Id,
    /// The stream has been reset, which also closed it: dropping must not close it again.
    is_reset: bool,
}

impl Net for SimNet {
    type Listener = SimListener;
    type Stream = SimStream;
    type Waker = SimWaker;

    fn now(&self) -> Instant {
        let mut world = self.world.borrow_mut();
        world.spend_on_work();
        world.clock
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
