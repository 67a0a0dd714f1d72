//! The real network: a thin layer on mio (epoll on Linux). It keeps no table of sockets, and makes
//! no decisions.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use mio::Interest;
use mio::net::{TcpListener, TcpStream, UnixListener};
use socket2::SockRef;

use super::{Net, Readiness, Token, Wake};
use crate::instant::Instant;

/// The most events that one `wait` takes from the kernel: 1024 × 12 bytes. A larger batch would
/// save little, compared with one `recv` per event.
const EVENTS_PER_WAIT_MAX: usize = 1024;

/// The token of the wake-up event, which no [`Token`] may have.
const WAKE: mio::Token = mio::Token(usize::MAX);

/// The common start of all reactors' clocks, so that their instants can be compared.
static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// A listening socket of [`MioNet`].
#[derive(Debug)]
pub struct MioListener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The kernel's bound on what a peer at a socket in the file system has not read, as
/// `SO_SNDBUF`. There is no bound on unsent bytes as for TCP, and by default it would be 208 KiB.
const UNIX_SEND_BUFFER_BYTES: usize = 32 * 1024;

impl MioListener {
    /// Takes a listener made by [`bind`](super::bind) or otherwise; it must be non-blocking.
    pub fn from_std(listener: std::net::TcpListener) -> MioListener {
        MioListener(Socket::Tcp(TcpListener::from_std(listener)))
    }

    /// Takes a listener on a socket in the file system; it must be non-blocking.
    pub fn from_unix(listener: std::os::unix::net::UnixListener) -> MioListener {
        MioListener(Socket::Unix(UnixListener::from_std(listener)))
    }
}

/// A connected socket of [`MioNet`]. One in the file system is kept as if it were one of TCP: the
/// system calls are the same, and so no read and no write has to ask which it is.
#[derive(Debug)]
pub struct MioStream(TcpStream);

/// Wakes the reactor of one [`MioNet`].
#[derive(Clone, Debug)]
pub struct MioWaker(Arc<mio::Waker>);

impl Wake for MioWaker {
    fn wake(&self) {
        // A write to an eventfd fails only when its counter is full, which mio handles.
        let woken = self.0.wake();
        debug_assert!(woken.is_ok(), "the wake-up failed: {woken:?}");
    }
}

/// The network of the operating system, for one reactor.
#[derive(Debug)]
pub struct MioNet {
    poll: mio::Poll,
    events: mio::Events,
    waker: MioWaker,
}

impl MioNet {
    /// Opens the event queue (epoll on Linux) and its wake-up. Fails when there are too few file
    /// descriptors or the kernel has no random source.
    pub fn new() -> io::Result<MioNet> {
        let poll = mio::Poll::new()?;
        let waker = MioWaker(Arc::new(mio::Waker::new(poll.registry(), WAKE)?));
        LazyLock::force(&START);
        // Once this has succeeded, `fill_random` cannot fail.
        getrandom::fill(&mut [0; 1]).map_err(io::Error::other)?;
        Ok(MioNet { poll, events: mio::Events::with_capacity(EVENTS_PER_WAIT_MAX), waker })
    }

    /// Reads the monotonic clock of all reactors.
    pub fn clock() -> Instant {
        Instant::ZERO + START.elapsed()
    }

    /// Converts a token to one of mio, which is a `usize`.
    fn mio_token(token: Token) -> mio::Token {
        let number = usize::try_from(token.0).expect("a token fits a 64-bit machine's word");
        debug_assert_ne!(number, WAKE.0, "this token is the wake-up's");
        mio::Token(number)
    }
}

impl Net for MioNet {
    type Listener = MioListener;
    type Stream = MioStream;
    type Waker = MioWaker;

    fn now(&self) -> Instant {
        MioNet::clock()
    }

