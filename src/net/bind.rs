//! Opens listening sockets, one for each reactor that shares the address. Accepted sockets inherit
//! the options set here, so they need no further system call.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// The most connections that may wait for `accept` on each socket. It is enough when many clients
/// reconnect during the same turn; the kernel lowers it to `net.core.somaxconn` (4096 by default).
pub(super) const BACKLOG: i32 = 4096;

/// The kernel reports room in the send buffer only while fewer bytes than this are unsent. Without
/// this bound, Linux would let the send buffer of each peer that does not read grow to some 4 MB,
/// and a thousand of these would exhaust the memory of TCP; this way, what a slow subscriber has
/// not read waits in the channel's log. `SO_SNDBUF` would also limit a healthy peer with a long
/// round trip.
const UNSENT_BYTES_MAX: u32 = 16 * 1024;

/// Binds `addr` and listens on `count` sockets (at least one), among which the kernel spreads the
/// connections. Port 0 becomes the same port for all.
///
/// A second server on the port fails with `AddrInUse`, whatever the number of sockets of each;
/// connections of an earlier server in TIME_WAIT do not prevent a restart.
///
/// `families`: whether the address `[::]` takes IPv4 connections too.
///
/// Accepted sockets inherit TCP_NODELAY and a low bound on unsent bytes.
pub fn bind(addr: SocketAddr, families: Families, count: usize) -> io::Result<Vec<TcpListener>> {
    debug_assert!(count > 0, "a group has at least one socket");
    let first = open(addr, families)?;
    first.bind(&addr.into())?;
    listen(first, families, count)
}

/// Which connections the address `[::]` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Families {
    /// IPv6 and IPv4.
    Both,
    /// IPv6 only, because another socket listens for IPv4 on the same port.
    Ipv6,
}

/// Listens on a socket that has been bound, and opens the other sockets of the group.
fn listen(first: Socket, families: Families, count: usize) -> io::Result<Vec<TcpListener>> {
    // SO_REUSEPORT is set only after this: otherwise two servers of one user that start at the same
    // time would both listen, and share the connections.
    first.listen(BACKLOG)?;
    let mut group = vec![TcpListener::from(first)];
    if count > 1 {
        group.extend(others(&group[0], families, count - 1)?);
    }
    Ok(group)
}

/// Opens a socket with all options but SO_REUSEPORT.
fn open(addr: SocketAddr, families: Families) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // Set explicitly in both cases, because the system's default is configurable.
        socket.set_only_v6(families == Families::Ipv6)?;
    }
    socket.set_reuse_address(true)?;
    prepare(&socket)?;
    Ok(socket)
}

/// Sets the options of a TCP socket that listens, which accepted sockets inherit.
pub(super) fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // Messages leave without delay: the channel log batches them, so Nagle's algorithm must not.
    socket.set_tcp_nodelay(true)?;
    // Other systems have only the kernel's own bound on the send buffer.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    Ok(())
}

