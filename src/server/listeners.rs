//! Resolves an address such as `localhost:8080`, and opens the sockets that listen on it.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::net;

/// Listens on all addresses that, for example, `localhost:8080` resolves to. Returns one list for
/// each of `reactors` (at least one); all lists have one socket for each address, in one order.
///
/// A name may resolve to an address that this machine does not have: `localhost` is often `::1` too
/// although IPv6 is disabled. Such an address is skipped, unless there is no other. Any other
/// failure is returned.
pub(crate) fn listen(address: &str, reactors: usize) -> io::Result<Vec<Vec<TcpListener>>> {
    listen_on(address.to_socket_addrs()?, reactors)
}

fn listen_on(
    resolved: impl Iterator<Item = SocketAddr>,
    reactors: usize,
) -> io::Result<Vec<Vec<TcpListener>>> {
    let mut listeners: Vec<Vec<TcpListener>> = (0..reactors).map(|_| Vec::new()).collect();
    let mut is_listening = false;
    let mut unavailable = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolved {
        match net::bind(address, reactors) {
            Ok(group) => {
                is_listening = true;
                for (listeners, listener) in listeners.iter_mut().zip(group) {
                    listeners.push(listener);
                }
            }
            Err(error) if is_unavailable(&error) => unavailable = error,
            Err(error) => return Err(error),
        }
    }
    if is_listening { Ok(listeners) } else { Err(unavailable) }
}

/// Returns true if the machine does not have the address, or does not support its address family.
fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:0";
    // An address for documentation (RFC 5737): no machine has it.
    const NOWHERE: &str = "192.0.2.1:0";

    /// Listens with one reactor. Returns on how many of the addresses it does.
    fn listen_on_all(addresses: &[&str]) -> io::Result<usize> {
        listen_on(addresses.iter().map(|address| address.parse().unwrap()), 1)
            .map(|listeners| listeners[0].len())
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
        let taken = listen(HERE, 1).unwrap()[0][0].local_addr().unwrap().to_string();
        let first = listen(&taken, 1).unwrap();
        assert_eq!(listen_on_all(&[HERE, &taken]).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
    }

    #[test]
    fn each_reactor_has_a_socket_for_each_address() {
        let resolved = [HERE, NOWHERE, HERE].map(|address| address.parse().unwrap());
        let listeners = listen_on(resolved.into_iter(), 3).unwrap();
        let addresses = |listeners: &Vec<TcpListener>| -> Vec<SocketAddr> {
            listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
        };
        let addresses: Vec<Vec<SocketAddr>> = listeners.iter().map(addresses).collect();
        assert_eq!((addresses.len(), addresses[0].len()), (3, 2));
        assert!(addresses.iter().all(|one| *one == addresses[0]), "{addresses:?}");
    }
}