    fn unix_time(&self) -> Duration {
        // A wall clock before 1970 is wrong anyway, and must not stop the server.
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn wait(
        &mut self,
        readiness: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        readiness.clear();
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // A signal interrupted the wait: the caller checks its deadlines and waits again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        readiness.extend(self.events.iter().filter(|event| event.token() != WAKE).map(|event| {
            Readiness {
                token: Token(event.token().0 as u64),
                readable: event.is_readable(),
                writable: event.is_writable(),
                hung_up: event.is_read_closed() || event.is_write_closed() || event.is_error(),
            }
        }));
        Ok(())
    }

    fn waker(&self) -> MioWaker {
        self.waker.clone()
    }

    fn listen(&mut self, listener: &mut MioListener, token: Token) -> io::Result<()> {
        let (registry, token) = (self.poll.registry(), Self::mio_token(token));
        match &mut listener.0 {
            Socket::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            Socket::Unix(socket) => registry.register(socket, token, Interest::READABLE),
        }
    }

    fn unlisten(&mut self, listener: MioListener) {
        drop(listener);
    }

    fn accept(&mut self, listener: &mut MioListener) -> io::Result<(MioStream, SocketAddr)> {
        match &listener.0 {
            Socket::Tcp(socket) => {
                let (stream, addr) = socket.accept()?;
                Ok((MioStream(stream), addr))
            }
            Socket::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                let stream = std::net::TcpStream::from(OwnedFd::from(stream));
                // If this fails, the kernel's own bound is in force.
                let _ = SockRef::from(&stream).set_send_buffer_size(UNIX_SEND_BUFFER_BYTES);
                let nobody = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
                Ok((MioStream(TcpStream::from_std(stream)), nobody))
            }
        }
    }

    fn register(&mut self, stream: &mut MioStream, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream.0, Self::mio_token(token), interest)
    }

    fn read(&mut self, stream: &mut MioStream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.0.read(buffer)
    }

    fn write(&mut self, stream: &mut MioStream, bytes: &[u8]) -> io::Result<usize> {
        stream.0.write(bytes)
    }

    #[cfg(target_os = "linux")]
    fn write_last(&mut self, stream: &mut MioStream, bytes: &[u8]) -> io::Result<usize> {
        // The end of the stream travels in the packet of the last bytes: that saves one packet and
        // its acknowledgement.
        SockRef::from(&stream.0).send_with_flags(bytes, libc::MSG_MORE | libc::MSG_NOSIGNAL)
    }

    fn write_vectored(
        &mut self,
        stream: &mut MioStream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        stream.0.write_vectored(slices)
    }

    fn shutdown_write(&mut self, stream: &mut MioStream) -> io::Result<()> {
        stream.0.shutdown(Shutdown::Write)
    }

    fn close(&mut self, stream: MioStream) {
        drop(stream);
    }

    fn reset(&mut self, stream: MioStream) {
        // This fails only if the peer has reset the socket already: then the close has the same
        // effect.
        let _ = SockRef::from(&stream.0).set_linger(Some(Duration::ZERO));
        drop(stream);
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the random source answered when this reactor started");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The behaviour of `MioNet` is tested in `net::tests`, on the simulated network too.

    #[test]
    fn a_wake_up_from_another_thread_ends_a_wait_without_end_and_reports_nothing() {
        let mut net = MioNet::new().unwrap();
        let waker = net.waker();
        std::thread::spawn(move || waker.wake());
        let mut readiness = Vec::new();
        net.wait(&mut readiness, None).unwrap();
        assert_eq!(readiness, []);
    }

    #[test]
    fn the_clocks_go_forward_and_random_bytes_differ() {
        let mut net = MioNet::new().unwrap();
        let earlier = net.now();
        assert!(net.now() >= earlier);
        assert!(net.unix_time() > Duration::from_secs(1_700_000_000));
        let (mut one, mut other) = ([0; 16], [0; 16]);
        net.fill_random(&mut one);
        net.fill_random(&mut other);
        assert_ne!(one, other);
    }

    #[test]
    fn instants_of_two_reactors_can_be_compared() {
        let (one, other) = (MioNet::new().unwrap(), MioNet::new().unwrap());
        let earlier = one.now();
        assert!(other.now() >= earlier);
    }
}
