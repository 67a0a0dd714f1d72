//! The errors that calls fail with by fault, by what they leave behind. Linux documents all of
//! them: accept(2), recv(2), send(2), tcp(7), and the ICMP errors of icmp(7) that become those of a
//! socket.

/// An accept that leaves the queue as it was: short of something, forbidden by a rule of the
/// system, interrupted.
pub(super) const ACCEPT_NOTHING: [i32; 6] =
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EINTR];

/// An accept that takes the connection at the queue's head and finds it lost: Linux hands out the
/// error that is pending on it.
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

/// A read or write that has done nothing: short of memory, or interrupted.
pub(super) const NOTHING_DONE: [i32; 3] = [libc::ENOBUFS, libc::ENOMEM, libc::EINTR];

/// A connection that our system gives up: nothing was acknowledged for too long, and the last that
/// was heard of the way to the peer says why.
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
