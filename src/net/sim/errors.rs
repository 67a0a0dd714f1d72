//! The errors with which faults make calls fail, grouped by their effect. Linux documents all of
//! them: accept(2), recv(2), send(2), tcp(7), and the ICMP errors of icmp(7) that become errors of
//! a socket.

/// Errors of an accept that leaves the connection in the queue: short of resources, forbidden by
/// the system, interrupted.
pub(super) const ACCEPT_NOTHING: [i32; 6] =
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EINTR];

/// Errors of an accept that takes the first connection of the queue and finds it lost: Linux
/// returns the error that is pending on that connection.
pub(super) const ACCEPT_ABORTED: &[i32] = &[
    libc::ECONNABORTED,
    libc::EPROTO,
    libc::ENETDOWN,
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    #[cfg(target_os = "linux")]
    libc::ENONET,
    libc::EHOSTUNREACH,
    libc::EOPNOTSUPP,
    libc::ENETUNREACH,
    libc::ETIMEDOUT,
];

/// Errors of a read or write that has transferred nothing: short of memory, or interrupted.
pub(super) const NOTHING_DONE: [i32; 3] = [libc::ENOBUFS, libc::ENOMEM, libc::EINTR];

/// Errors of a connection that our system gives up: the peer acknowledged nothing for too long. The
/// error is a timeout, or the last ICMP error received about the path to the peer.
pub(super) const LOST: &[i32] = &[
    libc::ETIMEDOUT,
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    libc::EHOSTDOWN,
    #[cfg(target_os = "linux")]
    libc::ENONET,
    libc::ECONNREFUSED,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::EPROTO,
];