/// Opens sockets with queues of their own, on the address of the first: the kernel puts each
/// connection into one of the queues, by a hash of its addresses. SO_REUSEPORT is set on the first
/// only here, not before it was bound (see `listen`).
#[cfg(any(target_os = "android", target_os = "linux"))]
fn others(first: &TcpListener, families: Families, count: usize) -> io::Result<Vec<TcpListener>> {
    socket2::SockRef::from(first).set_reuse_port(true)?;
    let addr = first.local_addr()?;
    let other = || {
        let socket = open(addr, families)?;
        socket.set_reuse_port(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    (0..count).map(|_| other()).collect()
}

/// Returns handles of the first socket, which share its queue. This system has no SO_REUSEPORT, or
/// its SO_REUSEPORT does not spread connections (macOS, the BSDs).
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn others(first: &TcpListener, _: Families, count: usize) -> io::Result<Vec<TcpListener>> {
    (0..count).map(|_| first.try_clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn bind(addr: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
        super::bind(addr, Families::Both, count)
    }

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// Connects `peers` peers. Returns them, and the connections that each socket of the group
    /// accepts.
    fn connect(group: &[TcpListener], peers: usize) -> (Vec<TcpStream>, Vec<Vec<TcpStream>>) {
        let addr = group[0].local_addr().unwrap();
        let peers: Vec<TcpStream> = (0..peers).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let mut accepted: Vec<Vec<TcpStream>> = group.iter().map(|_| Vec::new()).collect();
        while accepted.iter().map(Vec::len).sum::<usize>() < peers.len() {
            for (listener, accepted) in group.iter().zip(&mut accepted) {
                match listener.accept() {
                    Ok((stream, _)) => accepted.push(stream),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
        (peers, accepted)
    }

    #[test]
    fn a_second_server_on_the_port_fails_however_many_sockets_either_has() {
        for (count, second_count) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
            let first = bind(loopback(), count).unwrap();
            let addr = first[0].local_addr().unwrap();
            for addr in [addr, SocketAddr::from(([0, 0, 0, 0], addr.port()))] {
                let error = bind(addr, second_count).unwrap_err();
                assert_eq!(
                    error.kind(),
                    io::ErrorKind::AddrInUse,
                    "{count}, {second_count}, {addr}"
                );
            }
        }
    }

    #[test]
    fn of_two_servers_that_start_at_the_same_moment_one_fails() {
        let addr = bind(loopback(), 1).unwrap()[0].local_addr().unwrap();
        // Neither socket listens yet, so the system allows both to bind the address.
        let bound = || {
            let socket = open(addr, Families::Both).unwrap();
            socket.bind(&addr.into()).unwrap();
            socket
        };
        let (one, other) = (bound(), bound());
        let group = listen(one, Families::Both, 2).unwrap();
        let second = listen(other, Families::Both, 2);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(group);
    }

    #[test]
    fn a_restart_gets_its_port_while_old_connections_are_in_time_wait() {
        for (count, count_then) in [(1, 1), (1, 3), (3, 1), (3, 3)] {
            let first = bind(loopback(), count).unwrap();
            let addr = first[0].local_addr().unwrap();
            let (peers, accepted) = connect(&first, 8);
            // The side that closes first keeps the TIME_WAIT state: here the server.
            drop(accepted);
            drop(peers);
            drop(first);
            assert_eq!(bind(addr, count_then).unwrap().len(), count_then);
        }
    }

    #[test]
    fn all_sockets_of_a_group_have_one_port() {
        let group = bind(loopback(), 3).unwrap();
        let addr = group[0].local_addr().unwrap();
        assert_ne!(addr.port(), 0);
        assert!(group.iter().all(|listener| listener.local_addr().unwrap() == addr));
        assert_eq!(group.len(), 3);
    }

    #[test]
    #[cfg(any(target_os = "android", target_os = "linux"))]
    fn connections_are_spread_over_all_sockets_of_a_group() {
        let group = bind(loopback(), 4).unwrap();
        let (_peers, accepted) = connect(&group, 256);
        // 64 each are expected; fewer than 16 happen in one of 10^14 runs.
        assert!(accepted.iter().all(|accepted| accepted.len() >= 16), "{accepted:?}");
    }

    #[test]
    #[cfg(any(target_os = "android", target_os = "linux"))]
    fn a_socket_alone_shares_its_port_with_nobody() {
        let shares =
            |listener: &TcpListener| socket2::SockRef::from(listener).reuse_port().unwrap();
        assert!(!bind(loopback(), 1).unwrap().iter().any(shares));
        assert!(bind(loopback(), 2).unwrap().iter().all(shares));
    }

    #[test]
    fn binds_ipv6() {
        let Ok(group) = bind("[::1]:0".parse().unwrap(), 2) else { return };
        assert!(group.iter().all(|listener| listener.local_addr().unwrap().is_ipv6()));
    }

    #[test]
    fn both_families_may_have_sockets_of_their_own_on_one_port() {
        let everywhere = |address: &str, port| SocketAddr::new(address.parse().unwrap(), port);
        let Ok(six) = super::bind(everywhere("::", 0), Families::Ipv6, 2) else { return };
        let port = six[0].local_addr().unwrap().port();
        let four = bind(everywhere("0.0.0.0", port), 2).unwrap();
        let (_peers, accepted) = connect(&four, 4);
        assert!(accepted.iter().flatten().all(|one| one.peer_addr().unwrap().is_ipv4()));
        // Without a socket of its own for IPv4, the IPv6 socket takes IPv4 connections too.
        drop((six, four));
        let both = bind(everywhere("::", 0), 2).unwrap();
        let port = both[0].local_addr().unwrap().port();
        assert!(TcpStream::connect(everywhere("127.0.0.1", port)).is_ok());
        assert!(TcpStream::connect(everywhere("::1", port)).is_ok());
    }

    #[test]
    #[cfg(any(target_os = "android", target_os = "linux"))]
    fn an_accepted_socket_inherits_the_options() {
        for count in [1, 3] {
            let (_peers, accepted) = connect(&bind(loopback(), count).unwrap(), 64);
            for accepted in accepted.iter().flatten() {
                let socket = socket2::SockRef::from(accepted);
                assert!(socket.tcp_nodelay().unwrap());
                assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
            }
        }
    }
}
