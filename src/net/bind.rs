//! Opens a listening socket, with the options that accepted sockets inherit: so an accepted socket costs no
//! further system call.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait for `accept`. Enough for a crowd that reconnects at once while one turn is under
/// way; the kernel lowers it to `net.core.somaxconn` (4096 by default).
const BACKLOG: i32 = 4096;

/// Bytes in the send buffer that have not been sent, above which the kernel reports no room. Left alone Linux
/// grows the send buffer of each peer that does not read to some 4 MB, and a thousand of these exhaust the
/// memory of TCP for everybody; what a slow subscriber has not read shall wait in the channel's log instead.
/// Not `SO_SNDBUF`: that would also cap a healthy peer with a long round trip.
const UNSENT_BYTES_MAX: u32 = 16 * 1024;

/// Binds `addr` and listens. A second server on the same port fails with `AddrInUse`; connections of an earlier
/// one in TIME_WAIT do not stand in the way of a restart.
///
/// Accepted sockets inherit TCP_NODELAY and a low bound on unsent bytes.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // A message leaves at once: batching is the business of the channel log, not of Nagle's algorithm.
    socket.set_tcp_nodelay(true)?;
    // Elsewhere the kernel's own bound on the send buffer has to do.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use socket2::SockRef;

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn a_second_server_on_the_port_fails() {
        let first = bind(loopback()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_restart_gets_its_port_while_old_connections_are_in_time_wait() {
        let first = bind(loopback()).unwrap();
        first.set_nonblocking(false).unwrap();
        let addr = first.local_addr().unwrap();
        let peer = TcpStream::connect(addr).unwrap();
        // Who closes first keeps the TIME_WAIT: the server.
        drop(first.accept().unwrap());
        drop(peer);
        drop(first);
        bind(addr).unwrap();
    }

    #[test]
    fn binds_ipv6() {
        let Ok(listener) = bind("[::1]:0".parse().unwrap()) else { return };
        assert!(listener.local_addr().unwrap().is_ipv6());
    }

    #[test]
    #[cfg(any(target_os = "android", target_os = "linux"))]
    fn an_accepted_socket_inherits_the_options() {
        let listener = bind(loopback()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
    }
}
