//! The sockets of this process: how many there may be, how to connect, and how much to read.
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// Bytes read from a socket in one turn of the event loop, with one `recv`: 4,000 small frames.
pub(crate) const READ_BYTES_MAX: usize = 256 * 1024;
/// Room in the receive buffer for undecoded bytes of earlier reads: at most the HTTP head of an
/// opening handshake.
pub(crate) const REST_BYTES_MAX: usize = 16 * 1024;

/// Returns a thread's receive buffer: room for undecoded bytes of earlier reads and for one read.
pub(crate) fn receive_buffer() -> Vec<u8> {
    vec![0; REST_BYTES_MAX + READ_BYTES_MAX]
}

/// Raises the limit on open files as far as possible. Returns the limit that then applies.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, the present limit applies.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Begins to connect to `address`. If given, binds to `source` and sets the receive buffer size.
pub(crate) fn connect(
    address: SocketAddr,
    source: Option<SocketAddr>,
    receive_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source {
        socket.bind(&source.into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
