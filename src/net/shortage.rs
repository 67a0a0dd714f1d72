//! Errors of a system call which mean that the machine is short of file descriptors or memory, and
//! not that the socket is lost.

use std::io;

/// Returns true if a call failed because file descriptors (`EMFILE`, `ENFILE`) or memory
/// (`ENOBUFS`, `ENOMEM`) are short. The socket is intact, but no readiness event will follow: the
/// caller must try again by a timer.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_shortage_from_a_lost_socket() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert!(is_shortage(&io::Error::from_raw_os_error(errno)));
        }
        for errno in [libc::EAGAIN, libc::ECONNABORTED, libc::ECONNRESET, libc::EPIPE] {
            assert!(!is_shortage(&io::Error::from_raw_os_error(errno)));
        }
        assert!(!is_shortage(&io::Error::other("not of the kernel")));
    }
}
