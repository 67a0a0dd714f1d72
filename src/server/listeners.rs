//! From an address as people write it to the sockets that listen on it.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::net;

/// Listens on all that an address such as `localhost:8080` stands for.
///
/// A name may resolve to an address that this machine does not have: `localhost` is often `::1` too where IPv6 is
/// switched off. Such a one is passed over, unless there is no other. Any other failure fails the whole.
pub(crate) fn listen(address: &str) -> io::Result<Vec<TcpListener>> {
    listen_on(address.to_socket_addrs()?)
}

fn listen_on(resolved: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut unavailable = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolved {
        match net::bind(address, 1) {
            Ok(group) => listeners.extend(group),
            Err(error) if is_unavailable(&error) => unavailable = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(unavailable) } else { Ok(listeners) }
}

/// Whether the machine does not have the address, or not even its family.
fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:0";
    // For documentation only (RFC 5737): no machine has it.
    const NOWHERE: &str = "192.0.2.1:0";

    fn listen_on_all(addresses: &[&str]) -> io::Result<usize> {
        listen_on(addresses.iter().map(|address| address.parse().unwrap())).map(|listeners| listeners.len())
    }

    #[test]
    fn an_address_that_the_machine_does_not_have_is_passed_over_if_there_is_another() {
        assert_eq!(listen_on_all(&[NOWHERE, HERE]).unwrap(), 1);
        assert_eq!(listen_on_all(&[HERE, NOWHERE, HERE]).unwrap(), 2);
        for none in [&[NOWHERE, NOWHERE][..], &[]] {
            assert_eq!(listen_on_all(none).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        }
    }

    #[test]
    fn a_family_that_the_machine_does_not_have_counts_as_unavailable() {
        assert!(is_unavailable(&io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
    }

    #[test]
    fn an_address_in_use_is_never_passed_over() {
        let taken = listen(HERE).unwrap()[0].local_addr().unwrap().to_string();
        let first = listen(&taken).unwrap();
        assert_eq!(listen_on_all(&[HERE, &taken]).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
    }
}
